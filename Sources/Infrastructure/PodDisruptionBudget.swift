/// A number of pods, or a share of them.
public enum CountOrPercent: Hashable, Sendable, Codable {
    /// So many.
    case count(Int)
    /// So many of a hundred.
    case percent(Int)
}

/// A PodDisruptionBudget: which pods it covers and what may be evicted now.
public struct PodDisruptionBudget: Hashable, Sendable, Codable {
    /// Namespace.
    public var namespace: String
    /// Name.
    public var name: String
    /// How many more pods may be disrupted now.
    public var disruptionsAllowed: Int
    /// Which pods of its namespace it covers.
    public var selector: LabelSelector
    /// At least so many must stay; nil: not said.
    public var minAvailable: CountOrPercent?
    /// At most so many may be missing; nil: not said.
    public var maxUnavailable: CountOrPercent?
    /// Pods it covers.
    public var expectedPods = 0
    /// Of those, the healthy ones.
    public var currentHealthy = 0
    /// Of those, so many must be healthy.
    public var desiredHealthy = 0
    /// Whether pods that are not ready may always be evicted (`unhealthyPodEvictionPolicy: AlwaysAllow`).
    public var alwaysAllowsUnhealthy = false

    /// Makes a budget; what is no parameter is set afterwards.
    public init(
        namespace: String, name: String, disruptionsAllowed: Int, selector: LabelSelector = LabelSelector(),
        minAvailable: CountOrPercent? = nil, maxUnavailable: CountOrPercent? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.disruptionsAllowed = disruptionsAllowed
        self.selector = selector
        self.minAvailable = minAvailable
        self.maxUnavailable = maxUnavailable
    }

    /// Whether it covers a pod.
    public func covers(_ pod: Pod) -> Bool { pod.namespace == namespace && selector.matches(pod.labels) }

    /// Whether it forbids every disruption for good: `maxUnavailable` 0 or 0 %, `minAvailable` 100 %.
    public var blocksForever: Bool {
        maxUnavailable == .count(0) || maxUnavailable == .percent(0) || minAvailable == .percent(100)
    }
}
