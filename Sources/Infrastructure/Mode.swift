/// How far CloudOptim may go. In force is the least of the jobspec's `mode_max`, the cluster's mode and the kill switch.
public enum Mode: String, Sendable, Codable, Comparable, CaseIterable {
    /// Nothing is done and nothing is looked at.
    case off
    /// It looks, and says what it would do.
    case observe
    /// It makes proposals for a person to approve.
    case propose
    /// It acts.
    case apply

    /// From `off` to `apply`.
    public static func < (left: Mode, right: Mode) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .off: 0
        case .observe: 1
        case .propose: 2
        case .apply: 3
        }
    }
}

/// Who launches and ends a node. Every job that changes a node asks this first (domain-rules section 1, rule 3).
public enum NodeOwner: Hashable, Sendable, Codable, CustomStringConvertible {
    /// Launched by CloudOptim, or from the cluster's launch template: we replace and terminate it.
    case ours
    /// An Auto Scaling group launches its replacement: we only drain, and answer its lifecycle hook.
    case autoScalingGroup(name: String)
    /// An EKS managed node group drains and replaces by itself: we only drain, which does no harm twice.
    case managedNodeGroup(name: String)
    /// Karpenter drains and replaces by itself: we watch.
    case karpenter
    /// EKS Auto Mode: AWS does everything: we watch.
    case autoMode
    /// Fargate: there is no node to look after.
    case fargate
    /// Nobody we know: we drain on an interruption and launch nothing.
    case unknown

    /// The owner's name in logs and tables.
    public var description: String {
        switch self {
        case .ours: "ours"
        case .autoScalingGroup(let name): "autoscaling-group/\(name)"
        case .managedNodeGroup(let name): "managed-node-group/\(name)"
        case .karpenter: "karpenter"
        case .autoMode: "auto-mode"
        case .fargate: "fargate"
        case .unknown: "unknown"
        }
    }

    /// Reads what `description` wrote; anything else is `unknown`.
    public init(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
        switch (parts.first ?? "", parts.count > 1 ? parts[1] : "") {
        case ("ours", _): self = .ours
        case ("autoscaling-group", let name): self = .autoScalingGroup(name: name)
        case ("managed-node-group", let name): self = .managedNodeGroup(name: name)
        case ("karpenter", _): self = .karpenter
        case ("auto-mode", _): self = .autoMode
        case ("fargate", _): self = .fargate
        default: self = .unknown
        }
    }

    /// Encodes the description.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// Decodes a description.
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    /// Whether CloudOptim cordons and drains such a node when it is about to go.
    public var mayDrain: Bool {
        switch self {
        case .ours, .autoScalingGroup, .managedNodeGroup, .unknown: true
        case .karpenter, .autoMode, .fargate: false
        }
    }

    /// Whether CloudOptim launches the replacement.
    public var mayReplace: Bool { self == .ours }

    /// The tag on instances that CloudOptim launched; its value is the cluster's id.
    public static let ownTag = "cloudoptim.io/cluster"

    /// The tag by which a customer hands a pool of instances over to CloudOptim; its value is the pool's name.
    public static let poolTag = "cloudoptim.io/pool"

    /// Tells the owner from a node's labels and its instance's tags, the strongest sign first.
    /// - Parameters:
    ///   - node: nil when the node is gone.
    ///   - instance: nil when EC2 no longer knows it.
    ///   - cluster: the cluster the node belongs to.
    ///   - ownTemplate: the launch template that the cluster's registration names for our use.
    public static func of(node: Node?, instance: Instance?, cluster: ClusterID, ownTemplate: String?) -> NodeOwner {
        let labels = node?.labels ?? [:]
        let tags = instance?.tags ?? [:]
        if labels["eks.amazonaws.com/compute-type"] == "fargate" { return .fargate }
        if labels["eks.amazonaws.com/compute-type"] == "auto" { return .autoMode }
        if labels["karpenter.sh/nodepool"] != nil || labels["karpenter.sh/provisioner-name"] != nil
            || tags["karpenter.sh/nodepool"] != nil || tags["karpenter.sh/nodeclaim"] != nil
        {
            return .karpenter
        }
        if let group = labels["eks.amazonaws.com/nodegroup"] ?? tags["eks:nodegroup-name"] {
            return .managedNodeGroup(name: group)
        }
        if let group = tags["aws:autoscaling:groupName"] { return .autoScalingGroup(name: group) }
        if tags[ownTag] == cluster.rawValue || tags[poolTag] != nil { return .ours }
        if let ownTemplate, tags["aws:ec2launchtemplate:id"] == ownTemplate { return .ours }
        return .unknown
    }
}
