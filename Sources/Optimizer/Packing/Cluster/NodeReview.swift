import Foundation
import Infrastructure

/// Why a node is not emptied.
public enum NodeStay: Hashable, Sendable, Codable {
    /// It is not Ready, is ending, or somebody cordoned it.
    case unfit(String)
    /// Its owner removes nodes by itself, or nobody may.
    case owner(String)
    /// The policy or an annotation protects it.
    case protected(String)
    /// It is younger than the policy's least age.
    case young
    /// It was touched, or took evicted pods, a short time ago.
    case cooldown
    /// It is being interrupted.
    case interrupted
    /// What it costs is not known.
    case noPrice
    /// A pod on it is not moved, and why.
    case unmovable(pod: String, Unmovable)
    /// A pod finds no other place, and what the other nodes say.
    case noPlace(pod: String, [String])
    /// It saves too little in a month, in dollars.
    case savingTooSmall(Double)
    /// It saves too little for what it disturbs.
    case scoreTooLow(Double)
    /// Too little would stay free in the cluster.
    case headroom
    /// The plan is as large as it may be; its turn comes later.
    case budget
    /// It is not fit for what is looked for, and why.
    case unsuitable(String)
    /// Nothing stands in its way, but this plan was not begun.
    case planNotBegun(String)

    /// A stable word.
    public var code: String {
        switch self {
        case .unfit: "unfit"
        case .owner: "owner"
        case .protected: "protected"
        case .young: "young"
        case .cooldown: "cooldown"
        case .interrupted: "interrupted"
        case .noPrice: "no-price"
        case .unmovable: "unmovable-pod"
        case .noPlace: "no-place"
        case .savingTooSmall: "saving-too-small"
        case .scoreTooLow: "score-too-low"
        case .headroom: "headroom"
        case .budget: "budget"
        case .unsuitable: "unsuitable"
        case .planNotBegun: "plan-not-begun"
        }
    }

    /// The reason in words, for people.
    public var words: String {
        switch self {
        case .unfit(let why): "it is \(why)"
        case .owner(let why): why
        case .protected(let why): why
        case .young: "it is younger than disruption.node_age_min"
        case .cooldown: "it was touched or took pods within disruption.node_cooldown"
        case .interrupted: "it is being interrupted"
        case .noPrice: "what it costs is not known"
        case .unmovable(let pod, let why): "\(pod) is not moved: \(why.words)"
        case .noPlace(let pod, let refusals):
            "\(pod) finds no other place: \(refusals.isEmpty ? "there is no other node" : refusals.joined(separator: ", "))"
        case .savingTooSmall(let dollars):
            "it would save \(Money.text(dollars)) $ a month, less than saving.minimum_dollars_per_month"
        case .scoreTooLow(let score):
            "its share of the saving is \(Money.text(score)) of its share of the disruption, less than 1 / saving.score_factor"
        case .headroom: "less than packing.headroom would stay free"
        case .budget: "the plan is as large as the policy lets it be; its turn comes later"
        case .unsuitable(let why): why
        case .planNotBegun(let why): "the plan is not begun: \(why)"
        }
    }
}

/// Amounts in findings.
enum Money {
    /// Two digits after the point, without a locale.
    static func text(_ value: Double) -> String {
        let hundredths = Int64((value * 100).rounded())
        let sign = hundredths < 0 ? "-" : ""
        let cents = abs(hundredths) % 100
        return "\(sign)\(abs(hundredths) / 100).\(cents < 10 ? "0" : "")\(cents)"
    }
}

/// Which nodes voluntary work may empty at all, before any search for places.
public struct NodeReview: Sendable {
    private let snapshot: ClusterSnapshot
    private let policy: ClusterPolicy
    private let prices: [String: MicroDollars]
    private let instances: [InstanceID: Instance]
    private let interrupted: Set<InstanceID>
    private let resting: Set<String>

    /// Annotations that keep a node, with the value that does; source: cluster-autoscaler and Karpenter.
    static let keepers = [
        "cluster-autoscaler.kubernetes.io/scale-down-disabled": "true", "karpenter.sh/do-not-disrupt": "true",
        "cloudoptim.io/do-not-disrupt": "true",
    ]
    /// Our mark on a node (NodeMark in Jobs): whoever set it still works on the node.
    static let markAnnotation = "cloudoptim.io/by"

    /// Prepares a review.
    /// - Parameters:
    ///   - prices: what nodes cost, by name.
    ///   - interrupted: instances that are about to go.
    ///   - resting: UIDs of nodes that were touched within the cooldown.
    public init(
        _ snapshot: ClusterSnapshot, policy: ClusterPolicy, prices: [String: MicroDollars],
        interrupted: Set<InstanceID>, resting: Set<String>
    ) {
        self.snapshot = snapshot
        self.policy = policy
        self.prices = prices
        instances = snapshot.instancesByID
        self.interrupted = interrupted
        self.resting = resting
    }

    /// The instance behind a node; nil: none, or EC2 does not know it.
    func instance(of node: Node) -> Instance? { node.instance.flatMap { instances[$0] } }

    /// Who launches and ends a node.
    public func owner(of node: Node) -> NodeOwner {
        NodeOwner.of(
            node: node, instance: instance(of: node), cluster: snapshot.cluster.id,
            ownTemplate: snapshot.cluster.ownTemplate)
    }

    /// Why a node stays, whatever its pods are; nil: it may be emptied.
    public func reason(_ node: Node) -> NodeStay? {
        if let unfit = unfit(node) { return unfit }
        switch owner(of: node) {
        case .karpenter: return .owner("Karpenter packs its own nodes")
        case .autoMode: return .owner("EKS Auto Mode packs its own nodes")
        case .fargate: return .owner("there is no node behind a Fargate pod")
        case .unknown: return .owner("nobody is known who may end its instance")
        case .managedNodeGroup where instance(of: node)?.tags["aws:autoscaling:groupName"] == nil:
            return .owner("its node group's Auto Scaling group is not known")
        case .ours, .autoScalingGroup, .managedNodeGroup: break
        }
        if let reason = policy.protected.reason(namespace: nil, labels: node.labels) { return .protected(reason) }
        if let tags = instance(of: node)?.tags, let reason = policy.protected.reason(tags: tags) {
            return .protected(reason)
        }
        if let key = NodeReview.keepers.filter({ node.annotations[$0.key] == $0.value }).keys.min() {
            return .protected("its annotation \(key) says so")
        }
        if let id = node.instance, interrupted.contains(id) { return .interrupted }
        if snapshot.capturedAt.timeIntervalSince(node.createdAt) < policy.disruption.nodeAgeMin.interval {
            return .young
        }
        if resting.contains(node.uid) { return .cooldown }
        return prices[node.name] == nil ? .noPrice : nil
    }

    private func unfit(_ node: Node) -> NodeStay? {
        if node.isDeleting { return .unfit("ending") }
        if !node.isReady { return .unfit("not Ready") }
        if node.annotations[NodeReview.markAnnotation] != nil { return .unfit("marked by CloudOptim already") }
        return node.isUnschedulable ? .unfit("cordoned by somebody") : nil
    }
}
