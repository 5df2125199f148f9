/// One alternative of a node selector: all its requirements must hold. Without any it matches no node.
public struct NodeSelectorTerm: Hashable, Sendable, Codable {
    /// Requirements on labels.
    public var matchExpressions: [SelectorRequirement]
    /// Requirements on fields; Kubernetes knows `metadata.name` alone.
    public var matchFields: [SelectorRequirement]

    /// Makes a term.
    public init(matchExpressions: [SelectorRequirement] = [], matchFields: [SelectorRequirement] = []) {
        self.matchExpressions = matchExpressions
        self.matchFields = matchFields
    }

    /// Whether a node of this name with these labels is meant.
    public func matches(nodeName: String, labels: [String: String]) -> Bool {
        if matchExpressions.isEmpty && matchFields.isEmpty { return false }
        return matchExpressions.allSatisfy { $0.matches(labels) }
            && matchFields.allSatisfy { $0.matches(["metadata.name": nodeName]) }
    }
}

/// A preferred node term.
public struct WeightedNodeTerm: Hashable, Sendable, Codable {
    /// 1 to 100.
    public var weight: Int
    /// What is preferred.
    public var term: NodeSelectorTerm

    /// Makes one.
    public init(weight: Int, _ term: NodeSelectorTerm) {
        self.weight = weight
        self.term = term
    }
}

/// A rule about other pods in the same domain of a topology.
public struct PodAffinityTerm: Hashable, Sendable, Codable {
    /// Which pods; nil: none.
    public var selector: LabelSelector?
    /// The node label whose values are the domains.
    public var topologyKey: String
    /// Namespaces by name; with `namespaceSelector` nil and this empty: the pod's own.
    public var namespaces: [String]
    /// Namespaces by label, besides those named; empty: all; nil: none.
    public var namespaceSelector: LabelSelector?
    /// Keys of the pod's own labels whose values are added to the selector.
    public var matchLabelKeys: [String]
    /// Keys of the pod's own labels whose values are excluded by the selector.
    public var mismatchLabelKeys: [String]

    /// Makes a term.
    public init(
        selector: LabelSelector?, topologyKey: String, namespaces: [String] = [],
        namespaceSelector: LabelSelector? = nil, matchLabelKeys: [String] = [], mismatchLabelKeys: [String] = []
    ) {
        self.selector = selector
        self.topologyKey = topologyKey
        self.namespaces = namespaces
        self.namespaceSelector = namespaceSelector
        self.matchLabelKeys = matchLabelKeys
        self.mismatchLabelKeys = mismatchLabelKeys
    }
}

/// A preferred pod term.
public struct WeightedPodTerm: Hashable, Sendable, Codable {
    /// 1 to 100.
    public var weight: Int
    /// What is preferred.
    public var term: PodAffinityTerm

    /// Makes one.
    public init(weight: Int, _ term: PodAffinityTerm) {
        self.weight = weight
        self.term = term
    }
}

/// A rule that spreads pods over the domains of a topology.
public struct TopologySpread: Hashable, Sendable, Codable {
    /// How far the fullest domain may be above the emptiest, at least 1.
    public var maxSkew: Int
    /// The node label whose values are the domains.
    public var topologyKey: String
    /// Whether it must hold (`DoNotSchedule`); false: a preference (`ScheduleAnyway`).
    public var isRequired: Bool
    /// Which pods are counted; nil: none.
    public var selector: LabelSelector?
    /// So many domains must exist, else the emptiest counts as 0; nil: 1.
    public var minDomains: Int?
    /// Whether only nodes that the pod's node affinity allows are counted (`Honor`, the default).
    public var honorsNodeAffinity: Bool
    /// Whether only nodes whose taints the pod tolerates are counted (`Honor`; `Ignore` is the default).
    public var honorsNodeTaints: Bool
    /// Keys of the pod's own labels whose values are added to the selector.
    public var matchLabelKeys: [String]

    /// Makes a rule.
    public init(
        maxSkew: Int = 1, topologyKey: String, isRequired: Bool = true, selector: LabelSelector?,
        minDomains: Int? = nil, honorsNodeAffinity: Bool = true, honorsNodeTaints: Bool = false,
        matchLabelKeys: [String] = []
    ) {
        self.maxSkew = maxSkew
        self.topologyKey = topologyKey
        self.isRequired = isRequired
        self.selector = selector
        self.minDomains = minDomains
        self.honorsNodeAffinity = honorsNodeAffinity
        self.honorsNodeTaints = honorsNodeTaints
        self.matchLabelKeys = matchLabelKeys
    }
}

/// A port that a pod holds on its node.
public struct HostPort: Hashable, Sendable, Codable {
    /// The port.
    public var port: Int
    /// `TCP`, `UDP` or `SCTP`.
    public var `protocol`: String
    /// The address; `0.0.0.0`: all.
    public var address: String

    /// Makes one.
    public init(port: Int, protocol: String = "TCP", address: String = "0.0.0.0") {
        self.port = port
        self.protocol = `protocol`
        self.address = address
    }
}

/// A volume of a pod: what kind, and which claim; never its content.
public struct PodVolume: Hashable, Sendable, Codable {
    /// The volume source's field name: `emptyDir`, `persistentVolumeClaim`, `hostPath`, `ephemeral`, `csi`, `configMap`, …
    public var kind: String
    /// The PersistentVolumeClaim, of the pod's namespace; a generic ephemeral volume's is named after pod and volume.
    public var claim: String?

    /// Makes one.
    public init(kind: String, claim: String? = nil) {
        self.kind = kind
        self.claim = claim
    }
}

/// Everything that rules where a pod may run, besides its requests and tolerations.
public struct PodPlacement: Hashable, Sendable, Codable {
    /// Node labels that it must find.
    public var nodeSelector: [String: String] = [:]
    /// Alternatives of which one must hold; nil: no such rule. An empty list matches no node.
    public var requiredNodeTerms: [NodeSelectorTerm]?
    /// Preferred nodes.
    public var preferredNodeTerms: [WeightedNodeTerm] = []
    /// Pods it must run beside.
    public var requiredAffinity: [PodAffinityTerm] = []
    /// Pods it should run beside.
    public var preferredAffinity: [WeightedPodTerm] = []
    /// Pods it must not run beside; holds also against pods that come later.
    public var requiredAntiAffinity: [PodAffinityTerm] = []
    /// Pods it should not run beside.
    public var preferredAntiAffinity: [WeightedPodTerm] = []
    /// How it is spread.
    public var topologySpread: [TopologySpread] = []
    /// Ports of its node that it holds.
    public var hostPorts: [HostPort] = []
    /// Its volumes.
    public var volumes: [PodVolume] = []
    /// Its scheduler.
    public var schedulerName = "default-scheduler"
    /// Gates that keep it from being scheduled at all.
    public var schedulingGates: [String] = []
    /// Whether it uses its node's network.
    public var usesHostNetwork = false
    /// What the decoder saw and does not know, or cannot reckon with (`resourceClaims`, `affinity.fooAffinity`): field
    /// names, never values. A pod with any is not movable.
    public var unknownConstraints: [String] = []

    /// Without any rule.
    public init() {}
}
