import Foundation

/// Reads one Kubernetes cluster. Every call may throw `FarSideError`.
public protocol ClusterReader: Sendable {
    /// The server's version: `v1.31.2-eks-…`.
    func version() async throws -> String
    /// Asks which verbs our credential has, cluster-wide.
    func permissions() async throws -> [PermissionAnswer]
    /// Every node, paged through.
    func nodes() async throws -> [Node]
    /// One node; nil: there is none of that name.
    func node(named name: String) async throws -> Node?
    /// Every pod, paged through.
    func pods() async throws -> [Pod]
    /// The pods bound to a node.
    func pods(onNode name: String) async throws -> [Pod]
    /// Every PodDisruptionBudget.
    func budgets() async throws -> [PodDisruptionBudget]
    /// Reads whole lists. A list that cannot be read spoils no other: its reading says how far it got. Every list is sorted,
    /// and shows one state of the cluster's store; different lists show states of slightly different times.
    /// - Parameter now: world time, which the readings bear.
    func objects(_ lists: Set<ClusterList>, now: Date) async throws -> ClusterObjects
}

/// What the API server said to an eviction.
public enum EvictionAnswer: Sendable, Equatable {
    /// The pod is being deleted with its grace period.
    case evicted
    /// It does not exist any more, or another pod has its name: done.
    case gone
    /// A disruption budget does not allow it now (429).
    case blocked(reason: String, retryAfter: Duration?)
    /// More than one budget covers it: eviction never will work, only a deletion.
    case impossible(reason: String)
}

/// What the API server said to a deletion.
public enum DeletionAnswer: Sendable, Equatable {
    /// It is being deleted.
    case deleted
    /// It does not exist any more, or another object has its name: done.
    case gone
}

/// An event for the people who look at the cluster with kubectl.
public struct ClusterEvent: Hashable, Sendable, Codable {
    /// The object's name: the same event always has the same, so that a repeat is a conflict and no second event.
    public var name: String
    /// The node it is about.
    public var node: NodeReference
    /// `SpotInterruption`, in CamelCase.
    public var reason: String
    /// One sentence.
    public var message: String
    /// Whether it is a warning.
    public var isWarning: Bool

    /// Makes an event.
    public init(name: String, node: NodeReference, reason: String, message: String, isWarning: Bool) {
        self.name = name
        self.node = node
        self.reason = reason
        self.message = message
        self.isWarning = isWarning
    }
}

/// Changes one Kubernetes cluster; only ActionRunner is given it. Every call may throw `FarSideError`.
public protocol Cluster: ClusterReader {
    /// Patches a node under its UID and resourceVersion, and returns it as it is now.
    /// - Throws: `conflict` when either differs, `notFound`.
    func patch(_ patch: NodePatch) async throws -> Node
    /// Evicts a pod under its UID, `policy/v1`.
    /// - Parameter graceSeconds: overrides the pod's own grace, at least 1; nil: the pod's own.
    func evict(_ pod: PodReference, graceSeconds: Int64?) async throws -> EvictionAnswer
    /// Deletes a pod under its UID.
    /// - Parameter graceSeconds: at least 1: 0 would tear it out of etcd while it may still run.
    func delete(_ pod: PodReference, graceSeconds: Int64) async throws -> DeletionAnswer
    /// Deletes a node object under its UID.
    func delete(_ node: NodeReference) async throws -> DeletionAnswer
    /// Records an event in the namespace `default`; one of the same name counts as recorded.
    func record(_ event: ClusterEvent) async throws
    /// An object that actions change, as it is now; nil: there is none of that name.
    func object(_ reference: ObjectReference) async throws -> ChangeableObject?
    /// Patches an object under its UID and resourceVersion, and returns it as it is now.
    /// - Throws: `conflict` when either differs, `notFound`.
    func patch(_ reference: ObjectReference, _ patch: ObjectPatch, resourceVersion: String) async throws
        -> ChangeableObject
    /// Sets the replicas of a Deployment or StatefulSet under its resourceVersion, by the scale subresource.
    /// - Throws: `conflict` when the object changed in between, `notFound`.
    func scale(_ reference: ObjectReference, to replicas: Int, resourceVersion: String) async throws
}
