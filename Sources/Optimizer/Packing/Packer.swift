/// Finds places for pods. Every method judges by `PackingState.refusal` alone, so that none can place what may not be there.
public struct Packer: Sendable {
    /// How places are found.
    public enum Method: String, Sendable, CaseIterable, Codable {
        /// The largest pod first, onto the first node that takes it.
        case firstFit = "first-fit-decreasing"
        /// The largest pod first, onto the node that it leaves the least on.
        case bestFit = "best-fit-decreasing"
        /// As best fit, but where accelerators are shared the remainders are kept usable: a node whose CPU or memory runs
        /// out before its accelerators do strands them, and so does a share that nobody's rest fits (the idea of
        /// fragmentation gradient descent; Weng et al., USENIX ATC 2023).
        case balanced
        /// Node after node, each filled with the pods that leave the least on it (minimum bin slack; Gupta and Ho, 1999).
        case fill
    }

    /// Steps of the search for the best filling of one node: more find little more and take long.
    public static let fillStepsMax = 1_500

    /// By resource: how scarce it is, the demand over what there is. Weighs what a placement leaves behind.
    private let scarcity: [Double]
    /// By resource: what the pods that share accelerators ask for with each whole one.
    private let perDevice: [Double]
    private let hasDevices: Bool
    /// By resource: the largest node's, so that remainders can be compared.
    private let scale: [Double]

    /// Learns the problem's proportions.
    public init(_ problem: PackingProblem) {
        let count = problem.resources.count
        var demand = Array(repeating: 0.0, count: count)
        var supply = demand
        var largest = demand
        var withDevices = demand
        var deviceDemand = 0.0
        for pod in problem.pods {
            for resource in 0..<count { demand[resource] += Double(pod.requests[resource]) }
            guard pod.devices > 0 else { continue }
            deviceDemand += Double(pod.devices * pod.deviceShare) / 1000
            for resource in 0..<count { withDevices[resource] += Double(pod.requests[resource]) }
        }
        for node in problem.nodes {
            for resource in 0..<count {
                supply[resource] += Double(node.capacity[resource])
                largest[resource] = max(largest[resource], Double(node.capacity[resource]))
            }
        }
        scarcity = zip(demand, supply).map { $1 > 0 ? $0 / $1 : 0 }
        perDevice = withDevices.map { deviceDemand > 0 ? $0 / deviceDemand : 0 }
        hasDevices = deviceDemand > 0
        scale = largest.map { max($0, 1) }
    }

    /// The order in which pods are placed: what is hardest to place first. Several accelerators, then one, then the
    /// scarcest share of the largest node, then the pod's number, so that the order is the same every time.
    public func decreasing(_ pods: [Int], in problem: PackingProblem) -> [Int] {
        struct Size {
            var pod: Int
            var devices: Int
            var share: Double
            var rest: Double
            var deviceShare: Int
        }
        let sizes = pods.map { pod in
            let item = problem.pods[pod]
            let parts = item.requests.indices.map { Double(item.requests[$0]) / scale[$0] * scarcity[$0] }
            return Size(
                pod: pod, devices: item.devices, share: parts.max() ?? 0, rest: parts.reduce(0, +),
                deviceShare: item.deviceShare)
        }
        return sizes.sorted { left, right in
            if left.devices != right.devices { return left.devices > right.devices }
            if left.share != right.share { return left.share > right.share }
            if left.deviceShare != right.deviceShare { return left.deviceShare > right.deviceShare }
            if left.rest != right.rest { return left.rest > right.rest }
            return left.pod < right.pod
        }.map(\.pod)
    }

    /// Places pods on nodes.
    /// - Parameters:
    ///   - pods: pods that are nowhere.
    ///   - nodes: the nodes that may be used, in the order of preference.
    /// - Returns: the pods that found no place, in the order they were tried.
    public func place(_ pods: [Int], on nodes: [Int], in state: inout PackingState, by method: Method) -> [Int] {
        let order = decreasing(pods, in: state.problem)
        if method == .fill { return fill(order, nodes, &state) }
        var left: [Int] = []
        // One demand that found no place finds none later either, while nothing is taken away and no rule needs others.
        var hopeless: Set<Demand> = []
        for pod in order {
            let demand = Demand(state.problem.pods[pod])
            let isPlain =
                state.problem.kinds[demand.kind].needs.isEmpty && state.problem.kinds[demand.kind].spreads.isEmpty
            if isPlain, hopeless.contains(demand) {
                left.append(pod)
                continue
            }
            let node =
                method == .firstFit
                ? nodes.first { state.refusal(of: pod, on: $0) == nil }
                : bestNode(for: pod, among: nodes, in: state, isBalanced: method == .balanced && hasDevices)
            if let node {
                state.place(pod, on: node)
            } else {
                left.append(pod)
                if isPlain { hopeless.insert(demand) }
            }
        }
        return left
    }

    /// The node that the pod leaves the least on; used nodes before empty ones; nil: none takes it.
    private func bestNode(for pod: Int, among nodes: [Int], in state: PackingState, isBalanced: Bool) -> Int? {
        var best: Int?
        var bestScore = Double.infinity
        for node in nodes where state.refusal(of: pod, on: node) == nil {
            let score: Double
            if isBalanced {
                score = stranded(by: pod, on: node, in: state)
            } else {
                score = leftover(of: pod, on: node, in: state) + (state.podsOn[node].isEmpty ? 1_000 : 0)
            }
            if score < bestScore {
                best = node
                bestScore = score
            }
        }
        return best
    }

    /// What a placement leaves on the node, each resource by its scarcity.
    private func leftover(of pod: Int, on node: Int, in state: PackingState) -> Double {
        let want = pod * scale.count
        var sum = 0.0
        for resource in scale.indices where scarcity[resource] > 0 {
            let left = Double(state.left(resource, on: node) - state.problem.requests[want + resource])
            let part = scarcity[resource] * left / scale[resource]
            sum += part * part
        }
        return sum
    }

    /// Weights of `stranded`, in whole accelerators: a rest that no other share fits, one that lacks CPU or memory, room
    /// that no accelerator uses, and a pod without accelerators on a node that has them.
    private static let brokenWeight = 20.0
    private static let starvedWeight = 50.0
    private static let surplusWeight = 1.0
    private static let trespassWeight = 5.0

    /// How many accelerators a placement makes unusable, and what it leaves beside them.
    private func stranded(by pod: Int, on node: Int, in state: PackingState) -> Double {
        let count = scale.count
        let share = state.problem.deviceSharesOfPod[pod]
        var free = 0
        var tightest = Int32.max
        for left in state.devices[node] {
            free += Int(left)
            if Int(left) >= share.each { tightest = min(tightest, left) }
        }
        let before = Double(free) / 1000
        let after = Double(free - share.count * share.each) / 1000
        var score = 0.0
        if share.count > 0 {
            score += Packer.brokenWeight * Double(Int(tightest) - share.each) / 1000
        } else if free > 0 {
            score += Packer.trespassWeight
        }
        for resource in 0..<count where perDevice[resource] > 0 {
            let left = Double(state.left(resource, on: node)) / perDevice[resource]
            let rest = left - Double(state.problem.requests[pod * count + resource]) / perDevice[resource]
            score += Packer.starvedWeight * (max(0, after - rest) - max(0, before - left))
            if resource == 0 { score += Packer.surplusWeight * max(0, rest - after) }
        }
        return score
    }

    // MARK: Filling

    /// What makes two pods exchangeable.
    struct Demand: Hashable {
        let requests: [Int64]
        let devices: Int
        let deviceShare: Int
        let kind: Int
        let volumes: [PackingProblem.VolumeUse]

        init(_ pod: PackingProblem.Pod) {
            requests = pod.requests
            devices = pod.devices
            deviceShare = pod.deviceShare
            kind = pod.kind
            volumes = pod.volumes
        }
    }

    private func fill(_ order: [Int], _ nodes: [Int], _ state: inout PackingState) -> [Int] {
        var stacks: [[Int]] = []
        var index: [Demand: Int] = [:]
        for pod in order {
            let demand = Demand(state.problem.pods[pod])
            if let known = index[demand] {
                stacks[known].append(pod)
            } else {
                index[demand] = stacks.count
                stacks.append([pod])
            }
        }
        // Names in order are taken from the front: the stacks are read from their end.
        for stack in stacks.indices { stacks[stack].reverse() }
        for node in nodes {
            if stacks.allSatisfy(\.isEmpty) { break }
            var filling = Filling(node: node, stacks: stacks, packer: self, state: state)
            filling.search()
            for (stack, count) in filling.best {
                for _ in 0..<count { state.place(stacks[stack].removeLast(), on: node) }
            }
        }
        return stacks.flatMap { $0.reversed() }
    }

    /// The search for the pods that fill one node best.
    private struct Filling {
        let node: Int
        let stacks: [[Int]]
        let packer: Packer
        var state: PackingState
        var steps = 0
        var chosen: [Int] = []
        var best: [(stack: Int, count: Int)] = []
        var bestLeft = Double.infinity

        init(node: Int, stacks: [[Int]], packer: Packer, state: PackingState) {
            self.node = node
            self.stacks = stacks
            self.packer = packer
            self.state = state
        }

        /// Begins with the largest pod that the node takes: it would be no easier to place later.
        mutating func search() {
            guard
                let seed = stacks.indices.first(where: { stack in
                    stacks[stack].last.map { state.refusal(of: $0, on: node) == nil } ?? false
                })
            else { return }
            take(seed)
            descend(from: seed)
        }

        private mutating func take(_ stack: Int) {
            let used = chosen.count { $0 == stack }
            state.place(stacks[stack][stacks[stack].count - 1 - used], on: node)
            chosen.append(stack)
        }

        private mutating func giveBack() {
            let stack = chosen.removeLast()
            let used = chosen.count { $0 == stack }
            state.remove(stacks[stack][stacks[stack].count - 1 - used])
        }

        private mutating func descend(from first: Int) {
            steps += 1
            let left = packer.emptiness(of: node, in: state)
            if left < bestLeft {
                bestLeft = left
                best = []
                for stack in chosen {
                    if best.last?.stack == stack { best[best.count - 1].count += 1 } else { best.append((stack, 1)) }
                }
            }
            for stack in first..<stacks.count where bestLeft > 1e-9 && steps < Packer.fillStepsMax {
                let used = chosen.count { $0 == stack }
                guard used < stacks[stack].count else { continue }
                let pod = stacks[stack][stacks[stack].count - 1 - used]
                guard state.refusal(of: pod, on: node) == nil else { continue }
                take(stack)
                descend(from: stack)
                giveBack()
            }
        }
    }

    /// What is free of the scarcest resource, as a part of the largest node's.
    private func emptiness(of node: Int, in state: PackingState) -> Double {
        var scarcest = 0
        for resource in scarcity.indices where scarcity[resource] > scarcity[scarcest] { scarcest = resource }
        return Double(state.left(scarcest, on: node)) / scale[scarcest]
    }
}
