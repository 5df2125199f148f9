import Infrastructure

extension ClusterSnapshot {
    /// Types looked at for each node.
    static let alternativesPerNode = 20
    /// Types looked at for a cluster: their prices are part of its snapshot.
    static let alternativesMax = 120

    /// The types that could take what a node carries, the cheapest of them for each node: those whose prices a decision
    /// to replace nodes hangs on. Sorted.
    public func alternativeTypes() -> [String] {
        var carried: [String: Resources] = [:]
        for pod in objects.pods where !pod.isFinished {
            guard let node = pod.nodeName else { continue }
            carried[node] = (carried[node] ?? Resources()) + pod.requests.shape
        }
        var found: Set<String> = []
        for node in objects.nodes.sorted(by: { $0.name < $1.name }) {
            let requirement = ReplacementRequirement(
                moving: carried[node.name] ?? Resources(), daemons: Resources(),
                architecture: node.architecture ?? "amd64", zone: nil)
            let cheapest = ReplacementPlan.candidates(
                for: requirement, families: cluster.families,
                takesBurstable: node.instanceType.map(InstanceType.isBurstable) ?? false
            ).prefix(ClusterSnapshot.alternativesPerNode)
            guard found.union(cheapest).count <= ClusterSnapshot.alternativesMax else { continue }
            found.formUnion(cheapest)
        }
        return found.sorted()
    }
}
