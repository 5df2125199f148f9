import Foundation

/// Something a person should see; also why something was not done.
public struct Finding: Hashable, Sendable, Codable {
    /// How much it matters, the least first.
    public enum Severity: String, Sendable, Codable, CaseIterable {
        /// Good to know.
        case info
        /// Something needs attention.
        case warning
        /// Something is lost if nobody looks.
        case critical
    }

    /// A stable word for its kind: `no-capacity`, `would-act`.
    public var code: String
    /// The cluster; nil: about none.
    public var cluster: ClusterID?
    /// What it is about: an instance, a node, a queue.
    public var subject: String
    /// How much it matters.
    public var severity: Severity
    /// One or two sentences: what was found, what it means, what to do.
    public var message: String
    /// What acting on it would save per hour; nil: it is not about money, or the prices are not known.
    public var saving: MicroDollars?
    /// How sure the saving is, 0 to 1: the share of its inputs that were measured or listed; nil: not estimated.
    public var confidence: Double?

    /// Makes a finding.
    public init(
        _ code: String, cluster: ClusterID?, subject: String, _ severity: Severity, _ message: String,
        saving: MicroDollars? = nil, confidence: Double? = nil
    ) {
        self.code = code
        self.cluster = cluster
        self.subject = subject
        self.severity = severity
        self.message = message
        self.saving = saving
        self.confidence = confidence
    }
}

/// What became of a message of an interruption queue.
public enum EventOutcome: String, Hashable, Sendable, Codable {
    /// It led to work.
    case accepted
    /// It concerns no cluster of the queue's tenant with its account and region.
    case foreign
    /// Account and region are ours, the instance is in no cluster.
    case unknownInstance = "unknown-instance"
    /// It needs nothing done: a test notification, a state we do not act on, a rebalance recommendation.
    case noted
}

/// An event as it is kept for a day: what came, for what, and what became of it.
public struct EventFact: Hashable, Sendable, Codable {
    /// Unique: `event/<tenant>/<account>/<region>/<event id>`.
    public var key: String
    /// The queue's URL.
    public var queue: String
    /// The event's kind.
    public var kind: String
    /// The account it names.
    public var account: String
    /// The region it names.
    public var region: String
    /// The instances it names, as far as they are ours or at most ten.
    public var instances: [InstanceID]
    /// The cluster it was resolved to; nil: none.
    public var cluster: ClusterID?
    /// When it happened, by its own word.
    public var at: Date
    /// What became of it.
    public var outcome: EventOutcome
    /// Why, where the outcome does not say it.
    public var note: String

    /// Makes one.
    public init(
        key: String, queue: String, kind: String, account: String, region: String, instances: [InstanceID],
        cluster: ClusterID?, at: Date, outcome: EventOutcome, note: String = ""
    ) {
        self.key = key
        self.queue = queue
        self.kind = kind
        self.account = account
        self.region = region
        self.instances = instances
        self.cluster = cluster
        self.at = at
        self.outcome = outcome
        self.note = note
    }
}

/// A message that could not be read. Nothing is lost: its body is kept, whatever it is.
public struct DeadLetterFact: Hashable, Sendable, Codable {
    /// The message's id.
    public var message: String
    /// The queue's URL.
    public var queue: String
    /// What was found and what was wanted.
    public var error: String
    /// The body in base64: it may hold what no text column can.
    public var bodyBase64: String

    /// Makes one.
    public init(message: String, queue: String, error: String, bodyBase64: String) {
        self.message = message
        self.queue = queue
        self.error = error
        self.bodyBase64 = bodyBase64
    }
}

/// That a pool gave no capacity, and until when it is not asked again.
public struct UnavailablePoolFact: Hashable, Sendable, Codable {
    /// The account.
    public var account: String
    /// The pool.
    public var pool: SpotPool
    /// What was asked of it.
    public var capacity: CapacityType
    /// Not asked before then.
    public var until: Date
    /// The far side's code, or `interrupted`.
    public var reason: String

    /// Makes one.
    public init(account: String, pool: SpotPool, capacity: CapacityType, until: Date, reason: String) {
        self.account = account
        self.pool = pool
        self.capacity = capacity
        self.until = until
        self.reason = reason
    }
}

/// Which node of which cluster an instance is: what events are resolved by.
public struct IndexedInstance: Hashable, Sendable, Codable {
    /// The instance.
    public var instance: InstanceID
    /// The cluster.
    public var cluster: ClusterID
    /// The node's name.
    public var node: String
    /// The node's UID.
    public var nodeUID: String
    /// When it was last seen.
    public var seenAt: Date
    /// Its instance type; nil: not told.
    public var type: String?
    /// Its zone's name; nil: not told.
    public var zone: String?
    /// How it is paid; nil: the node's labels do not tell.
    public var capacity: CapacityType?

    /// Makes an entry.
    public init(
        instance: InstanceID, cluster: ClusterID, node: String, nodeUID: String, seenAt: Date, type: String? = nil,
        zone: String? = nil, capacity: CapacityType? = nil
    ) {
        self.type = type
        self.zone = zone
        self.capacity = capacity
        self.instance = instance
        self.cluster = cluster
        self.node = node
        self.nodeUID = nodeUID
        self.seenAt = seenAt
    }
}

/// A value to keep, committed with its round's end. Stores has one upsert for each case.
public enum Fact: Hashable, Sendable, Codable {
    /// An event came.
    case event(EventFact)
    /// A message could not be read.
    case deadLetter(DeadLetterFact)
    /// An instance is about to go: opens its interruption, or merges with the open one, the earlier deadline winning.
    case interruption(Interruption)
    /// How far its interruption is.
    case interruptionProgress(InterruptionProgress)
    /// A pool gave nothing.
    case unavailablePool(UnavailablePoolFact)
    /// An instance is a node of a cluster.
    case indexedInstance(IndexedInstance)
    /// Everything of the cluster that was last seen before then is gone.
    case indexSwept(cluster: ClusterID, before: Date)
    /// Something is expected to save money.
    case saving(SavingFact)
    /// What a saving brought on a day.
    case savingDay(SavingDayFact)
    /// Rows of these ages may go.
    case sweep(SweepFact)
    /// Spot prices were read.
    case spotPrices(SpotPriceFact)
    /// On-demand prices were read.
    case onDemandPrices(OnDemandFact)
    /// Advice was read.
    case advice(AdviceFact)
    /// The zones of an account were read.
    case accountZones(AccountZonesFact)
    /// How far a source of prices was read.
    case priceSource(PriceSourceFact)
    /// Days of spot prices are there, or can never be had.
    case priceDays(PriceDaysFact)
    /// What the risk score said of a pool.
    case riskPrediction(RiskPrediction)
    /// A pool did something to an account.
    case poolIncident(account: String, PoolIncident)
    /// A volume was looked at.
    case volumeSighting(VolumeSighting)
    /// A volume is not there any more.
    case volumeGone(VolumeGone)
    /// An instance is in no cluster.
    case ghostSighting(GhostSighting)
    /// An instance is no ghost.
    case ghostGone(GhostGone)
    /// An object sleeps, or is awake again.
    case sleeper(Sleeper)
    /// A group of nodes sleeps, or is awake again.
    case nodeGroupSleep(NodeGroupSleep)
    /// What a container used.
    case usage(UsageFact)
    /// A container's memory was raised.
    case memoryRaise(MemoryRaiseFact)
    /// A plan that empties nodes began, goes on or ended.
    case nodePlan(NodePlan)
}

/// A message to delete once what it brought is committed; harmless when lost.
public struct Acknowledgement: Hashable, Sendable, Codable {
    /// The message's receipt.
    public var receipt: String

    /// Makes one.
    public init(receipt: String) { self.receipt = receipt }
}

/// What comes after a round.
public enum Next: Hashable, Sendable, Codable {
    /// The job is done.
    case done
    /// Another round after this time.
    case again(afterMilliseconds: Int64)
    /// The job ends without having reached its aim; a finding says why as well.
    case stop(reason: String)

    /// Whether it is the job's last round.
    public var isEnd: Bool { if case .again = self { false } else { true } }
}
