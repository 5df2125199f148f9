import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `defrag`: packs a cluster every ten minutes: decides which nodes can be emptied into the others, or several of them
/// into one that costs less, says why every other node stays, and where the policy lets it, empties and removes them step
/// by step.
public struct Defrag: Job, SnapshotKind {
    /// The kind's name.
    public static let kind: JobKind = "defrag"

    /// It takes none.
    public struct Parameters: Codable, Sendable {
        /// Asks for a plan.
        public init() {}
    }

    /// Makes the job of one request.
    public init(_ parameters: Parameters) {}

    /// Reads the cluster, its policy and its plans.
    public func observe(_ context: JobContext) async throws -> NodePlanObservation {
        try await NodePlanObservation.read(context, kind: Defrag.kind)
    }

    /// Decides the next round.
    public func decide(_ observation: NodePlanObservation) throws -> Decision {
        if let memory = observation.memory { return try NodePlanRules.next(Defrag.kind, observation, memory) }
        return try NodePlanBegin(Defrag.kind, observation).decide { planner in
            let plan = planner.plan(nodesMax: observation.nodesLeft, evictionsMax: observation.evictionsLeft)
            var wish = NodePlanBegin.Wish(plan: plan, stays: plan.stays)
            if plan.removals.isEmpty, observation.policy.packing.replaces {
                wish.merge(
                    planner.merge(
                        zones: observation.launch?.subnets ?? [:], nodesMax: observation.nodesLeft,
                        evictionsMax: observation.evictionsLeft))
            }
            return wish
        }
    }

    /// What packing would do with a cluster as a snapshot shows it.
    public static func decide(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) throws -> Decision {
        try Defrag(Parameters()).decide(.replay(snapshot, policy))
    }
}
