import Foundation
import Infrastructure

/// A cluster's snapshot as a packing problem: every bound pod where it is, every rule of section 4 of the domain rules in
/// numbers. What cannot be put in numbers makes its pod unmovable.
public struct ClusterPacking: Sendable {
    /// The problem.
    public let problem: PackingProblem
    /// The nodes, in the problem's order: by name.
    public let nodes: [Node]
    /// The pods, in the problem's order: by namespace, name and UID. Those that have ended or are bound to no node are
    /// not among them.
    public let pods: [Pod]
    /// By pod: why it is not moved; nil: it may be. A daemon's and a static pod end with their node.
    public let unmovable: [Unmovable?]
    /// What a new node of ours needs besides its pods, and what rules say of it.
    let frame: Frame

    /// What is kept to judge nodes that do not exist yet.
    struct Frame: Sendable {
        var rules: [NodeRule]
        var keys: [String]
        var domains: [[String: Int32]]
        var groups: [GroupDraft]
        var daemons: [Daemon]
        var resources: [String]
    }

    /// A group, with whose nodes it counts.
    struct GroupDraft: Hashable, Sendable {
        var selection: PodSelection
        var key: Int
        /// A spread constraint counts only nodes that this rule selects; nil: every node.
        var counting: CountingRule?
    }

    /// Which nodes a spread constraint counts.
    struct CountingRule: Hashable, Sendable {
        var rule: NodeRule
        var honorsAffinity: Bool
        var honorsTaints: Bool
        /// Nodes that lack one of the pod's topology keys are not counted either.
        var keys: [String]

        func counts(_ node: Node) -> Bool {
            if !keys.allSatisfy({ node.labels[$0] != nil }) { return false }
            if honorsAffinity, rule.selects(node) != nil { return false }
            if honorsTaints {
                if rule.isRepelled(by: node, effects: NodeRule.hardEffects) { return false }
                if node.isUnschedulable, !rule.tolerations.contains(where: { $0.tolerates(PodMovability.cordon) }) {
                    return false
                }
            }
            return true
        }
    }

    /// What a DaemonSet puts on every node that its rule allows.
    struct Daemon: Sendable {
        var uid: String
        var requests: Resources
        var rule: NodeRule
    }

    /// Reads a snapshot.
    /// - Parameter prices: what each node costs per hour, by its name; absent: nothing is saved by removing it.
    public init(_ snapshot: ClusterSnapshot, policy: ClusterPolicy, prices: [String: MicroDollars]) {
        var builder = ClusterPackingBuilder(snapshot, policy: policy)
        builder.build()
        problem = builder.problem(prices: prices)
        nodes = builder.nodes
        pods = builder.pods
        unmovable = builder.unmovable
        frame = builder.frame
    }

    /// The state the snapshot shows.
    public var state: PackingState { PackingState(problem) }

    /// The number of a node.
    public func index(ofNode name: String) -> Int? { nodes.firstIndex { $0.name == name } }

    /// What DaemonSets put on a node that does not exist yet.
    func daemons(on node: Node) -> Resources {
        frame.daemons.filter { $0.rule.verdict(node) == nil }.map(\.requests).reduce(Resources(), +)
    }

    /// Adds a node that does not exist yet to a state made from this problem.
    /// - Returns: its number in that state.
    public func imagine(_ node: Node, price: MicroDollars, in state: inout PackingState) -> Int {
        var own = frame.domains
        let domains = frame.keys.indices.map { key -> Int32 in
            guard let value = node.labels[frame.keys[key]] else { return -1 }
            if let known = own[key][value] { return known }
            let next = Int32(state.problem.domainCounts[key])
            own[key][value] = next
            return next
        }
        var capacity = frame.resources.map { node.allocatable.amount(of: $0) }
        for daemon in frame.daemons where daemon.rule.verdict(node) == nil {
            for (index, resource) in frame.resources.enumerated() {
                capacity[index] -= daemon.requests.amount(of: resource)
            }
        }
        state.append(
            PackingProblem.Node(name: node.name, capacity: capacity, price: price),
            verdicts: frame.rules.map { $0.verdict(node) }, domains: domains,
            counts: frame.groups.map { $0.counting?.counts(node) ?? true })
        return state.problem.nodes.count - 1
    }
}

extension Resources {
    /// The names of what the simulation counts always.
    static let named = ["cpu", "memory", "pods", "ephemeral-storage"]

    /// The amount of a resource by its name.
    func amount(of name: String) -> Int64 {
        switch name {
        case "cpu": cpu.rawValue
        case "memory": memory.rawValue
        case "pods": Int64(pods)
        case "ephemeral-storage": ephemeralStorage.rawValue
        default: extended[name] ?? 0
        }
    }
}
