import Foundation
import Infrastructure

/// What packing decided about a cluster at one time.
public struct ClusterPlan: Hashable, Sendable, Codable {
    /// A node to be emptied and removed.
    public struct Removal: Hashable, Sendable, Codable {
        /// The node.
        public var node: NodeReference
        /// Its instance.
        public var instance: InstanceID
        /// Who ends it.
        public var owner: NodeOwner
        /// What it costs per hour.
        public var cost: MicroDollars
        /// What its end saves per hour: all it costs, or what it costs more than its share of what comes in its place.
        public var saving: MicroDollars
        /// Its share of the cost over its share of the disruption.
        public var score: Double
        /// The pods that have to leave, and the node where the simulation found room.
        public var moves: [Move]
    }

    /// A pod's way.
    public struct Move: Hashable, Sendable, Codable {
        /// The pod.
        public var pod: PodReference
        /// The node's name. The scheduler decides, not we.
        public var to: String
    }

    /// Nodes to be emptied, in the order in which this is done.
    public var removals: [Removal] = []
    /// Why every other node stays, by name.
    public var stays: [String: NodeStay] = [:]
    /// Per hour.
    public var saving: MicroDollars = .zero

    /// Nothing to be done, and nothing said.
    public init() {}

    /// Evictions it takes.
    public var evictions: Int { removals.reduce(0) { $0 + $1.moves.count } }
}

/// Decides which nodes of a cluster are emptied: snapshot and policy in, plan out; no clock, no chance.
public struct PackingPlanner: Sendable {
    let snapshot: ClusterSnapshot
    let policy: ClusterPolicy
    private let packing: ClusterPacking
    let prices: PoolBook
    private let nodePrices: [String: MicroDollars]
    let review: NodeReview

    /// Lists without which nothing may be evicted.
    public static let lists: Set<ClusterList> = [
        .nodes, .pods, .budgets, .volumes, .claims, .storageClasses, .attachments, .volumeLimits, .namespaces,
        .daemonSets, .replicaSets,
    ]

    /// Prepares a plan.
    /// - Parameters:
    ///   - interrupted: instances that are about to go.
    ///   - resting: UIDs of nodes that were touched within the cooldown.
    public init(
        _ snapshot: ClusterSnapshot, policy: ClusterPolicy, interrupted: Set<InstanceID> = [],
        resting: Set<String> = []
    ) {
        self.snapshot = snapshot
        self.policy = policy
        prices = PoolBook(snapshot)
        nodePrices = prices.byNode(snapshot)
        packing = ClusterPacking(snapshot, policy: policy, prices: nodePrices)
        review = NodeReview(
            snapshot, policy: policy, prices: nodePrices, interrupted: interrupted, resting: resting)
    }

    /// The problem that is solved.
    public var cluster: ClusterPacking { packing }

    /// Pods that wait for a place: while there are any, nothing is packed.
    public static func pending(_ snapshot: ClusterSnapshot) -> [Pod] {
        snapshot.objects.pods.filter { $0.phase == .pending && $0.nodeName == nil && $0.deletedBy == nil }
    }

    /// The plan: empty nodes first, then the others by their score.
    /// - Parameters:
    ///   - nodesMax: what is left of the hour's nodes.
    ///   - evictionsMax: what is left of the hour's evictions.
    public func plan(nodesMax: Int = .max, evictionsMax: Int = .max) -> ClusterPlan {
        var plan = ClusterPlan()
        var candidates: [Consolidation.Candidate] = []
        var state = packing.state
        for (index, node) in packing.nodes.enumerated() {
            let moving = moving(on: index, in: state)
            let disruption = disruption(moving)
            if let reason = review.reason(node) {
                plan.stays[node.name] = reason
            } else if let reason = unmovable(on: moving) {
                plan.stays[node.name] = reason
            } else {
                candidates.append(.init(node: index, moving: moving, disruption: disruption))
            }
        }
        let found = consolidation(nodesMax: nodesMax, evictionsMax: evictionsMax)
            .plan(candidates, destinations: destinations, in: &state)
        for (node, stay) in found.stays { plan.stays[packing.nodes[node].name] = words(stay) }
        let moves = Dictionary(grouping: found.moves, by: \.from)
        for index in found.nodes {
            if let removal = removal(index, moves: moves[index] ?? [], score: found.scores[index] ?? 0) {
                plan.removals.append(removal)
            } else {
                plan.stays[packing.nodes[index].name] = .noPrice
            }
        }
        plan.saving = plan.removals.reduce(.zero) { $0 + $1.saving }
        return enough(plan)
    }

    /// The search, with the policy's limits.
    func consolidation(nodesMax: Int = .max, evictionsMax: Int = .max) -> Consolidation {
        let limits = Consolidation.Limits(
            nodesMax: min(policy.packing.nodesPerPlanMax, nodesMax),
            evictionsMax: min(policy.disruption.evictionsPerHourMax, evictionsMax),
            k: policy.saving.scoreFactor, headroom: policy.packing.headroom, headroomResources: [0, 1])
        let state = packing.state
        return Consolidation(
            packing.problem, limits: limits,
            poolDisruption: packing.nodes.indices.reduce(0) { $0 + disruption(moving(on: $1, in: state)) })
    }

    /// How much emptying a node disturbs whose pods those are.
    func disruption(_ moving: [Int]) -> Double {
        1 + moving.reduce(0) { $0 + max(0, PodMovability.evictionCost(packing.pods[$1])) }
    }

    /// Whether the plan as a whole saves what the policy asks for; else every node of it stays, and says so.
    private func enough(_ plan: ClusterPlan) -> ClusterPlan {
        let month = plan.saving.dollars * policy.saving.hoursPerMonth
        let cost = Double(plan.evictions) * policy.costs.dollarsPerEviction
        guard !plan.removals.isEmpty, month - cost < policy.saving.minimumDollarsPerMonth else { return plan }
        var none = plan
        for removal in plan.removals { none.stays[removal.node.name] = .savingTooSmall(month - cost) }
        none.removals = []
        none.saving = .zero
        return none
    }

    /// Nodes that may take pods: what the rules say of each pod decides the rest.
    var destinations: [Int] {
        packing.nodes.indices.filter { index in
            let node = packing.nodes[index]
            return node.isReady && !node.isDeleting && node.annotations[NodeReview.markAnnotation] == nil
        }
    }

    func moving(on node: Int, in state: PackingState) -> [Int] {
        state.podsOn[node].filter { !PodMovability.endsWithNode(packing.pods[$0]) }.sorted()
    }

    func unmovable(on moving: [Int]) -> NodeStay? {
        for pod in moving {
            if let reason = packing.unmovable[pod] {
                return .unmovable(pod: packing.pods[pod].reference.description, reason)
            }
        }
        return nil
    }

    private func removal(_ index: Int, moves: [Consolidation.Move], score: Double) -> ClusterPlan.Removal? {
        let node = packing.nodes[index]
        guard let instance = node.instance, let price = nodePrices[node.name] else { return nil }
        return ClusterPlan.Removal(
            node: NodeReference(name: node.name, uid: node.uid), instance: instance, owner: review.owner(of: node),
            cost: price, saving: price, score: score,
            moves: moves.map { .init(pod: packing.pods[$0.pod].reference, to: packing.nodes[$0.to].name) })
    }

    private func words(_ stay: Consolidation.Stay) -> NodeStay {
        switch stay {
        case .savingTooSmall(let price): .savingTooSmall(price.dollars * policy.saving.hoursPerMonth)
        case .scoreTooLow(let score): .scoreTooLow(score)
        case .budget, .notTried: .budget
        case .headroom: .headroom
        case .noPlace(let pod, let refusals):
            .noPlace(pod: packing.pods[pod].reference.description, PackingPlanner.words(refusals))
        }
    }

    /// What the other nodes said, most often first.
    static func words(_ refusals: [PlacementRefusal: Int]) -> [String] {
        refusals.sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }.map { refusal, count in
            "on \(count) \(count == 1 ? "node" : "nodes") \(refusal.words)"
        }
    }

    /// Simulates what is left of a plan again: every pod that still has to leave one of these nodes must find a place on
    /// the others.
    /// - Returns: why it does not work any more; nil: it does. What passes by itself (an exhausted budget) is no reason.
    public func obstacle(leaving names: [String]) -> NodeStay? {
        var state = packing.state
        let leaving = packing.nodes.indices.filter { names.contains(packing.nodes[$0].name) }
        var pods: [Int] = []
        for node in leaving {
            for pod in moving(on: node, in: state) {
                if let reason = packing.unmovable[pod], !reason.isPassing {
                    return .unmovable(pod: packing.pods[pod].reference.description, reason)
                }
                // One that is ending has its successor somewhere already.
                if packing.unmovable[pod] != .ending { pods.append(pod) }
            }
            state.close(node, because: .leaving)
        }
        for pod in pods { state.remove(pod) }
        let receiving = destinations.filter { !leaving.contains($0) }
        let left = Packer(packing.problem).place(pods, on: receiving, in: &state, by: .bestFit)
        guard let first = left.first else { return nil }
        var refusals: [PlacementRefusal: Int] = [:]
        for node in receiving {
            if let refusal = state.refusal(of: first, on: node) { refusals[refusal, default: 0] += 1 }
        }
        return .noPlace(pod: packing.pods[first].reference.description, PackingPlanner.words(refusals))
    }
}
