import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `rightsize-nodes`: replaces one node at a time by a cheaper type that carries what it carries: launched first, emptied
/// only once the new one is Ready.
public struct RightsizeNodes: Job, SnapshotKind {
    /// The kind's name.
    public static let kind: JobKind = "rightsize-nodes"

    /// Makes the job of one request.
    public init(_ parameters: Defrag.Parameters) {}

    /// Reads the cluster, its policy and its plans.
    public func observe(_ context: JobContext) async throws -> NodePlanObservation {
        try await NodePlanObservation.read(context, kind: RightsizeNodes.kind)
    }

    /// Decides the next round.
    public func decide(_ observation: NodePlanObservation) throws -> Decision {
        if let memory = observation.memory { return try NodePlanRules.next(RightsizeNodes.kind, observation, memory) }
        return try NodePlanBegin(RightsizeNodes.kind, observation).decide { planner in
            guard observation.policy.packing.replaces else { return .init(plan: ClusterPlan(), stays: [:]) }
            return .init(planner.swaps(.cheaperType, zones: observation.launch?.subnets ?? [:]))
        }
    }

    /// What would be replaced in a cluster as a snapshot shows it.
    public static func decide(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) throws -> Decision {
        try RightsizeNodes(.init()).decide(.replay(snapshot, policy))
    }
}
