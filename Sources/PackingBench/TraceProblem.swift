import Infrastructure
import Optimizer

extension Trace {
    /// The trace as a packing problem: cpu in thousandths, memory in MiB, GPUs as shared accelerators, and models as
    /// rules about nodes.
    func problem(machines: [Machine], requests: [Request]) -> PackingProblem {
        let specs = Set(requests.map(\.models)).sorted { $0.joined() < $1.joined() }
        let kinds = Dictionary(uniqueKeysWithValues: specs.enumerated().map { ($1, $0) })
        let verdicts = machines.flatMap { machine in
            specs.map { $0.isEmpty || $0.contains(machine.model) ? nil : PlacementRefusal.nodeSelector }
        }
        return PackingProblem(
            resources: ["cpu", "memory"],
            nodes: machines.map {
                PackingProblem.Node(
                    name: $0.name, capacity: [$0.cpu, $0.memory], devices: $0.gpus, price: Trace.price(of: $0))
            },
            pods: requests.map {
                PackingProblem.Pod(
                    name: $0.name, requests: [$0.cpu, $0.memory], devices: $0.gpus, deviceShare: $0.gpuShare,
                    kind: kinds[$0.models] ?? 0)
            },
            kinds: specs.indices.map { PackingProblem.Kind(rule: $0) }, ruleCount: specs.count, verdicts: verdicts)
    }

    /// The trace has no prices. General purpose on demand in us-east-1 (m6i: 0.192 $ for 4 vCPU and 16 GiB) comes to
    /// about 0.0333 $ for a vCPU and 0.0037 $ for a GiB an hour; GPUs are not priced.
    static func price(of machine: Machine) -> MicroDollars {
        MicroDollars(rawValue: machine.cpu * 33_300 / 1000 + machine.memory * 3_675 / 1024)
    }

    /// How many of the biggest machines sum up to the demand, over cpu, memory and gpu; at most all of them.
    static func lowerBound(_ requests: [Request], _ machines: [Machine]) -> Int {
        func count(_ demand: Int64, _ sizes: [Int64]) -> Int {
            var left = demand
            var used = 0
            for size in sizes.sorted(by: >) where left > 0 {
                left -= size
                used += 1
            }
            return used
        }
        return max(
            count(requests.reduce(0) { $0 + $1.cpu }, machines.map(\.cpu)),
            count(requests.reduce(0) { $0 + $1.memory }, machines.map(\.memory)),
            count(requests.reduce(0) { $0 + Int64($1.gpus * $1.gpuShare) }, machines.map { Int64($0.gpus) * 1000 }))
    }

    /// Pods that are where they cannot be, counted from the trace's own numbers and not by the packer's.
    static func infeasible(_ requests: [Request], _ machines: [Machine], location: [Int32]) -> Int {
        var wrong = 0
        var pods: [Int: [Request]] = [:]
        for (pod, node) in location.enumerated() where node >= 0 { pods[Int(node), default: []].append(requests[pod]) }
        for (node, held) in pods {
            let machine = machines[node]
            var isWrong = held.reduce(0) { $0 + $1.cpu } > machine.cpu
            isWrong = isWrong || held.reduce(0) { $0 + $1.memory } > machine.memory
            isWrong = isWrong || !canShare(held, gpus: machine.gpus)
            if isWrong { wrong += held.count }
            if !isWrong { wrong += held.count { !$0.models.isEmpty && !$0.models.contains(machine.model) } }
        }
        return wrong
    }

    /// Whether the shares can be dealt to the GPUs at all: whole ones first, then a search over the shared ones.
    private static func canShare(_ held: [Request], gpus: Int) -> Bool {
        let shares = held.flatMap { Array(repeating: $0.gpuShare, count: $0.gpus) }.sorted(by: >)
        var left = Array(repeating: 1000, count: gpus)
        func deal(_ index: Int) -> Bool {
            guard index < shares.count else { return true }
            var seen: Set<Int> = []
            for gpu in left.indices where left[gpu] >= shares[index] && seen.insert(left[gpu]).inserted {
                left[gpu] -= shares[index]
                if deal(index + 1) { return true }
                left[gpu] += shares[index]
            }
            return false
        }
        return deal(0)
    }
}
