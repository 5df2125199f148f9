import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `rightsize-workloads`: says what containers should ask for by what they used, and where the policy allows it changes a
/// few at a time, watches them, and takes back what made things worse.
public struct RightsizeWorkloads: Job {
    /// The kind's name.
    public static let kind: JobKind = "rightsize-workloads"
    /// What a decision reads of the cluster.
    static let lists: Set<ClusterList> = [
        .nodes, .pods, .deployments, .statefulSets, .daemonSets, .horizontalAutoscalers, .verticalAutoscalers,
        .scaledObjects, .limitRanges, .quotas, .usage,
    ]

    /// What a request may say.
    public struct Parameters: Codable, Sendable {
        /// Recommendations that are told one by one, those that save most first.
        public var findingsMax: Int
        /// Seconds between two looks at a change that is watched.
        public var pollSeconds: Int
        /// Changes of one run at most.
        public var changesMax: Int

        private enum CodingKeys: String, CodingKey {
            case findingsMax = "findings_max"
            case pollSeconds = "poll_seconds"
            case changesMax = "changes_max"
        }

        /// Reads what a request says; what it leaves out is as the jobspec has it.
        public init(from decoder: any Decoder) throws {
            self.init()
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            if let found = try fields.decodeIfPresent(Int.self, forKey: .findingsMax) { findingsMax = found }
            if let found = try fields.decodeIfPresent(Int.self, forKey: .pollSeconds) { pollSeconds = found }
            if let found = try fields.decodeIfPresent(Int.self, forKey: .changesMax) { changesMax = found }
        }

        /// Asks for a look.
        public init(findingsMax: Int = 100, pollSeconds: Int = 300, changesMax: Int = 20) {
            self.findingsMax = findingsMax
            self.pollSeconds = pollSeconds
            self.changesMax = changesMax
        }
    }

    struct Memory: Codable, Sendable, Equatable {
        /// By action key: asked for in the last round, or done and watched.
        var watches: [String: SizeWatch] = [:]
        /// By action key: changes that are being taken back, asked for until it is done.
        var rollbacks: [String: SizeChange] = [:]
        /// Workloads that were changed, or tried, in this run.
        var seen: Set<String> = []
        /// How often a change was asked for again whose answer was lost.
        var repeats = 0
        var applied = 0
        var rolledBack = 0
    }

    /// A change whose answer was lost is asked for again so often in a run.
    static let repeatsMax = 10

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var round: Int
        var cluster: ClusterID
        var policy: ClusterPolicy
        var objects: ClusterObjects
        var usage: [UsageFact]
        var raises: [MemoryRaiseFact]
        var reports: [ActionReport]
        var memory: Memory
    }

    let parameters: Parameters

    /// Makes the job of one request.
    public init(_ parameters: Parameters) { self.parameters = parameters }

    /// Lists workloads and what bounds them, and reads the histograms.
    public func observe(_ context: JobContext) async throws -> Observation {
        let registration = try await context.registration()
        let policy = try await context.sources.policies.policy(of: registration.id)
        let objects = try await context.cluster(registration).objects(RightsizeWorkloads.lists, now: context.now)
        let since = SampleMetrics.day(of: context.now) - max(1, Int(policy.rightsizing.history.seconds / 86_400))
        let usage = try await context.sources.usage.usage(in: registration.id, sinceDay: since)
        return Observation(
            now: context.now, round: context.round, cluster: registration.id, policy: policy, objects: objects,
            usage: usage.sorted { $0.key < $1.key }.flatMap { key, days in
                days.map { UsageFact(cluster: registration.id, key: key, usage: $0) }
            }, raises: try await context.sources.memoryRaises.raises(in: registration.id), reports: context.reports,
            memory: try context.memory(as: Memory.self) ?? Memory())
    }

    /// Recommendations in the first round; then changes, each watched to its end before the next.
    public func decide(_ observation: Observation) throws -> Decision {
        let objects = observation.objects
        let planner = Self.planner(observation)
        let subjects = planner.subjects
        let all = planner.recommendations()
        var decision = Decision()
        var memory = observation.memory
        if observation.round == 0 {
            decision.findings += all.prefix(parameters.findingsMax).map(planner.finding)
        }
        let rollbacks = watch(observation, subjects: subjects, into: &decision, memory: &memory)
        decision.actions = rollbacks
        if memory.watches.isEmpty, rollbacks.isEmpty, mayChange(observation, memory) {
            for change in planner.changes(all, except: memory.seen) {
                let key = "resize/\(observation.cluster)/\(change.object.uid)/\(change.at.formatted(.iso8601))"
                let pods = objects.pods.filter { pod in
                    subjects.first { $0.object == change.object }?.owns(pod) ?? false
                }
                let parts = all.filter { $0.object == change.object }
                memory.watches[key] = SizeWatch(
                    change: change, throttledBefore: SizeWatch.throttledShare(of: pods, usage: objects.usage),
                    freed: parts.reduce(.zero) { $0 + $1.saving })
                memory.seen.insert(change.object.uid)
                decision.actions.append(
                    Action(
                        key: key, .resize(change: change),
                        reason: "\(change.object): \(parts.count) containers do not ask for what they use",
                        saving: parts.reduce(.zero) { $0 + $1.saving },
                        risk: 1 - (parts.map(\.advice.confidence).min() ?? 0)))
            }
        }
        decision.memory = try JSONText(encoding: memory)
        decision.result = try JSONText(encoding: summary(all, memory))
        if !memory.seen.isEmpty {
            decision.progress = JobProgress(
                done: memory.seen.count - memory.watches.count, total: memory.seen.count,
                note: "\(memory.watches.count) changes are watched")
        }
        decision.watches = true
        if !decision.actions.isEmpty {
            // What was refused for a moment is asked again a little later.
            let isRetry =
                !observation.reports.isEmpty
                && rollbacks.contains { action in
                    observation.reports.contains { $0.key == action.key }
                }
            decision.next = .again(afterMilliseconds: isRetry ? 10_000 : 0)
        } else if !memory.watches.isEmpty {
            decision.next = .again(afterMilliseconds: Int64(max(1, parameters.pollSeconds)) * 1000)
        }
        return decision
    }

    /// Who judges what was observed.
    static func planner(_ observation: Observation) -> SizePlanner {
        let objects = observation.objects
        let subjects = objects.workloads.compactMap { workload in
            SizeSubject(
                workload, autoscalers: objects.autoscalers,
                knowsAutoscalers: objects.isComplete([.horizontalAutoscalers, .verticalAutoscalers, .scaledObjects]),
                policy: observation.policy)
        }
        return SizePlanner(
            cluster: observation.cluster, policy: observation.policy, now: observation.now, subjects: subjects,
            limits: SizeLimits(
                limitRanges: objects.limitRanges, quotas: objects.quotas, nodes: objects.nodes,
                workloads: objects.workloads),
            usage: Dictionary(grouping: observation.usage, by: \.key).mapValues { $0.map(\.usage) },
            raises: observation.raises, prices: UnitPrices(nodes: objects.nodes.compactMap(\.instanceType)))
    }

    /// Whether anything may be disturbed now.
    private func mayChange(_ observation: Observation, _ memory: Memory) -> Bool {
        let disruption = observation.policy.disruption
        return memory.seen.count < parameters.changesMax
            && disruption.windows.isOpen(at: observation.now, holidays: disruption.holidays)
            && observation.objects.isComplete([.nodes, .pods, .limitRanges, .quotas])
    }

    /// Settles what was asked for, and judges what is watched.
    private func watch(
        _ observation: Observation, subjects: [SizeSubject], into decision: inout Decision, memory: inout Memory
    ) -> [Action] {
        var repeated: [Action] = []
        for report in observation.reports where memory.watches[report.key] != nil {
            if report.outcome == .done {
                memory.applied += 1
            } else if report.outcome == .failed, memory.repeats < RightsizeWorkloads.repeatsMax,
                let change = memory.watches[report.key]?.change
            {
                // It may have been done: unless it is asked again under the same key, nobody would watch it.
                memory.repeats += 1
                repeated.append(
                    Action(key: report.key, .resize(change: change), reason: "\(change.object): asked again"))
            } else {
                memory.watches[report.key] = nil
                if report.outcome == .refused {
                    decision.findings.append(
                        Finding(
                            "rightsize-failed", cluster: observation.cluster, subject: report.key, .warning,
                            "It was refused (\(report.code)): \(report.message)"))
                }
            }
        }
        for report in observation.reports where memory.rollbacks[report.key] != nil {
            if report.isDone || report.outcome == .refused { memory.rollbacks[report.key] = nil }
        }
        let asked = Set(repeated.map(\.key))
        for (key, item) in memory.watches.sorted(by: { $0.key < $1.key }) where !asked.contains(key) {
            let subject = subjects.first { $0.object == item.change.object }
            let verdict = item.judge(
                pods: observation.objects.pods, usage: observation.objects.usage, subject: subject,
                now: observation.now, policy: observation.policy.rightsizing)
            if verdict == .wait { continue }
            memory.watches[key] = nil
            // One a day for each workload: by default none is resized more often.
            let day = LocalDay(item.change.at, in: .gmt)
            if verdict == .good, subject != nil, let freed = item.freed {
                decision.facts.append(
                    .saving(
                        SavingFact(
                            key: "saving/\(observation.cluster)/\(item.change.object.uid)/\(day)",
                            cluster: observation.cluster, feature: .rightsizing, .freed,
                            subject: "\(item.change.object)", before: freed, after: .zero, since: item.change.at)))
            }
            guard case .bad(let why) = verdict else { continue }
            memory.rolledBack += 1
            memory.rollbacks["resize-back/\(key)"] = item.rollback(at: observation.now)
            decision.findings.append(
                Finding(
                    "rightsize-rolled-back", cluster: observation.cluster, subject: "\(item.change.object)", .warning,
                    "After it was resized, \(why): it gets back what it had, and is left alone for the cooldown."))
        }
        return repeated
            + memory.rollbacks.sorted { $0.key < $1.key }.map { key, change in
                Action(key: key, .resize(change: change), reason: "\(change.object): it got worse after it was resized")
            }
    }

    private struct Summary: Encodable {
        var recommendations: Int
        var provisional: Int
        var savingDollarsPerHour: Double
        var costDollarsPerHour: Double
        var applied: Int
        var rolledBack: Int
    }

    private func summary(_ all: [SizeRecommendation], _ memory: Memory) -> Summary {
        let saving = all.filter { $0.saving > .zero }.reduce(MicroDollars.zero) { $0 + $1.saving }
        let cost = all.filter { $0.saving < .zero }.reduce(MicroDollars.zero) { $0 - $1.saving }
        return Summary(
            recommendations: all.count, provisional: all.count { $0.advice.isProvisional },
            savingDollarsPerHour: saving.dollars, costDollarsPerHour: cost.dollars, applied: memory.applied,
            rolledBack: memory.rolledBack)
    }
}
