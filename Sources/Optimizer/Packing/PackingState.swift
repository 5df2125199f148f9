/// Which pod is where, and what that leaves: the one place that judges whether a pod may go to a node.
///
/// `place` and `remove` keep every count, so that a trial is taken back exactly.
public struct PackingState: Sendable {
    /// What is packed.
    public private(set) var problem: PackingProblem
    /// By pod: its node; -1: none.
    public private(set) var location: [Int32]
    /// By node: its pods, in no order.
    public private(set) var podsOn: [[Int]]

    /// By node and then resource: what is left; negative where a node is overcommitted.
    private(set) var free: [Int64]
    /// By node: why nothing may be placed there now; nil: it may.
    private(set) var closed: [PlacementRefusal?]
    /// By node: what is left of each shared accelerator.
    private(set) var devices: [[Int32]]
    /// By pod: which accelerators of its node it has shares of.
    private var heldDevices: [Int: [Int]] = [:]
    /// By group and domain: pods counted, and pods that must not be near to the group.
    private var counted: [[Int32]]
    private var avoiding: [[Int32]]
    private var countedTotal: [Int]
    /// By group: the domains that exist for it, and the least filled one's count.
    private var groupDomains: [[Int32]]
    private var least: [Int32]
    /// By node: host ports held.
    private var ports: [[Int]]
    /// By volume: how many pods use it on which nodes.
    private var volumeNodes: [[Int: Int]]
    /// By node and then driver: volumes held.
    private var attached: [Int]

    /// Places every pod where the problem says it is, whether or not it may be there.
    public init(_ problem: PackingProblem) {
        self.problem = problem
        let nodes = problem.nodes.count
        location = Array(repeating: -1, count: problem.pods.count)
        podsOn = Array(repeating: [], count: nodes)
        free = problem.nodes.flatMap(\.capacity)
        closed = Array(repeating: nil, count: nodes)
        devices = problem.nodes.map { Array(repeating: 1000, count: $0.devices) }
        counted = problem.groups.map { Array(repeating: 0, count: problem.domainCounts[$0.key]) }
        avoiding = counted
        countedTotal = Array(repeating: 0, count: problem.groups.count)
        groupDomains = problem.groups.map { PackingState.domains(of: $0, in: problem) }
        least = Array(repeating: 0, count: problem.groups.count)
        ports = Array(repeating: [], count: nodes)
        volumeNodes = Array(repeating: [:], count: problem.volumeCount)
        attached = Array(repeating: 0, count: nodes * problem.driverCount)
        for (pod, item) in problem.pods.enumerated() {
            if let node = item.node { place(pod, on: node) }
        }
    }

    private static func domains(of group: PackingProblem.Group, in problem: PackingProblem) -> [Int32] {
        var seen = Array(repeating: false, count: problem.domainCounts[group.key])
        for node in problem.nodes.indices where group.counts.isEmpty || group.counts[node] {
            let domain = problem.domains[node * problem.keyCount + group.key]
            if domain >= 0 { seen[Int(domain)] = true }
        }
        return seen.indices.filter { seen[$0] }.map(Int32.init)
    }

    /// Adds an imagined node (`PackingProblem.append`).
    public mutating func append(
        _ node: PackingProblem.Node, verdicts: [PlacementRefusal?], domains: [Int32], counts: [Bool]
    ) {
        problem.append(node, verdicts: verdicts, domains: domains, counts: counts)
        podsOn.append([])
        free += node.capacity
        closed.append(nil)
        devices.append(Array(repeating: 1000, count: node.devices))
        ports.append([])
        attached += Array(repeating: 0, count: problem.driverCount)
        for (index, group) in problem.groups.enumerated() {
            let missing = problem.domainCounts[group.key] - counted[index].count
            counted[index] += Array(repeating: 0, count: missing)
            avoiding[index] += Array(repeating: 0, count: missing)
            groupDomains[index] = PackingState.domains(of: group, in: problem)
            least[index] = leastCount(index)
        }
    }

    // MARK: Judging

    /// Why a pod that is nowhere cannot go to a node; nil: it can.
    public func refusal(of pod: Int, on node: Int) -> PlacementRefusal? {
        if let closed = closed[node] { return closed }
        let kind = Int(problem.kindOfPod[pod])
        let count = problem.shortages.count
        let have = node * count
        let want = pod * count
        for resource in 0..<count {
            let wanted = problem.requests[want + resource]
            if wanted > 0, free[have + resource] < wanted { return problem.shortages[resource] }
        }
        if let verdict = problem.verdicts[node * problem.ruleCount + problem.kinds[kind].rule] { return verdict }
        if problem.isPlain[pod] { return nil }
        return ruleRefusal(pod: pod, kind: problem.kinds[kind], node: node)
    }

    private func ruleRefusal(pod: Int, kind: PackingProblem.Kind, node: Int) -> PlacementRefusal? {
        let share = problem.deviceSharesOfPod[pod]
        if share.count > 0, devices[node].count(where: { Int($0) >= share.each }) < share.count { return .deviceShare }
        for port in kind.ports where ports[node].contains(where: problem.portConflicts[port].contains) {
            return .hostPort
        }
        for group in kind.avoids {
            let domain = domain(of: node, group)
            if domain >= 0, counted[group][domain] > 0 { return .podAntiAffinity }
        }
        for group in kind.countedIn {
            let domain = domain(of: node, group)
            if domain >= 0, avoiding[group][domain] > 0 { return .othersAntiAffinity }
        }
        if !kind.needs.isEmpty, let refused = affinityRefusal(kind, node) { return refused }
        for spread in kind.spreads where !isAllowed(spread, node) { return .topologySpread }
        for use in problem.pods[pod].volumes {
            if let refused = volumeRefusal(use, node) { return refused }
        }
        return nil
    }

    /// Every term must find its pods, unless nothing in the cluster matches yet and the pod matches its own terms.
    private func affinityRefusal(_ kind: PackingProblem.Kind, _ node: Int) -> PlacementRefusal? {
        let isFirst = kind.needsItself && kind.needs.allSatisfy { countedTotal[$0] == 0 }
        for group in kind.needs {
            let domain = domain(of: node, group)
            guard domain >= 0, isFirst || counted[group][domain] > 0 else { return .podAffinity }
        }
        return nil
    }

    private func isAllowed(_ spread: PackingProblem.Spread, _ node: Int) -> Bool {
        let domain = domain(of: node, spread.group)
        guard domain >= 0 else { return false }
        let lowest = groupDomains[spread.group].count < spread.minDomains ? 0 : Int(least[spread.group])
        let after = Int(counted[spread.group][domain]) + (spread.countsItself ? 1 : 0)
        return after - lowest <= spread.maxSkew
    }

    private func volumeRefusal(_ use: PackingProblem.VolumeUse, _ node: Int) -> PlacementRefusal? {
        let users = volumeNodes[use.volume]
        if !use.isShared, !users.isEmpty, users[node] == nil { return .volumeInUse }
        guard let driver = use.driver, users[node] == nil else { return nil }
        let limits = problem.nodes[node].attachLimits
        guard driver < limits.count else { return nil }
        return attached[node * problem.driverCount + driver] < limits[driver] ? nil : .attachLimit
    }

    private func domain(of node: Int, _ group: Int) -> Int {
        Int(problem.domains[node * problem.keyCount + problem.groups[group].key])
    }

    // MARK: Placing

    /// Puts a pod on a node without judging it.
    public mutating func place(_ pod: Int, on node: Int) {
        precondition(location[pod] < 0, "the pod is placed already")
        location[pod] = Int32(node)
        podsOn[node].append(pod)
        change(pod, on: node, by: 1)
    }

    /// Takes a pod off its node.
    /// - Returns: the node it was on; nil: none.
    @discardableResult
    public mutating func remove(_ pod: Int) -> Int? {
        guard location[pod] >= 0 else { return nil }
        let node = Int(location[pod])
        location[pod] = -1
        if let index = podsOn[node].lastIndex(of: pod) { podsOn[node].remove(at: index) }
        change(pod, on: node, by: -1)
        return node
    }

    /// Lets nothing be placed on a node from now on, or lets it again.
    public mutating func close(_ node: Int, because refusal: PlacementRefusal?) { closed[node] = refusal }

    /// What is left of a resource on a node.
    public func left(_ resource: Int, on node: Int) -> Int64 { free[node * problem.resources.count + resource] }

    private mutating func change(_ pod: Int, on node: Int, by sign: Int) {
        let count = problem.shortages.count
        for resource in 0..<count {
            free[node * count + resource] -= Int64(sign) * problem.requests[pod * count + resource]
        }
        if problem.isPlain[pod] { return }
        let item = problem.pods[pod]
        if item.devices > 0 { shareDevices(of: item, pod, node: node, by: sign) }
        let kind = problem.kinds[item.kind]
        for group in kind.countedIn { tally(group, node, by: Int32(sign)) }
        for group in kind.avoids {
            let domain = domain(of: node, group)
            if domain >= 0 { avoiding[group][domain] += Int32(sign) }
        }
        for port in kind.ports {
            if sign > 0 {
                ports[node].append(port)
            } else if let index = ports[node].firstIndex(of: port) {
                ports[node].remove(at: index)
            }
        }
        for use in item.volumes { attach(use, node, by: sign) }
    }

    private mutating func tally(_ group: Int, _ node: Int, by sign: Int32) {
        if !problem.groups[group].counts.isEmpty, !problem.groups[group].counts[node] { return }
        countedTotal[group] += Int(sign)
        let domain = domain(of: node, group)
        guard domain >= 0 else { return }
        let before = counted[group][domain]
        counted[group][domain] = before + sign
        if sign < 0 {
            least[group] = min(least[group], before + sign)
        } else if before == least[group] {
            least[group] = leastCount(group)
        }
    }

    private func leastCount(_ group: Int) -> Int32 { groupDomains[group].map { counted[group][Int($0)] }.min() ?? 0 }

    private mutating func attach(_ use: PackingProblem.VolumeUse, _ node: Int, by sign: Int) {
        let before = volumeNodes[use.volume][node] ?? 0
        let after = before + sign
        volumeNodes[use.volume][node] = after > 0 ? after : nil
        guard let driver = use.driver else { return }
        if before == 0, after > 0 { attached[node * problem.driverCount + driver] += 1 }
        if before > 0, after == 0 { attached[node * problem.driverCount + driver] -= 1 }
    }

    /// Takes the accelerators with the least left that still suffice: what is broken is used up first.
    private mutating func shareDevices(of item: PackingProblem.Pod, _ pod: Int, node: Int, by sign: Int) {
        if sign < 0 {
            for device in heldDevices.removeValue(forKey: pod) ?? [] {
                devices[node][device] += Int32(item.deviceShare)
            }
            return
        }
        let left = devices[node]
        let best = left.indices.filter { Int(left[$0]) >= item.deviceShare }
            .sorted { (left[$0], $0) < (left[$1], $1) }.prefix(item.devices)
        // A pod that is there although there is no room for it holds what there is.
        for device in best { devices[node][device] -= Int32(item.deviceShare) }
        heldDevices[pod] = Array(best)
    }
}
