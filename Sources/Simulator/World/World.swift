import Foundation

/// The whole world: its clusters and its time. One actor, so that every decision sees one state.
actor World {
    let configuration: SimulatorConfiguration
    private let timeline = Timeline()
    private(set) var clusters: [String: ClusterState] = [:]
    private var random: SeededRandom
    /// Instances whose time is over, for the cloud to terminate.
    private let endings: AsyncStream<EndedInstance>.Continuation
    nonisolated let endedInstances: AsyncStream<EndedInstance>
    private var ticks = 0

    /// A spot instance at the end of its two minutes.
    struct EndedInstance: Sendable {
        var cluster: String
        var account: String
        var region: String
        var id: String
    }

    init(configuration: SimulatorConfiguration) {
        self.configuration = configuration
        random = SeededRandom(seed: configuration.seed, for: "world")
        (endedInstances, endings) = AsyncStream.makeStream(of: EndedInstance.self)
    }

    var now: Date { timeline.now }

    func newEventID() -> String { random.uuid() }

    /// For a reset: what was scheduled for the old clusters finds nothing.
    func forgetClusters() { clusters = [:] }

    var offsetSeconds: Double { timeline.offset }

    /// Builds a cluster on instances that exist already.
    func populate(_ plan: SimulatedCluster, instances: [LaunchedInstance]) {
        let cluster = ClusterState(plan: plan, seed: configuration.seed, timeline: timeline)
        clusters[plan.name] = cluster
        for (kind, object) in Blueprint(plan: plan, seed: configuration.seed).objects { cluster.create(kind, object) }
        for instance in instances { cluster.join(instance, isReady: true) }
        cluster.startEverything()
    }

    func answer(_ request: KubernetesRequest, cluster: String) -> KubernetesReply? {
        clusters[cluster]?.answer(request)
    }

    func endWatch(cluster: String, id: Int, table: String) { clusters[cluster]?.endWatch(id: id, table: table) }

    /// Carries out what is due; called many times a second.
    func tick() {
        ticks += 1
        while let event = timeline.popDue() { carryOut(event) }
        for cluster in clusters.values {
            cluster.reconcile()
            if ticks % 5 == 0 {
                cluster.schedulePods()
                cluster.reconcile()
            }
            if ticks % 25 == 0 { cluster.updateEndpoints() }
            if ticks % 250 == 0 { cluster.tendWatches() }
        }
    }

    private func carryOut(_ event: TimerEvent) {
        switch event {
        case .podStarts(let cluster, let key, let uid): clusters[cluster]?.startPod(key, uid: uid)
        case .podStops(let cluster, let key, let uid): clusters[cluster]?.stopPod(key, uid: uid)
        case .memoryIsExceeded(let cluster, let key, let uid): clusters[cluster]?.killForMemory(key, uid: uid)
        case .nodeJoins(let cluster, let instance):
            if clusters[cluster]?.records[instance.id] == nil { clusters[cluster]?.join(instance) }
        case .nodeBecomesReady(let cluster, let node): clusters[cluster]?.makeReady(node)
        case .interruptionDeadline(let cluster, let id):
            guard let state = clusters[cluster], state.records[id]?.terminatedAt == nil else { return }
            state.instanceIsGone(id, actor: "spot-interruption", isByClient: false)
            endings.yield(
                EndedInstance(cluster: cluster, account: state.plan.account, region: state.plan.region, id: id))
        case .nodeStopsReporting(let cluster, let node, let uid): clusters[cluster]?.stopReporting(node, uid: uid)
        case .nodeIsRemoved(let cluster, let node, let uid): clusters[cluster]?.removeNode(node, uid: uid)
        case .podsAreCollected(let cluster, let node): clusters[cluster]?.collectPods(of: node)
        }
    }

    /// - Returns: nil: there is no such cluster.
    func setMemoryNeed(_ need: MemoryNeed?, cluster: String, namespace: String, app: String) -> Int? {
        clusters[cluster]?.setMemoryNeed(need, namespace: namespace, app: app)
    }

    func advance(_ seconds: Double) {
        timeline.advance(seconds)
        tick()
    }

    // MARK: instances

    /// A launch: the node joins after its delay.
    func instanceWasLaunched(_ instance: LaunchedInstance) {
        guard let cluster = clusterName(tags: instance.tags), clusters[cluster]?.records[instance.id] == nil else {
            return
        }
        timeline.schedule(
            after: random.double(in: configuration.nodeJoinSeconds), .nodeJoins(cluster: cluster, instance: instance))
    }

    func instanceWasTerminated(_ id: String, actor: String) {
        for cluster in clusters.values where cluster.records[id] != nil {
            cluster.instanceIsGone(id, actor: actor, isByClient: true)
        }
    }

    private func clusterName(tags: [String: String]) -> String? {
        let marker = "kubernetes.io/cluster/"
        return tags.keys.filter { $0.hasPrefix(marker) }.map { String($0.dropFirst(marker.count)) }
            .sorted().first { clusters[$0] != nil }
    }

    /// Instances that are, or were, nodes of the cluster.
    func knownInstances(of cluster: String) -> [String: Bool] {
        clusters[cluster]?.records.mapValues { $0.terminatedAt == nil } ?? [:]
    }

    // MARK: interruptions

    /// An instance picked for an interruption.
    struct Target: Sendable {
        var cluster: String
        var account: String
        var region: String
        var node: String
        var instanceID: String
        var zone: String
    }

    /// Picks instances: the named one, or `count` living nodes that were not interrupted yet, spot before on-demand.
    func targets(cluster: String, node: String?, instanceID: String?, count: Int) -> [Target] {
        guard let state = clusters[cluster] else { return [] }
        let living = state.recordOrder.compactMap { state.records[$0] }.filter {
            $0.terminatedAt == nil && $0.removedAt == nil
        }
        let chosen: [NodeRecord]
        if node != nil || instanceID != nil {
            chosen = living.filter { $0.node == node || $0.instanceID == instanceID }
        } else {
            let fresh = living.filter { $0.interruptedAt == nil }
            chosen = Array((fresh.filter(\.isSpot) + fresh.filter { !$0.isSpot }).prefix(count))
        }
        return chosen.map {
            Target(
                cluster: cluster, account: state.plan.account, region: state.plan.region, node: $0.node,
                instanceID: $0.instanceID, zone: $0.zone)
        }
    }

    /// - Parameter deadline: when the instance ends; nil for notices that end nothing.
    func interrupt(_ target: Target, kind: String, deadline: Date?) {
        clusters[target.cluster]?.noteInterruption(target.instanceID, kind: kind, deadline: deadline)
        if let deadline {
            timeline.schedule(
                at: deadline, .interruptionDeadline(cluster: target.cluster, instanceID: target.instanceID))
        }
    }

    /// From now on nothing on the node stops by itself.
    /// - Returns: whether such a node is there.
    func killKubelet(cluster: String, node: String) -> Bool {
        guard let state = clusters[cluster], let id = state.nodes[node]?.instanceID, state.records[id] != nil else {
            return false
        }
        state.records[id]?.kubeletIsDead = true
        return true
    }

    // MARK: reports

    func report(cluster name: String? = nil) -> JSONValue {
        let chosen = clusters.values.filter { name == nil || $0.name == name }.sorted { $0.name < $1.name }
        let records = chosen.flatMap { cluster in cluster.recordOrder.compactMap { cluster.records[$0] } }
        var launches: [String: JSONValue] = [:]
        for record in records {
            guard let token = record.clientToken else { continue }
            launches[token] = .array((launches[token]?.array ?? []) + [.string(record.instanceID)])
        }
        return [
            "time": .string(Timestamp.milliseconds(now)), "offsetSeconds": .double(timeline.offset),
            "pendingTimers": .integer(timeline.count), "nodes": .array(records.map(\.json)),
            "pdbViolations": .array(chosen.flatMap { $0.violations.map(\.json) }), "joinedByToken": .object(launches),
            "abruptPodDeaths": .integer(records.map(\.abruptDeaths.count).reduce(0, +)),
            "clusters": .array(chosen.map(\.summary)),
        ]
    }
}
