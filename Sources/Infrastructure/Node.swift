import Foundation

/// A taint of a node.
public struct Taint: Hashable, Sendable, Codable {
    /// The key.
    public var key: String
    /// The value; empty for none. At most 63 characters.
    public var value: String
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    public var effect: String

    /// Makes a taint.
    public init(key: String, value: String = "", effect: String) {
        self.key = key
        self.value = value
        self.effect = effect
    }
}

/// A node of a cluster: an allow-list of fields.
public struct Node: Hashable, Sendable, Codable {
    /// The name.
    public var name: String
    /// The UID: another node of the same name has another.
    public var uid: String
    /// The resourceVersion it was read at.
    public var resourceVersion: String
    /// The EC2 instance behind it; nil for Fargate and other clouds.
    public var instance: InstanceID?
    /// Labels.
    public var labels: [String: String]
    /// Those annotations that start with `cloudoptim.io/`, and the autoscalers' markers.
    public var annotations: [String: String]
    /// Taints.
    public var taints: [Taint]
    /// Whether it is cordoned.
    public var isUnschedulable: Bool
    /// Whether its Ready condition is true.
    public var isReady: Bool
    /// Whether it has a deletionTimestamp.
    public var isDeleting: Bool
    /// What pods may use.
    public var allocatable: Resources
    /// When it was created.
    public var createdAt: Date
    /// What it has altogether, the system's share included.
    public var capacity = Resources()

    /// Makes a node; what is no parameter is set afterwards.
    public init(
        name: String, uid: String, resourceVersion: String = "", instance: InstanceID? = nil,
        labels: [String: String] = [:], annotations: [String: String] = [:], taints: [Taint] = [],
        isUnschedulable: Bool = false, isReady: Bool = true, isDeleting: Bool = false,
        allocatable: Resources = Resources(), createdAt: Date = Date(timeIntervalSince1970: 0)
    ) {
        self.name = name
        self.uid = uid
        self.resourceVersion = resourceVersion
        self.instance = instance
        self.labels = labels
        self.annotations = annotations
        self.taints = taints
        self.isUnschedulable = isUnschedulable
        self.isReady = isReady
        self.isDeleting = isDeleting
        self.allocatable = allocatable
        self.createdAt = createdAt
    }

    /// The availability zone's name, from the well-known label.
    public var zone: String? { labels["topology.kubernetes.io/zone"] }
    /// The instance type, from the well-known label.
    public var instanceType: String? { labels["node.kubernetes.io/instance-type"] }
    /// `amd64` or `arm64`, from the well-known label.
    public var architecture: String? { labels["kubernetes.io/arch"] }
    /// How it is paid, from the labels of managed node groups and Karpenter; nil: they do not tell.
    public var capacityType: CapacityType? {
        switch labels["eks.amazonaws.com/capacityType"] ?? labels["karpenter.sh/capacity-type"] {
        case "SPOT", "spot": .spot
        case "ON_DEMAND", "on-demand": .onDemand
        default: nil
        }
    }
}

/// A node by name and UID, as actions name it.
public struct NodeReference: Hashable, Sendable, Codable {
    /// The name.
    public var name: String
    /// The UID: nothing is done to another node of the same name.
    public var uid: String

    /// Names a node.
    public init(name: String, uid: String) {
        self.name = name
        self.uid = uid
    }
}

/// A change of a node's own fields, guarded by its UID and resourceVersion.
public struct NodePatch: Hashable, Sendable {
    /// The node.
    public var node: NodeReference
    /// The version this change was computed from: any change in between makes it a conflict.
    public var resourceVersion: String
    /// nil: unchanged.
    public var isUnschedulable: Bool?
    /// The whole new list; nil: unchanged.
    public var taints: [Taint]?
    /// Values to set; a nil value removes the key.
    public var labels: [String: String?]
    /// Values to set; a nil value removes the key.
    public var annotations: [String: String?]

    /// Makes a patch.
    public init(
        node: NodeReference, resourceVersion: String, isUnschedulable: Bool? = nil, taints: [Taint]? = nil,
        labels: [String: String?] = [:], annotations: [String: String?] = [:]
    ) {
        self.node = node
        self.resourceVersion = resourceVersion
        self.isUnschedulable = isUnschedulable
        self.taints = taints
        self.labels = labels
        self.annotations = annotations
    }
}
