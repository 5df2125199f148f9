import Foundation
import Infrastructure

/// What a cluster's nodes are, how full they are by requests, and what they cost.
public struct NodeInventory: Hashable, Sendable, Codable {
    /// Nodes of one type, paid in one way, of one owner.
    public struct Group: Hashable, Sendable, Codable {
        /// The instance type; empty: not told.
        public var type: String
        /// How they are paid.
        public var capacity: CapacityType
        /// Who launches and ends them.
        public var owner: NodeOwner
        /// How many.
        public var nodes: Int
        /// What pods may use, all together.
        public var allocatable: Resources
        /// What pods ask for, all together.
        public var requested: Resources
        /// What they cost now per hour, all together; nil: the price is not known.
        public var perHour: MicroDollars?
        /// What they would cost on demand per hour, all together; nil: the price is not known.
        public var onDemandPerHour: MicroDollars?
    }

    /// The groups, the dearest first.
    public var groups: [Group]
    /// Nodes of which neither EC2 nor a label tells how they are paid: taken for on demand.
    public var unknownCapacity: Int
    /// Nodes whose price is not known: they count nothing.
    public var unpriced: Int

    /// Counts the nodes of a snapshot.
    public init(_ snapshot: ClusterSnapshot, prices: PoolBook) {
        struct Key: Hashable {
            var type: String
            var capacity: CapacityType
            var owner: NodeOwner
        }
        let instances = snapshot.instancesByID
        var requested: [String: Resources] = [:]
        for pod in snapshot.objects.pods where !pod.isFinished {
            guard let node = pod.nodeName else { continue }
            requested[node] = (requested[node] ?? Resources()) + pod.requests
        }
        var found: [Key: Group] = [:]
        unknownCapacity = 0
        unpriced = 0
        for node in snapshot.objects.nodes {
            let instance = node.instance.flatMap { instances[$0] }
            let capacity = instance?.capacity ?? node.capacityByLabel
            if capacity == nil { unknownCapacity += 1 }
            let key = Key(
                type: instance?.type ?? node.instanceType ?? "", capacity: capacity ?? .onDemand,
                owner: NodeOwner.of(
                    node: node, instance: instance, cluster: snapshot.cluster.id,
                    ownTemplate: snapshot.cluster.ownTemplate))
            var group =
                found[key]
                ?? Group(
                    type: key.type, capacity: key.capacity, owner: key.owner, nodes: 0, allocatable: Resources(),
                    requested: Resources())
            group.nodes += 1
            group.allocatable = group.allocatable + node.allocatable
            group.requested = group.requested + (requested[node.name] ?? Resources())
            let onDemand = prices.onDemand(key.type)?.price
            let paid = prices.price(key.type, zone: node.zone ?? "", key.capacity)
            if let onDemand { group.onDemandPerHour = (group.onDemandPerHour ?? .zero) + onDemand }
            if let paid { group.perHour = (group.perHour ?? .zero) + paid } else { unpriced += 1 }
            found[key] = group
        }
        groups = found.values.sorted { left, right in
            let (one, other) = (left.perHour ?? .zero, right.perHour ?? .zero)
            if one != other { return one > other }
            return (left.type, left.capacity.rawValue, left.owner.description)
                < (right.type, right.capacity.rawValue, right.owner.description)
        }
    }

    /// What all nodes with a known price cost now per hour.
    public var perHour: MicroDollars { groups.compactMap(\.perHour).reduce(.zero, +) }
}

extension Node {
    /// How the node is paid by the labels of EKS and Karpenter; nil: they do not say.
    public var capacityByLabel: CapacityType? {
        switch labels["eks.amazonaws.com/capacityType"] ?? labels["karpenter.sh/capacity-type"] {
        case "SPOT", "spot": .spot
        case "ON_DEMAND", "on-demand": .onDemand
        default: nil
        }
    }
}
