import Foundation

/// What an outsider would have noted about each node: when it was cordoned, when it was empty, what died on it.
extension ClusterState {
    func instanceID(ofNode node: String) -> String { nodes[node]?.instanceID ?? "" }

    /// The name of the node that an instance is, or was.
    func nodeName(ofInstance id: String) -> String? { records[id]?.node }

    func observeNode(_ node: String, previous: JSONValue?, value: JSONValue?) {
        let id = (value ?? previous).flatMap { NodeFacts(name: node, node: $0).instanceID } ?? ""
        guard records[id] != nil else { return }
        guard let value else {
            records[id]?.removedAt = now
            return
        }
        let was = previous?["spec"]["unschedulable"].bool ?? false
        let isCordoned = value["spec"]["unschedulable"].bool ?? false
        if isCordoned, !was {
            records[id]?.cordonedAt = now
            records[id]?.cordonedBy = currentActor
            observeDrain(node)
        } else if was, !isCordoned {
            records[id]?.uncordonedAt = now
            records[id]?.cordonedAt = nil
            records[id]?.drainedAt = nil
        }
    }

    /// A cordoned node is drained when nothing that a drain must move is left on it.
    func observeDrain(_ node: String) {
        let id = instanceID(ofNode: node)
        guard let record = records[id], record.cordonedAt != nil, record.terminatedAt == nil else { return }
        let isEmpty = !(podsByNode[node] ?? []).contains { pods[$0]?.isEvictable == true }
        if isEmpty, record.drainedAt == nil { records[id]?.drainedAt = now }
        if !isEmpty, record.drainedAt != nil { records[id]?.drainedAt = nil }
    }

    func record(_ instance: LaunchedInstance, node: String, owner: String) {
        if records[instance.id] == nil { recordOrder.append(instance.id) }
        records[instance.id] = NodeRecord(
            cluster: name, node: node, instanceID: instance.id, instanceType: instance.type, zone: instance.zone,
            isSpot: instance.isSpot, owner: owner, clientToken: instance.clientToken, joinedAt: now)
    }
}
