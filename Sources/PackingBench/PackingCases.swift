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
