import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// What kinds decide from a snapshot alone, without what they keep in stores of their own: the first look of each. What
/// hangs on a second look, on a week's samples or on what sleeps already is not in it, and `would` say so by waiting.

extension RightsizeWorkloads: SnapshotKind {
    /// What would be recommended by the metrics of one moment: provisional, and never applied.
    public static func decide(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) throws -> Decision {
        try RightsizeWorkloads(.init()).decide(.replay(snapshot, policy))
    }
}

extension RightsizeWorkloads.Observation {
    static func replay(_ snapshot: ClusterSnapshot, _ policy: ClusterPolicy) throws -> Self {
        let sample = try SampleMetrics(.init()).decide(
            SampleMetrics.Observation(
                now: snapshot.capturedAt, cluster: snapshot.cluster.id, usage: snapshot.objects.usage, problem: "",
                last: [:]))
        return Self(
            now: snapshot.capturedAt, round: 0, cluster: snapshot.cluster.id, policy: policy,
            objects: snapshot.objects,
            usage: sample.facts.compactMap { if case .usage(let fact) = $0 { fact } else { nil } }, raises: [],
            reports: [], memory: .init())
    }
}

extension OfficeHours: SnapshotKind {
    /// What would be put to sleep or woken at the snapshot's time.
    public static func decide(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) throws -> Decision {
        var observation = Observation(
            now: snapshot.capturedAt, round: 0, cluster: snapshot.cluster.id, environment: snapshot.cluster.environment,
            policy: policy, workloads: snapshot.objects.workloads, autoscalers: snapshot.objects.autoscalers,
            knowsAutoscalers: snapshot.objects.isComplete([.horizontalAutoscalers, .scaledObjects]), sleepers: [],
            reports: [], memory: Memory())
        // The first round writes down what is meant, the second does it.
        let first = try OfficeHours(.init()).decide(observation)
        observation.round = 1
        observation.sleepers = first.facts.compactMap { if case .sleeper(let row) = $0 { row } else { nil } }
        var second = try OfficeHours(.init()).decide(observation)
        second.findings = first.findings + second.findings
        return second
    }
}

extension OfficeHoursNodes: SnapshotKind {
    /// Which groups would shrink or wake at the snapshot's time.
    public static func decide(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) throws -> Decision {
        guard let groups = snapshot.nodeGroups else {
            throw QueueError(.invalid, "the snapshot has no groups of nodes: they could not be read")
        }
        var observation = Observation(
            now: snapshot.capturedAt, round: 0, cluster: snapshot.cluster.id, environment: snapshot.cluster.environment,
            policy: policy,
            world: Observation.World(
                groups: groups, nodes: snapshot.objects.nodes, pods: snapshot.objects.pods,
                prices: PoolBook(snapshot).byNode(snapshot)), rows: [], reports: [], memory: Memory())
        let first = try OfficeHoursNodes(.init()).decide(observation)
        observation.round = 1
        observation.rows = first.facts.compactMap { if case .nodeGroupSleep(let row) = $0 { row } else { nil } }
        var second = try OfficeHoursNodes(.init()).decide(observation)
        second.findings = first.findings + second.findings
        return second
    }
}

extension ZombieVolumes: SnapshotKind {
    /// What would be done about the unattached volumes of this cluster alone.
    public static func decide(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) throws -> Decision {
        guard let volumes = snapshot.volumes else {
            throw QueueError(.invalid, "the snapshot has no volumes: the account could not be read")
        }
        let missing = snapshot.objects.incomplete(VolumeUses.lists)
        let uses = VolumeUses(snapshot.objects)
        return try ZombieVolumes(.init()).decide(
            Observation(
                now: snapshot.capturedAt, job: "snapshot", account: .replay(snapshot),
                gap: missing.isEmpty
                    ? nil : "the lists of \(missing.map(\.rawValue).joined(separator: ", ")) are not whole",
                looks: volumes.map { volume in
                    ZombieVolumeRules.Look(
                        volume: volume,
                        owner: VolumeOwner.of(volume.tags, clusters: [snapshot.cluster.name: snapshot.cluster.id]),
                        use: uses.use(of: volume), policy: policy)
                }, gone: [], reports: [], round: 0, memory: Memory()))
    }
}

extension GhostScan: SnapshotKind {
    /// Which instances that bear the cluster's tags are none of its nodes: the first of several scans that must agree.
    public static func decide(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) throws -> Decision {
        guard snapshot.instances != nil else {
            throw QueueError(.invalid, "the snapshot has no instances: the account could not be read")
        }
        return try GhostScan(.init()).decide(
            Observation(scan: .replay(snapshot, policy), reports: [], round: 0, memory: Memory()))
    }
}

extension GhostRules.Scan {
    static func replay(_ snapshot: ClusterSnapshot, _ policy: ClusterPolicy) -> Self {
        var scan = GhostRules.Scan(
            now: snapshot.capturedAt, account: .replay(snapshot),
            clusters: [GhostRules.Cluster(id: snapshot.cluster.id, name: snapshot.cluster.name, policy: policy)],
            instances: (snapshot.instances ?? []).filter { $0.state == .running || $0.state == .pending },
            nodes: Set(snapshot.objects.nodes.compactMap(\.instance)))
        if !snapshot.objects.isComplete([.nodes]) { scan.gap = "the list of nodes is not whole" }
        return scan
    }
}

extension RemediateOOM: SnapshotKind {
    /// Which containers were killed for want of memory, and what each would get.
    public static func decide(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) throws -> Decision {
        let parameters = Parameters()
        let since = snapshot.capturedAt.addingTimeInterval(-Double(parameters.ageMaxSeconds))
        return try RemediateOOM(parameters).decide(
            Observation(
                now: snapshot.capturedAt, round: 0, cluster: snapshot.cluster.id, policy: policy,
                pods: snapshot.objects.pods.filter { pod in kills(of: pod).contains { $0.kill.at >= since } },
                objects: snapshot.objects, raises: [],
                usage: try RightsizeWorkloads.Observation.replay(snapshot, policy).usage, reports: [],
                memory: Memory()))
    }
}

extension AnalyseNetwork: SnapshotKind {
    /// What the layout allows; a snapshot holds no flow logs.
    public static func decide(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) throws -> Decision {
        try AnalyseNetwork(.init()).decide(
            Observation(
                now: snapshot.capturedAt, round: 0, cluster: snapshot.cluster.id, version: snapshot.serverVersion,
                policy: policy, objects: snapshot.objects, reports: [], measured: nil))
    }
}

extension AccountTarget {
    /// The rules name an account in what they keep; from a snapshot nothing is kept.
    static func replay(_ snapshot: ClusterSnapshot) -> AccountTarget {
        AccountTarget(tenant: "snapshot", account: "000000000000", region: snapshot.cluster.region)
    }
}
