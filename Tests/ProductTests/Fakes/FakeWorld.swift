import Foundation
import Infrastructure
import JobQueue

/// A small world for jobs to act on: one cluster, one account, one queue, and a clock that only waits move.
actor FakeWorld {
    var now = Date(timeIntervalSince1970: 1_800_000_000)
    var nodes: [String: Node] = [:]
    var pods: [String: Pod] = [:]
    var instances: [InstanceID: Instance] = [:]
    /// What the queue holds: what was received and not deleted comes again when its visibility timeout is over.
    var messages: [QueueMessage] = []
    private var hiddenUntil: [String: Date] = [:]
    var deleted: [String] = []
    var events: [ClusterEvent] = []
    /// What was done, in order: `evict web-1`.
    private(set) var calls: [String] = []
    /// When each call came, in seconds after the start.
    private(set) var callTimes: [String: Double] = [:]
    private let start = Date(timeIntervalSince1970: 1_800_000_000)
    /// Pods whose budget says no.
    var blocked: Set<String> = []
    /// Pods whose eviction is forbidden.
    var forbidden: Set<String> = []
    /// What launches answer, one after another; the last stays. nil: an instance.
    var launchAnswers: [Result<FleetAnswer, FarSideError>] = []
    private var launchesByToken: [String: FleetAnswer] = [:]
    private(set) var launchTokens: [String] = []
    private(set) var launchRequests: [FleetRequest] = []
    var describeError: FarSideError?
    /// The account whose credentials we hold.
    var account = "123456789012"
    var permissions: [PermissionAnswer] = []
    var volumes: [String: Volume] = [:]
    var snapshots: [VolumeSnapshot] = []
    /// Auto Scaling groups by instance.
    var groups: [InstanceID: String] = [:]
    var protected: Set<InstanceID> = []
    var persistent: Set<InstanceID> = []
    var clusterNames: [String] = []
    /// Flow logs with their pages, and what asking for them answers.
    var flowPages: [FlowLogSource: [[String]]] = [:]
    var flowLogError: FarSideError?
    /// What the first page of each flow log tells as not read, and the logs that may not be read.
    var flowUnread: [String] = []
    var forbiddenFlowLogs: Set<String> = []
    /// Groups of nodes, by reference.
    var nodeGroups: [NodeGroupReference: NodeGroup] = [:]
    /// Readings of one group so far, what somebody does to it right before one of them, and nodes that were made, by name.
    var groupReads = 0
    var groupChanges: [Int: @Sendable (inout NodeGroup) -> Void] = [:]
    var nodesMade: [String: Int] = [:]
    /// The state that new snapshots are in.
    var snapshotState = "completed"
    var blockedDeletions = false
    /// What there is besides nodes and pods.
    var others = ClusterObjects()
    /// Lists that are not read whole.
    var readings: [ClusterList: ListReading.Outcome] = [:]
    /// What the next patch or scale of an object answers in place of being carried out.
    var changeErrors: [FarSideError] = []

    func change(_ body: @Sendable (isolated FakeWorld) -> Void) { body(self) }
    func read<Value: Sendable>(_ body: @Sendable (isolated FakeWorld) -> Value) -> Value { body(self) }

    func advance(_ duration: Duration) {
        now += duration.seconds
        for (name, pod) in pods where pod.deletedBy.map({ $0 <= now }) ?? false { pods[name] = nil }
    }

    func note(_ call: String) {
        calls.append(call)
        if callTimes[call] == nil { callTimes[call] = now.timeIntervalSince(start) }
    }

    func patch(_ patch: NodePatch) throws -> Node {
        guard var node = nodes[patch.node.name] else { throw FarSideError(.notFound, "no such node") }
        guard node.uid == patch.node.uid, node.resourceVersion == patch.resourceVersion else {
            throw FarSideError(.conflict, "the node is another version")
        }
        if let value = patch.isUnschedulable {
            node.isUnschedulable = value
            note("\(value ? "cordon" : "uncordon") \(node.name)")
        }
        if let taints = patch.taints { node.taints = taints }
        for (key, value) in patch.labels { node.labels[key] = value }
        for (key, value) in patch.annotations { node.annotations[key] = value }
        node.resourceVersion = String((Int(node.resourceVersion) ?? 0) + 1)
        nodes[node.name] = node
        return node
    }

    func evict(_ reference: PodReference, grace: Int64?) throws -> EvictionAnswer {
        guard let pod = pods[reference.name], pod.uid == reference.uid else { return .gone }
        if forbidden.contains(pod.name) { throw FarSideError(.forbidden, farCode: "Forbidden", "no permission") }
        if blocked.contains(pod.name) {
            note("blocked \(pod.name)")
            return .blocked(
                reason: "Cannot evict pod as it would violate the pod's disruption budget.", retryAfter: nil)
        }
        if pod.deletedBy == nil { note("evict \(pod.name)") }
        end(pod, grace: grace ?? pod.graceSeconds)
        return .evicted
    }

    func delete(_ reference: PodReference, grace: Int64) throws -> DeletionAnswer {
        guard let pod = pods[reference.name], pod.uid == reference.uid else { return .gone }
        note("delete \(pod.name) grace \(grace)")
        end(pod, grace: grace)
        return .deleted
    }

    private func end(_ pod: Pod, grace: Int64) {
        var pod = pod
        let at = now.addingTimeInterval(Double(grace))
        pod.deletedBy = min(pod.deletedBy ?? at, at)
        pods[pod.name] = pod
    }

    func delete(_ node: NodeReference) -> DeletionAnswer {
        guard let found = nodes[node.name], found.uid == node.uid else { return .gone }
        note("delete-node \(node.name)")
        nodes[node.name] = nil
        return .deleted
    }

    func objects(_ lists: Set<ClusterList>, now: Date) -> ClusterObjects {
        var found = others
        found.nodes = lists.contains(.nodes) ? Array(nodes.values) : []
        found.pods = lists.contains(.pods) ? Array(pods.values) : []
        found.readings = lists.map { ListReading($0, readings[$0] ?? .complete, resourceVersion: "1", readAt: now) }
        found.sort()
        return found
    }

    func record(_ event: ClusterEvent) { events.append(event) }

    func launch(_ request: FleetRequest, token: String) throws -> FleetAnswer {
        launchTokens.append(token)
        launchRequests.append(request)
        if let same = launchesByToken[token] { return same }
        if !launchAnswers.isEmpty {
            let answer = launchAnswers.count > 1 ? launchAnswers.removeFirst() : launchAnswers[0]
            let fleet = try answer.get()
            launchesByToken[token] = fleet
            return fleet
        }
        let pool = request.overrides[0]
        let id = InstanceID(rawValue: "i-0aaaaaaaaaaaaaa\(String(format: "%02d", launchesByToken.count + 1))")
        instances[id] = Instance(
            id: id, state: .running, type: pool.type, zone: pool.zone, subnet: pool.subnet, capacity: request.capacity,
            tags: request.tags)
        nodes["node-\(id)"] = Node(name: "node-\(id)", uid: "uid-\(id)", resourceVersion: "1", instance: id)
        note("launch \(request.capacity.rawValue)")
        let answer = FleetAnswer(launched: [.init(id: id, type: pool.type, zone: pool.zone)])
        launchesByToken[token] = answer
        return answer
    }

    func terminate(_ ids: [InstanceID]) {
        for id in ids where instances[id]?.state != .terminated {
            note("terminate \(id)")
            instances[id]?.state = .terminated
        }
    }

    func stop(_ ids: [InstanceID]) throws {
        for id in ids where instances[id]?.state != .stopped {
            if instances[id]?.capacity == .spot {
                throw FarSideError(.refused, farCode: "UnsupportedOperation", "a one-time spot instance")
            }
            note("stop \(id)")
            instances[id]?.state = .stopped
        }
    }

    func flowLogs(_ subnets: [String]) throws -> [FlowLogSource] {
        if let flowLogError { throw flowLogError }
        return flowPages.keys.sorted { $0.id < $1.id }
    }

    func flowPage(_ log: FlowLogSource, token: String?) throws -> FlowLogPage {
        if forbiddenFlowLogs.contains(log.id) { throw FarSideError(.forbidden, farCode: "AccessDenied", "no") }
        let number = token.flatMap { Int($0) } ?? 0
        let pages = flowPages[log] ?? []
        return FlowLogPage(
            lines: number < pages.count ? pages[number] : [], unread: number == 0 ? flowUnread : [],
            next: number + 1 < pages.count ? "\(number + 1)" : nil)
    }

    /// Only the first answer to a hook is one; EC2 Auto Scaling refuses what comes later.
    func lifecycle(_ action: LifecycleAction) throws {
        let call = "complete \(action.hook) \(action.instance)"
        if calls.contains(call) {
            throw FarSideError(.refused, farCode: "ValidationError", "No active Lifecycle Action found")
        }
        note(call)
    }

    func receive(_ max: Int, visibility: Duration) -> [QueueMessage] {
        let taken = Array(messages.filter { hiddenUntil[$0.receipt] ?? now <= now }.prefix(max))
        for message in taken { hiddenUntil[message.receipt] = now + visibility.seconds }
        return taken
    }

    func delete(receipts: [String]) {
        deleted += receipts
        messages.removeAll { receipts.contains($0.receipt) }
    }

    func describe(_ ids: [InstanceID]) throws -> [Instance] {
        if let describeError { throw describeError }
        return ids.compactMap { instances[$0] }
    }
}
