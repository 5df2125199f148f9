/// What a simulated world is made of and where it listens.
public struct SimulatorConfiguration: Sendable {
    /// Address to listen on.
    public var host: String
    /// Port of the Kubernetes API of all clusters (TLS); 0 for any free one.
    public var kubernetesPort: Int
    /// Port of the AWS endpoint and of the control API (HTTP); 0 for any free one.
    public var awsPort: Int
    /// Where moto listens, such as `http://127.0.0.1:5000`.
    public var motoURL: String
    /// The same seed and clusters give the same world, but for instance ids (moto's) and times.
    public var seed: UInt64
    /// The clusters of the world; names are unique.
    public var clusters: [SimulatedCluster]
    /// PEM file of the certificate of the Kubernetes API.
    public var certificatePath: String
    /// PEM file of its private key.
    public var privateKeyPath: String
    /// Seconds from the launch of an instance to its node's registration.
    public var nodeJoinSeconds: ClosedRange<Double>
    /// Folder for `log.jsonl` (every changing call) and `world.json` (how to reach everything); nil for none.
    public var stateDirectory: String?

    /// - Parameter certificatePath: see `SimulatorFiles`, which writes it.
    public init(
        host: String = "127.0.0.1", kubernetesPort: Int = 0, awsPort: Int = 0, motoURL: String, seed: UInt64 = 1,
        clusters: [SimulatedCluster], certificatePath: String, privateKeyPath: String,
        nodeJoinSeconds: ClosedRange<Double> = 10...20, stateDirectory: String? = nil
    ) {
        self.host = host
        self.kubernetesPort = kubernetesPort
        self.awsPort = awsPort
        self.motoURL = motoURL
        self.seed = seed
        self.clusters = clusters
        self.certificatePath = certificatePath
        self.privateKeyPath = privateKeyPath
        self.nodeJoinSeconds = nodeJoinSeconds
        self.stateDirectory = stateDirectory
    }
}

/// What a bearer token may do in a cluster.
public enum SimulatedRole: String, Sendable, CaseIterable {
    /// Get, list and watch.
    case readOnly = "read-only"
    /// What the product's RBAC manifest grants.
    case act
    /// Everything, for people with kubectl.
    case admin
}

/// Who manages a node, told by its labels and by its instance's tags.
public enum NodeOwner: String, Sendable, CaseIterable {
    /// Launched by CloudOptim: instance tag `kubernetes.io/cluster/<name>=owned` and `cloudoptim.io/pool`.
    case ours
    /// Tag `aws:autoscaling:groupName`.
    case autoScalingGroup = "auto-scaling-group"
    /// Tag `eks:nodegroup-name`, label `eks.amazonaws.com/nodegroup`.
    case managedNodeGroup = "managed-node-group"
    /// Tag and label `karpenter.sh/nodepool`.
    case karpenter
    /// None of these.
    case unknown

    init(tags: [String: String]) {
        if tags["karpenter.sh/nodepool"] != nil {
            self = .karpenter
        } else if tags["eks:nodegroup-name"] != nil {
            self = .managedNodeGroup
        } else if tags["aws:autoscaling:groupName"] != nil {
            self = .autoScalingGroup
        } else if tags["cloudoptim.io/pool"] != nil {
            self = .ours
        } else {
            self = .unknown
        }
    }
}

/// One cluster of the world.
public struct SimulatedCluster: Sendable {
    /// Its name, part of its API's path.
    public var name: String
    /// AWS account id, 12 digits.
    public var account: String
    /// AWS region.
    public var region: String
    /// Nodes at the start.
    public var nodeCount: Int
    /// Pods of Deployments and StatefulSets at the start, about.
    public var podCount: Int
    /// Owners of the nodes, dealt out in turn by weight.
    public var owners: [(owner: NodeOwner, weight: Int)]
    /// Part of the nodes that are spot instances, 0-1.
    public var spotShare: Double
    /// Bearer tokens and what they may do.
    public var tokens: [String: SimulatedRole]
    /// Role that `AssumeRole` checks `externalID` for.
    public var roleARN: String
    /// The external id the role demands.
    public var externalID: String
    /// Also pods that no drain can move politely: two budgets on one pod, a budget that allows nothing, bare pods.
    public var hasAwkwardPods: Bool
    /// Seconds from a pod's placement to Ready.
    public var podStartSeconds: ClosedRange<Double>
    /// Part of its grace that a pod needs to stop.
    public var podStopFraction: ClosedRange<Double>
    /// Seconds from an instance's end to the removal of its node.
    public var nodeRemovalSeconds: ClosedRange<Double>

    /// The tokens default to `<name>-act`, `<name>-read` and `<name>-admin`.
    public init(
        name: String, account: String = "123456789012", region: String = "us-east-1", nodeCount: Int = 6,
        podCount: Int = 60, owners: [(owner: NodeOwner, weight: Int)] = [(.ours, 1)], spotShare: Double = 0.8,
        tokens: [String: SimulatedRole]? = nil, roleARN: String? = nil, externalID: String? = nil,
        hasAwkwardPods: Bool = false, podStartSeconds: ClosedRange<Double> = 1...4,
        podStopFraction: ClosedRange<Double> = 0.05...0.5, nodeRemovalSeconds: ClosedRange<Double> = 8...15
    ) {
        self.name = name
        self.account = account
        self.region = region
        self.nodeCount = nodeCount
        self.podCount = podCount
        self.owners = owners
        self.spotShare = spotShare
        self.tokens = tokens ?? ["\(name)-act": .act, "\(name)-read": .readOnly, "\(name)-admin": .admin]
        self.roleARN = roleARN ?? "arn:aws:iam::\(account):role/cloudoptim-\(name)"
        self.externalID = externalID ?? "external-\(name)"
        self.hasAwkwardPods = hasAwkwardPods
        self.podStartSeconds = podStartSeconds
        self.podStopFraction = podStopFraction
        self.nodeRemovalSeconds = nodeRemovalSeconds
    }

    /// Zones of its nodes.
    var zones: [String] { ["a", "b", "c"].map { region + $0 } }
    /// Name of its launch template, subnets' cluster tag and queue.
    var resourceName: String { "cloudoptim-\(name)" }
}
