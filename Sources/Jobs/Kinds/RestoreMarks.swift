import Foundation
import Infrastructure
import JobQueue

/// `restore-marks`: takes our marks off nodes that no live intent holds, exactly ours, and ends plans that nobody works on
/// any more. Half-done plans heal this way.
public struct RestoreMarks: Job {
    /// The kind's name.
    public static let kind: JobKind = "restore-marks"
    /// An interruption holds its marks until this long after its deadline, whatever became of its jobs.
    static let holdSeconds: Double = 900

    /// It takes none.
    public struct Parameters: Codable, Sendable {
        /// Asks for a look.
        public init() {}
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var cluster: ClusterID
        /// Nodes that bear our mark.
        var marked: [Node]
        var live: [Interruption]
        var plans: [NodePlan]
        var reports: [ActionReport]
        var round: Int
    }

    /// Makes the job of one request.
    public init(_ parameters: Parameters) {}

    /// Lists the marked nodes first and the live interruptions after: one that opens in between is seen.
    public func observe(_ context: JobContext) async throws -> Observation {
        let registration = try await context.registration()
        let nodes = try await context.cluster(registration).nodes()
        let live = try await context.sources.interruptions.live(in: registration.id)
        let plans = try await context.sources.interruptions.plans(of: registration.id, since: context.now)
        return Observation(
            now: context.now, cluster: registration.id,
            marked: nodes.filter { $0.annotations[NodeMark.byAnnotation] != nil }, live: live, plans: plans,
            reports: context.reports,
            round: context.round)
    }

    /// Undoes every mark without a live intent.
    public func decide(_ observation: Observation) throws -> Decision {
        if observation.round > 0 {
            let undone = observation.reports.count { $0.isDone }
            return Decision(
                findings: observation.reports.filter { $0.outcome == .refused }.map {
                    Finding(
                        "restore-refused", cluster: observation.cluster, subject: $0.key, .warning,
                        "A mark could not be taken back (\($0.code)): \($0.message)")
                }, result: JSONText(text: "{\"undone\":\(undone)}"))
        }
        let held = Set(
            observation.live.filter {
                observation.now.timeIntervalSince($0.deadline) < RestoreMarks.holdSeconds
            }.map(\.instance))
        let planned = Set(observation.plans.filter { $0.isLive(at: observation.now) }.flatMap(\.nodes))
        let free = observation.marked.filter { node in
            node.instance.map { !held.contains($0) } ?? true && !planned.contains(node.uid) && !node.isDeleting
        }
        let ended = observation.plans.compactMap { abandoned($0, at: observation.now) }
        guard !free.isEmpty else { return Decision(facts: ended.map(Fact.nodePlan), isEmpty: ended.isEmpty) }
        return Decision(
            actions: free.prefix(Decision.actionsMax).map { node in
                Action(
                    key: "restore/\(observation.cluster)/\(node.uid)/\(node.annotations[NodeMark.byAnnotation] ?? "")",
                    .uncordon(node: NodeReference(name: node.name, uid: node.uid)),
                    reason: "no live intent holds the mark of \(node.name)")
            }, facts: ended.map(Fact.nodePlan), next: .again(afterMilliseconds: 0))
    }

    /// A plan that nobody works on any more, as ended; nil: it is live, or has ended.
    private func abandoned(_ plan: NodePlan, at now: Date) -> NodePlan? {
        guard plan.closedAt == nil, !plan.isLive(at: now) else { return nil }
        var ended = plan
        ended.closedAt = now
        ended.outcome = "abandoned: nobody worked on it after \(plan.seenAt.formatted(.iso8601))"
        return ended
    }
}
