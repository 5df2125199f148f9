import Foundation
import Infrastructure

/// What every job relies on when it holds a `Cluster`: asked of the real client over the simulator, and of the fakes that
/// jobs are tested with. Each part answers with what does not hold.
package struct ClusterContract: Sendable {
    private let cluster: any Cluster
    private let passTime: @Sendable () async throws -> Void

    /// - Parameter passTime: lets a little time of that cluster pass, so that pods that were evicted end.
    package init(_ cluster: any Cluster, passTime: @escaping @Sendable () async throws -> Void) {
        self.cluster = cluster
        self.passTime = passTime
    }

    /// Nodes and pods are listed whole, one is found by name, and an unknown one is nil.
    package func reads() async throws -> [String] {
        var problems: [String] = []
        let nodes = try await cluster.nodes()
        guard let first = nodes.first else { return ["no node to look at"] }
        if try await cluster.node(named: first.name)?.uid != first.uid {
            problems.append("a node is not found by name")
        }
        if try await cluster.node(named: "ip-0-0-0-0.ec2.internal") != nil {
            problems.append("an unknown node is found")
        }
        let pods = try await cluster.pods()
        if pods.isEmpty { problems.append("no pod to look at") }
        let here = try await cluster.pods(onNode: first.name)
        if Set(here.map(\.uid)) != Set(pods.filter { $0.nodeName == first.name }.map(\.uid)) {
            problems.append("the pods of a node are not those that name it")
        }
        return problems
    }

    /// A node patch holds under its resource version, and a stale one is a conflict.
    package func patches() async throws -> [String] {
        var problems: [String] = []
        guard let node = try await cluster.nodes().first else { return ["no node to patch"] }
        let patch = NodePatch(
            node: NodeReference(name: node.name, uid: node.uid), resourceVersion: node.resourceVersion,
            isUnschedulable: true, annotations: ["cloudoptim.io/by": "contract"])
        let after = try await cluster.patch(patch)
        if !after.isUnschedulable { problems.append("the node is not cordoned") }
        if after.annotations["cloudoptim.io/by"] != "contract" { problems.append("the annotation is missing") }
        if after.resourceVersion == node.resourceVersion { problems.append("the resource version stays the same") }
        problems += await refusal(.conflict, of: "a stale patch") { _ = try await cluster.patch(patch) }
        return problems
    }

    /// An eviction is obeyed, is gone when repeated, and never meets another pod of the same name; so is a deletion.
    package func evictions() async throws -> [String] {
        var problems: [String] = []
        let budgets = try await cluster.budgets()
        let pod = try await cluster.pods().first { pod in
            pod.ownerKind == "ReplicaSet" && pod.isReady
                && !budgets.contains { $0.namespace == pod.namespace && $0.disruptionsAllowed < 1 }
        }
        guard let pod else { return ["no pod to evict"] }
        let stranger = PodReference(namespace: pod.namespace, name: pod.name, uid: UUID().uuidString.lowercased())
        if try await cluster.evict(stranger, graceSeconds: nil) != .gone { problems.append("a stranger is evicted") }
        if try await cluster.delete(stranger, graceSeconds: 1) != .gone { problems.append("a stranger is deleted") }
        if try await cluster.evict(pod.reference, graceSeconds: 1) != .evicted { problems.append("not evicted") }
        try await eventually("the evicted pod is gone", within: .seconds(20)) {
            try await passTime()
            return try await cluster.evict(pod.reference, graceSeconds: 1) == .gone
        }
        if try await cluster.delete(pod.reference, graceSeconds: 1) != .gone { problems.append("deleted though gone") }
        if try await cluster.pods().contains(where: { $0.uid == pod.uid }) { problems.append("listed though gone") }
        return problems
    }

    private func refusal(_ code: FarSideError.Code, of what: String, _ body: () async throws -> Void) async -> [String]
    {
        do {
            try await body()
            return ["\(what) is accepted"]
        } catch {
            let found = (error as? FarSideError)?.code
            return found == code ? [] : ["\(what): found \(error), wanted \(code)"]
        }
    }
}
