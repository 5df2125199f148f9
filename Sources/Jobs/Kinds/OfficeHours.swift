import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `office-hours`: lets workloads of development and staging clusters sleep outside of office hours, and wakes them before.
///
/// Level-triggered: each run compares what is with what should be, so that a run that was missed changes nothing. What is
/// known is kept twice, on the object and in the ledger, and written before anything is done.
public struct OfficeHours: Job {
    /// The kind's name.
    public static let kind: JobKind = "office-hours"
    /// Rounds of one run; what is left is done by the next run.
    static let roundsMax = 6
    /// What a decision reads of the cluster.
    static let lists: Set<ClusterList> = [
        .deployments, .statefulSets, .cronJobs, .horizontalAutoscalers, .scaledObjects,
    ]

    /// It takes none.
    public struct Parameters: Codable, Sendable {
        /// Asks for a look.
        public init() {}
    }

    /// What was asked of an object in the round before: how its row goes on when that is done.
    struct Memory: Codable, Sendable, Equatable {
        var asked: [String: Sleeper] = [:]
        var slept = 0
        var woken = 0
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var round: Int
        var cluster: ClusterID
        var environment: String
        var policy: ClusterPolicy
        var workloads: [Workload]
        var autoscalers: [Autoscaler]
        /// Whether every list of autoscalers was read to its end.
        var knowsAutoscalers: Bool
        var sleepers: [Sleeper]
        var reports: [ActionReport]
        var memory: Memory
    }

    /// Makes the job of one request.
    public init(_ parameters: Parameters) {}

    /// Lists workloads and autoscalers, and reads the ledger's rows.
    public func observe(_ context: JobContext) async throws -> Observation {
        let registration = try await context.registration()
        let policy = try await context.sources.policies.policy(of: registration.id)
        let objects = try await context.cluster(registration).objects(OfficeHours.lists, now: context.now)
        for list in [ClusterList.deployments, .statefulSets, .cronJobs] {
            if let reading = objects.reading(list), reading.outcome == .failed || reading.outcome == .forbidden {
                throw reading.failure
            }
        }
        return Observation(
            now: context.now, round: context.round, cluster: registration.id, environment: registration.environment,
            policy: policy, workloads: objects.workloads, autoscalers: objects.autoscalers,
            knowsAutoscalers: objects.isComplete([.horizontalAutoscalers, .scaledObjects]),
            sleepers: try await context.sources.sleepers.sleepers(in: registration.id), reports: context.reports,
            memory: try context.memory(as: Memory.self) ?? Memory())
    }

    /// One step for each object that is not as it should be.
    public func decide(_ observation: Observation) throws -> Decision {
        let hours = observation.policy.officeHours
        let phase = OfficePhase(hours, lead: hours.lead.interval, at: observation.now)
        let planner = SleepPlanner(
            cluster: observation.cluster, environment: observation.environment, policy: observation.policy,
            now: observation.now, phase: phase)
        var decision = Decision()
        var memory = observation.memory
        var known = Dictionary(
            observation.sleepers.map { ($0.object.uid, $0.record) }, uniquingKeysWith: { first, _ in first })
        var rows: [String: Sleeper] = [:]
        settle(observation, into: &decision, rows: &rows, known: &known, memory: &memory)
        var wakes: [(Action, Sleeper?)] = []
        var others: [(Action, Sleeper?)] = []
        var intends = false
        let subjects = planner.subjects(
            workloads: observation.workloads, autoscalers: observation.autoscalers,
            knowsAutoscalers: observation.knowsAutoscalers)
        for subject in subjects {
            let record = known[subject.object.uid]
            let step = planner.step(subject, known: record)
            decision.findings += step.notes.map { planner.finding($0, of: subject.object) }
            var row = step.record
            if row == nil, let refusal = refusal(subject, record, planner) {
                row = refusal.record
                decision.findings.append(refusal.finding)
            }
            if let row {
                intends = intends || row.state == .intended
                rows[subject.object.uid] = sleeper(subject.object, row, observation)
            }
            guard let action = planner.action(subject, step) else { continue }
            let next = step.record(after: row ?? record).map { sleeper(subject.object, $0, observation) }
            if case .wake = step.change { wakes.append((action, next)) } else { others.append((action, next)) }
        }
        decision.facts += rows.sorted { $0.key < $1.key }.map { .sleeper($0.value) }
        // Wake beats sleep, also for a place in the round.
        let asked = (wakes + others).prefix(Decision.actionsMax)
        decision.actions = asked.map(\.0)
        memory.asked = Dictionary(
            asked.compactMap { pair in pair.1.map { (pair.0.key, $0) } }, uniquingKeysWith: { first, _ in first })
        decision.memory = try JSONText(encoding: memory)
        let goesOn = !decision.actions.isEmpty || intends
        decision.next = goesOn && observation.round < OfficeHours.roundsMax ? .again(afterMilliseconds: 0) : .done
        decision.result = try JSONText(encoding: summary(observation, phase: phase, memory: memory, known: known))
        decision.isEmpty =
            decision.facts.isEmpty && decision.findings.isEmpty && !goesOn && memory.slept + memory.woken == 0
        return decision
    }

    /// How the rows go on that the last round's actions were about.
    private func settle(
        _ observation: Observation, into decision: inout Decision, rows: inout [String: Sleeper],
        known: inout [String: SleepRecord], memory: inout Memory
    ) {
        for report in observation.reports {
            if report.outcome == .refused {
                decision.findings.append(
                    Finding(
                        "office-hours-failed", cluster: observation.cluster, subject: report.key, .warning,
                        "It was refused (\(report.code)): \(report.message)"))
            }
            guard report.isDone, var next = memory.asked[report.key] else { continue }
            switch next.record.take(report) {
            case .slept: memory.slept += 1
            case .woken:
                memory.woken += 1
                if let night = OfficeHours.night(next, report.key, observation) {
                    decision.facts.append(.saving(night))
                }
            case nil: break
            }
            next.at = observation.now
            known[next.object.uid] = next.record
            rows[next.object.uid] = next
        }
    }

    /// What a night left free on the nodes: what the workload's pods ask for, at list prices, while it slept.
    private static func night(_ sleeper: Sleeper, _ key: String, _ observation: Observation) -> SavingFact? {
        // Its row is of when it went to sleep: later than the hours ended, where the policy came later.
        guard let since = observation.sleepers.first(where: { $0.object.uid == sleeper.object.uid })?.at,
            since < observation.now,
            let workload = observation.workloads.first(where: { $0.uid == sleeper.object.uid })
        else { return nil }
        let pods = sleeper.record.original - sleeper.record.asleepLevel
        let containers = workload.template.filter { $0.role != .initial }
        let cpu = containers.reduce(MilliCPU.zero) { $0 + $1.requests.cpu }
        let memory = containers.reduce(Bytes.zero) { $0 + $1.requests.memory }
        let pod = UnitPrices(nodes: []).price(cpu: cpu.rawValue, memory: memory.rawValue)
        guard pods > 0, pod > .zero, workload.replicas != nil else { return nil }
        return SavingFact(
            key: "saving/\(key)", cluster: observation.cluster, feature: .officeHours, .freed,
            subject: "\(sleeper.object)", before: .dollars(pod.dollars * Double(pods)), after: .zero,
            since: since, until: observation.now)
    }

    private func sleeper(_ object: ObjectReference, _ record: SleepRecord, _ observation: Observation) -> Sleeper {
        Sleeper(cluster: observation.cluster, object: object, record: record, at: observation.now)
    }

    /// Told once in each phase: why something that would sleep now does not.
    private func refusal(
        _ subject: SleepPlanner.Subject, _ record: SleepRecord?, _ planner: SleepPlanner
    ) -> (record: SleepRecord, finding: Finding)? {
        guard !planner.phase.isAwake, subject.isObjectionTold, let objection = subject.candidate.objection,
            subject.candidate.level > subject.candidate.asleepLevel, record?.isOpen != true,
            record?.since != planner.phase.since
        else { return nil }
        return (
            SleepRecord(
                state: .refused, original: subject.candidate.level, asleepLevel: subject.candidate.asleepLevel,
                since: planner.phase.since),
            Finding(
                "office-hours-refused", cluster: planner.cluster, subject: "\(subject.object)", .info,
                "It does not sleep: \(objection).")
        )
    }

    private struct Summary: Encodable {
        var isAwake: Bool
        var since: Date
        var until: Date?
        var asleep: Int
        var slept: Int
        var woken: Int
        /// The most that sleeping can save of node hours, and how that is computed.
        var savingCeiling: Double
        var formula = "1 - (office hours + lead) / hours of a week; nodes that stay and ramps are not in it"
    }

    private func summary(
        _ observation: Observation, phase: OfficePhase, memory: Memory, known: [String: SleepRecord]
    ) -> Summary {
        let hours = observation.policy.officeHours
        let week = observation.now..<observation.now.addingTimeInterval(7 * 86_400)
        let openings = hours.hours.openings(around: observation.now, days: -2...8, holidays: hours.holidays)
        return Summary(
            isAwake: phase.isAwake, since: phase.since, until: phase.until,
            asleep: known.values.count { $0.state == .asleep }, slept: memory.slept, woken: memory.woken,
            savingCeiling: hours.hours.isAlwaysOpen
                ? 0 : OfficePhase.savingCeiling(openings: openings, week: week, lead: hours.lead.interval))
    }
}
