import Foundation

/// A plan that empties nodes of a cluster, while it is under way and afterwards: who holds the nodes' marks, and which
/// nodes are left alone for a while.
public struct NodePlan: Hashable, Sendable, Codable {
    /// The cluster.
    public var cluster: ClusterID
    /// Counted from 1 in each cluster: part of its effect keys.
    public var number: Int
    /// The kind of job that carries it out.
    public var kind: String
    /// UIDs of the nodes to be emptied.
    public var nodes: [String]
    /// UIDs of nodes that took pods, or came with it.
    public var touched: [String]
    /// When it began, in world time.
    public var openedAt: Date
    /// When it was last worked on.
    public var seenAt: Date
    /// When it ended; nil: it has not.
    public var closedAt: Date?
    /// Whether the job that carries it out is still in the ledger, waiting or at work; nil: not told.
    public var isWorkedOn: Bool?
    /// How it ended: `done`, or why it was aborted; nil: it has not.
    public var outcome: String?

    /// Makes a plan that begins now.
    public init(cluster: ClusterID, number: Int, kind: String, nodes: [String], openedAt: Date) {
        self.cluster = cluster
        self.number = number
        self.kind = kind
        self.nodes = nodes
        touched = []
        self.openedAt = openedAt
        seenAt = openedAt
    }

    /// How long a plan whose job has ended without ending it holds its nodes after it was last worked on, in seconds.
    public static let staleSeconds: Double = 900
    /// The outcome of a plan that reached its aim.
    public static let done = "done"

    /// Whether it holds its nodes: as long as its job lives, however much world time has passed.
    public func isLive(at now: Date) -> Bool {
        closedAt == nil && (isWorkedOn == true || now.timeIntervalSince(seenAt) < NodePlan.staleSeconds)
    }

    /// The effect key's part that names it.
    public var name: String { "plan-\(number)" }
}

/// The plans of clusters.
public protocol NodePlans: Sendable {
    /// The cluster's newest plan, those that have not ended, and those that ended since then; in the order of their numbers.
    func plans(of cluster: ClusterID, since: Date) async throws -> [NodePlan]
}
