import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `spot-arbitrage`: moves suitable nodes from on demand to spot, one at a time, by risk and price; also those that fell
/// back to on demand, once the policy's time is over. The spot node is launched first; the old one is emptied only once it
/// is Ready, and stays where no pool gives one.
public struct SpotArbitrage: Job, SnapshotKind {
    /// The kind's name.
    public static let kind: JobKind = "spot-arbitrage"

    /// Makes the job of one request.
    public init(_ parameters: Defrag.Parameters) {}

    /// Reads the cluster, its policy and its plans.
    public func observe(_ context: JobContext) async throws -> NodePlanObservation {
        try await NodePlanObservation.read(context, kind: SpotArbitrage.kind)
    }

    /// Decides the next round.
    public func decide(_ observation: NodePlanObservation) throws -> Decision {
        if let memory = observation.memory { return try NodePlanRules.next(SpotArbitrage.kind, observation, memory) }
        return try NodePlanBegin(SpotArbitrage.kind, observation).decide { planner in
            .init(planner.swaps(.spot, zones: observation.launch?.subnets ?? [:]))
        }
    }

    /// What would go to spot in a cluster as a snapshot shows it.
    public static func decide(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) throws -> Decision {
        try SpotArbitrage(.init()).decide(.replay(snapshot, policy))
    }
}
