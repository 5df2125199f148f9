import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `ghost-scan`: finds instances that run and are in no cluster, and ends those that a registered or a vanished cluster
/// owns once two scans agree and a day has passed (domain-rules section 8).
public struct GhostScan: Job {
    /// The kind's name.
    public static let kind: JobKind = "ghost-scan"
    /// What was looked at is too old to act on after this many seconds.
    static let validSeconds: TimeInterval = 120

    /// It takes none: limits are the policies' of the clusters.
    public struct Parameters: Codable, Sendable {
        /// Asks for a scan.
        public init() {}
    }

    /// What the steps of the first round save once they are done, by action key.
    struct Memory: Codable, Sendable { var savings: [String: SavingFact] = [:] }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var scan: GhostRules.Scan
        var reports: [ActionReport]
        var round: Int
        var memory: Memory
        /// In a second round: instances that were to be ended, whose answers were lost, and that are ending.
        var ending: [InstanceID] = []
    }

    /// Makes the job of one request.
    public init(_ parameters: Parameters) {}

    /// Lists the instances first and the nodes after: the other way round would find those that joined in between.
    public func observe(_ context: JobContext) async throws -> Observation {
        let (account, clusters) = try await context.accountClusters()
        let empty = GhostRules.Scan(now: context.now, account: account, clusters: [], instances: [], nodes: [])
        let memory = try context.memory(as: Memory.self) ?? Memory()
        if context.round > 0 {
            var observation = Observation(scan: empty, reports: context.reports, round: context.round, memory: memory)
            let unsure = context.reports.filter { $0.outcome == .failed }.compactMap {
                memory.savings[$0.key].map { InstanceID(rawValue: $0.subject) }
            }
            if !unsure.isEmpty {
                let living = try await context.cloud(of: account, through: clusters[0]).instances(unsure).filter {
                    !$0.state.isEnding
                }
                observation.ending = unsure.filter { id in !living.contains { $0.id == id } }
            }
            return observation
        }
        let cloud = try await context.cloud(of: account, through: clusters[0])
        let instances = try await cloud.instances(states: [.pending, .running])
        var scan = empty
        scan.instances = instances
        scan.sightings = try await context.sources.sightings.ghosts(of: account)
        for cluster in clusters {
            let policy = try await context.sources.policies.policy(of: cluster.id)
            scan.clusters.append(GhostRules.Cluster(id: cluster.id, name: cluster.name, policy: policy))
            switch try await AccountReading.objects([.nodes], of: cluster, context) {
            case .success(let objects): scan.nodes.formUnion(objects.nodes.compactMap(\.instance))
            case .failure(let gap): scan.gap = scan.gap ?? gap.description
            }
        }
        let candidates = instances.filter {
            !scan.nodes.contains($0.id) && GhostRules.classify($0, scan).ghostClass != .excluded
        }
        if scan.gap == nil, !candidates.isEmpty { try await ask(cloud, about: candidates, into: &scan) }
        scan.perHour = try await prices(of: candidates, in: account, context)
        return Observation(scan: scan, reports: context.reports, round: context.round, memory: memory)
    }

    /// What candidates cost per hour, as far as it was read: the price list, or the latest of their spot pool.
    private func prices(
        of candidates: [Instance], in account: AccountTarget, _ context: JobContext
    ) async throws -> [InstanceID: MicroDollars] {
        if candidates.isEmpty { return [:] }
        let types = Set(candidates.map(\.type)).sorted()
        let listed = try await context.sources.prices.onDemand(region: account.region, types: types)
        let spot = try await context.sources.prices.spot(
            account: account.account, region: account.region, types: types, since: context.now)
        let latest = Dictionary(spot.map { ($0.pool, $0) }) { first, second in
            first.since > second.since ? first : second
        }
        var prices: [InstanceID: MicroDollars] = [:]
        for instance in candidates {
            let pool = SpotPool(region: account.region, zone: instance.zone, type: instance.type)
            prices[instance.id] = instance.capacity == .spot ? latest[pool]?.price : listed[instance.type]
        }
        return prices
    }

    /// What decides how a candidate is ended, or that it is not.
    private func ask(_ cloud: any CloudReader, about candidates: [Instance], into scan: inout GhostRules.Scan)
        async throws
    {
        if candidates.contains(where: { $0.tags.keys.contains { $0.hasPrefix("eks:") } }) {
            scan.eksClusters = Set(try await cloud.clusterNames())
        }
        let endable = candidates.filter { GhostRules.classify($0, scan).ghostClass.mayEnd }.map(\.id)
        guard !endable.isEmpty else { return }
        scan.groups = try await cloud.autoScalingGroups(of: endable)
        for id in try await cloud.protected(endable) { scan.protected[id] = "its termination protection is on" }
        for id in try await cloud.persistentlyRequested(endable) {
            scan.protected[id] = "a persistent spot request would launch it again"
        }
    }

    /// One step for each ghost whose time has come; in a second round, what became of the steps.
    public func decide(_ observation: Observation) throws -> Decision {
        if observation.round > 0 { return GhostScan.told(observation) }
        let scan = observation.scan
        let outcome = GhostRules.outcome(scan)
        let actions = outcome.verdicts.filter(\.ends).prefix(Decision.actionsMax).map { verdict -> Action in
            let row = verdict.sighting
            let isGrouped = row.ghostClass == .grouped || verdict.group != nil
            let verb: Verb =
                isGrouped
                ? .terminateInAutoScalingGroup(instance: row.instance, shrinks: true)
                : verdict.stops ? .stop(instances: [row.instance]) : .terminate(instances: [row.instance])
            return Action(
                // What was stopped may be started, and be a ghost once more.
                key: verdict.stops && !isGrouped
                    ? "stop/\(row.instance)/\(row.firstSeenAt.formatted(.iso8601))" : "terminate/\(row.instance)",
                verb, reason: row.reason, saving: row.perHour, cluster: row.cluster,
                validUntil: scan.now.addingTimeInterval(GhostScan.validSeconds))
        }
        var findings = outcome.verdicts.map { verdict in
            let row = verdict.sighting
            return Finding(
                "ghost", cluster: row.cluster, subject: row.instance.rawValue, .info,
                "The instance \(row.instance) runs and is in no cluster (class \(row.ghostClass.rawValue)): \(row.reason).",
                saving: row.perHour, confidence: row.ghostClass.mayEnd ? 0.8 : 0.2)
        }
        if let stopped = outcome.stopped {
            findings.append(
                Finding(
                    outcome.isBroken ? "ghost-breaker" : "ghosts-unsure", cluster: nil,
                    subject: scan.account.description,
                    outcome.isBroken ? .critical : .warning, "The scan for ghosts stopped: \(stopped)."))
        }
        struct Summary: Encodable {
            var instances: Int
            var ghosts: [String: Int]
            var ended: Int
        }
        let summary = Summary(
            instances: scan.instances.count,
            ghosts: Dictionary(grouping: outcome.verdicts) { $0.sighting.ghostClass.rawValue }.mapValues(\.count),
            ended: actions.count)
        var decision = Decision(
            actions: Array(actions), findings: findings,
            facts: outcome.verdicts.map { .ghostSighting($0.sighting) }
                + outcome.gone.map { .ghostGone(GhostGone(account: scan.account, instance: $0)) },
            next: actions.isEmpty ? .done : .again(afterMilliseconds: 0), result: try JSONText(encoding: summary),
            isEmpty: outcome.verdicts.isEmpty && outcome.gone.isEmpty && outcome.stopped == nil)
        let rows = outcome.verdicts.filter(\.ends).map(\.sighting)
        let savings = rows.compactMap { row in
            // An orphan's cluster is nobody's: its saving has no statement to stand in.
            row.cluster.map { cluster in
                SavingFact(
                    key: "saving/terminate/\(row.instance)", cluster: cluster, feature: .ghosts, .gone,
                    subject: row.instance.rawValue, before: row.perHour, after: .zero, since: scan.now)
            }
        }
        if !savings.isEmpty {
            decision.memory = try JSONText(
                encoding: Memory(
                    savings: Dictionary(savings.map { ("terminate/\($0.subject)", $0) }) { first, _ in first }))
        }
        return decision
    }

    /// What was done saves from now on; what could not be done is for a person.
    private static func told(_ observation: Observation) -> Decision {
        let reports = observation.reports
        return Decision(
            findings: reports.filter { $0.outcome == .refused }.map {
                Finding(
                    "ghost-refused", cluster: nil, subject: $0.key, .warning,
                    "A ghost could not be ended (\($0.code)): \($0.message)")
            },
            facts: reports.compactMap { report in
                observation.memory.savings[report.key].flatMap { saving in
                    report.isDone || observation.ending.contains(InstanceID(rawValue: saving.subject))
                        ? .saving(saving) : nil
                }
            },
            result: JSONText(text: "{\"done\":\(reports.count { $0.isDone })}"))
    }
}
