import Foundation

/// Why an instance is about to go.
public enum InterruptionKind: String, Hashable, Sendable, Codable, CaseIterable {
    /// A spot interruption warning.
    case spotWarning = "spot-warning"
    /// A capacity reservation is being interrupted.
    case capacityReservation = "capacity-reservation"
    /// A rebalance recommendation, where policy says to act on it.
    case rebalance
    /// AWS Health: scheduled maintenance or retirement.
    case maintenance
    /// It is stopping or gone already.
    case stateChange = "state-change"
    /// An Auto Scaling group is ending it and waits for our answer.
    case lifecycle
}

/// That an instance of a cluster is about to go: one live row for each, merged from every event about it.
public struct Interruption: Hashable, Sendable, Codable {
    /// The cluster.
    public var cluster: ClusterID
    /// The instance.
    public var instance: InstanceID
    /// 1, and one more for every time the same instance is interrupted after the last interruption was closed.
    public var generation: Int
    /// Why, by the first event.
    public var kind: InterruptionKind
    /// When the first event happened.
    public var eventAt: Date
    /// When the instance is gone at the latest, in world time: the earliest that any event named.
    public var deadline: Date
    /// The lifecycle hook to answer; nil: none.
    public var lifecycle: LifecycleAction?
    /// What the node's pods asked for before the drain began; nil: not looked at yet.
    public var requirement: ReplacementRequirement?
    /// When the node was drained; nil: not yet.
    public var drainedAt: Date?
    /// What was launched for it; nil: nothing yet.
    public var replacement: InstanceID?
    /// When nothing was left to do; nil: it is live.
    public var closedAt: Date?

    /// Makes an interruption.
    public init(
        cluster: ClusterID, instance: InstanceID, generation: Int = 1, kind: InterruptionKind, eventAt: Date,
        deadline: Date, lifecycle: LifecycleAction? = nil, requirement: ReplacementRequirement? = nil,
        drainedAt: Date? = nil, replacement: InstanceID? = nil, closedAt: Date? = nil
    ) {
        self.cluster = cluster
        self.instance = instance
        self.generation = generation
        self.kind = kind
        self.eventAt = eventAt
        self.deadline = deadline
        self.lifecycle = lifecycle
        self.requirement = requirement
        self.drainedAt = drainedAt
        self.replacement = replacement
        self.closedAt = closedAt
    }

    /// What effect keys and job keys name it by: the instance, and the generation where it is not the first.
    public var intent: String { generation == 1 ? instance.rawValue : "\(instance.rawValue)~\(generation)" }
}

/// What a replacement must be able to carry.
public struct ReplacementRequirement: Hashable, Sendable, Codable {
    /// The sum of the requests of the pods that have to move.
    public var moving: Resources
    /// The sum of the requests of the node's daemon pods, which the new node gets as well.
    public var daemons: Resources
    /// `amd64` or `arm64`.
    public var architecture: String
    /// The zone that pods are bound to by their volumes; nil: any zone will do.
    public var zone: String?
    /// What the node is, where its pods ask for what no table of types tells of (`nvidia.com/gpu`); nil: unknown.
    public var own: OwnType?

    /// A node's type, and what Kubernetes says that pods may use of it.
    public struct OwnType: Hashable, Sendable, Codable {
        /// `g5.xlarge`.
        public var type: String
        /// With extended resources.
        public var allocatable: Resources

        /// Makes one.
        public init(type: String, allocatable: Resources) {
            self.type = type
            self.allocatable = allocatable
        }
    }

    /// Makes a requirement.
    public init(moving: Resources, daemons: Resources, architecture: String, zone: String?, own: OwnType? = nil) {
        self.moving = moving
        self.daemons = daemons
        self.architecture = architecture
        self.zone = zone
        self.own = own
    }

    /// Pods and daemons together.
    public var total: Resources { moving + daemons }

    /// The total in words, for people.
    public var words: String {
        let sum = total
        let extended = sum.extended.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        return (["\(sum.cpu) milli-CPU", "\(sum.memory) bytes"] + extended).joined(separator: ", ")
    }
}

/// Steps of an interruption's row; nil leaves a column as it is, and a time once set stays.
public struct InterruptionProgress: Hashable, Sendable, Codable {
    /// The cluster.
    public var cluster: ClusterID
    /// The instance.
    public var instance: InstanceID
    /// The generation: an older one changes nothing.
    public var generation: Int
    /// What the replacement must carry; the first one stays.
    public var requirement: ReplacementRequirement?
    /// When the drain began.
    public var cordonedAt: Date?
    /// When the node was drained.
    public var drainedAt: Date?
    /// What was launched.
    public var replacement: InstanceID?
    /// When nothing was left to do.
    public var closedAt: Date?

    /// Makes a step of an interruption.
    public init(
        of interruption: Interruption, requirement: ReplacementRequirement? = nil, cordonedAt: Date? = nil,
        drainedAt: Date? = nil, replacement: InstanceID? = nil, closedAt: Date? = nil
    ) {
        cluster = interruption.cluster
        instance = interruption.instance
        generation = interruption.generation
        self.requirement = requirement
        self.cordonedAt = cordonedAt
        self.drainedAt = drainedAt
        self.replacement = replacement
        self.closedAt = closedAt
    }
}
