import Infrastructure
import Testing

@testable import Optimizer

@Suite struct PackerTests {
    /// Nodes of one size, pods of the sizes given, all free to go anywhere.
    static func problem(nodes: Int, capacity: [Int64], pods: [[Int64]]) -> PackingProblem {
        PackingProblem(
            resources: ["cpu", "memory"],
            nodes: (0..<nodes).map { .init(name: "n\($0)", capacity: capacity, price: 1_000) },
            pods: pods.enumerated().map { .init(name: "p\($0)", requests: $1) })
    }

    @Test("filling node after node finds the packing without a gap that first fit misses")
    func fillsWithoutAGap() {
        // Three nodes of 10 hold 5+5, 4+3+3, 4+3+3 exactly; the largest first onto the first that fits needs a fourth.
        let sizes: [Int64] = [5, 5, 4, 4, 3, 3, 3, 3]
        let problem = PackerTests.problem(nodes: 8, capacity: [10, 100], pods: sizes.map { [$0, 1] })
        let best = BestPacking(problem)
        #expect(best.unplaced.isEmpty)
        #expect(best.nodesUsed == 3)
    }

    @Test("where more is asked for than there is, many small pods are not left out for one large one")
    func leavesOutTheLargest() {
        let problem = PackerTests.problem(
            nodes: 1, capacity: [10, 100], pods: [[9, 1], [3, 1], [3, 1], [3, 1]])
        #expect(BestPacking(problem).unplaced == [0])
    }

    @Test("packing again gives the same places", arguments: [1, 7, 42] as [UInt64])
    func isDeterministic(seed: UInt64) {
        var random = SeededNumbers(seed: seed)
        let pods = (0..<300).map { _ in
            [Int64.random(in: 1...40, using: &random), Int64.random(in: 1...60, using: &random)]
        }
        let problem = PackerTests.problem(nodes: 120, capacity: [100, 100], pods: pods)
        #expect(BestPacking(problem).state.location == BestPacking(problem).state.location, "seed \(seed)")
    }

    @Test("shares of an accelerator come from one accelerator each, and whole ones are kept whole")
    func sharesAccelerators() {
        let problem = PackingProblem(
            resources: ["cpu"], nodes: [.init(name: "n", capacity: [100], devices: 2)],
            pods: [(1, 600), (1, 400), (1, 1000), (1, 100)].enumerated().map {
                .init(name: "p\($0)", requests: [1], devices: $1.0, deviceShare: $1.1)
            })
        var state = PackingState(problem)
        state.place(0, on: 0)
        state.place(1, on: 0)  // beside the 600, so that the other one stays whole
        #expect(state.refusal(of: 2, on: 0) == nil)
        state.place(2, on: 0)
        #expect(state.refusal(of: 3, on: 0) == .deviceShare)
        state.remove(0)
        #expect(state.refusal(of: 3, on: 0) == nil)
    }

    @Test("what is placed and taken back leaves no trace")
    func takesBackExactly() {
        let group = PackingProblem.Group(key: 0)
        let problem = PackingProblem(
            resources: ["cpu"], nodes: (0..<3).map { .init(name: "n\($0)", capacity: [10], attachLimits: [1]) },
            pods: [
                .init(name: "a", requests: [4], kind: 0, volumes: [.init(volume: 0, driver: 0, isShared: false)]),
                .init(name: "b", requests: [4], kind: 0),
            ],
            kinds: [.init(countedIn: [0], avoids: [0], ports: [0])], groups: [group], keyCount: 1,
            domains: [0, 0, 1], domainCounts: [2], portConflicts: [[0]], volumeCount: 1, driverCount: 1)
        var state = PackingState(problem)
        state.place(0, on: 0)
        #expect(state.refusal(of: 1, on: 0) == .hostPort)
        #expect(state.refusal(of: 1, on: 1) == .podAntiAffinity)
        #expect(state.refusal(of: 1, on: 2) == nil)
        state.remove(0)
        for node in 0..<3 { #expect(state.refusal(of: 1, on: node) == nil) }
        #expect(state.left(0, on: 0) == 10)
    }

    @Test("a spread constraint compares with the least filled domain that exists")
    func spreads() {
        let spread = PackingProblem.Spread(group: 0, maxSkew: 1, minDomains: 1, countsItself: true)
        let problem = PackingProblem(
            resources: ["cpu"], nodes: (0..<3).map { .init(name: "n\($0)", capacity: [10]) },
            pods: (0..<3).map { .init(name: "p\($0)", requests: [1]) },
            kinds: [.init(countedIn: [0], spreads: [spread])], groups: [.init(key: 0, counts: [true, true, false])],
            keyCount: 1, domains: [0, 1, 2], domainCounts: [3])
        var state = PackingState(problem)
        state.place(0, on: 0)
        #expect(state.refusal(of: 1, on: 0) == .topologySpread)
        #expect(state.refusal(of: 1, on: 1) == nil)
        state.place(1, on: 1)
        #expect(state.refusal(of: 2, on: 0) == nil)
    }
}

@Suite struct ConsolidationTests {
    private func plan(
        _ problem: PackingProblem, limits: Consolidation.Limits
    ) -> (plan: Consolidation.Plan, state: PackingState) {
        var state = PackingState(problem)
        let candidates = problem.nodes.indices.map { node in
            Consolidation.Candidate(
                node: node, moving: state.podsOn[node].sorted(), disruption: 1 + Double(state.podsOn[node].count))
        }
        let plan = Consolidation(
            problem, limits: limits, poolDisruption: candidates.reduce(0) { $0 + $1.disruption }
        ).plan(candidates, destinations: Array(problem.nodes.indices), in: &state)
        return (plan, state)
    }

    private func problem(pods: [(Int64, Int)], nodes: Int) -> PackingProblem {
        PackingProblem(
            resources: ["cpu"], nodes: (0..<nodes).map { .init(name: "n\($0)", capacity: [10], price: 100_000) },
            pods: pods.enumerated().map { .init(name: "p\($0)", requests: [$1.0], node: $1.1) })
    }

    @Test("an empty node goes first, then the one that saves most for its disruption; no pod loses its place")
    func emptiesNodes() {
        let (plan, state) = plan(
            problem(pods: [(6, 0), (3, 1), (2, 2), (2, 2)], nodes: 4), limits: .init(nodesMax: 4, evictionsMax: 10))
        #expect(plan.nodes == [3, 0])
        #expect(state.location.allSatisfy { $0 >= 0 && !plan.nodes.contains(Int($0)) })
        #expect(plan.moves.allSatisfy { Int(state.location[$0.pod]) == $0.to && !plan.nodes.contains($0.to) })
    }

    @Test("what stays says why: no place and what the nodes said, too little saved, or the budget")
    func saysWhyNodesStay() {
        let full = problem(pods: [(9, 0), (9, 1)], nodes: 2)
        #expect(
            plan(full, limits: .init(nodesMax: 2, evictionsMax: 10)).plan.stays[0]
                == .noPlace(pod: 0, refusals: [.cpu: 1]))
        let light = problem(pods: [(1, 0), (1, 1), (1, 2)], nodes: 3)
        #expect(
            plan(light, limits: .init(nodesMax: 3, evictionsMax: 10, savingMin: 200_000)).plan.stays[0]
                == .savingTooSmall(100_000))
        let one = plan(light, limits: .init(nodesMax: 1, evictionsMax: 10)).plan
        #expect(one.nodes.count == 1)
        #expect(one.stays.values.contains(.budget))
        let none = plan(light, limits: .init(nodesMax: 3, evictionsMax: 10, k: 0.5)).plan
        #expect(none.nodes.isEmpty)
        #expect(none.stays.count == 3)
    }
}

/// SplitMix64: the same numbers for the same seed, on every machine.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
