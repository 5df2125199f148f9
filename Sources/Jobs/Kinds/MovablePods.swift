import Infrastructure

/// Which pods of a node have to leave before it goes (domain-rules section 3). Pure.
enum MovablePods {
    /// Leaves out static pods (only their kubelet ends them), daemon pods (they would be put back at once), pods that
    /// have ended, and pods that tolerate our taint.
    static func of(_ pods: [Pod], taint: Taint) -> [Pod] {
        pods.filter { pod in
            !pod.isMirror && !pod.isDaemon && !pod.isFinished && !pod.tolerations.contains { $0.tolerates(taint) }
        }
    }

    /// What a replacement of the node must carry.
    static func requirement(of pods: [Pod], node: Node) -> ReplacementRequirement {
        let taint = NodeMark.taint(DrainNode.taintValue)
        let moving = of(pods, taint: taint)
        let staying = pods.filter { ($0.isDaemon || $0.isMirror) && !$0.isFinished }
        return ReplacementRequirement(
            moving: moving.map(\.requests.shape).reduce(Resources(), +),
            daemons: staying.map(\.requests.shape).reduce(Resources(), +),
            architecture: node.architecture ?? "amd64",
            zone: moving.contains(where: \.usesVolumeClaim) ? node.zone : nil,
            own: node.instanceType.map { .init(type: $0, allocatable: node.allocatable.shape) })
    }
}
