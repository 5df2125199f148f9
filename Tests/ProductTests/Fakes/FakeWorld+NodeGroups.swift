import Infrastructure

/// Groups of nodes, whose nodes come and go at once.
extension FakeWorld {
    func resize(_ reference: NodeGroupReference, minSize: Int, desired: Int) throws {
        guard var group = nodeGroups[reference] else { throw FarSideError(.notFound, "no such group") }
        guard !group.isChanging else { throw FarSideError(.conflict, farCode: "ResourceInUseException", "updating") }
        guard minSize <= desired, desired <= group.maxSize else {
            throw FarSideError(.refused, farCode: "ValidationError", "\(minSize) <= \(desired) <= \(group.maxSize)?")
        }
        note("resize \(reference) \(group.minSize)/\(group.desired) -> \(minSize)/\(desired)")
        group.minSize = minSize
        group.desired = desired
        nodeGroups[reference] = group
        fill(reference)
    }

    func mark(_ reference: NodeGroupReference, _ value: String?) throws {
        guard nodeGroups[reference] != nil else { throw FarSideError(.notFound, "no such group") }
        note("mark \(reference) \(value ?? "-")")
        nodeGroups[reference]?.tags[SleepMark.annotation] = value
    }

    /// As many nodes as are wanted: the first stay.
    func fill(_ reference: NodeGroupReference) {
        guard var group = nodeGroups[reference] else { return }
        for node in nodes.values where node.name.hasPrefix("\(reference.name)-") { nodes[node.name] = nil }
        group.instances = []
        for index in 0..<group.desired {
            let id = InstanceID(rawValue: "i-\(reference.name)\(index)")
            var node = Node(
                name: "\(reference.name)-\(index)", uid: "uid-\(reference.name)-\(index)", resourceVersion: "1",
                instance: id, labels: ["node.kubernetes.io/instance-type": "m5.large"])
            if reference.owner == .managed {
                node.labels["eks.amazonaws.com/nodegroup"] = reference.name
            } else {
                group.instances.append(id)
            }
            nodes[node.name] = node
        }
        nodeGroups[reference] = group
    }
}
