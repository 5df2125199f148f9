import Infrastructure

/// Which nodes can be emptied into the others, and why every other one stays.
///
/// Empty nodes first; then one node after the other, the one that saves most for its disruption first, each only when
/// every pod that would have to leave finds a place on the nodes that stay. Score: the Balanced Consolidation proposal of
/// Karpenter (kubernetes-sigs/karpenter, designs/balanced-consolidation.md; domain-rules section 4).
public struct Consolidation: Sendable {
    /// What bounds a plan.
    public struct Limits: Sendable, Hashable, Codable {
        /// Nodes emptied by one plan.
        public var nodesMax: Int
        /// Pods evicted by one plan.
        public var evictionsMax: Int
        /// A node is emptied when its share of the cost is at least 1/k of its share of the disruption.
        public var k: Double
        /// What a node must cost at least to be worth it, per hour.
        public var savingMin: MicroDollars
        /// Nodes for which the costly search for places is made.
        public var triesMax: Int
        /// The share of what the nodes that stay have that is free afterwards at least, 0 to 1.
        public var headroom: Double
        /// The resources that this is asked of.
        public var headroomResources: [Int]

        /// Makes limits.
        public init(
            nodesMax: Int, evictionsMax: Int, k: Double = 2, savingMin: MicroDollars = .zero, triesMax: Int = 500,
            headroom: Double = 0, headroomResources: [Int] = []
        ) {
            self.nodesMax = nodesMax
            self.evictionsMax = evictionsMax
            self.k = k
            self.savingMin = savingMin
            self.triesMax = triesMax
            self.headroom = headroom
            self.headroomResources = headroomResources
        }
    }

    /// A node that may be emptied, as far as policy and its own state go.
    public struct Candidate: Sendable, Hashable {
        /// The node.
        public var node: Int
        /// The pods that have to leave; all others on it end with it.
        public var moving: [Int]
        /// How much emptying it disturbs: 1 and the eviction costs of its pods.
        public var disruption: Double

        /// Makes a candidate.
        public init(node: Int, moving: [Int], disruption: Double) {
            self.node = node
            self.moving = moving
            self.disruption = disruption
        }
    }

    /// One pod's way.
    public struct Move: Sendable, Hashable, Codable {
        /// The pod.
        public var pod: Int
        /// The node it leaves.
        public var from: Int
        /// Where the simulation found a place for it. The scheduler decides, not we.
        public var to: Int
    }

    /// Why a candidate stays.
    public enum Stay: Sendable, Hashable {
        /// It costs less than is worth it.
        case savingTooSmall(MicroDollars)
        /// It saves too little for what it disturbs.
        case scoreTooLow(Double)
        /// The plan has as many nodes or evictions as it may; this one's turn comes later.
        case budget
        /// A pod finds no other place: what it is told, most often first.
        case noPlace(pod: Int, refusals: [PlacementRefusal: Int])
        /// Too little would stay free on the others.
        case headroom
        /// The search ended before its turn.
        case notTried
    }

    /// What was found.
    public struct Plan: Sendable, Hashable {
        /// The nodes to be emptied, in the order they were found.
        public var nodes: [Int] = []
        /// Where their pods find places.
        public var moves: [Move] = []
        /// What the nodes cost per hour.
        public var saving: MicroDollars = .zero
        /// The score of each node, by node.
        public var scores: [Int: Double] = [:]
        /// Why the other candidates stay.
        public var stays: [Int: Stay] = [:]
    }

    private let limits: Limits
    private let packer: Packer
    private let poolCost: Double
    private let poolDisruption: Double

    /// Prepares a search.
    /// - Parameter poolDisruption: the disruption of emptying every node of the cluster.
    public init(_ problem: PackingProblem, limits: Limits, poolDisruption: Double) {
        self.limits = limits
        packer = Packer(problem)
        poolCost = problem.nodes.reduce(0) { $0 + Double($1.price.rawValue) }
        self.poolDisruption = poolDisruption
    }

    /// A node's score: its share of the cost over its share of the disruption.
    public func score(saving: MicroDollars, disruption: Double) -> Double {
        guard poolCost > 0, poolDisruption > 0, disruption > 0 else { return 0 }
        return (Double(saving.rawValue) / poolCost) / (disruption / poolDisruption)
    }

    /// Searches.
    /// - Parameters:
    ///   - candidates: the nodes that may be emptied.
    ///   - destinations: the nodes that may take pods.
    ///   - state: where every pod is; afterwards, where the plan puts it.
    public func plan(_ candidates: [Candidate], destinations: [Int], in state: inout PackingState) -> Plan {
        var plan = Plan()
        var moves: [Int: Move] = [:]
        var tries = 0
        let scored = candidates.map { candidate in
            (candidate, score(saving: price(candidate, state), disruption: candidate.disruption))
        }.sorted { left, right in
            if left.0.moving.isEmpty != right.0.moving.isEmpty { return left.0.moving.isEmpty }
            return left.1 != right.1 ? left.1 > right.1 : left.0.node < right.0.node
        }
        var receiving = destinations
        for (candidate, score) in scored {
            let node = candidate.node
            if let stay = stay(candidate, score: score, plan: plan, evictions: moves.count, state: state) {
                plan.stays[node] = stay
                continue
            }
            guard candidate.moving.isEmpty || tries < limits.triesMax else {
                plan.stays[node] = .notTried
                continue
            }
            if !candidate.moving.isEmpty { tries += 1 }
            if let failure = empty(candidate, receiving: receiving, moves: &moves, in: &state) {
                plan.stays[node] = failure
            } else {
                plan.nodes.append(node)
                plan.saving += price(candidate, state)
                plan.scores[node] = score
                receiving.removeAll { $0 == node }
            }
        }
        plan.moves = moves.values.sorted { ($0.from, $0.pod) < ($1.from, $1.pod) }
        return plan
    }

    /// Moves all pods of some nodes to others at once.
    /// - Parameters:
    ///   - leaving: each node, and the pods that have to leave it.
    ///   - last: a node that takes only what the others do not, so that how large it is changes nothing for these.
    ///   - state: where every pod is; afterwards, where they would be, also where there is no place for all.
    /// - Returns: the ways; nil: some pod finds no place, or would disturb one that has moved.
    public static func relocate(
        _ leaving: [(node: Int, pods: [Int])], receiving: [Int], last: Int, in state: inout PackingState
    ) -> [Move]? {
        var from: [Int: Int] = [:]
        for (node, pods) in leaving {
            for pod in pods {
                state.remove(pod)
                from[pod] = node
            }
            state.close(node, because: .leaving)
        }
        let gone = Set(leaving.map(\.node))
        let packer = Packer(state.problem)
        var left = packer.place(
            from.keys.sorted(), on: receiving.filter { !gone.contains($0) }, in: &state, by: .bestFit)
        left = packer.place(left, on: [last], in: &state, by: .firstFit)
        guard left.isEmpty, upset(from.keys.sorted(), in: &state) == nil else { return nil }
        return from.sorted { ($0.value, $0.key) < ($1.value, $1.key) }.map {
            Move(pod: $0.key, from: $0.value, to: Int(state.location[$0.key]))
        }
    }

    /// The largest number for which `works` was seen to hold, by a binary search: what works for many nodes mostly works
    /// for fewer of them. Source: Karpenter's multi-node consolidation.
    /// - Parameter most: how many there are; fewer than the range begins with: nothing is tried.
    public static func largestPrefix(of range: ClosedRange<Int>, within most: Int, _ works: (Int) -> Bool) -> Int? {
        guard most >= range.lowerBound else { return nil }
        var found: Int?
        var (low, high) = (range.lowerBound, range.upperBound)
        while low <= high {
            let middle = low + (high - low) / 2
            if works(middle) {
                found = middle
                low = middle + 1
            } else {
                high = middle - 1
            }
        }
        return found
    }

    private func price(_ candidate: Candidate, _ state: PackingState) -> MicroDollars {
        state.problem.nodes[candidate.node].price
    }

    private func stay(_ candidate: Candidate, score: Double, plan: Plan, evictions: Int, state: PackingState) -> Stay? {
        let saving = price(candidate, state)
        guard saving > .zero, saving >= limits.savingMin else { return .savingTooSmall(saving) }
        guard score >= 1 / limits.k else { return .scoreTooLow(score) }
        let isWithin =
            plan.nodes.count < limits.nodesMax && evictions + candidate.moving.count <= limits.evictionsMax
        return isWithin ? nil : .budget
    }

    /// Moves everything off a node: its own pods, and those that the plan meant to put there.
    /// - Returns: why that cannot be; nil: it is done.
    private func empty(
        _ candidate: Candidate, receiving: [Int], moves: inout [Int: Move], in state: inout PackingState
    ) -> Stay? {
        let node = candidate.node
        let guests = state.podsOn[node].filter { moves[$0] != nil }.sorted()
        let leaving = candidate.moving + guests
        for pod in leaving { state.remove(pod) }
        state.close(node, because: .leaving)
        let left = packer.place(leaving, on: receiving, in: &state, by: .bestFit)
        let stay: Stay
        if let unplaced = left.first {
            var refusals: [PlacementRefusal: Int] = [:]
            for other in receiving where other != node {
                if let refusal = state.refusal(of: unplaced, on: other) { refusals[refusal, default: 0] += 1 }
            }
            stay = .noPlace(pod: unplaced, refusals: refusals)
        } else if let upset = Consolidation.upset(Set(moves.keys).union(leaving).sorted(), in: &state) {
            stay = .noPlace(pod: upset.pod, refusals: [upset.refusal: 1])
        } else if hasHeadroom(receiving.filter { $0 != node }, in: state) {
            for pod in leaving {
                moves[pod] = Move(pod: pod, from: moves[pod]?.from ?? node, to: Int(state.location[pod]))
            }
            return nil
        } else {
            stay = .headroom
        }
        for pod in leaving { state.remove(pod) }
        state.close(node, because: nil)
        for pod in leaving { state.place(pod, on: node) }
        return stay
    }

    /// A moved pod that may no longer be where it is, now that others have moved as well.
    private static func upset(_ pods: [Int], in state: inout PackingState) -> (pod: Int, refusal: PlacementRefusal)? {
        for pod in pods where !state.problem.isPlain[pod] {
            guard let node = state.remove(pod) else { continue }
            let refusal = state.refusal(of: pod, on: node)
            state.place(pod, on: node)
            if let refusal { return (pod, refusal) }
        }
        return nil
    }

    private func hasHeadroom(_ nodes: [Int], in state: PackingState) -> Bool {
        limits.headroomResources.allSatisfy { resource in
            let capacity = nodes.reduce(0.0) { $0 + Double(state.problem.nodes[$1].capacity[resource]) }
            let free = nodes.reduce(0.0) { $0 + Double(max(0, state.left(resource, on: $1))) }
            return free >= capacity * limits.headroom
        }
    }
}
