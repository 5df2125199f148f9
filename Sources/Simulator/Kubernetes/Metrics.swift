import Foundation

/// metrics.k8s.io: live figures, made from requests and a seeded habit of each pod.
extension ClusterState {
    func metrics(_ kind: ResourceKind, _ key: ObjectKey) -> JSONValue? {
        kind.plural == "pods" ? pods[key].flatMap(podMetrics) : nodes[key.name].map { nodeMetrics($0.name) }
    }

    func listMetrics(_ kind: ResourceKind, _ filter: ObjectFilter) -> KubernetesReply {
        let source: ResourceKind = kind.plural == "pods" ? .pods : .nodes
        let items = objects(source).filter { filter.matches($0.key, $0.value.value) }.keys.sorted()
            .compactMap { metrics(kind, $0) }
        return .json([
            "kind": .string(kind.kind + "List"), "apiVersion": .string(kind.groupVersion), "metadata": .object([:]),
            "items": .array(items),
        ])
    }

    /// CPU follows the day and the workload's own habit, each pod a little differently; memory hardly moves. What a
    /// workload uses hangs on what it is, not on what it asks for: the requests its first pod had are its measure.
    private func usage(_ pod: PodFacts) -> (nanoCPU: Int, memoryKi: Int) {
        let workload = "\(pod.key.namespace)/\(pod.labels["app"] ?? pod.owner?.name ?? pod.key.name)"
        let measure = usageMeasures[workload] ?? pod.requests
        usageMeasures[workload] = measure
        var habit = SeededRandom(seed: 1, for: workload)
        var own = SeededRandom(seed: 2, for: pod.uid)
        let hours = now.timeIntervalSince1970 / 3600
        let wave = 0.75 + 0.25 * sin((hours / 24 + habit.fraction()) * 2 * .pi)
        let ripple = 1 + 0.1 * sin(hours * 2 * .pi + own.fraction() * 6)
        let cpu = Double(measure.milliCPU) * habit.double(in: 0.15...0.7) * wave * ripple
        let memory = Double(measure.memory) * habit.double(in: 0.3...0.8) * (1 + 0.05 * own.fraction())
        return (Int(cpu * 1_000_000), Int(memory / 1024))
    }

    private func quantities(_ usage: (nanoCPU: Int, memoryKi: Int)) -> JSONValue {
        ["cpu": .string("\(usage.nanoCPU)n"), "memory": .string("\(usage.memoryKi)Ki")]
    }

    private func podMetrics(_ pod: PodFacts) -> JSONValue? {
        guard pod.phase == "Running", let value = object(.pods, pod.key)?.value else { return nil }
        let containers = value["spec"]["containers"].array
        let total = usage(pod)
        let share = (total.nanoCPU / max(1, containers.count), total.memoryKi / max(1, containers.count))
        return [
            "kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": [
                "name": .string(pod.key.name), "namespace": .string(pod.key.namespace),
                "labels": JSONValue(strings: pod.labels),
                "creationTimestamp": timestamp,
            ],
            "timestamp": timestamp, "window": "15s",
            "containers": .array(containers.map { ["name": $0["name"], "usage": quantities(share)] }),
        ]
    }

    private func nodeMetrics(_ node: String) -> JSONValue {
        let running = (podsByNode[node] ?? []).compactMap { pods[$0] }.filter { $0.phase == "Running" }.map(usage)
        let total = running.reduce((nanoCPU: 60_000_000, memoryKi: 400_000)) {
            ($0.nanoCPU + $1.nanoCPU, $0.memoryKi + $1.memoryKi)
        }
        return [
            "kind": "NodeMetrics", "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": ["name": .string(node), "creationTimestamp": timestamp], "timestamp": timestamp,
            "window": "15s",
            "usage": quantities(total),
        ]
    }
}
