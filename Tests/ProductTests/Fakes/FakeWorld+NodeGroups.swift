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

    func readNodeGroup(_ reference: NodeGroupReference) -> NodeGroup? {
        groupReads += 1
        if let change = groupChanges.removeValue(forKey: groupReads), var group = nodeGroups[reference] {
            change(&group)
            nodeGroups[reference] = group
            fill(reference)
        }
        return nodeGroups[reference]
    }

    /// As many nodes as are wanted: the first stay, the others are new ones.
    func fill(_ reference: NodeGroupReference) {
        guard var group = nodeGroups[reference] else { return }
        let prefix = "\(reference.name)-"
        for node in nodes.values where node.name.hasPrefix(prefix) {
            if Int(node.name.dropFirst(prefix.count)).map({ $0 >= group.desired }) ?? true { nodes[node.name] = nil }
        }
        group.instances = []
        for index in 0..<group.desired {
            let name = "\(prefix)\(index)"
            if let known = nodes[name] {
                if reference.owner == .autoScaling, let id = known.instance { group.instances.append(id) }
                continue
            }
            nodesMade[name, default: 0] += 1
            let made = nodesMade[name] == 1 ? "" : "x\(nodesMade[name] ?? 0)"
            let id = InstanceID(rawValue: "i-\(reference.name)\(index)\(made)")
            var node = Node(
                name: name, uid: "uid-\(name)\(made)", resourceVersion: "1", instance: id,
                labels: ["node.kubernetes.io/instance-type": "m5.large"])
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
