/// When and how fast pods and nodes may be disturbed by work that could wait. Interruptions (lane 0) cannot, and are
/// bound by none of this.
public struct DisruptionPolicy: Hashable, Sendable, Codable {
    /// When voluntary work may disturb anything, such as `Mon-Fri 22:00-06:00 Europe/Berlin`; empty: at any time.
    public var windows = WeeklySchedule()
    /// Local days (`2026-12-24`) on which no window opens.
    public var holidays: [LocalDay] = []
    /// Nodes being emptied at a time.
    public var nodesAtOnceMax = 1
    /// Nodes cordoned for voluntary work within an hour; 0: none.
    public var nodesPerHourMax = 10
    /// Pods being evicted at a time.
    public var evictionsAtOnceMax = 10
    /// Pods evicted for voluntary work within an hour; 0: none.
    public var evictionsPerHourMax = 200
    /// Not disturbed before it is this old: a young node may still be filling.
    public var nodeAgeMin = TimeSpan.minutes(30)
    /// A node that was touched, or took evicted pods, is left alone for so long.
    public var nodeCooldown = TimeSpan.minutes(30)
    /// After a plan ended, none is begun in the cluster for so long.
    public var planCooldown = TimeSpan.minutes(10)
    /// After a plan was aborted, none is begun in the cluster for so long.
    public var abortCooldown = TimeSpan.hours(1)
    /// A plan is aborted when any pod has been pending for so long.
    public var pendingMax = TimeSpan.seconds(90)

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.windows, into: &windows)
        try fields.read(.holidays, into: &holidays)
        try fields.read(.nodesAtOnceMax, into: &nodesAtOnceMax)
        try fields.read(.nodesPerHourMax, into: &nodesPerHourMax)
        try fields.read(.evictionsAtOnceMax, into: &evictionsAtOnceMax)
        try fields.read(.evictionsPerHourMax, into: &evictionsPerHourMax)
        try fields.read(.nodeAgeMin, into: &nodeAgeMin)
        try fields.read(.nodeCooldown, into: &nodeCooldown)
        try fields.read(.planCooldown, into: &planCooldown)
        try fields.read(.abortCooldown, into: &abortCooldown)
        try fields.read(.pendingMax, into: &pendingMax)
    }
}

/// From what gain on something is worth a disturbance.
public struct SavingPolicy: Hashable, Sendable, Codable {
    /// Dollars per month that one plan must save at least.
    public var minimumDollarsPerMonth = 5.0
    /// The k of `(saving / pool cost) / (disruption / pool disruption) >= 1 / k`: the larger, the more is done.
    /// Source: Karpenter's balanced consolidation (domain-rules section 4).
    public var scoreFactor = 2.0
    /// Hours that a month is counted as: 365 x 24 / 12.
    public var hoursPerMonth = 730.0

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.minimumDollarsPerMonth, into: &minimumDollarsPerMonth)
        try fields.read(.scoreFactor, into: &scoreFactor)
        try fields.read(.hoursPerMonth, into: &hoursPerMonth)
    }

    /// The least saving as an hourly amount: what savings of decisions are compared with.
    public var minimumPerHour: MicroDollars { .dollars(minimumDollarsPerMonth / hoursPerMonth) }
}

/// What is never touched by voluntary work.
public struct ProtectionPolicy: Hashable, Sendable, Codable {
    /// Namespaces whose pods and workloads are left alone.
    public var namespaces = ["kube-system"]
    /// Pods, nodes and workloads with one of these labels are left alone; an empty value: whatever it is.
    public var labels: [String: String] = [:]
    /// Instances and volumes with one of these tags are left alone; an empty value: whatever it is.
    public var tags: [String: String] = ["cloudoptim.io/protected": ""]

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.namespaces, into: &namespaces)
        try fields.read(.labels, into: &labels)
        try fields.read(.tags, into: &tags)
    }

    /// Why a pod, node or workload is left alone; nil: it is not protected.
    /// - Parameter namespace: nil for what is in none.
    public func reason(namespace: String?, labels found: [String: String]) -> String? {
        if let namespace, namespaces.contains(namespace) { return "the policy protects the namespace \(namespace)" }
        return ProtectionPolicy.match(labels, found).map { "the policy protects the label \($0)" }
    }

    /// Why an instance or a volume is left alone; nil: it is not protected.
    public func reason(tags found: [String: String]) -> String? {
        ProtectionPolicy.match(tags, found).map { "the policy protects the tag \($0)" }
    }

    private static func match(_ wanted: [String: String], _ found: [String: String]) -> String? {
        wanted.filter { key, value in found[key].map { value.isEmpty || $0 == value } ?? false }.keys.min()
    }
}

/// Which spot capacity is used.
public struct SpotPolicy: Hashable, Sendable, Codable {
    /// The highest risk score, 0 to 1, of pools that are chosen first.
    public var riskMax = 0.50
    /// The highest risk score of pools that are tried before falling back to on demand.
    public var riskMaxRelaxed = 0.80
    /// Instance families that may be used (`m6i`); empty: all that the catalogue knows.
    public var families: [String] = []
    /// Pools that one request spreads over at least, where so many carry the load.
    public var poolsMin = 5
    /// A node that fell back to on demand returns to spot after so long at the earliest.
    public var returnAfter = TimeSpan.hours(2)
    /// A pool that gave no capacity is not asked again for so long.
    public var unavailableFor = TimeSpan.minutes(3)
    /// A spot price may be at most this share of the price on demand, 0 to 1.
    public var priceShareMax = 0.9

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.riskMax, into: &riskMax)
        try fields.read(.riskMaxRelaxed, into: &riskMaxRelaxed)
        try fields.read(.families, into: &families)
        try fields.read(.poolsMin, into: &poolsMin)
        try fields.read(.returnAfter, into: &returnAfter)
        try fields.read(.unavailableFor, into: &unavailableFor)
        try fields.read(.priceShareMax, into: &priceShareMax)
    }
}

/// How nodes are packed.
public struct PackingPolicy: Hashable, Sendable, Codable {
    /// What becomes of preferred affinity and `ScheduleAnyway` spread.
    public enum Preferences: String, Hashable, Sendable, Codable, CaseIterable {
        /// They hold as if they were required.
        case respect
        /// They do not count.
        case ignore
    }

    /// What becomes of preferences.
    public var preferences = Preferences.respect
    /// Nodes that one plan removes at most.
    public var nodesPerPlanMax = 10
    /// The share of the CPU and memory of all nodes that stays free after a plan, 0 to 1.
    public var headroom = 0.05
    /// Whether pods with emptyDir or other local data may be moved.
    public var movesLocalData = false
    /// Whether nodes may be replaced by cheaper ones, not only removed.
    public var replaces = true

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.preferences, into: &preferences)
        try fields.read(.nodesPerPlanMax, into: &nodesPerPlanMax)
        try fields.read(.headroom, into: &headroom)
        try fields.read(.movesLocalData, into: &movesLocalData)
        try fields.read(.replaces, into: &replaces)
    }
}

/// What things cost that no price list of ours knows. Dollars.
public struct CostPolicy: Hashable, Sendable, Codable {
    /// What the eviction of one pod is taken to cost: a move must save more.
    public var dollarsPerEviction = 0.01
    /// A gibibyte of EBS volume for a month; gp3 in us-east-1.
    public var dollarsPerGibibyteMonth = 0.08
    /// A gibibyte of snapshot for a month; us-east-1.
    public var dollarsPerSnapshotGibibyteMonth = 0.05
    /// A gigabyte from one zone to another, both directions together.
    public var dollarsPerCrossZoneGigabyte = 0.02

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.dollarsPerEviction, into: &dollarsPerEviction)
        try fields.read(.dollarsPerGibibyteMonth, into: &dollarsPerGibibyteMonth)
        try fields.read(.dollarsPerSnapshotGibibyteMonth, into: &dollarsPerSnapshotGibibyteMonth)
        try fields.read(.dollarsPerCrossZoneGigabyte, into: &dollarsPerCrossZoneGigabyte)
    }
}

/// How proposals wait.
public struct ProposalPolicy: Hashable, Sendable, Codable {
    /// A proposal that nobody answered by then is void.
    public var expiry = TimeSpan.hours(24)

    /// The defaults.
    public init() {}

    /// Reads a document; what it does not name has its default.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        try fields.read(.expiry, into: &expiry)
    }
}
