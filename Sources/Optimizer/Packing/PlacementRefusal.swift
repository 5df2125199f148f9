/// Why a pod cannot be placed on a node: the rules of the Kubernetes scheduler that the packing simulation knows
/// (domain-rules section 4). A rule that is not here makes its pod unmovable (`Unmovable`).
public enum PlacementRefusal: String, Sendable, Hashable, Codable, CaseIterable {
    /// Not enough CPU is left.
    case cpu
    /// Not enough memory is left.
    case memory
    /// The node holds as many pods as it may.
    case podCount = "pod-count"
    /// Not enough ephemeral storage is left.
    case ephemeralStorage = "ephemeral-storage"
    /// Not enough huge pages are left.
    case hugePages = "huge-pages"
    /// Not enough of an extended resource (`nvidia.com/gpu`, `vpc.amazonaws.com/pod-eni`) is left.
    case extendedResource = "extended-resource"
    /// No accelerator has so large a share left.
    case deviceShare = "device-share"
    /// A taint that the pod does not tolerate.
    case taint
    /// The node is cordoned.
    case cordoned
    /// The pod's node selector names other labels.
    case nodeSelector = "node-selector"
    /// No term of the pod's required node affinity matches.
    case nodeAffinity = "node-affinity"
    /// No pod that it must be near to is in the node's domain.
    case podAffinity = "pod-affinity"
    /// A pod that it must not be near to is in the node's domain.
    case podAntiAffinity = "pod-anti-affinity"
    /// A pod in the node's domain must not be near to it.
    case othersAntiAffinity = "others-anti-affinity"
    /// The domains would differ by more than a spread constraint allows.
    case topologySpread = "topology-spread"
    /// Another pod of the node holds a host port of it.
    case hostPort = "host-port"
    /// One of its volumes is bound to other nodes or zones.
    case volumeZone = "volume-zone"
    /// One of its volumes is attached to another node and can be attached to one only.
    case volumeInUse = "volume-in-use"
    /// The node holds as many volumes as it may.
    case attachLimit = "attach-limit"
    /// The node is not Ready.
    case notReady = "not-ready"
    /// The node is being deleted, or is about to go.
    case deleting
    /// The node is being emptied by this very plan.
    case leaving

    /// The reason in words, for people.
    public var words: String {
        switch self {
        case .cpu: "not enough CPU is left"
        case .memory: "not enough memory is left"
        case .podCount: "it holds as many pods as it may"
        case .ephemeralStorage: "not enough ephemeral storage is left"
        case .hugePages: "not enough huge pages are left"
        case .extendedResource: "not enough of an extended resource is left"
        case .deviceShare: "no accelerator has so large a share left"
        case .taint: "a taint is not tolerated"
        case .cordoned: "it is cordoned"
        case .nodeSelector: "the node selector names other labels"
        case .nodeAffinity: "no term of the required node affinity matches"
        case .podAffinity: "no pod that it must be near to is there"
        case .podAntiAffinity: "a pod that it must not be near to is there"
        case .othersAntiAffinity: "a pod there must not be near to it"
        case .topologySpread: "a topology spread constraint would be exceeded"
        case .hostPort: "a host port is taken"
        case .volumeZone: "a volume is bound to other nodes or zones"
        case .volumeInUse: "a volume is attached to another node"
        case .attachLimit: "it holds as many volumes as it may"
        case .notReady: "it is not Ready"
        case .deleting: "it is going"
        case .leaving: "it is being emptied by the same plan"
        }
    }
}
