import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `office-hours-nodes`: lets the node groups of a development or staging cluster shrink once its workloads sleep, by their
/// owner's API, and wakes them before the workloads.
///
/// Level-triggered like `office-hours`, and by the same rules: what a group returns to is known twice, on the group as a tag and
/// in the ledger, and written before anything is done; a person's change wins until the next window.
public struct OfficeHoursNodes: Job {
    /// The kind's name.
    public static let kind: JobKind = "office-hours-nodes"
    /// Rounds of one run; what is left is done by the next run.
    static let roundsMax = 6
    /// What a decision reads of the cluster.
    static let lists: Set<ClusterList> = [.nodes, .pods]

    /// It takes none.
    public struct Parameters: Codable, Sendable {
        /// Asks for a look.
        public init() {}
    }

    /// What was asked of a group in the round before: how its row goes on when that is done.
    struct Memory: Codable, Sendable, Equatable {
        var asked: [String: NodeGroupSleep] = [:]
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
        /// nil: nothing sleeps and nothing shall, so that nobody was asked.
        var world: World?
        var rows: [NodeGroupSleep]
        var reports: [ActionReport]
        var memory: Memory

        struct World: Codable, Sendable {
            var groups: [NodeGroup]
            var nodes: [Node]
            var pods: [Pod]
            /// What nodes cost per hour, by name, as far as that is known.
            var prices: [String: MicroDollars]
        }
    }

    /// Makes the job of one request.
    public init(_ parameters: Parameters) {}

    /// Lists nodes, pods and node groups, where the policy or the ledger asks for it.
    public func observe(_ context: JobContext) async throws -> Observation {
        let registration = try await context.registration()
        let policy = try await context.sources.policies.policy(of: registration.id)
        let rows = try await context.sources.sleepers.nodeGroups(in: registration.id)
        var observation = Observation(
            now: context.now, round: context.round, cluster: registration.id, environment: registration.environment,
            policy: policy, world: nil, rows: rows, reports: context.reports,
            memory: try context.memory(as: Memory.self) ?? Memory())
        guard policy.officeHours.shrinksNodeGroups || rows.contains(where: { $0.record.isOpen }) else {
            return observation
        }
        // The cloud first: a node that joins in between belongs to a group that is known.
        let groups = try await context.cloud(registration).nodeGroups(ofCluster: registration.name)
        let objects = try await context.cluster(registration).objects(OfficeHoursNodes.lists, now: context.now)
        if let missing = objects.incomplete(OfficeHoursNodes.lists).first {
            throw objects.reading(missing)?.failure ?? FarSideError(.fault, "\(missing.rawValue) was not read")
        }
        observation.world = Observation.World(
            groups: groups, nodes: objects.nodes, pods: objects.pods,
            prices: try await OfficeHoursNodes.prices(of: objects.nodes, in: registration, context))
        return observation
    }

    /// What nodes cost per hour, by name: those that do not say how they are paid, on demand.
    private static func prices(
        of nodes: [Node], in registration: ClusterRegistration, _ context: JobContext
    ) async throws -> [String: MicroDollars] {
        func types(_ nodes: [Node]) -> [String] { Set(nodes.compactMap(\.instanceType)).sorted() }
        let prices = context.sources.prices
        let onDemand = try await prices.onDemand(region: registration.region, types: types(nodes))
        let spot = types(nodes.filter { $0.capacityType == .spot })
        var book = PoolBook(region: registration.region, prices: [], onDemand: onDemand, now: context.now)
        if !spot.isEmpty {
            book = PoolBook(
                region: registration.region,
                prices: try await prices.spot(
                    account: registration.account, region: registration.region, types: spot,
                    since: context.now - PoolBook.staleAfter.interval), onDemand: onDemand,
                advice: try await prices.advice(region: registration.region), now: context.now)
        }
        let known = nodes.compactMap { node in
            node.instanceType.flatMap { book.price($0, zone: node.zone ?? "", node.capacityType ?? .onDemand) }.map {
                (node.name, $0)
            }
        }
        return Dictionary(known, uniquingKeysWith: { first, _ in first })
    }

    /// One step for each group that is not as it should be.
    public func decide(_ observation: Observation) throws -> Decision {
        guard let world = observation.world else { return Decision(isEmpty: true) }
        let hours = observation.policy.officeHours
        let phase = OfficePhase(hours, lead: hours.lead.interval + hours.nodeLead.interval, at: observation.now)
        let planner = NodeGroupPlanner(
            cluster: observation.cluster, environment: observation.environment, policy: observation.policy,
            now: observation.now, phase: phase)
        var decision = Decision()
        var memory = observation.memory
        var known = Dictionary(
            observation.rows.map { ($0.group, $0) }, uniquingKeysWith: { first, _ in first })
        var rows: [String: NodeGroupSleep] = [:]
        settle(observation, into: &decision, rows: &rows, known: &known, memory: &memory)
        let (subjects, others) = planner.subjects(
            groups: world.groups, nodes: world.nodes, pods: world.pods, prices: world.prices)
        var asked: [(action: Action, next: NodeGroupSleep?)] = []
        for subject in subjects {
            let name = "\(subject.group.reference)"
            let before = known[name]
            let step = planner.step(subject, known: before?.record)
            decision.findings += step.notes.map { planner.finding($0, of: subject.group.reference) }
            let least = planner.minSize(subject, row: before)
            let nodes = planner.nodes(subject, step, row: before)
            func row(_ record: SleepRecord) -> NodeGroupSleep {
                NodeGroupSleep(
                    cluster: observation.cluster, group: name, record: record, minSize: least, at: observation.now,
                    nodes: nodes)
            }
            if let before, before.record.state == .asleep, step.record.map(planner.isUp) ?? false {
                // It is up again, and not by a call of ours whose answer came: its night ends here.
                decision.facts += NodeGroupNight(before, nodes: subject.gone(from: before)).facts(
                    until: observation.now)
            }
            var record = step.record
            if record == nil, step.change == nil, let refusal = planner.refusal(subject, known: before?.record) {
                record = refusal.record
                decision.findings.append(refusal.finding)
            }
            if let record { rows[name] = row(record) }
            guard let action = planner.action(subject, step, minSize: least, row: before) else { continue }
            asked.append((action, step.record(after: record ?? before?.record).map(row)))
        }
        for (owner, count) in others.sorted(by: { $0.key < $1.key }) {
            let name = "nodes/\(owner)"
            guard let left = planner.leftAlone(owner, count: count, known: known[name]?.record) else { continue }
            decision.findings.append(left.finding)
            rows[name] = NodeGroupSleep(
                cluster: observation.cluster, group: name, record: left.record, minSize: 0, at: observation.now)
        }
        decision.facts += rows.sorted { $0.key < $1.key }.map { .nodeGroupSleep($0.value) }
        asked = Array(asked.prefix(Decision.actionsMax))
        decision.actions = asked.map(\.action)
        memory.asked = Dictionary(
            asked.compactMap { pair in pair.next.map { (pair.action.key, $0) } },
            uniquingKeysWith: { first, _ in first })
        decision.memory = try JSONText(encoding: memory)
        let goesOn = !decision.actions.isEmpty || rows.values.contains { $0.record.state == .intended }
        decision.next = goesOn && observation.round < OfficeHoursNodes.roundsMax ? .again(afterMilliseconds: 0) : .done
        decision.result = try JSONText(
            encoding: Summary(
                isAwake: phase.isAwake, since: phase.since, until: phase.until, groups: world.groups.count,
                asleep: known.values.count { $0.record.state == .asleep }, slept: memory.slept, woken: memory.woken,
                leftAlone: others))
        decision.isEmpty =
            decision.facts.isEmpty && decision.findings.isEmpty && !goesOn && memory.slept + memory.woken == 0
        return decision
    }

    private struct Summary: Encodable {
        var isAwake: Bool
        var since: Date
        var until: Date?
        var groups: Int
        var asleep: Int
        var slept: Int
        var woken: Int
        /// Nodes of other owners.
        var leftAlone: [String: Int]
    }

    /// How the rows go on that the last round's actions were about.
    private func settle(
        _ observation: Observation, into decision: inout Decision, rows: inout [String: NodeGroupSleep],
        known: inout [String: NodeGroupSleep], memory: inout Memory
    ) {
        for report in observation.reports {
            if report.outcome == .refused {
                decision.findings.append(
                    Finding(
                        "office-hours-nodes-failed", cluster: observation.cluster, subject: report.key, .warning,
                        "It was refused (\(report.code)): \(report.message)"))
            }
            if report.isDone, !report.message.isEmpty {
                decision.findings.append(
                    Finding(
                        "office-hours-nodes-raced", cluster: observation.cluster, subject: report.key, .warning,
                        "\(report.message). What it is now counts."))
            }
            guard report.isDone, var next = memory.asked[report.key] else { continue }
            switch next.record.take(report) {
            case .slept: memory.slept += 1
            case .woken:
                memory.woken += 1
                // Its row is of when it went to sleep; the nodes are those that were gone when it was woken.
                if let before = observation.rows.first(where: { $0.group == next.group && $0.record.state == .asleep })
                {
                    decision.facts += NodeGroupNight(before, nodes: next.nodes).facts(until: observation.now)
                }
                next.nodes = nil
            case nil: break
            }
            next.at = observation.now
            known[next.group] = next
            rows[next.group] = next
        }
    }
}
