import Foundation

/// What an action is expected to save, as it was decided: the projection.
public struct SavingFact: Hashable, Sendable, Codable {
    /// How a saving comes about, and so how it is measured.
    public enum Form: String, Hashable, Sendable, Codable {
        /// The subject, an instance, does the work of a dearer one: it counts while it is a node.
        case cheaper
        /// The subject, a node's instance, is not needed any more: it counts until another node joins the cluster.
        case removed
        /// The subject, a volume or an instance of no cluster, is gone for good: it counts up to the horizon.
        case gone
        /// The subject, a node's instance, was ended for a while, because its group slept: it counts from when it was really gone
        /// until the group was woken.
        case asleep
        /// The subject, a workload, asks for less than before: room on nodes, at list prices. Whoever removes a node for it
        /// saves the money, and it is counted there; here it is only told.
        case freed
    }

    /// The intent it belongs to; one saving for each.
    public var key: String
    /// The cluster.
    public var cluster: ClusterID
    /// The feature it is counted under.
    public var feature: Feature
    /// How it comes about.
    public var form: Form
    /// What it is about: the new instance, the removed one, the volume.
    public var subject: String
    /// What was paid before, per hour.
    public var before: MicroDollars
    /// What is paid afterwards, per hour, by the prices of the decision.
    public var after: MicroDollars
    /// From when, world time.
    public var since: Date
    /// When it ended by itself, as the night of a workload or a node group that slept; nil: it did not.
    public var until: Date?

    /// What it saves per hour, as projected.
    public var perHour: MicroDollars { before - after }

    /// Makes one.
    public init(
        key: String, cluster: ClusterID, feature: Feature, _ form: Form, subject: String, before: MicroDollars,
        after: MicroDollars, since: Date, until: Date? = nil
    ) {
        self.key = key
        self.cluster = cluster
        self.feature = feature
        self.form = form
        self.subject = subject
        self.before = before
        self.after = after
        self.since = since
        self.until = until
    }
}

/// When an instance was a node of a cluster.
public struct NodeLife: Hashable, Sendable, Codable {
    /// The instance.
    public var instance: InstanceID
    /// Its type; nil: not told.
    public var type: String?
    /// Its zone; nil: not told.
    public var zone: String?
    /// How it is paid; nil: not told.
    public var capacity: CapacityType?
    /// When it was first seen, world time.
    public var firstSeen: Date
    /// When it was last seen.
    public var lastSeen: Date

    /// Makes one.
    public init(
        instance: InstanceID, type: String?, zone: String?, capacity: CapacityType?, firstSeen: Date, lastSeen: Date
    ) {
        self.instance = instance
        self.type = type
        self.zone = zone
        self.capacity = capacity
        self.firstSeen = firstSeen
        self.lastSeen = lastSeen
    }
}

/// What a saving brought on one UTC day, measured afterwards.
public struct SavingDayFact: Hashable, Sendable, Codable {
    /// The saving's key.
    public var key: String
    /// The cluster.
    public var cluster: ClusterID
    /// The feature.
    public var feature: Feature
    /// The day.
    public var day: LocalDay
    /// Hours of the day in which it was in force, 0 to 24.
    public var hours: Double
    /// What would have been paid per hour.
    public var before: MicroDollars
    /// What was paid per hour, the mean over those hours.
    public var after: MicroDollars
    /// `hours x (before - after)`; negative where it turned out dearer.
    public var amount: MicroDollars

    /// Makes one.
    public init(of saving: SavingFact, day: LocalDay, hours: Double, after: MicroDollars) {
        key = saving.key
        cluster = saving.cluster
        feature = saving.feature
        self.day = day
        self.hours = hours
        before = saving.before
        self.after = after
        amount = MicroDollars(rawValue: Int64((hours * Double((saving.before - after).rawValue)).rounded()))
    }
}

/// What was saved. Every call may throw.
public protocol Savings: Sendable {
    /// A cluster's savings that began after then, by the time they began.
    func savings(of cluster: ClusterID, since: Date) async throws -> [SavingFact]
    /// The lives of a cluster's nodes that were seen after then.
    func lives(of cluster: ClusterID, since: Date) async throws -> [NodeLife]
}

/// How old rows become before `daily-refresh` removes them.
public struct SweepFact: Hashable, Sendable, Codable {
    /// Findings not found again for so many days.
    public var findingDays: Int
    /// Interruptions closed so many days ago.
    public var interruptionDays: Int
    /// Messages that could not be read, so many days ago.
    public var deadLetterDays: Int
    /// Proposals answered or expired so many days ago.
    public var proposalDays: Int
    /// Spot prices, incidents and node lives of so many days ago.
    public var priceDays: Int

    /// Names the ages.
    public init(findingDays: Int, interruptionDays: Int, deadLetterDays: Int, proposalDays: Int, priceDays: Int) {
        self.findingDays = findingDays
        self.interruptionDays = interruptionDays
        self.deadLetterDays = deadLetterDays
        self.proposalDays = proposalDays
        self.priceDays = priceDays
    }
}
