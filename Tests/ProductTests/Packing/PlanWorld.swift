import Foundation
import Infrastructure
import JobQueue
import Optimizer

@testable import Jobs

/// A cluster that answers a plan's actions: budgets are kept by its API server, evicted pods come up elsewhere after a
/// while, instances end, launches join. Time passes only between rounds.
struct PlanWorld {
    static let start = Date(timeIntervalSince1970: 1_800_000_000)
    static let lists: [ListReading] = PackingPlanner.lists.sorted().map { ListReading($0, .complete, readAt: start) }

    var snapshot: ClusterSnapshot
    var now = start
    var plans: [NodePlan] = []
    var facts: [Fact] = []
    /// What was done, in order; a key that was done is not done again.
    private(set) var calls: [String] = []
    private var done: [String: ActionReport] = [:]
    private var readyAt: [String: Date] = [:]
    private var joinsAt: [String: Date] = [:]
    private var born = 0
    /// Whether launches find capacity.
    var hasCapacity = true
    /// How long a pod takes to become Ready, seconds.
    var startSeconds = 20.0
    /// The fewest Ready pods of each application that were ever seen, and the most pods that were pending.
    private(set) var fewest: [String: Int] = [:]
    private(set) var pendingMost = 0

    init(_ nodes: [(name: String, type: String)], pods: [(app: String, node: String, cpu: Int64)]) {
        var objects = ClusterObjects()
        objects.readings = PlanWorld.lists
        objects.nodes = nodes.enumerated().map { PlanWorld.node($1.name, $1.type, index: $0) }
        var instances: [Instance] = []
        for (node, item) in zip(objects.nodes, nodes) {
            guard let id = node.instance else { continue }
            instances.append(
                Instance(
                    id: id, state: .running, type: item.type, zone: "us-east-1a", subnet: "subnet-a",
                    capacity: .onDemand, tags: [NodeOwner.poolTag: "default"]))
        }
        let registration = Scene.registration()
        snapshot = ClusterSnapshot(
            cluster: SnapshotSubject(registration), capturedAt: PlanWorld.start, objects: objects, instances: instances)
        for (index, pod) in pods.enumerated() { add(pod.app, "\(pod.app)-\(index)", on: pod.node, cpu: pod.cpu) }
    }

    static func node(_ name: String, _ type: String, index: Int) -> Node {
        let room = InstanceCatalogue.shipped.type(named: type)?.allocatable ?? Resources()
        return Node(
            name: name, uid: "uid-\(name)", resourceVersion: "1",
            instance: InstanceID(rawValue: "i-\(String(0x1000_0000 + index, radix: 16))"),
            labels: [
                "kubernetes.io/hostname": name, "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": "us-east-1a", "node.kubernetes.io/instance-type": type,
            ], allocatable: room, createdAt: start - 86_400)
    }

    private mutating func add(_ app: String, _ name: String, on node: String?, cpu: Int64) {
        var pod = Pod(
            namespace: "web", name: name, uid: "u-\(name)", nodeName: node, phase: node == nil ? .pending : .running,
            isReady: node != nil, ownerKind: "ReplicaSet", ownerUID: "rs-\(app)",
            requests: Resources(cpu: MilliCPU(rawValue: cpu), memory: .mebibytes(512), pods: 1), labels: ["app": app])
        pod.createdAt = born == 0 ? PlanWorld.start - 3600 : now
        snapshot.objects.pods.append(pod)
    }

    /// A budget that keeps so many pods of an application.
    mutating func protect(_ app: String, atLeast count: Int) {
        snapshot.objects.budgets.append(
            PodDisruptionBudget(
                namespace: "web", name: "budget-\(app)", disruptionsAllowed: 0,
                selector: LabelSelector(matchLabels: ["app": app]), minAvailable: .count(count)))
        settle()
    }

    // MARK: Time

    mutating func advance(_ milliseconds: Int64) {
        now += Double(max(milliseconds, 100)) / 1000
        settle()
    }

    private mutating func settle() {
        snapshot.capturedAt = now
        for index in snapshot.objects.pods.indices {
            if let at = readyAt[snapshot.objects.pods[index].uid], at <= now {
                snapshot.objects.pods[index].isReady = true
            }
            if snapshot.objects.pods[index].nodeName == nil, let node = place(snapshot.objects.pods[index]) {
                snapshot.objects.pods[index].nodeName = node
                snapshot.objects.pods[index].phase = .running
                readyAt[snapshot.objects.pods[index].uid] = now + startSeconds
            }
        }
        for index in snapshot.objects.nodes.indices {
            if let at = joinsAt[snapshot.objects.nodes[index].name] {
                snapshot.objects.nodes[index].isReady = at <= now
            }
        }
        let ended = Set((snapshot.instances ?? []).filter { $0.state == .terminated }.map(\.id))
        snapshot.objects.nodes.removeAll { $0.instance.map(ended.contains) ?? false }
        for index in snapshot.objects.budgets.indices {
            let budget = snapshot.objects.budgets[index]
            guard case .count(let least)? = budget.minAvailable else { continue }
            snapshot.objects.budgets[index].disruptionsAllowed = max(0, healthy(budget) - least)
        }
        for app in Set(snapshot.objects.pods.compactMap { $0.labels["app"] }) {
            let ready = snapshot.objects.pods.count { $0.labels["app"] == app && $0.isReady }
            fewest[app] = min(fewest[app] ?? ready, ready)
        }
        pendingMost = max(pendingMost, snapshot.objects.pods.count { $0.nodeName == nil })
    }

    private func healthy(_ budget: PodDisruptionBudget) -> Int {
        snapshot.objects.pods.count { budget.covers($0) && $0.isReady }
    }

    private func place(_ pod: Pod) -> String? {
        snapshot.objects.nodes.first { node in
            guard node.isReady, !node.isUnschedulable else { return false }
            let used = snapshot.objects.pods.filter { $0.nodeName == node.name }.map(\.requests).reduce(Resources(), +)
            return (used + pod.requests).fits(in: node.allocatable)
        }?.name
    }

    // MARK: Actions

    mutating func carryOut(_ decision: Decision) -> [ActionReport] {
        let reports = decision.actions.map { action -> ActionReport in
            if let known = done[action.key] { return known }
            let report = carryOut(action)
            if report.isDone {
                done[action.key] = report
                calls.append("\(action.verb.name) \(action.key)")
            }
            return report
        }
        settle()
        return reports
    }

    mutating func commit(_ decision: Decision) {
        facts += decision.facts
        for case .nodePlan(let plan) in decision.facts {
            if let index = plans.firstIndex(where: { $0.number == plan.number }) {
                if plans[index].closedAt == nil { plans[index] = plan }
            } else {
                plans.append(plan)
            }
        }
    }

    private mutating func carryOut(_ action: Action) -> ActionReport {
        switch action.verb {
        case .cordon(let node, let value):
            patch(node, action.key) { NodeMark.mark($0, by: action.key, taintValue: value) }
        case .uncordon(let node): patch(node, action.key) { NodeMark.unmark($0) }
        case .evict(let pod, _): evict(pod, action.key)
        case .terminate(let ids): end(ids, action.key)
        case .createFleet(let request): launch(request, action.key)
        case .deleteNode: ActionReport(key: action.key, .done)
        default: ActionReport(key: action.key, .refused, code: "Unexpected", message: action.verb.name)
        }
    }

    private mutating func patch(
        _ reference: NodeReference, _ key: String, _ change: (Node) -> NodePatch?
    ) -> ActionReport {
        guard let index = snapshot.objects.nodes.firstIndex(where: { $0.uid == reference.uid }) else {
            return ActionReport(key: key, .gone)
        }
        if let patch = change(snapshot.objects.nodes[index]) {
            if let value = patch.isUnschedulable { snapshot.objects.nodes[index].isUnschedulable = value }
            if let taints = patch.taints { snapshot.objects.nodes[index].taints = taints }
            for (name, value) in patch.labels { snapshot.objects.nodes[index].labels[name] = value }
            for (name, value) in patch.annotations { snapshot.objects.nodes[index].annotations[name] = value }
        }
        return ActionReport(key: key, .done)
    }

    private mutating func evict(_ reference: PodReference, _ key: String) -> ActionReport {
        guard let index = snapshot.objects.pods.firstIndex(where: { $0.uid == reference.uid }) else {
            return ActionReport(key: key, .gone)
        }
        let pod = snapshot.objects.pods[index]
        for budget in snapshot.objects.budgets where budget.covers(pod) {
            guard case .count(let least)? = budget.minAvailable, healthy(budget) > least else {
                return ActionReport(key: key, .blocked, code: "DisruptionBudget", message: "not now")
            }
        }
        snapshot.objects.pods.remove(at: index)
        born += 1
        let app = pod.labels["app"] ?? ""
        add(app, "\(app)-new-\(born)", on: nil, cpu: pod.requests.cpu.rawValue)
        return ActionReport(key: key, .done)
    }

    private mutating func end(_ ids: [InstanceID], _ key: String) -> ActionReport {
        for index in (snapshot.instances ?? []).indices where ids.contains(snapshot.instances?[index].id ?? "") {
            snapshot.instances?[index].state = .terminated
        }
        return ActionReport(key: key, .done)
    }

    private mutating func launch(_ request: FleetRequest, _ key: String) -> ActionReport {
        let pool = request.overrides[0]
        guard hasCapacity else {
            let failures = request.overrides.map {
                FleetAnswer.Failure(
                    code: "InsufficientInstanceCapacity", message: "none", type: $0.type, zone: $0.zone)
            }
            return ActionReport(key: key, .done, fleet: FleetAnswer(launched: [], failures: failures))
        }
        var node = PlanWorld.node("new-node", pool.type, index: 900)
        node.isReady = false
        node.createdAt = now
        joinsAt[node.name] = now + 45
        snapshot.objects.nodes.append(node)
        let id = node.instance ?? ""
        snapshot.instances?.append(
            Instance(
                id: id, state: .running, type: pool.type, zone: pool.zone, capacity: request.capacity,
                tags: request.tags))
        return ActionReport(
            key: key, .done, fleet: FleetAnswer(launched: [.init(id: id, type: pool.type, zone: pool.zone)]))
    }
}
