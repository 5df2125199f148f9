import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// What a kind that empties nodes decides from.
public struct NodePlanObservation: Codable, Sendable {
    var snapshot: ClusterSnapshot
    /// The AWS account.
    var account: String
    var policy: ClusterPolicy
    /// The mode in force for the kind.
    var mode: Mode
    /// The cluster's newest plan, live ones, and those that ended within the longest cooldown.
    var plans: [NodePlan]
    var interruptions: [Interruption]
    /// Subnets by zone, and the template, for kinds that launch.
    var launch: LaunchSettings?
    /// Nodes and pods that voluntary work disturbed within the last hour.
    var nodesTaken = 0
    var evictionsTaken = 0
    var reports: [ActionReport]
    var memory: NodePlanMemory?

    var now: Date { snapshot.capturedAt }
    var cluster: ClusterID { snapshot.cluster.id }
    /// What is left of the hour's budgets.
    var nodesLeft: Int { max(0, policy.disruption.nodesPerHourMax - nodesTaken) }
    var evictionsLeft: Int { max(0, policy.disruption.evictionsPerHourMax - evictionsTaken) }

    /// UIDs of nodes that a plan emptied, filled or made within the cooldown.
    var resting: Set<String> {
        Set(
            plans.filter { plan in
                now.timeIntervalSince(plan.closedAt ?? plan.seenAt) < policy.disruption.nodeCooldown.interval
            }.flatMap { $0.nodes + $0.touched })
    }

    /// What every kind that empties nodes reads.
    static func read(_ context: JobContext, kind: JobKind) async throws -> NodePlanObservation {
        let registration = try await context.registration()
        let (snapshot, policy) = try await context.snapshot(SnapshotCapture(lists: PackingPlanner.lists))
        let rest = max(policy.disruption.nodeCooldown, policy.disruption.abortCooldown, policy.disruption.planCooldown)
        return NodePlanObservation(
            snapshot: snapshot, account: registration.account, policy: policy,
            mode: try await context.sources.policies.mode(of: registration.id, kind: kind.rawValue),
            plans: try await context.sources.interruptions.plans(
                of: registration.id, since: context.now.addingTimeInterval(-rest.interval)),
            interruptions: try await context.sources.interruptions.live(in: registration.id),
            launch: registration.launch,
            nodesTaken: try await context.sources.policies.taken(
                .node, of: registration.id, since: context.now.addingTimeInterval(-3600)),
            evictionsTaken: try await context.sources.policies.taken(
                .pod, of: registration.id, since: context.now.addingTimeInterval(-3600)),
            reports: context.reports,
            memory: try context.memory(as: NodePlanMemory.self))
    }
}

/// What a plan under way remembers from round to round.
struct NodePlanMemory: Codable, Sendable, Equatable {
    /// An eviction whose pod's successor has not been seen well yet.
    struct Eviction: Codable, Sendable, Equatable {
        /// The owner whose pods are counted.
        var owner: String
        /// How many of them were Ready before.
        var ready: Int
        var since: Date
    }

    /// The launch that comes before the first eviction, for plans that replace a node.
    struct Replacement: Codable, Sendable, Equatable {
        var plan: ReplacementPlan
        var template: LaunchTemplate
        var tags: [String: String]
        var step = 0
        var failures = 0
        var launched: FleetAnswer.Launched?
        var launchedAt: Date?
        var hasJoined = false
        /// What the launched instance is expected to cost per hour.
        var price: MicroDollars
    }

    var number: Int
    /// Whether the ledger was told of it: before its first action, or right after those that a person approved.
    var isOpened = false
    var plan: ClusterPlan
    var replacement: Replacement?
    var startedAt: Date
    /// When the ledger last heard that the plan lives.
    var seenAt: Date
    /// When something last went on.
    var progressAt: Date
    var isCordoned = false
    /// By the pod's UID.
    var evictions: [String: Eviction] = [:]
    /// Owners whose pods were moved.
    var owners: Set<String> = []
    /// UIDs of nodes whose instances were ended, and when.
    var ended: [String: Date] = [:]
    /// Since when some pod has been pending.
    var pendingSince: Date?
    /// Why it is being given up; nil: it is not.
    var abort: String?
    var abortRounds = 0
}
