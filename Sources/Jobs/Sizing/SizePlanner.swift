import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// What one container should be sized to, what that saves, and whether it may be done.
struct SizeRecommendation: Codable, Sendable {
    var object: ObjectReference
    var container: String
    var replicas: Int
    var before: ContainerSize
    var advice: SizeAdvice
    /// Per hour at list prices, once packing removes nodes for it; negative: it costs.
    var saving: MicroDollars
    /// Why it is not applied, whatever the mode; nil: it may be.
    var objection: String?
}

/// Judges every workload of a cluster by what it used. Pure.
struct SizePlanner: Sendable {
    let cluster: ClusterID
    let policy: ClusterPolicy
    let now: Date
    let subjects: [SizeSubject]
    let limits: SizeLimits
    let usage: [ContainerKey: [UsageDay]]
    let raises: [MemoryRaiseFact]
    let prices: UnitPrices

    /// Recommendations that change something, by falling saving, then by name.
    func recommendations() -> [SizeRecommendation] {
        let length = max(1, Int(policy.rightsizing.history.seconds / 86_400))
        let sampled = Dictionary(
            (usage[.sampler] ?? []).map { ($0.day, $0.minutes) }, uniquingKeysWith: { first, _ in first })
        var found: [SizeRecommendation] = []
        for subject in subjects {
            for container in subject.workload.template where container.role == .main {
                let key = ContainerKey(
                    namespace: subject.workload.namespace, kind: subject.workload.kind.rawValue,
                    workload: subject.workload.name, container: container.name)
                guard let days = usage[key] else { continue }
                let size = ContainerSize(of: container)
                let advice = SizeAdvice(
                    SizeAdvice.Question(
                        size: size, usage: UsageWindow(days, sampled: sampled, length: length, now: now),
                        memoryFloor: floor(key), cpuObjection: subject.cpuObjection,
                        memoryObjection: subject.memoryObjection,
                        bounds: limits.bounds(
                            namespace: subject.workload.namespace, size: size, replicas: subject.replicas)),
                    policy: policy.rightsizing)
                guard advice.isChange else { continue }
                found.append(
                    SizeRecommendation(
                        object: subject.object, container: container.name, replicas: subject.replicas, before: size,
                        advice: advice, saving: saving(size, advice.size, subject.replicas),
                        objection: objection(subject, advice)))
            }
        }
        return found.sorted {
            ($1.saving, $0.object.description, $0.container) < ($0.saving, $1.object.description, $1.container)
        }
    }

    /// What killed it is below what it needs: the limit under which it was killed last, with the margin.
    private func floor(_ key: ContainerKey) -> Bytes? {
        let since = now.addingTimeInterval(-policy.rightsizing.history.interval)
        let limit = raises.last { $0.key == key && $0.record.at >= since }.flatMap {
            $0.record.limitBefore ?? $0.record.requestBefore
        }
        return limit.map { Bytes(rawValue: Int64(Double($0.rawValue) * policy.rightsizing.memoryMargin)) }
    }

    private func saving(_ old: ContainerSize, _ new: ContainerSize, _ replicas: Int) -> MicroDollars {
        func cpu(_ size: ContainerSize) -> Int64 { (size.cpuRequest ?? size.cpuLimit ?? 0).rawValue }
        func memory(_ size: ContainerSize) -> Int64 { (size.memoryRequest ?? size.memoryLimit ?? 0).rawValue }
        let one = prices.price(cpu: cpu(old) - cpu(new), memory: memory(old) - memory(new))
        return MicroDollars(rawValue: one.rawValue * Int64(clamping: replicas))
    }

    private func objection(_ subject: SizeSubject, _ advice: SizeAdvice) -> String? {
        if let objection = subject.writeObjection { return objection }
        if advice.isProvisional { return "too little was seen so far" }
        let listed = policy.rightsizing.namespaces
        if !listed.isEmpty, !listed.contains(subject.workload.namespace) { return "its namespace is not listed" }
        if subject.replicas == 0 { return "it has no pods now" }
        if !subject.isRolledOut { return "its last rollout is not complete" }
        if let last = SizeChange.lastChange(subject.workload.annotations),
            now.timeIntervalSince(last) < policy.rightsizing.cooldown.interval
        {
            return "it was resized within the cooldown"
        }
        return nil
    }

    /// The workloads that may be changed now, each with all its containers: what is short of something first, then by
    /// falling saving, as far as that is worth it.
    func changes(_ recommendations: [SizeRecommendation], except done: Set<String>) -> [SizeChange] {
        let byObject = Dictionary(grouping: recommendations) { $0.object }
        let worth = byObject.filter { object, parts in
            let saving = parts.reduce(MicroDollars.zero) { $0 + $1.saving }
            return !done.contains(object.uid) && parts.allSatisfy { $0.objection == nil }
                && (saving >= policy.saving.minimumPerHour || saving < .zero)
        }
        func total(_ parts: [SizeRecommendation]) -> MicroDollars { parts.reduce(.zero) { $0 + $1.saving } }
        let ordered = worth.sorted { left, right in
            let (one, other) = (total(left.value), total(right.value))
            if (one < .zero) != (other < .zero) { return one < .zero }
            return (other, left.key.description) < (one, right.key.description)
        }
        return ordered.prefix(max(0, policy.rightsizing.workloadsAtOnceMax)).map { object, parts in
            SizeChange(
                object: object,
                before: Dictionary(parts.map { ($0.container, $0.before) }, uniquingKeysWith: { first, _ in first }),
                after: Dictionary(
                    parts.map { ($0.container, $0.advice.size) }, uniquingKeysWith: { first, _ in first }),
                cause: "rightsizing", at: now, pods: parts.map(\.replicas).max())
        }
    }

    /// A recommendation in words, with what it was made from.
    func finding(_ item: SizeRecommendation) -> Finding {
        func cpu(_ value: MilliCPU?) -> String { value.map { "\($0)m" } ?? "none" }
        func memory(_ value: Bytes?) -> String { value.map { "\($0.rawValue >> 20)Mi" } ?? "none" }
        var parts: [String] = []
        let (old, new, advice) = (item.before, item.advice.size, item.advice)
        if old.cpuRequest != new.cpuRequest {
            let seen = cpu(advice.cpuQuantile)
            parts.append("cpu request \(cpu(old.cpuRequest)) -> \(cpu(new.cpuRequest)) (quantile \(seen))")
        }
        if old.cpuLimit != new.cpuLimit { parts.append("cpu limit \(cpu(old.cpuLimit)) -> \(cpu(new.cpuLimit))") }
        if old.memoryRequest != new.memoryRequest {
            let most = memory(advice.memoryMax)
            parts.append("memory request \(memory(old.memoryRequest)) -> \(memory(new.memoryRequest)) (most \(most))")
        }
        if old.memoryLimit != new.memoryLimit {
            parts.append("memory limit \(memory(old.memoryLimit)) -> \(memory(new.memoryLimit))")
        }
        let label = advice.isProvisional ? "Provisional: " : ""
        let percent = Int((advice.confidence * 100).rounded())
        let remarks = (advice.remarks + [item.objection.map { "not applied: \($0)" }].compactMap { $0 })
        return Finding(
            "rightsize", cluster: cluster, subject: "\(item.object)/\(item.container)",
            item.saving < .zero ? .warning : .info,
            "\(label)\(parts.joined(separator: ", ")), \(item.replicas) pods; confidence \(percent) %"
                + (remarks.isEmpty ? "." : "; \(remarks.joined(separator: "; "))."),
            saving: item.saving, confidence: advice.confidence)
    }
}
