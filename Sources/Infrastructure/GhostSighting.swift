import Foundation

/// What an instance that is in no cluster is taken for (domain-rules section 8).
public enum GhostClass: String, Hashable, Sendable, Codable, CaseIterable {
    /// A registered cluster's own, and not one of its nodes.
    case own = "A"
    /// As A, in an Auto Scaling group, which would replace it: only its group's API ends it.
    case grouped = "B"
    /// Of an EKS cluster that does not exist any more.
    case orphan = "C"
    /// Nobody's by its tags, or of somebody we cannot ask: only told, never touched.
    case unowned = "D"
    /// A control plane's, a service's of AWS, protected, or of a persistent spot request: none of our business.
    case excluded = "E"

    /// Whether it may ever be terminated.
    public var mayEnd: Bool { self == .own || self == .grouped || self == .orphan }
}

/// What is kept about an instance that scans found in no cluster.
public struct GhostSighting: Hashable, Sendable, Codable {
    /// The account it is in.
    public var account: AccountTarget
    /// The instance.
    public var instance: InstanceID
    /// The registered cluster that owns it by its tags; nil: none.
    public var cluster: ClusterID?
    /// What it is taken for.
    public var ghostClass: GhostClass
    /// The first of the scans that agree.
    public var firstSeenAt: Date
    /// The last scan that counted: the next that counts comes some time after it.
    public var countedAt: Date
    /// Scans that counted and agree.
    public var scans: Int
    /// Its type.
    public var type: String
    /// What it costs per hour, on demand in us-east-1; zero: not known.
    public var perHour: MicroDollars
    /// Why it stands there, one sentence for people.
    public var reason: String

    /// Makes a row.
    public init(
        account: AccountTarget, instance: InstanceID, cluster: ClusterID?, ghostClass: GhostClass, firstSeenAt: Date,
        countedAt: Date, scans: Int, type: String = "", perHour: MicroDollars = .zero, reason: String = ""
    ) {
        self.account = account
        self.instance = instance
        self.cluster = cluster
        self.ghostClass = ghostClass
        self.firstSeenAt = firstSeenAt
        self.countedAt = countedAt
        self.scans = scans
        self.type = type
        self.perHour = perHour
        self.reason = reason
    }
}

/// That an instance is no ghost, or none any more.
public struct GhostGone: Hashable, Sendable, Codable {
    /// The account it was in.
    public var account: AccountTarget
    /// The instance.
    public var instance: InstanceID

    /// Names it.
    public init(account: AccountTarget, instance: InstanceID) {
        self.account = account
        self.instance = instance
    }
}

/// What scans of an account remember. Every call may throw.
public protocol Sightings: Sendable {
    /// The volumes of an account that were looked at and are not gone, by id.
    func volumes(of account: AccountTarget) async throws -> [VolumeSighting]
    /// The instances of an account that were found in no cluster, by id.
    func ghosts(of account: AccountTarget) async throws -> [GhostSighting]
}
