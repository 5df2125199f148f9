import Foundation
import Infrastructure
import Optimizer

/// A workload whose template can be sized, with what bounds and forbids it. Pure.
struct SizeSubject: Sendable {
    let workload: Workload
    let object: ObjectReference
    /// Pods it wants.
    let replicas: Int
    /// Why CPU is not sized by us; nil: it is.
    let cpuObjection: String?
    /// Why memory is not sized by us; nil: it is.
    let memoryObjection: String?
    /// Why nothing is written to it, though it is judged; nil: it may be written.
    let writeObjection: String?

    /// nil for what has no template that rolls: ReplicaSets, Jobs, CronJobs, and what is owned by another workload.
    init?(_ workload: Workload, autoscalers: [Autoscaler], knowsAutoscalers: Bool, policy: ClusterPolicy) {
        let kind: ChangeableKind
        switch workload.kind {
        case .deployment: kind = .deployment
        case .statefulSet: kind = .statefulSet
        case .daemonSet: kind = .daemonSet
        case .replicaSet, .job, .cronJob: return nil
        }
        self.workload = workload
        object = ObjectReference(kind, namespace: workload.namespace, name: workload.name, uid: workload.uid)
        replicas = workload.kind == .daemonSet ? workload.desiredScheduled : workload.replicas ?? 1
        let scalers = autoscalers.filter {
            $0.namespace == workload.namespace && $0.targetKind == workload.kind.rawValue
                && $0.targetName == workload.name
        }
        cpuObjection = SizeSubject.objection("cpu", scalers, knowsAutoscalers)
        memoryObjection = SizeSubject.objection("memory", scalers, knowsAutoscalers)
        writeObjection = SizeSubject.writeObjection(workload, policy)
    }

    /// By a utilisation an autoscaler divides by the request: another request would be another size.
    private static func objection(_ resource: String, _ scalers: [Autoscaler], _ isKnown: Bool) -> String? {
        if !isKnown { return "its autoscalers could not be read" }
        for scaler in scalers {
            if scaler.kind == .vertical, scaler.updateMode != "Off" {
                return "the VerticalPodAutoscaler \(scaler.name) sizes it"
            }
            if scaler.metrics.contains(where: { $0.resource == resource && $0.target == "Utilization" }) {
                return "the \(scaler.kind.rawValue) \(scaler.name) scales by its utilisation"
            }
        }
        return nil
    }

    private static func writeObjection(_ workload: Workload, _ policy: ClusterPolicy) -> String? {
        if let reason = policy.protected.reason(namespace: workload.namespace, labels: workload.labels) {
            return reason
        }
        if let tool = workload.gitOps { return "\(tool.rawValue) writes it: change it in its repository" }
        if let owner = workload.owner { return "\(owner.kind) \(owner.name) writes it: change it there" }
        if workload.updateStrategy == "OnDelete" { return "its update strategy is OnDelete: nothing would roll" }
        if workload.kind == .deployment, workload.isSuspended { return "its rollout is paused" }
        return nil
    }

    /// Whether its newest template runs in all its pods.
    var isRolledOut: Bool {
        workload.isObserved && workload.updatedReplicas >= replicas && workload.readyReplicas >= replicas
    }

    /// Whether a pod is one of its own.
    func owns(_ pod: Pod) -> Bool {
        guard pod.namespace == workload.namespace, let owner = PodOwner(pod: pod.name, labels: pod.labels) else {
            return false
        }
        return owner.kind == workload.kind.rawValue && owner.name == workload.name
    }
}

extension ContainerSize {
    /// Of a container of a template: zero is not set.
    init(of container: PodContainer) {
        func set<Value: Amount>(_ value: Value) -> Value? { value == .zero ? nil : value }
        self.init(
            cpuRequest: set(container.requests.cpu), cpuLimit: set(container.limits.cpu),
            memoryRequest: set(container.requests.memory), memoryLimit: set(container.limits.memory))
    }
}

/// What bounds containers of a cluster from outside.
struct SizeLimits: Sendable {
    let limitRanges: [LimitRangeItem]
    let quotas: [ResourceQuota]
    /// What the largest node leaves after its daemons.
    let largest: SizeBounds

    init(limitRanges: [LimitRangeItem], quotas: [ResourceQuota], nodes: [Node], workloads: [Workload]) {
        self.limitRanges = limitRanges
        self.quotas = quotas
        let daemons = workloads.filter { $0.kind == .daemonSet }.flatMap(\.template).filter { $0.role != .initial }
        let cpu = daemons.reduce(Int64(0)) { $0 + $1.requests.cpu.rawValue }
        let memory = daemons.reduce(Int64(0)) { $0 + $1.requests.memory.rawValue }
        var bounds = SizeBounds()
        bounds.cpuMax = nodes.map(\.allocatable.cpu).max().map { MilliCPU(rawValue: max(0, $0.rawValue - cpu)) }
        bounds.memoryMax = nodes.map(\.allocatable.memory).max().map { Bytes(rawValue: max(0, $0.rawValue - memory)) }
        largest = bounds
    }

    /// The bounds of one container of a workload of so many pods.
    func bounds(namespace: String, size: ContainerSize, replicas: Int) -> SizeBounds {
        var bounds = largest
        for item in limitRanges where item.namespace == namespace && item.type == "Container" {
            var range = SizeBounds()
            range.cpuMin = item.min.cpu
            range.memoryMin = item.min.memory
            if item.max.cpu > .zero { range.cpuMax = item.max.cpu }
            if item.max.memory > .zero { range.memoryMax = item.max.memory }
            bounds = bounds.intersection(range)
        }
        // A rollout needs room for at least one pod more.
        let pods = Int64(max(1, replicas) + 1)
        for quota in quotas where quota.namespace == namespace && !quota.isScoped {
            func room(_ name: String, _ now: Int64?) -> Int64? {
                quota.hard[name].map { max(0, $0 - (quota.used[name] ?? 0)) / pods + (now ?? 0) }
            }
            var share = SizeBounds()
            let cpu = [room("requests.cpu", size.cpuRequest?.rawValue), room("cpu", size.cpuRequest?.rawValue)]
            share.cpuMax = cpu.compactMap { $0 }.min().map { MilliCPU(rawValue: $0) }
            let memory = [
                room("requests.memory", size.memoryRequest?.rawValue), room("memory", size.memoryRequest?.rawValue),
                room("limits.memory", size.memoryLimit?.rawValue),
            ]
            share.memoryMax = memory.compactMap { $0 }.min().map { Bytes(rawValue: $0) }
            bounds = bounds.intersection(share)
        }
        return bounds
    }
}
