import Foundation

/// What an instance is paid as.
public enum CapacityType: String, Hashable, Sendable, Codable {
    /// Spot.
    case spot
    /// On demand.
    case onDemand = "on-demand"
}

/// The life of an EC2 instance.
public enum InstanceState: String, Hashable, Sendable, Codable {
    /// Starting.
    case pending
    /// Running.
    case running
    /// Being stopped or hibernated.
    case stopping
    /// Stopped: it keeps its id and may start again.
    case stopped
    /// Being terminated.
    case shuttingDown = "shutting-down"
    /// Gone for good.
    case terminated
    /// A word we do not know.
    case unknown

    /// Whether it is going or gone.
    public var isEnding: Bool {
        switch self {
        case .stopping, .stopped, .shuttingDown, .terminated: true
        case .pending, .running, .unknown: false
        }
    }
}

/// An EC2 instance: an allow-list of fields.
public struct Instance: Hashable, Sendable, Codable {
    /// The id.
    public var id: InstanceID
    /// Its state.
    public var state: InstanceState
    /// Why it is in that state: `Server.SpotInstanceTermination`, `Client.UserInitiatedShutdown`; nil: not told.
    public var stateReason: String?
    /// `m6i.xlarge`.
    public var type: String
    /// The zone's name in its account: `us-east-1a`.
    public var zone: String
    /// The subnet; nil once it is terminated.
    public var subnet: String?
    /// How it is paid.
    public var capacity: CapacityType
    /// Tags.
    public var tags: [String: String]
    /// When it was launched; nil: not told.
    public var launchedAt: Date?
    /// The token of the call that launched it; nil: none, or not told.
    public var clientToken: String?
    /// Whether a service of AWS manages it, as EKS Auto Mode does.
    public var isServiceManaged: Bool

    /// Makes an instance.
    public init(
        id: InstanceID, state: InstanceState, stateReason: String? = nil, type: String, zone: String,
        subnet: String? = nil, capacity: CapacityType, tags: [String: String] = [:], launchedAt: Date? = nil,
        clientToken: String? = nil, isServiceManaged: Bool = false
    ) {
        self.id = id
        self.state = state
        self.stateReason = stateReason
        self.type = type
        self.zone = zone
        self.subnet = subnet
        self.capacity = capacity
        self.tags = tags
        self.launchedAt = launchedAt
        self.clientToken = clientToken
        self.isServiceManaged = isServiceManaged
    }

    /// The launch template it came from, by the tags EC2 sets; nil: from none.
    public var launchTemplate: LaunchTemplate? {
        guard let id = tags["aws:ec2launchtemplate:id"] else { return nil }
        return LaunchTemplate(id: id, version: tags["aws:ec2launchtemplate:version"] ?? "$Default")
    }
}

/// An EC2 launch template and its version.
public struct LaunchTemplate: Hashable, Sendable, Codable {
    /// The id: `lt-…`.
    public var id: String
    /// A number, `$Latest` or `$Default`.
    public var version: String

    /// Names a version of a template.
    public init(id: String, version: String = "$Default") {
        self.id = id
        self.version = version
    }
}

/// Where instances of one type come from: what capacity, price and interruptions are counted by. Linux.
public struct SpotPool: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    /// The region.
    public var region: String
    /// The zone: its id (`use1-az1`) where known to all accounts alike, else its name.
    public var zone: String
    /// The instance type.
    public var type: String

    /// Names a pool.
    public init(region: String, zone: String, type: String) {
        self.region = region
        self.zone = zone
        self.type = type
    }

    /// Zone and type.
    public var description: String { "\(zone)/\(type)" }
    /// Orders by zone and type.
    public static func < (left: SpotPool, right: SpotPool) -> Bool { (left.zone, left.type) < (right.zone, right.type) }
}

/// One step of a spot price's history.
public struct SpotPrice: Hashable, Sendable, Codable {
    /// The pool.
    public var pool: SpotPool
    /// The price per hour from then on.
    public var price: MicroDollars
    /// When it changed.
    public var since: Date
    /// When it was last seen in force; nil: not told.
    public var lastSeen: Date?

    /// Makes a price.
    public init(pool: SpotPool, price: MicroDollars, since: Date, lastSeen: Date? = nil) {
        self.pool = pool
        self.price = price
        self.since = since
        self.lastSeen = lastSeen
    }
}
