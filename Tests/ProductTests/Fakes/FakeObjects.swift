import Foundation
import Infrastructure

/// Workloads and autoscalers of the small world: they keep versions as an API server does.
extension FakeWorld {
    var workloads: [Workload] {
        get { others.workloads }
        set { others.workloads = newValue }
    }
    var autoscalers: [Autoscaler] {
        get { others.autoscalers }
        set { others.autoscalers = newValue }
    }

    func object(_ reference: ObjectReference) -> ChangeableObject? {
        if reference.kind == .autoscaler {
            return autoscalers.first { $0.namespace == reference.namespace && $0.name == reference.name }.map {
                ChangeableObject(
                    uid: $0.uid, resourceVersion: $0.resourceVersion, level: $0.minReplicas ?? 1,
                    annotations: $0.annotations)
            }
        }
        if reference.kind == .service {
            return others.services.first { $0.namespace == reference.namespace && $0.name == reference.name }.map {
                ChangeableObject(
                    uid: $0.uid, resourceVersion: $0.resourceVersion, trafficDistribution: $0.trafficDistribution)
            }
        }
        return place(reference).map { changeable(workloads[$0]) }
    }

    private func changeable(_ workload: Workload) -> ChangeableObject {
        ChangeableObject(
            uid: workload.uid, resourceVersion: workload.resourceVersion,
            level: workload.kind == .cronJob ? (workload.isSuspended ? 0 : 1) : workload.replicas,
            annotations: workload.annotations,
            containers: Dictionary(uniqueKeysWithValues: workload.template.map { ($0.name, ContainerSize($0)) }),
            hasPodPreferences: !workload.placement.preferredAffinity.isEmpty
                || !workload.placement.topologySpread.isEmpty)
    }

    private func place(_ reference: ObjectReference) -> Int? {
        workloads.firstIndex {
            $0.kind.rawValue == reference.kind.rawValue && $0.namespace == reference.namespace
                && $0.name == reference.name
        }
    }

    func patch(_ reference: ObjectReference, _ patch: ObjectPatch, version: String) throws -> ChangeableObject {
        if !changeErrors.isEmpty { throw changeErrors.removeFirst() }
        if reference.kind == .autoscaler {
            guard let index = autoscalers.firstIndex(where: { $0.name == reference.name }) else {
                throw FarSideError(.notFound, "no such autoscaler")
            }
            guard autoscalers[index].resourceVersion == version else { throw FarSideError(.conflict, "modified") }
            autoscalers[index].resourceVersion += "+"
            for (key, value) in patch.annotations { autoscalers[index].annotations[key] = value }
            if let level = patch.level { autoscalers[index].minReplicas = level }
            note("patch \(reference.name)\(patch.level.map { " to \($0)" } ?? "")")
            return try required(reference)
        }
        if reference.kind == .service {
            guard let index = others.services.firstIndex(where: { $0.name == reference.name }) else {
                throw FarSideError(.notFound, "no such service")
            }
            guard others.services[index].resourceVersion == version else { throw FarSideError(.conflict, "modified") }
            others.services[index].resourceVersion += "+"
            others.services[index].trafficDistribution = patch.trafficDistribution
            note("patch \(reference.name) traffic \(patch.trafficDistribution ?? "")")
            return try required(reference)
        }
        guard let index = place(reference) else { throw FarSideError(.notFound, "no such workload") }
        guard workloads[index].resourceVersion == version else { throw FarSideError(.conflict, "modified") }
        workloads[index].resourceVersion += "+"
        for (key, value) in patch.annotations { workloads[index].annotations[key] = value }
        if let level = patch.level { workloads[index].isSuspended = level == 0 }
        for (name, size) in patch.containers {
            guard let container = workloads[index].template.firstIndex(where: { $0.name == name }) else { continue }
            workloads[index].template[container].requests = Resources(
                cpu: size.cpuRequest ?? 0, memory: size.memoryRequest ?? 0)
            workloads[index].template[container].limits = Resources(
                cpu: size.cpuLimit ?? 0, memory: size.memoryLimit ?? 0)
        }
        if let near = patch.preferredZone {
            workloads[index].placement.preferredAffinity.append(
                WeightedPodTerm(
                    weight: near.weight,
                    PodAffinityTerm(
                        selector: LabelSelector(matchLabels: near.labels), topologyKey: "topology.kubernetes.io/zone",
                        namespaces: [near.namespace])))
            note(
                "near \(reference.name) \(near.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined())"
            )
            return try required(reference)
        }
        let what = patch.containers.isEmpty ? (patch.level.map { " to \($0)" } ?? "") : " sizes"
        note("patch \(reference.name)\(what)")
        return try required(reference)
    }

    func scale(_ reference: ObjectReference, to replicas: Int, version: String) throws {
        if !changeErrors.isEmpty { throw changeErrors.removeFirst() }
        guard let index = place(reference) else { throw FarSideError(.notFound, "no such workload") }
        guard workloads[index].resourceVersion == version else { throw FarSideError(.conflict, "modified") }
        workloads[index].resourceVersion += "+"
        workloads[index].replicas = replicas
        workloads[index].readyReplicas = min(workloads[index].readyReplicas, replicas)
        note("scale \(reference.name) to \(replicas)")
    }

    private func required(_ reference: ObjectReference) throws -> ChangeableObject {
        guard let object = object(reference) else { throw FarSideError(.notFound, "gone") }
        return object
    }
}

extension ContainerSize {
    /// Of a container: zero is not set.
    init(_ container: PodContainer) {
        func set<Value: Amount>(_ value: Value) -> Value? { value == .zero ? nil : value }
        self.init(
            cpuRequest: set(container.requests.cpu), cpuLimit: set(container.limits.cpu),
            memoryRequest: set(container.requests.memory), memoryLimit: set(container.limits.memory))
    }
}
