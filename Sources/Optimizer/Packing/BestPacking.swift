/// A packing by the methods that suit the problem, the best kept: fewest pods without a place, then fewest nodes.
public struct BestPacking: Sendable {
    /// Where everything is.
    public private(set) var state: PackingState
    /// Pods without a place.
    public private(set) var unplaced: [Int]
    /// The method that did best.
    public private(set) var method: Packer.Method

    /// Nodes with pods.
    public var nodesUsed: Int { state.podsOn.count { !$0.isEmpty } }

    /// Packs every pod that is nowhere, onto any node. Filling node after node looks at one resource only, and balancing
    /// only makes sense where accelerators are shared: each is tried where it helps.
    public init(_ problem: PackingProblem) {
        let packer = Packer(problem)
        let start = PackingState(problem)
        let pods = problem.pods.indices.filter { start.location[$0] < 0 }
        let nodes = Array(problem.nodes.indices)
        let large = BestPacking.excess(pods, in: problem)
        var best: (state: PackingState, unplaced: [Int], method: Packer.Method, used: Int)?
        let methods: [Packer.Method] = problem.pods.contains { $0.devices > 0 } ? [.balanced] : [.bestFit, .fill]
        for method in methods {
            for aside in large.isEmpty ? [[]] : [[], large] {
                var trial = start
                let late = Set(aside)
                var left = packer.place(pods.filter { !late.contains($0) }, on: nodes, in: &trial, by: method)
                if !aside.isEmpty { left = packer.place(left + aside, on: nodes, in: &trial, by: .bestFit) }
                let used = trial.podsOn.count { !$0.isEmpty }
                if best.map({ (left.count, used) < ($0.unplaced.count, $0.used) }) ?? true {
                    best = (trial, left, method, used)
                }
            }
        }
        state = best?.state ?? start
        unplaced = best?.unplaced ?? pods
        method = best?.method ?? .bestFit
    }

    /// Where more is asked for than there is: the largest pods that have to be left out for the rest to fit. They are
    /// placed last, so that many small pods are not left out for one large one.
    private static func excess(_ pods: [Int], in problem: PackingProblem) -> [Int] {
        var aside: [Int] = []
        for resource in problem.resources.indices {
            let supply = problem.nodes.reduce(Int64(0)) { $0 + $1.capacity[resource] }
            var demand = pods.reduce(Int64(0)) { $0 + problem.pods[$1].requests[resource] }
            guard demand > supply else { continue }
            for pod in pods.sorted(by: {
                let left = problem.pods[$0].requests[resource]
                let right = problem.pods[$1].requests[resource]
                return left != right ? left > right : $0 < $1
            }) where demand > supply {
                demand -= problem.pods[pod].requests[resource]
                aside.append(pod)
            }
        }
        return Array(Set(aside)).sorted()
    }
}
