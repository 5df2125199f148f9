import Foundation
import Infrastructure

struct FakeCluster: Cluster {
    let world: FakeWorld
    func version() async throws -> String { "v1.31.2" }
    func permissions() async throws -> [PermissionAnswer] { await world.permissions.filter { !$0.name.contains(":") } }
    func nodes() async throws -> [Node] { await world.nodes.values.sorted { $0.name < $1.name } }
    func node(named name: String) async throws -> Node? { await world.nodes[name] }
    func pods() async throws -> [Pod] { await world.pods.values.sorted { $0.name < $1.name } }
    func pods(onNode name: String) async throws -> [Pod] { try await pods().filter { $0.nodeName == name } }
    func budgets() async throws -> [PodDisruptionBudget] { [] }
    func objects(_ lists: Set<ClusterList>, now: Date) async throws -> ClusterObjects {
        await world.objects(lists, now: now)
    }
    func patch(_ patch: NodePatch) async throws -> Node { try await world.patch(patch) }
    func evict(_ pod: PodReference, graceSeconds: Int64?) async throws -> EvictionAnswer {
        try await world.evict(pod, grace: graceSeconds)
    }
    func delete(_ pod: PodReference, graceSeconds: Int64) async throws -> DeletionAnswer {
        try await world.delete(pod, grace: graceSeconds)
    }
    func delete(_ node: NodeReference) async throws -> DeletionAnswer { await world.delete(node) }
    func record(_ event: ClusterEvent) async throws { await world.record(event) }
    func object(_ reference: ObjectReference) async throws -> ChangeableObject? { await world.object(reference) }
    func patch(_ reference: ObjectReference, _ patch: ObjectPatch, resourceVersion: String) async throws
        -> ChangeableObject
    { try await world.patch(reference, patch, version: resourceVersion) }
    func scale(_ reference: ObjectReference, to replicas: Int, resourceVersion: String) async throws {
        try await world.scale(reference, to: replicas, version: resourceVersion)
    }
}

struct FakeCloud: Cloud {
    let world: FakeWorld
    func account() async throws -> String { await world.account }
    func instances(_ ids: [InstanceID]) async throws -> [Instance] { try await world.describe(ids) }
    func instances(tag: String, value: String?) async throws -> [Instance] {
        await world.instances.values.filter { $0.tags[tag] != nil && (value == nil || $0.tags[tag] == value) }
    }
    func permissions(of cluster: ClusterRegistration) async throws -> [PermissionAnswer] {
        await world.permissions.filter { $0.name.contains(":") }
    }
    func instances(states: [InstanceState]) async throws -> [Instance] {
        await world.instances.values.filter { states.contains($0.state) }.sorted { $0.id < $1.id }
    }
    func volumes(state: String) async throws -> [Volume] { try await world.volumes { $0.state == state } }
    func volumes(tag: String) async throws -> [Volume] { try await world.volumes { $0.tags[tag] != nil } }
    func volumes(_ ids: [String]) async throws -> [Volume] { try await world.volumes { ids.contains($0.id) } }
    func snapshots(of volumes: [String], tag: String) async throws -> [VolumeSnapshot] {
        await world.snapshots.filter { volumes.contains($0.volume) && $0.tags[tag] != nil }
    }
    func autoScalingGroups(of instances: [InstanceID]) async throws -> [InstanceID: String] {
        await world.groups.filter { instances.contains($0.key) }
    }
    func protected(_ instances: [InstanceID]) async throws -> Set<InstanceID> {
        await world.protected.intersection(instances)
    }
    func persistentlyRequested(_ instances: [InstanceID]) async throws -> Set<InstanceID> {
        await world.persistent.intersection(instances)
    }
    func clusterNames() async throws -> [String] { await world.clusterNames }
    func nodeGroups(ofCluster name: String) async throws -> [NodeGroup] {
        await world.nodeGroups.values.sorted { "\($0.reference)" < "\($1.reference)" }
    }
    func nodeGroup(_ reference: NodeGroupReference) async throws -> NodeGroup? { await world.readNodeGroup(reference) }
    func resize(_ group: NodeGroup, minSize: Int, desired: Int) async throws {
        try await world.resize(group.reference, minSize: minSize, desired: desired)
    }
    func mark(_ group: NodeGroup, _ value: String?) async throws { try await world.mark(group.reference, value) }
    func spotPrices(types: [String], since: Date) async throws -> [SpotPrice] { [] }
    func zoneIDs() async throws -> [String: String] { ["us-east-1a": "use1-az2", "us-east-1b": "use1-az4"] }
    func createFleet(_ request: FleetRequest, token: String) async throws -> FleetAnswer {
        try await world.launch(request, token: token)
    }
    func runInstances(_ request: RunRequest, token: String) async throws -> FleetAnswer {
        try await world.launch(
            FleetRequest(
                template: request.template, capacity: request.capacity, overrides: [request.pool], tags: request.tags),
            token: token)
    }
    func terminate(_ ids: [InstanceID]) async throws { await world.terminate(ids) }
    func stop(_ ids: [InstanceID]) async throws { try await world.stop(ids) }
    func flowLogs(ofSubnets ids: [String]) async throws -> [FlowLogSource] { try await world.flowLogs(ids) }
    func flowRecords(
        _ log: FlowLogSource, from: Date, until: Date, token: String?
    ) async throws -> FlowLogPage { try await world.flowPage(log, token: token) }
    func tag(_ resources: [String], with tags: [String: String]) async throws {
        try await world.tag(resources, tags)
    }
    func untag(_ resources: [String], keys: [String]) async throws { try await world.untag(resources, keys) }
    func createSnapshot(
        of volume: String, description: String, tags: [String: String]
    ) async throws -> VolumeSnapshot {
        try await world.snapshot(volume, tags)
    }
    func deleteVolume(_ id: String) async throws { try await world.deleteVolume(id) }
    func completeLifecycleAction(_ action: LifecycleAction) async throws { try await world.lifecycle(action) }
    func recordLifecycleHeartbeat(_ action: LifecycleAction) async throws {}
    func terminateInAutoScalingGroup(_ id: InstanceID, shrinks: Bool) async throws { await world.terminate([id]) }
}

struct FakeQueue: MessageQueue {
    let world: FakeWorld
    func receive(max: Int, wait: Duration, visibility: Duration) async throws -> [QueueMessage] {
        await world.receive(max, visibility: visibility)
    }
    func delete(_ receipts: [String]) async throws -> Int {
        await world.delete(receipts: receipts)
        return 0
    }
}

/// Counts what is posted; answers with what it is told.
actor FakeWebhook: Webhook {
    var answers: [Result<Int, FarSideError>] = []
    private(set) var posts: [(delivery: WebhookDelivery, key: String)] = []
    /// Whether it drops what comes again under one Idempotency-Key.
    var honoursKey = true
    /// What it did, by key: once for each post, unless it honours keys.
    private(set) var executions: [String: Int] = [:]

    func set(honoursKey: Bool) { self.honoursKey = honoursKey }

    func answer(_ answers: [Result<Int, FarSideError>]) { self.answers = answers }
    func post(_ delivery: WebhookDelivery, key: String) async throws -> Int {
        posts.append((delivery, key))
        let answer = answers.isEmpty ? 200 : try answers.removeFirst().get()
        if executions[key] == nil || !honoursKey { executions[key, default: 0] += 1 }
        return answer
    }
}

/// Two pages of history and one of on-demand prices.
struct FakeMarket: Market {
    let world: FakeWorld
    func spotPrices(types: [String], from: Date, until: Date, token: String?) async throws -> SpotPricePage {
        let type = types.first ?? ""
        if token == nil {
            let row = SpotPriceRow(
                zone: "us-east-1a", zoneID: "use1-az2", type: type, price: 40_000, at: until.addingTimeInterval(-3600))
            return SpotPricePage(rows: [row], next: "2")
        }
        let row = SpotPriceRow(zone: "us-east-1a", zoneID: "use1-az2", type: type, price: 50_000, at: from)
        return SpotPricePage(rows: [row])
    }
    func onDemandPrices(token: String?) async throws -> OnDemandPage {
        token == nil
            ? OnDemandPage(prices: ["m5.large": 96_000], next: "2") : OnDemandPage(prices: ["c5.large": 85_000])
    }
    func zoneIDs() async throws -> [String: String] { ["us-east-1a": "use1-az2"] }
    func advice(url: String, unlessTagged tag: String?) async throws -> AdvisorAnswer {
        tag == "t1"
            ? .unchanged
            : .document(tag: "t1", regions: ["us-east-1": ["m5.large": SpotAdvice(range: 1, savingPercent: 60)]])
    }
}

struct FakeFarSides: FarSides {
    let world: FakeWorld
    func market(region: String, session: String) async throws -> any Market { FakeMarket(world: world) }
    let posted = FakeWebhook()
    var webhook: any Webhook { posted }
    func cluster(_ registration: ClusterRegistration) async throws -> any Cluster { FakeCluster(world: world) }
    func cloud(_ registration: ClusterRegistration, session: String) async throws -> any Cloud {
        FakeCloud(world: world)
    }
    func queue(_ registration: ClusterRegistration, session: String) async throws -> any MessageQueue {
        FakeQueue(world: world)
    }
}
