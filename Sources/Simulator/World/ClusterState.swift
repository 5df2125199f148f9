import Foundation

/// One cluster: its objects, the indexes over them and the records of an observer. Owned by `World`, never shared.
final class ClusterState {
    let name: String
    let plan: SimulatedCluster
    let timeline: Timeline
    var random: SeededRandom
    var tables: [String: ObjectTable] = [:]
    private(set) var version = 1000

    // Indexes, kept by `put` and `remove`.
    private(set) var pods: [ObjectKey: PodFacts] = [:]
    private(set) var podsByNode: [String: Set<ObjectKey>] = [:]
    private(set) var podsByNamespace: [String: Set<ObjectKey>] = [:]
    private(set) var podsByOwner: [String: Set<ObjectKey>] = [:]
    private(set) var nodes: [String: NodeFacts] = [:]
    private(set) var requested: [String: ResourceAmounts] = [:]
    var budgets: [ObjectKey: BudgetState] = [:]
    var budgetIndex = SelectorIndex()
    private(set) var serviceIndex = SelectorIndex()

    // Work of the controllers.
    var unscheduled: Set<ObjectKey> = []
    var schedulingIsDue = false
    var ownersToReconcile: Set<OwnerReference> = []
    var budgetsToUpdate: Set<ObjectKey> = []
    var servicesToUpdate: Set<ObjectKey> = []

    /// Replica sets of each deployment.
    var replicaSetsByDeployment: [ObjectKey: Set<ObjectKey>] = [:]
    var templateHashes: [ObjectKey: (generation: Int, hash: String)] = [:]
    /// The requests that a workload's usage is measured by, and the memory that some of them need.
    var usageMeasures: [String: ResourceAmounts] = [:]
    var memoryNeeds: [ObjectKey: MemoryNeed] = [:]
    var watchCount = 0
    /// Who sent the request that is being carried out.
    var currentActor = "system:simulator"

    // The observer's notes.
    var records: [String: NodeRecord] = [:]
    var recordOrder: [String] = []
    var violations: [BudgetViolation] = []

    init(plan: SimulatedCluster, seed: UInt64, timeline: Timeline) {
        name = plan.name
        self.plan = plan
        self.timeline = timeline
        random = SeededRandom(seed: seed, for: "cluster/" + plan.name)
        for kind in ResourceKind.all where !kind.isComputed { tables[kind.id] = ObjectTable() }
    }

    var now: Date { timeline.now }
    var timestamp: JSONValue { .string(Timestamp.seconds(now)) }

    func object(_ kind: ResourceKind, _ key: ObjectKey) -> StoredObject? { tables[kind.id]?.objects[key] }

    func objects(_ kind: ResourceKind) -> [ObjectKey: StoredObject] { tables[kind.id]?.objects ?? [:] }

    /// Writes an object, new or changed, under the next resource version.
    @discardableResult
    func put(_ kind: ResourceKind, _ key: ObjectKey, _ value: JSONValue) -> StoredObject {
        version += 1
        var value = value
        value["metadata"]["resourceVersion"] = .string(String(version))
        let stored = StoredObject(value: value, version: version)
        let previous = tables[kind.id]?.objects[key]?.value
        tables[kind.id]?.put(key, stored)
        index(kind, key, previous: previous, value: value)
        return stored
    }

    /// Creates an object with the metadata that the server fills in.
    @discardableResult
    func create(_ kind: ResourceKind, _ value: JSONValue) -> StoredObject {
        var value = value
        value["apiVersion"] = .string(kind.groupVersion)
        value["kind"] = .string(kind.kind)
        let key = ObjectKey(
            namespace: kind.isNamespaced ? value["metadata"]["namespace"].string ?? "default" : "",
            name: value["metadata"]["name"].string ?? "")
        if kind.isNamespaced { value["metadata"]["namespace"] = .string(key.namespace) }
        value["metadata"]["uid"] = .string(random.uuid())
        value["metadata"]["creationTimestamp"] = timestamp
        if value["spec"] != .null, kind.id != "nodes", kind.id != "namespaces" { value["metadata"]["generation"] = 1 }
        return put(kind, key, value)
    }

    /// Changes an object; nothing is written when nothing changed.
    @discardableResult
    func update(_ kind: ResourceKind, _ key: ObjectKey, _ change: (inout JSONValue) -> Void) -> StoredObject? {
        guard let stored = object(kind, key) else { return nil }
        var value = stored.value
        change(&value)
        guard value != stored.value else { return stored }
        if value["spec"] != stored.value["spec"], let generation = value["metadata"]["generation"].int {
            value["metadata"]["generation"] = .integer(generation + 1)
        }
        return put(kind, key, value)
    }

    func remove(_ kind: ResourceKind, _ key: ObjectKey) {
        guard let stored = object(kind, key) else { return }
        version += 1
        var last = stored.value
        last["metadata"]["resourceVersion"] = .string(String(version))
        tables[kind.id]?.remove(key, last: StoredObject(value: last, version: version))
        index(kind, key, previous: stored.value, value: nil)
    }

    private func index(_ kind: ResourceKind, _ key: ObjectKey, previous: JSONValue?, value: JSONValue?) {
        switch kind.id {
        case "pods": indexPod(key, value)
        case "nodes":
            let facts = value.map { NodeFacts(name: key.name, node: $0) }
            nodes[key.name] = facts
            schedulingIsDue = true
            observeNode(key.name, previous: previous, value: value)
            if previous == nil || value == nil { reconcileDaemonSets() }
        case "policy/poddisruptionbudgets":
            if previous?["spec"] != value?["spec"] || previous?["metadata"]["labels"] != value?["metadata"]["labels"] {
                indexBudget(key, value)
            }
        case "apps/deployments", "apps/replicasets", "apps/statefulsets", "apps/daemonsets":
            if kind.id == "apps/replicasets" { indexReplicaSet(key, (value ?? previous), isGone: value == nil) }
            if previous?["spec"] != value?["spec"] {
                ownersToReconcile.insert(OwnerReference(kind: kind.kind, namespace: key.namespace, name: key.name))
            }
        case "services":
            if previous?["spec"] != value?["spec"] {
                let labels = value?["spec"]["selector"].strings ?? [:]
                serviceIndex.set(
                    key, selector: labels.isEmpty ? nil : LabelSelector(["matchLabels": JSONValue(strings: labels)]),
                    pods: labelledPods(of: key.namespace))
                servicesToUpdate.insert(key)
            }
        default: break
        }
    }

    private func reconcileDaemonSets() {
        for key in objects(.daemonSets).keys {
            ownersToReconcile.insert(OwnerReference(kind: "DaemonSet", namespace: key.namespace, name: key.name))
        }
    }

    private func indexReplicaSet(_ key: ObjectKey, _ value: JSONValue?, isGone: Bool) {
        guard let owner = value?["metadata"]["ownerReferences"].array.first(where: { $0["kind"] == "Deployment" })
        else {
            return
        }
        let deployment = ObjectKey(namespace: key.namespace, name: owner["name"].string ?? "")
        if isGone {
            replicaSetsByDeployment[deployment]?.remove(key)
        } else {
            replicaSetsByDeployment[deployment, default: []].insert(key)
        }
    }

    private func indexPod(_ key: ObjectKey, _ value: JSONValue?) {
        let old = pods[key]
        let new = value.map { PodFacts(key: key, pod: $0) }
        pods[key] = new
        let oldUse = old.flatMap { $0.isDone ? nil : $0.node }
        let newUse = new.flatMap { $0.isDone ? nil : $0.node }
        if oldUse != newUse || old?.requests != new?.requests {
            if let node = oldUse, let old { requested[node] = (requested[node] ?? ResourceAmounts()) - old.requests }
            if let node = newUse, let new { requested[node] = (requested[node] ?? ResourceAmounts()) + new.requests }
        }
        if old?.node != new?.node {
            if let node = old?.node { podsByNode[node]?.remove(key) }
            if let node = new?.node { podsByNode[node, default: []].insert(key) }
        }
        if new == nil {
            podsByNamespace[key.namespace]?.remove(key)
        } else {
            podsByNamespace[key.namespace, default: []].insert(key)
        }
        if old?.owner?.uid != new?.owner?.uid {
            if let uid = old?.owner?.uid { podsByOwner[uid]?.remove(key) }
            if let uid = new?.owner?.uid { podsByOwner[uid, default: []].insert(key) }
        }
        if let new, new.node == nil, !new.isTerminating, !new.isDone {
            unscheduled.insert(key)
            schedulingIsDue = true
        } else {
            unscheduled.remove(key)
        }
        if new == nil { schedulingIsDue = true }
        if let owner = (new ?? old)?.owner {
            ownersToReconcile.insert(OwnerReference(kind: owner.kind, namespace: key.namespace, name: owner.name))
        }
        if old?.labels != new?.labels {
            servicesToUpdate.formUnion(serviceIndex.podChanged(key, labels: new?.labels))
        } else if old?.isReady != new?.isReady || old?.isTerminating != new?.isTerminating {
            servicesToUpdate.formUnion(serviceIndex.objects(selecting: key))
        }
        indexPodInBudgets(key, old: old, new: new)
        for node in Set([old?.node, new?.node].compactMap { $0 }) { observeDrain(node) }
    }
}

/// A controller's object by kind and name.
struct OwnerReference: Hashable, Comparable, Sendable {
    var kind: String
    var namespace: String
    var name: String

    static func < (left: OwnerReference, right: OwnerReference) -> Bool {
        (left.kind, left.namespace, left.name) < (right.kind, right.namespace, right.name)
    }
}
