/// A namespace.
public struct Namespace: Hashable, Sendable, Codable {
    /// Name.
    public var name: String
    /// UID.
    public var uid: String
    /// Labels.
    public var labels: [String: String]
    /// Annotations that decide something for us.
    public var annotations: [String: String]
    /// Whether it is being deleted.
    public var isTerminating: Bool

    /// Makes a namespace.
    public init(
        name: String, uid: String, labels: [String: String] = [:], annotations: [String: String] = [:],
        isTerminating: Bool = false
    ) {
        self.name = name
        self.uid = uid
        self.labels = labels
        self.annotations = annotations
        self.isTerminating = isTerminating
    }
}

/// One item of a LimitRange.
public struct LimitRangeItem: Hashable, Sendable, Codable {
    /// Namespace.
    public var namespace: String
    /// `Container`, `Pod`, `PersistentVolumeClaim`.
    public var type: String
    /// At least; zero: not said.
    public var min: Resources
    /// At most; zero: not said.
    public var max: Resources
    /// A container's limit where it names none; zero: not said.
    public var defaultLimit: Resources
    /// A container's request where it names none; zero: not said.
    public var defaultRequest: Resources
    /// How many times the request a limit may be, in thousandths, by resource name; absent: not said.
    public var limitToRequestRatioMax: [String: Int64]

    /// Makes one.
    public init(
        namespace: String, type: String, min: Resources = Resources(), max: Resources = Resources(),
        defaultLimit: Resources = Resources(), defaultRequest: Resources = Resources(),
        limitToRequestRatioMax: [String: Int64] = [:]
    ) {
        self.namespace = namespace
        self.type = type
        self.min = min
        self.max = max
        self.defaultLimit = defaultLimit
        self.defaultRequest = defaultRequest
        self.limitToRequestRatioMax = limitToRequestRatioMax
    }
}

/// A ResourceQuota.
public struct ResourceQuota: Hashable, Sendable, Codable {
    /// Namespace.
    public var namespace: String
    /// Name.
    public var name: String
    /// What may be used, by name (`requests.cpu`, `limits.memory`, `pods`, …): thousandths of CPUs, else whole units.
    public var hard: [String: Int64]
    /// What is used, by the same names.
    public var used: [String: Int64]
    /// Whether scopes limit which pods it counts.
    public var isScoped: Bool

    /// Makes one.
    public init(namespace: String, name: String, hard: [String: Int64], used: [String: Int64], isScoped: Bool = false) {
        self.namespace = namespace
        self.name = name
        self.hard = hard
        self.used = used
        self.isScoped = isScoped
    }
}

/// A PriorityClass.
public struct PriorityClass: Hashable, Sendable, Codable {
    /// Name.
    public var name: String
    /// The priority.
    public var value: Int32
    /// Whether pods that name no class have this one.
    public var isDefault: Bool
    /// Whether its pods may push others off (`PreemptLowerPriority`, the default).
    public var preempts: Bool

    /// Makes one.
    public init(name: String, value: Int32, isDefault: Bool = false, preempts: Bool = true) {
        self.name = name
        self.value = value
        self.isDefault = isDefault
        self.preempts = preempts
    }
}
