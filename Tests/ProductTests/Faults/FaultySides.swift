import Foundation
import Infrastructure
import JobQueue

/// Far sides of which one call goes wrong. A call that is new in a protocol gets its line here: the compiler asks for it.
struct FaultyFarSides: FarSides {
    let real: FakeFarSides
    let point: FaultPoint

    var webhook: any Webhook { FaultyWebhook(real: real.webhook, point: point) }
    func cluster(_ registration: ClusterRegistration) async throws -> any Cluster {
        FaultyCluster(real: try await real.cluster(registration), point: point)
    }
    func cloud(_ registration: ClusterRegistration, session: String) async throws -> any Cloud {
        FaultyCloud(real: try await real.cloud(registration, session: session), point: point)
    }
    func market(region: String, session: String) async throws -> any Market {
        FaultyMarket(real: try await real.market(region: region, session: session), point: point)
    }
    func queue(_ registration: ClusterRegistration, session: String) async throws -> any MessageQueue {
        FaultyQueue(real: try await real.queue(registration, session: session), point: point)
    }
}

struct FaultyMarket: Market {
    let real: any Market
    let point: FaultPoint

    func spotPrices(types: [String], from: Date, until: Date, token: String?) async throws -> SpotPricePage {
        try await point.far("market.spotPrices") {
            try await real.spotPrices(types: types, from: from, until: until, token: token)
        }
    }
    func onDemandPrices(token: String?) async throws -> OnDemandPage {
        try await point.far("market.onDemandPrices") { try await real.onDemandPrices(token: token) }
    }
    func zoneIDs() async throws -> [String: String] {
        try await point.far("market.zoneIDs") { try await real.zoneIDs() }
    }
    func advice(url: String, unlessTagged tag: String?) async throws -> AdvisorAnswer {
        try await point.far("market.advice") { try await real.advice(url: url, unlessTagged: tag) }
    }
}

struct FaultyCluster: Cluster {
    let real: any Cluster
    let point: FaultPoint

    func version() async throws -> String { try await point.far("cluster.version") { try await real.version() } }
    func permissions() async throws -> [PermissionAnswer] {
        try await point.far("cluster.permissions") { try await real.permissions() }
    }
    func nodes() async throws -> [Node] { try await point.far("cluster.nodes") { try await real.nodes() } }
    func node(named name: String) async throws -> Node? {
        try await point.far("cluster.node") { try await real.node(named: name) }
    }
    func pods() async throws -> [Pod] { try await point.far("cluster.pods") { try await real.pods() } }
    func pods(onNode name: String) async throws -> [Pod] {
        try await point.far("cluster.podsOnNode") { try await real.pods(onNode: name) }
    }
    func budgets() async throws -> [PodDisruptionBudget] {
        try await point.far("cluster.budgets") { try await real.budgets() }
    }
    func objects(_ lists: Set<ClusterList>, now: Date) async throws -> ClusterObjects {
        try await point.far("cluster.objects") { try await real.objects(lists, now: now) }
    }
    func patch(_ patch: NodePatch) async throws -> Node {
        try await point.far("cluster.patch") { try await real.patch(patch) }
    }
    func evict(_ pod: PodReference, graceSeconds: Int64?) async throws -> EvictionAnswer {
        try await point.far("cluster.evict") { try await real.evict(pod, graceSeconds: graceSeconds) }
    }
    func delete(_ pod: PodReference, graceSeconds: Int64) async throws -> DeletionAnswer {
        try await point.far("cluster.deletePod") { try await real.delete(pod, graceSeconds: graceSeconds) }
    }
    func delete(_ node: NodeReference) async throws -> DeletionAnswer {
        try await point.far("cluster.deleteNode") { try await real.delete(node) }
    }
    func record(_ event: ClusterEvent) async throws {
        try await point.far("cluster.record") { try await real.record(event) }
    }
    func object(_ reference: ObjectReference) async throws -> ChangeableObject? {
        try await point.far("cluster.object") { try await real.object(reference) }
    }
    func patch(_ reference: ObjectReference, _ patch: ObjectPatch, resourceVersion: String) async throws
        -> ChangeableObject
    {
        try await point.far("cluster.patchObject") {
            try await real.patch(reference, patch, resourceVersion: resourceVersion)
        }
    }
    func scale(_ reference: ObjectReference, to replicas: Int, resourceVersion: String) async throws {
        try await point.far("cluster.scale") {
            try await real.scale(reference, to: replicas, resourceVersion: resourceVersion)
        }
    }
}

struct FaultyCloud: Cloud {
    let real: any Cloud
    let point: FaultPoint

    func account() async throws -> String { try await point.far("cloud.account") { try await real.account() } }
    func instances(_ ids: [InstanceID]) async throws -> [Instance] {
        try await point.far("cloud.instances") { try await real.instances(ids) }
    }
    func instances(tag: String, value: String?) async throws -> [Instance] {
        try await point.far("cloud.instancesByTag") { try await real.instances(tag: tag, value: value) }
    }
    func spotPrices(types: [String], since: Date) async throws -> [SpotPrice] {
        try await point.far("cloud.spotPrices") { try await real.spotPrices(types: types, since: since) }
    }
    func zoneIDs() async throws -> [String: String] {
        try await point.far("cloud.zoneIDs") { try await real.zoneIDs() }
    }
    func createFleet(_ request: FleetRequest, token: String) async throws -> FleetAnswer {
        try await point.far("cloud.createFleet") { try await real.createFleet(request, token: token) }
    }
    func runInstances(_ request: RunRequest, token: String) async throws -> FleetAnswer {
        try await point.far("cloud.runInstances") { try await real.runInstances(request, token: token) }
    }
    func terminate(_ ids: [InstanceID]) async throws {
        try await point.far("cloud.terminate") { try await real.terminate(ids) }
    }
    func tag(_ resources: [String], with tags: [String: String]) async throws {
        try await point.far("cloud.tag") { try await real.tag(resources, with: tags) }
    }
    func permissions(of cluster: ClusterRegistration) async throws -> [PermissionAnswer] {
        try await point.far("cloud.permissions") { try await real.permissions(of: cluster) }
    }
    func instances(states: [InstanceState]) async throws -> [Instance] {
        try await point.far("cloud.instancesByState") { try await real.instances(states: states) }
    }
    func volumes(state: String) async throws -> [Volume] {
        try await point.far("cloud.volumesByState") { try await real.volumes(state: state) }
    }
    func volumes(tag: String) async throws -> [Volume] {
        try await point.far("cloud.volumesByTag") { try await real.volumes(tag: tag) }
    }
    func volumes(_ ids: [String]) async throws -> [Volume] {
        try await point.far("cloud.volumes") { try await real.volumes(ids) }
    }
    func snapshots(of volumes: [String], tag: String) async throws -> [VolumeSnapshot] {
        try await point.far("cloud.snapshots") { try await real.snapshots(of: volumes, tag: tag) }
    }
    func autoScalingGroups(of instances: [InstanceID]) async throws -> [InstanceID: String] {
        try await point.far("cloud.autoScalingGroups") { try await real.autoScalingGroups(of: instances) }
    }
    func protected(_ instances: [InstanceID]) async throws -> Set<InstanceID> {
        try await point.far("cloud.protected") { try await real.protected(instances) }
    }
    func persistentlyRequested(_ instances: [InstanceID]) async throws -> Set<InstanceID> {
        try await point.far("cloud.persistentlyRequested") { try await real.persistentlyRequested(instances) }
    }
    func stop(_ ids: [InstanceID]) async throws { try await point.far("cloud.stop") { try await real.stop(ids) } }
    func flowLogs(ofSubnets ids: [String]) async throws -> [FlowLogSource] {
        try await point.far("cloud.flowLogs") { try await real.flowLogs(ofSubnets: ids) }
    }
    func flowRecords(
        _ log: FlowLogSource, from: Date, until: Date, token: String?
    ) async throws -> FlowLogPage {
        try await point.far("cloud.flowRecords") {
            try await real.flowRecords(log, from: from, until: until, token: token)
        }
    }
    func nodeGroups(ofCluster name: String) async throws -> [NodeGroup] {
        try await point.far("cloud.nodeGroups") { try await real.nodeGroups(ofCluster: name) }
    }
    func nodeGroup(_ reference: NodeGroupReference) async throws -> NodeGroup? {
        try await point.far("cloud.nodeGroup") { try await real.nodeGroup(reference) }
    }
    func resize(_ group: NodeGroup, minSize: Int, desired: Int) async throws {
        try await point.far("cloud.resize") { try await real.resize(group, minSize: minSize, desired: desired) }
    }
    func mark(_ group: NodeGroup, _ value: String?) async throws {
        try await point.far("cloud.mark") { try await real.mark(group, value) }
    }
    func clusterNames() async throws -> [String] {
        try await point.far("cloud.clusterNames") { try await real.clusterNames() }
    }
    func untag(_ resources: [String], keys: [String]) async throws {
        try await point.far("cloud.untag") { try await real.untag(resources, keys: keys) }
    }
    func createSnapshot(
        of volume: String, description: String, tags: [String: String]
    ) async throws -> VolumeSnapshot {
        try await point.far("cloud.createSnapshot") {
            try await real.createSnapshot(of: volume, description: description, tags: tags)
        }
    }
    func deleteVolume(_ id: String) async throws {
        try await point.far("cloud.deleteVolume") { try await real.deleteVolume(id) }
    }
    func completeLifecycleAction(_ action: LifecycleAction) async throws {
        try await point.far("cloud.completeLifecycleAction") { try await real.completeLifecycleAction(action) }
    }
    func recordLifecycleHeartbeat(_ action: LifecycleAction) async throws {
        try await point.far("cloud.recordLifecycleHeartbeat") { try await real.recordLifecycleHeartbeat(action) }
    }
    func terminateInAutoScalingGroup(_ id: InstanceID, shrinks: Bool) async throws {
        try await point.far("cloud.terminateInAutoScalingGroup") {
            try await real.terminateInAutoScalingGroup(id, shrinks: shrinks)
        }
    }
}

struct FaultyQueue: MessageQueue {
    let real: any MessageQueue
    let point: FaultPoint

    func receive(max: Int, wait: Duration, visibility: Duration) async throws -> [QueueMessage] {
        try await point.far("queue.receive") {
            let messages = try await real.receive(max: max, wait: wait, visibility: visibility)
            if point.mutant == .deletedOnReceipt { _ = try await real.delete(messages.map(\.receipt)) }
            return messages
        }
    }
    func delete(_ receipts: [String]) async throws -> Int {
        try await point.far("queue.delete") { try await real.delete(receipts) }
    }
}

struct FaultyWebhook: Webhook {
    let real: any Webhook
    let point: FaultPoint

    func post(_ delivery: WebhookDelivery, key: String) async throws -> Int {
        try await point.far("webhook.post") { try await real.post(delivery, key: key) }
    }
}

/// The broker of a worker, of which one call goes wrong.
struct FaultyBroker: Broker {
    let real: MemoryBroker
    let point: FaultPoint

    func push(_ ids: [JobID], to list: ReadyList) async throws {
        try await point.broker("push") { try await real.push(ids, to: list) }
    }
    func take(from lists: [ReadyList], atMost: Int, timeout: Duration) async throws -> [JobID] {
        try await point.broker("take") { try await real.take(from: lists, atMost: atMost, timeout: timeout) }
    }
    func lengths(of lists: [ReadyList]) async throws -> [Int] {
        try await point.broker("lengths") { try await real.lengths(of: lists) }
    }
    func plantIncarnation(_ token: String) async throws -> Bool {
        try await point.broker("plantIncarnation") { try await real.plantIncarnation(token) }
    }
    func publish(_ hint: ControlHint) async throws {
        try await point.broker("publish") { try await real.publish(hint) }
    }
    func hints() async throws -> AsyncStream<ControlHint> { try await point.broker("hints") { try await real.hints() } }
}
