import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `zombie-volumes`: marks volumes that nothing uses, and after their grace copies them into a snapshot and deletes them
/// (domain-rules section 7). Days pass between runs: each looks at what is there and takes at most one step per volume.
public struct ZombieVolumes: Job {
    /// The kind's name.
    public static let kind: JobKind = "zombie-volumes"
    /// What was looked at is too old to act on after this many seconds.
    static let validSeconds: TimeInterval = 600

    /// It takes none: limits are the policies' of the clusters.
    public struct Parameters: Codable, Sendable {
        /// Asks for a scan.
        public init() {}
    }

    /// What the steps of the first round save once they are done, by action key.
    struct Memory: Codable, Sendable { var savings: [String: SavingFact] = [:] }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var job: String
        var account: AccountTarget
        /// Why what the clusters use is not known completely; nil: it is.
        var gap: String?
        var looks: [ZombieVolumeRules.Look]
        /// Volumes that were kept in mind, or were to be deleted, and are not there any more.
        var gone: [String]
        var reports: [ActionReport]
        var round: Int
        var memory: Memory
    }

    /// Makes the job of one request.
    public init(_ parameters: Parameters) {}

    /// Lists the volumes first and what the clusters use after: one that is claimed in between is seen as used.
    public func observe(_ context: JobContext) async throws -> Observation {
        let (account, clusters) = try await context.accountClusters()
        var observation = Observation(
            now: context.now, job: context.jobID.description, account: account, looks: [], gone: [],
            reports: context.reports, round: context.round, memory: try context.memory(as: Memory.self) ?? Memory())
        let unsure = observation.reports.filter { $0.outcome == .failed }.compactMap {
            observation.memory.savings[$0.key]?.subject
        }
        if context.round > 0, unsure.isEmpty { return observation }
        let cloud = try await context.cloud(of: account, through: clusters[0])
        if context.round > 0 {
            // An answer that was lost: whether the volume is there tells what became of it.
            let there = try await cloud.volumes(unsure).filter { !["deleting", "deleted"].contains($0.state) }
            observation.gone = unsure.filter { id in !there.contains { $0.id == id } }
            return observation
        }
        let sightings = Dictionary(
            try await context.sources.sightings.volumes(of: account).map { ($0.volume, $0) }
        ) { first, _ in first }
        var volumes: [String: Volume] = [:]
        for volume in try await cloud.volumes(state: "available") { volumes[volume.id] = volume }
        for volume in try await cloud.volumes(tag: VolumeTag.mark) { volumes[volume.id] = volume }
        let others = sightings.keys.filter { volumes[$0] == nil }.sorted()
        for volume in try await cloud.volumes(others) { volumes[volume.id] = volume }
        observation.gone = others.filter { volumes[$0] == nil || volumes[$0]?.state == "deleted" }

        var policies: [ClusterID: ClusterPolicy] = [:]
        var uses: [VolumeUses] = []
        for cluster in clusters {
            policies[cluster.id] = try await context.sources.policies.policy(of: cluster.id)
            switch try await AccountReading.uses(of: cluster, context) {
            case .success(let found): uses.append(found)
            case .failure(let gap): observation.gap = observation.gap ?? gap.description
            }
        }
        let names = Dictionary(clusters.map { ($0.name, $0.id) }) { first, _ in first }
        let due = volumes.values.filter { $0.state == "available" && $0.tags[VolumeTag.mark] != nil }.map(\.id).sorted()
        let snapshots = Dictionary(
            grouping: try await cloud.snapshots(of: due, tag: VolumeTag.effect), by: \.volume)
        observation.looks = volumes.values.filter { $0.state != "deleted" }.sorted { $0.id < $1.id }.map { volume in
            let owner = VolumeOwner.of(volume.tags, clusters: names)
            var policy = ClusterPolicy()
            if case .registered(let id) = owner { policy = policies[id] ?? policy }
            return ZombieVolumeRules.Look(
                volume: volume, owner: owner, use: uses.lazy.compactMap { $0.use(of: volume) }.first,
                snapshots: snapshots[volume.id] ?? [], sighting: sightings[volume.id], policy: policy)
        }
        return observation
    }

    /// One step for each volume, as the rules say; in a second round, what became of the steps.
    public func decide(_ observation: Observation) throws -> Decision {
        if observation.round > 0 { return ZombieVolumes.told(observation) }
        let verdicts = ZombieVolumeRules.verdicts(
            observation.looks, of: observation.account, gap: observation.gap, now: observation.now)
        let tags = Dictionary(observation.looks.map { ($0.volume.id, $0.volume.tags) }) { first, _ in first }
        let actions = verdicts.compactMap { action(for: $0, tags: tags[$0.sighting.volume] ?? [:], observation) }
            .prefix(Decision.actionsMax)
        // A volume that was never ours to think about leaves no row.
        let kept = verdicts.filter { verdict in
            verdict.sighting.stage != .used || tags[verdict.sighting.volume]?[VolumeTag.mark] != nil
                || observation.looks.contains { $0.volume.id == verdict.sighting.volume && $0.sighting != nil }
        }
        var decision = Decision(
            actions: Array(actions), findings: findings(verdicts, observation),
            facts: kept.map { .volumeSighting($0.sighting) }
                + observation.gone.map { .volumeGone(VolumeGone(account: observation.account, volume: $0)) },
            next: actions.isEmpty ? .done : .again(afterMilliseconds: 0), result: try summary(verdicts, observation),
            isEmpty: kept.isEmpty && observation.gone.isEmpty && observation.gap == nil)
        let savings = savings(of: decision.actions, verdicts, observation)
        if !savings.isEmpty { decision.memory = try JSONText(encoding: Memory(savings: savings)) }
        return decision
    }

    /// What each deletion saves: the volume's price less that of the snapshot that stays.
    private func savings(
        of actions: [Action], _ verdicts: [ZombieVolumeRules.Verdict], _ observation: Observation
    ) -> [String: SavingFact] {
        let rows = Dictionary(verdicts.map { ($0.sighting.volume, $0.sighting) }) { first, _ in first }
        var savings: [String: SavingFact] = [:]
        for action in actions {
            guard case .deleteVolume(let volume, _, _) = action.verb, let row = rows[volume], let cluster = row.cluster
            else { continue }
            savings[action.key] = SavingFact(
                key: "saving/\(action.key)", cluster: cluster, feature: .volumes, .gone, subject: volume,
                before: row.savingPerHour, after: .zero, since: observation.now)
        }
        return savings
    }

    private func action(
        for verdict: ZombieVolumeRules.Verdict, tags: [String: String], _ observation: Observation
    ) -> Action? {
        let row = verdict.sighting
        let scan = ZombieVolumeRules.text(observation.now)
        let until = observation.now.addingTimeInterval(ZombieVolumes.validSeconds)
        switch verdict.step {
        case .wait: return nil
        case .unmark:
            return Action(
                key: "unmark/\(row.volume)/\(scan)",
                .untag(resources: [row.volume], keys: [VolumeTag.mark, VolumeTag.job]),
                reason: row.reason, cluster: row.cluster)
        case .mark(let date):
            let mark = ZombieVolumeRules.text(date)
            return Action(
                key: date >= observation.now ? "mark/\(row.volume)/\(mark)" : "mark/\(row.volume)/\(mark)/\(scan)",
                .tag(resources: [row.volume], tags: [VolumeTag.mark: mark, VolumeTag.job: observation.job]),
                reason: row.reason, saving: row.savingPerHour, cluster: row.cluster, validUntil: until)
        case .snapshot(let key):
            // Tags of AWS itself cannot be set; EC2 takes fifty.
            var copied = Dictionary(
                uniqueKeysWithValues: tags.filter { !$0.key.hasPrefix("aws:") && $0.key != VolumeTag.mark }
                    .sorted { $0.key < $1.key }.prefix(40).map { ($0.key, $0.value) })
            copied[VolumeTag.job] = observation.job
            return Action(
                key: key,
                .snapshotVolume(
                    volume: row.volume, description: "CloudOptim: the last state of \(row.volume)", tags: copied),
                reason: row.reason, saving: row.savingPerHour, cluster: row.cluster, validUntil: until)
        case .delete(let snapshot):
            let mark = tags[VolumeTag.mark] ?? ""
            return Action(
                key: "delete/\(row.volume)/\(mark)/\(snapshot)",
                .deleteVolume(volume: row.volume, mark: mark, snapshot: snapshot), reason: row.reason,
                saving: row.savingPerHour, cluster: row.cluster, validUntil: until)
        }
    }

    private func findings(_ verdicts: [ZombieVolumeRules.Verdict], _ observation: Observation) -> [Finding] {
        var found: [Finding] = []
        if let gap = observation.gap {
            found.append(
                Finding(
                    "volumes-unsure", cluster: nil, subject: observation.account.description, .warning,
                    "No volume of the account is marked or deleted: \(gap)"))
        }
        for verdict in verdicts where verdict.sighting.stage != .used {
            let row = verdict.sighting
            let isKept = row.stage == .kept
            found.append(
                Finding(
                    isKept ? "volume-kept" : "volume-unused", cluster: row.cluster, subject: row.volume, .info,
                    "The volume \(row.volume) is unused: \(row.reason).", saving: row.savingPerHour,
                    confidence: isKept ? 0.5 : 0.9))
        }
        return found
    }

    private func summary(_ verdicts: [ZombieVolumeRules.Verdict], _ observation: Observation) throws -> JSONText {
        struct Summary: Encodable {
            var volumes: [String: Int]
            var gone: Int
            var dollarsPerMonth: Double
        }
        let unused = verdicts.filter { $0.sighting.stage != .used && $0.sighting.stage != .kept }
        let perHour = unused.reduce(MicroDollars.zero) { $0 + $1.sighting.savingPerHour }
        return try JSONText(
            encoding: Summary(
                volumes: Dictionary(grouping: verdicts) { $0.sighting.stage.rawValue }.mapValues(\.count),
                gone: observation.gone.count, dollarsPerMonth: Double(perHour.rawValue) * 730 / 1e6))
    }

    /// What could not be done, for a person.
    private static func told(_ observation: Observation) -> Decision {
        Decision(
            findings: observation.reports.filter { $0.outcome == .refused }.map {
                Finding(
                    "volume-refused", cluster: nil, subject: $0.key, .warning,
                    "A step could not be taken (\($0.code)): \($0.message)")
            },
            facts: observation.reports.compactMap { report in
                observation.memory.savings[report.key].flatMap { saving in
                    report.isDone || observation.gone.contains(saving.subject) ? .saving(saving) : nil
                }
            }, result: JSONText(text: "{\"done\":\(observation.reports.count { $0.isDone })}"))
    }
}
