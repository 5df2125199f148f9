import Infrastructure

/// What is to be packed, in numbers: names are interned, resources are vectors. The search looks at every pair of pod and
/// node many times, so that nothing in here is a dictionary or a string on its way.
public struct PackingProblem: Sendable {
    /// A node, existing or imagined.
    public struct Node: Sendable, Hashable {
        /// Its name.
        public var name: String
        /// What pods may use, by resource.
        public var capacity: [Int64]
        /// Accelerators that pods may share, each of 1,000 thousandths.
        public var devices: Int
        /// How many volumes it may hold, by driver; empty: no limit is known.
        public var attachLimits: [Int]
        /// What it costs per hour.
        public var price: MicroDollars

        /// Makes a node.
        public init(
            name: String, capacity: [Int64], devices: Int = 0, attachLimits: [Int] = [], price: MicroDollars = .zero
        ) {
            self.name = name
            self.capacity = capacity
            self.devices = devices
            self.attachLimits = attachLimits
            self.price = price
        }
    }

    /// A volume that a pod uses.
    public struct VolumeUse: Sendable, Hashable {
        /// The volume.
        public var volume: Int
        /// Its driver, which counts it against the node's limit; nil: not counted.
        public var driver: Int?
        /// Whether it can be attached to several nodes.
        public var isShared: Bool

        /// Makes a use.
        public init(volume: Int, driver: Int?, isShared: Bool) {
            self.volume = volume
            self.driver = driver
            self.isShared = isShared
        }
    }

    /// A pod.
    public struct Pod: Sendable, Hashable {
        /// Its name.
        public var name: String
        /// What it asks for, by resource.
        public var requests: [Int64]
        /// Accelerators it asks a share of.
        public var devices: Int
        /// The share of each, in thousandths.
        public var deviceShare: Int
        /// Its kind: pods of one kind have the same rules.
        public var kind: Int
        /// Volumes.
        public var volumes: [VolumeUse]
        /// The node it is on; nil: none yet.
        public var node: Int?

        /// Makes a pod.
        public init(
            name: String, requests: [Int64], devices: Int = 0, deviceShare: Int = 0, kind: Int = 0,
            volumes: [VolumeUse] = [], node: Int? = nil
        ) {
            self.name = name
            self.requests = requests
            self.devices = devices
            self.deviceShare = deviceShare
            self.kind = kind
            self.volumes = volumes
            self.node = node
        }
    }

    /// One spread constraint of a kind.
    public struct Spread: Sendable, Hashable {
        /// The group whose pods are counted, over the nodes that count.
        public var group: Int
        /// How far a domain may be above the least filled one.
        public var maxSkew: Int
        /// With fewer domains than this the least filled one counts as empty.
        public var minDomains: Int
        /// Whether a pod of the kind is counted itself.
        public var countsItself: Bool

        /// Makes a constraint.
        public init(group: Int, maxSkew: Int, minDomains: Int, countsItself: Bool) {
            self.group = group
            self.maxSkew = maxSkew
            self.minDomains = minDomains
            self.countsItself = countsItself
        }
    }

    /// What pods of one kind have in common: which nodes are allowed whatever else is there, and the rules about others.
    public struct Kind: Sendable, Hashable {
        /// The static rule: its verdict for each node is in `verdicts`.
        public var rule: Int
        /// The groups that pods of this kind are counted in.
        public var countedIn: [Int]
        /// The groups that it must not be near to.
        public var avoids: [Int]
        /// The groups that it must be near to.
        public var needs: [Int]
        /// Whether it may be the first of what it must be near to: it matches its own terms.
        public var needsItself: Bool
        /// Its spread constraints.
        public var spreads: [Spread]
        /// Its host ports, as numbers into `portConflicts`.
        public var ports: [Int]

        /// Makes a kind.
        public init(
            rule: Int = 0, countedIn: [Int] = [], avoids: [Int] = [], needs: [Int] = [], needsItself: Bool = false,
            spreads: [Spread] = [], ports: [Int] = []
        ) {
            self.rule = rule
            self.countedIn = countedIn
            self.avoids = avoids
            self.needs = needs
            self.needsItself = needsItself
            self.spreads = spreads
            self.ports = ports
        }

        /// Whether nothing but the static rule and room decide.
        var isPlain: Bool { countedIn.isEmpty && avoids.isEmpty && needs.isEmpty && spreads.isEmpty && ports.isEmpty }
    }

    /// Pods that some rule is about, counted by domain.
    public struct Group: Sendable, Hashable {
        /// The topology key whose values are the domains.
        public var key: Int
        /// The nodes whose pods count, and whose domains exist, by node; empty: all.
        public var counts: [Bool]

        /// Makes a group.
        public init(key: Int, counts: [Bool] = []) {
            self.key = key
            self.counts = counts
        }
    }

    /// The resources' names: `cpu` (thousandths), `memory` (bytes), `pods`, …
    public let resources: [String]
    /// The nodes.
    public private(set) var nodes: [Node]
    /// The pods.
    public let pods: [Pod]
    /// The pods' kinds.
    public let kinds: [Kind]
    /// The groups.
    public internal(set) var groups: [Group]
    /// Static rules.
    public let ruleCount: Int
    /// By node and then rule: why a pod under that rule cannot be there, whatever else is; nil: it can.
    public private(set) var verdicts: [PlacementRefusal?]
    /// Topology keys.
    public let keyCount: Int
    /// By node and then key: the domain; -1: the node has none.
    public private(set) var domains: [Int32]
    /// By key: how many domains there are.
    public private(set) var domainCounts: [Int]
    /// By port: the ports it is in conflict with, itself among them.
    public let portConflicts: [[Int]]
    /// How many volumes there are.
    public let volumeCount: Int
    /// How many drivers there are.
    public let driverCount: Int

    /// Requests by pod and then resource.
    let requests: [Int64]
    /// By resource: what a pod is told when it does not fit.
    let shortages: [PlacementRefusal]
    /// By pod: its kind, and whether only its static rule and room decide.
    let kindOfPod: [Int32]
    let isPlain: [Bool]
    /// By pod: how many accelerators it shares, and how much of each.
    let deviceSharesOfPod: [(count: Int, each: Int)]

    /// Makes a problem. Without rules given, every pod may go wherever there is room.
    public init(
        resources: [String], nodes: [Node], pods: [Pod], kinds: [Kind] = [Kind()], groups: [Group] = [],
        ruleCount: Int = 1, verdicts: [PlacementRefusal?]? = nil, keyCount: Int = 0, domains: [Int32] = [],
        domainCounts: [Int] = [], portConflicts: [[Int]] = [], volumeCount: Int = 0, driverCount: Int = 0
    ) {
        precondition(nodes.allSatisfy { $0.capacity.count == resources.count })
        precondition(pods.allSatisfy { $0.requests.count == resources.count && $0.kind < kinds.count })
        self.resources = resources
        self.nodes = nodes
        self.pods = pods
        self.kinds = kinds
        self.groups = groups
        self.ruleCount = ruleCount
        self.verdicts = verdicts ?? Array(repeating: nil, count: nodes.count * ruleCount)
        self.keyCount = keyCount
        self.domains = domains
        self.domainCounts = domainCounts
        self.portConflicts = portConflicts
        self.volumeCount = volumeCount
        self.driverCount = driverCount
        precondition(self.verdicts.count == nodes.count * ruleCount && domains.count == nodes.count * keyCount)
        requests = pods.flatMap(\.requests)
        shortages = resources.map(PackingProblem.shortage)
        deviceSharesOfPod = pods.map { ($0.devices, $0.deviceShare) }
        kindOfPod = pods.map { Int32($0.kind) }
        isPlain = pods.map { kinds[$0.kind].isPlain && $0.volumes.isEmpty && $0.devices == 0 }
    }

    /// Adds an imagined node that is like an existing one but in size, price and what `verdicts` says of it.
    /// - Parameter domains: by key: the domain; a number as large as the key's count makes a new domain.
    public mutating func append(_ node: Node, verdicts: [PlacementRefusal?], domains: [Int32], counts: [Bool]) {
        precondition(verdicts.count == ruleCount && domains.count == keyCount && counts.count == groups.count)
        nodes.append(node)
        self.verdicts += verdicts
        self.domains += domains
        for (key, domain) in domains.enumerated() where Int(domain) >= domainCounts[key] {
            domainCounts[key] = Int(domain) + 1
        }
        for group in groups.indices where !groups[group].counts.isEmpty { groups[group].counts.append(counts[group]) }
    }

    private static func shortage(of resource: String) -> PlacementRefusal {
        switch resource {
        case "cpu": .cpu
        case "memory": .memory
        case "pods": .podCount
        case "ephemeral-storage": .ephemeralStorage
        default: resource.hasPrefix("hugepages-") ? .hugePages : .extendedResource
        }
    }
}
