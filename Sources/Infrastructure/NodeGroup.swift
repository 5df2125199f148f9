import Foundation

/// A group of nodes whose size can be asked for, by its owner and name.
public struct NodeGroupReference: Hashable, Sendable, Codable, CustomStringConvertible {
    /// Whose API sizes it.
    public enum Owner: String, Hashable, Sendable, Codable, CaseIterable {
        /// EC2 Auto Scaling.
        case autoScaling = "autoscaling-group"
        /// EKS: its Auto Scaling group is EKS' own and left to it.
        case managed = "managed-node-group"
    }

    /// Whose API sizes it.
    public var owner: Owner
    /// The EKS cluster that a managed node group belongs to; empty for an Auto Scaling group.
    public var cluster: String
    /// Its name.
    public var name: String

    /// Names a group.
    public init(_ owner: Owner, cluster: String = "", name: String) {
        self.owner = owner
        self.cluster = cluster
        self.name = name
    }

    private enum CodingKeys: String, CodingKey {
        case owner = "kind"
        case cluster, name
    }

    /// `managed-node-group/general`.
    public var description: String { "\(owner.rawValue)/\(name)" }
}

/// A group of nodes as its owner describes it.
public struct NodeGroup: Hashable, Sendable, Codable {
    /// Owner and name.
    public var reference: NodeGroupReference
    /// The ARN of a managed node group, by which it is tagged; nil for an Auto Scaling group.
    public var arn: String?
    /// The fewest nodes its owner keeps.
    public var minSize: Int
    /// The most.
    public var maxSize: Int
    /// Nodes that are wanted now.
    public var desired: Int
    /// Its instances, as far as its owner lists them: those of a managed node group are known by a label of their nodes.
    public var instances: [InstanceID]
    /// Tags.
    public var tags: [String: String]
    /// Whether its owner is changing it: it takes no other change until then.
    public var isChanging: Bool

    /// Describes a group.
    public init(
        _ reference: NodeGroupReference, arn: String? = nil, minSize: Int, maxSize: Int, desired: Int,
        instances: [InstanceID] = [], tags: [String: String] = [:], isChanging: Bool = false
    ) {
        self.reference = reference
        self.arn = arn
        self.minSize = minSize
        self.maxSize = maxSize
        self.desired = desired
        self.instances = instances
        self.tags = tags
        self.isChanging = isChanging
    }

    /// What its tag says of its sleep; nil: nothing of ours.
    public var mark: SleepMark? { tags[SleepMark.annotation].flatMap(SleepMark.init(parsing:)) }
}

/// A change of a group's size.
public struct NodeGroupChange: Hashable, Sendable, Codable {
    /// The group.
    public var group: NodeGroupReference
    /// Nodes that are wanted.
    public var to: Int
    /// The fewest nodes its owner shall keep, where it is raised; lowered, it keeps no more than are wanted.
    public var minSize: Int
    /// Lowering: the group is marked with its sizes of this moment and this time. nil: raising.
    public var sleepsSince: Date?
    /// Raising: only from this size or less; whoever is above was raised by somebody else.
    public var onlyFrom: Int

    /// Lowers a group that is above `size`.
    public static func lower(_ group: NodeGroupReference, to size: Int, since: Date) -> NodeGroupChange {
        NodeGroupChange(group: group, to: size, minSize: size, sleepsSince: since, onlyFrom: size)
    }

    /// Raises a group that is at `from` or below.
    public static func raise(
        _ group: NodeGroupReference, from: Int, to size: Int, minSize: Int
    ) -> NodeGroupChange {
        NodeGroupChange(group: group, to: size, minSize: minSize, sleepsSince: nil, onlyFrom: from)
    }
}

/// A group of nodes that sleeps or slept, as the ledger keeps it: one row for each group.
public struct NodeGroupSleep: Hashable, Sendable, Codable {
    /// The cluster.
    public var cluster: ClusterID
    /// `managed-node-group/general`; `nodes/karpenter` for nodes that are left alone.
    public var group: String
    /// What is known of its sleep.
    public var record: SleepRecord
    /// The fewest nodes its owner keeps when it is awake.
    public var minSize: Int
    /// When that was seen, in world time: an older word does not replace a newer one.
    public var at: Date
    /// The nodes it had when it was put to sleep, by instance, with what each cost per hour; those of which no price is known are
    /// left out. nil: it does not sleep.
    public var nodes: [String: MicroDollars]?

    /// Makes one.
    public init(
        cluster: ClusterID, group: String, record: SleepRecord, minSize: Int, at: Date,
        nodes: [String: MicroDollars]? = nil
    ) {
        self.nodes = nodes
        self.cluster = cluster
        self.group = group
        self.record = record
        self.minSize = minSize
        self.at = at
    }
}
