import Foundation
import Infrastructure
import Optimizer

/// The cases that are measured.
struct PackingCases {
    let trace: Trace

    init(_ trace: Trace) { self.trace = trace }

    func run() -> [PackingCase] {
        let plain = trace.withoutGPUs
        var cases: [PackingCase] = []
        if let biggest = plain.machines.max(by: { ($0.cpu, $0.memory, $1.name) < ($1.cpu, $1.memory, $0.name) }),
            !plain.requests.isEmpty
        {
            let copies = plain.requests.indices.map { index in
                var copy = biggest
                copy.name = "copy-\(index)"
                return copy
            }
            cases.append(pack("fresh", plain.requests, copies))
            cases.append(pack("real-nodes", plain.requests, plain.machines))
            let bound = Trace.lowerBound(plain.requests, copies)
            cases.append(
                consolidate(
                    "consolidation", plain.requests, Array(copies.prefix(bound + bound / 2)),
                    count: plain.requests.count))
            cases.append(
                consolidate(
                    "consolidation-real-nodes", plain.requests, plain.machines, count: plain.requests.count * 3 / 5))
            cases.append(
                merge("consolidation-merge", plain.requests, plain.machines, count: plain.requests.count * 3 / 5))
        }
        cases.append(pack("whole-trace", trace.requests, trace.machines))
        return cases
    }

    /// Packs, and beside it with the textbook's methods, in the same order of pods and nodes.
    private func pack(_ name: String, _ requests: [Trace.Request], _ machines: [Trace.Machine]) -> PackingCase {
        let problem = trace.problem(machines: machines, requests: requests)
        let start = ContinuousClock.now
        let best = BestPacking(problem)
        let took = ContinuousClock.now - start
        let (firstFit, bestFit) = (textbook(.firstFit, problem), textbook(.bestFit, problem))
        return PackingCase(
            name: name, nodesUsed: best.nodesUsed, lowerBound: Trace.lowerBound(requests, machines),
            unplaced: best.unplaced.count, planMs: took.milliseconds,
            infeasible: Trace.infeasible(requests, machines, location: best.state.location),
            unplacedFirstFit: firstFit.unplaced, unplacedBestFit: bestFit.unplaced, nodesFirstFit: firstFit.nodes,
            nodesBestFit: bestFit.nodes)
    }

    private func textbook(_ method: Packer.Method, _ problem: PackingProblem) -> (unplaced: Int, nodes: Int) {
        var state = PackingState(problem)
        let left = Packer(problem).place(
            Array(problem.pods.indices), on: Array(problem.nodes.indices), in: &state, by: method)
        return (left.count, state.podsOn.count { !$0.isEmpty })
    }

    /// From the same start, one merge: several nodes into the others and one new node of a shape that the file has, which
    /// costs less than they do; how many, by the planner's binary search.
    private func merge(
        _ name: String, _ all: [Trace.Request], _ machines: [Trace.Machine], count: Int
    ) -> PackingCase {
        let requests = Array(all.prefix(count))
        let problem = trace.problem(machines: machines, requests: requests)
        var state = PackingState(problem)
        let unplaced = Spreading.place(in: &state)
        let used = state.podsOn.indices.filter { !state.podsOn[$0].isEmpty }
        let shapes = Dictionary(machines.map { ([$0.cpu, $0.memory], $0) }, uniquingKeysWith: { first, _ in first })
            .values.sorted { (Trace.price(of: $0), $0.name) < (Trace.price(of: $1), $1.name) }
        let start = ContinuousClock.now
        let candidates = used.map { node in
            Consolidation.Candidate(
                node: node, moving: state.podsOn[node].sorted(), disruption: 1 + Double(state.podsOn[node].count))
        }.sorted { left, right in
            let (one, other) = (worth(left, problem), worth(right, problem))
            return one != other ? one > other : left.node < right.node
        }
        var best: Merge?
        _ = Consolidation.largestPrefix(of: 2...min(100, used.count), within: used.count) { count in
            let found = merge(Array(candidates.prefix(count)), receiving: used, shapes, in: state)
            if let found { best = found }
            return found != nil
        }
        let took = ContinuousClock.now - start
        let after = best?.state ?? state
        let placed = zip(requests, after.location).filter { $0.1 >= 0 }.map(\.0)
        let fleet = machines + [best?.machine].compactMap(\.self)
        let freed = best.map { $0.nodes - 1 } ?? 0
        let monthly = Double(best?.saving.rawValue ?? 0) / 1_000_000 * 730
        return PackingCase(
            name: name, nodesUsed: used.count - freed, lowerBound: Trace.lowerBound(placed, fleet), unplaced: unplaced,
            planMs: took.milliseconds, infeasible: Trace.infeasible(requests, fleet, location: after.location),
            nodesBefore: used.count, evictionsPerNodeFreed: best.map { Double($0.moves) / Double(max(1, freed)) },
            savingPerEviction: best.map { monthly / Double(max(1, $0.moves)) })
    }

    private struct Merge {
        var nodes: Int
        var moves: Int
        var machine: Trace.Machine
        var saving: MicroDollars
        var state: PackingState
    }

    private func worth(_ candidate: Consolidation.Candidate, _ problem: PackingProblem) -> Double {
        Double(problem.nodes[candidate.node].price.rawValue) / candidate.disruption
    }

    /// The cheapest new machine that will do; nil: none, or it costs as much as what goes.
    private func merge(
        _ nodes: [Consolidation.Candidate], receiving: [Int], _ shapes: [Trace.Machine], in state: PackingState
    ) -> Merge? {
        let cost = nodes.reduce(MicroDollars.zero) { $0 + state.problem.nodes[$1.node].price }
        for shape in shapes where Trace.price(of: shape) < cost {
            var trial = state
            let new = trial.problem.nodes.count
            // Machines without accelerators: no rule tells one from another.
            trial.append(
                PackingProblem.Node(
                    name: "new", capacity: [shape.cpu, shape.memory], price: Trace.price(of: shape)),
                verdicts: Array(repeating: nil, count: trial.problem.ruleCount), domains: [], counts: [])
            let moves = Consolidation.relocate(
                nodes.map { ($0.node, $0.moving) }, receiving: receiving, last: new, in: &trial)
            guard let moves else { continue }
            return Merge(
                nodes: nodes.count, moves: moves.count, machine: shape, saving: cost - Trace.price(of: shape),
                state: trial)
        }
        return nil
    }

    /// Spreads the first pods as the Kubernetes scheduler does by default (least allocated), then consolidates without
    /// budgets: what one plan can free.
    private func consolidate(
        _ name: String, _ all: [Trace.Request], _ machines: [Trace.Machine], count: Int
    ) -> PackingCase {
        let requests = Array(all.prefix(count))
        let problem = trace.problem(machines: machines, requests: requests)
        var state = PackingState(problem)
        let unplaced = Spreading.place(in: &state)
        let used = state.podsOn.indices.filter { !state.podsOn[$0].isEmpty }
        let start = ContinuousClock.now
        let candidates = used.map { node in
            Consolidation.Candidate(
                node: node, moving: state.podsOn[node].sorted(), disruption: 1 + Double(state.podsOn[node].count))
        }
        let limits = Consolidation.Limits(nodesMax: machines.count, evictionsMax: requests.count)
        let plan = Consolidation(problem, limits: limits, poolDisruption: candidates.reduce(0) { $0 + $1.disruption })
            .plan(candidates, destinations: used, in: &state)
        let took = ContinuousClock.now - start
        let monthly = Double(plan.saving.rawValue) / 1_000_000 * 730
        let placed = zip(requests, state.location).filter { $0.1 >= 0 }.map(\.0)
        return PackingCase(
            name: name, nodesUsed: used.count - plan.nodes.count, lowerBound: Trace.lowerBound(placed, machines),
            unplaced: unplaced, planMs: took.milliseconds,
            infeasible: Trace.infeasible(requests, machines, location: state.location), nodesBefore: used.count,
            evictionsPerNodeFreed: plan.nodes.isEmpty ? nil : Double(plan.moves.count) / Double(plan.nodes.count),
            savingPerEviction: plan.moves.isEmpty ? nil : monthly / Double(plan.moves.count))
    }
}

/// A start as the Kubernetes scheduler makes it: in order of arrival, onto the node with the most left (`LeastAllocated`).
enum Spreading {
    /// - Returns: the pods that found no place.
    static func place(in state: inout PackingState) -> Int {
        var unplaced = 0
        for pod in state.problem.pods.indices {
            var best: Int?
            var most = -1.0
            for node in state.problem.nodes.indices where state.refusal(of: pod, on: node) == nil {
                let shares = state.problem.resources.indices.map { resource in
                    Double(state.left(resource, on: node) - state.problem.pods[pod].requests[resource])
                        / Double(max(1, state.problem.nodes[node].capacity[resource]))
                }
                let score = shares.reduce(0, +)
                if score > most {
                    most = score
                    best = node
                }
            }
            if let best { state.place(pod, on: best) } else { unplaced += 1 }
        }
        return unplaced
    }
}

extension Duration {
    /// Milliseconds.
    var milliseconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) * 1000 + Double(attoseconds) / 1e15
    }
}
