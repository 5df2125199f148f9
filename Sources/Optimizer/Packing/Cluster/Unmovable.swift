import Foundation
import Infrastructure

/// Why a pod is not moved by voluntary work (domain-rules section 4, points 11 to 15, and what no simulation knows).
public enum Unmovable: Hashable, Sendable, Codable {
    /// The decoder saw a rule that the simulation does not know: its field names.
    case unknownConstraint([String])
    /// Another scheduler than the default one places it.
    case otherScheduler(String)
    /// Nothing would make it again: it has no owner.
    case bare
    /// Its owner is of a kind that may not make it again.
    case unknownOwner(String)
    /// A Job's pod would begin its work anew.
    case job
    /// It keeps data on its node that would be lost.
    case localData
    /// An annotation says that it must not be disturbed.
    case doNotDisrupt(String)
    /// The policy protects it.
    case protected(String)
    /// The cluster or its node hangs on it.
    case critical
    /// More than one budget covers it: the API server never evicts such a pod.
    case severalBudgets
    /// A budget that allows no disruption, whatever happens.
    case budgetForbids(String)
    /// A budget that allows none just now.
    case budgetExhausted(String)
    /// It is starting, or not Ready: whether its successor is well could not be told.
    case notReady
    /// It is ending already.
    case ending
    /// It tolerates every taint: it would come back to the very node.
    case toleratesCordon
    /// One of its volumes is not known or not bound.
    case unknownVolume(String)
    /// Its grace period is longer than an eviction may take.
    case longGrace(Int64)

    /// The reason in words, for people.
    public var words: String {
        switch self {
        case .unknownConstraint(let fields): "it has rules that are not understood: \(fields.joined(separator: ", "))"
        case .otherScheduler(let name): "the scheduler \(name) places it, which is not simulated"
        case .bare: "nothing would make it again: it has no owner"
        case .unknownOwner(let kind): "it is not known whether its owner, a \(kind), would make it again"
        case .job: "it is a Job's, and would begin its work anew"
        case .localData: "it keeps data on its node"
        case .doNotDisrupt(let annotation): "its annotation \(annotation) says so"
        case .protected(let reason): reason
        case .critical: "it is critical for the cluster"
        case .severalBudgets: "more than one disruption budget covers it"
        case .budgetForbids(let name): "the disruption budget \(name) allows no disruption at all"
        case .budgetExhausted(let name): "the disruption budget \(name) allows no disruption now"
        case .notReady: "it is not Ready"
        case .ending: "it is ending"
        case .toleratesCordon: "it tolerates every taint and would come back"
        case .unknownVolume(let name): "its volume claim \(name) is not bound or not known"
        case .longGrace(let seconds): "it takes \(seconds) s to end"
        }
    }

    /// Whether it passes by itself within moments: a plan under way waits for it instead of ending.
    public var isPassing: Bool {
        switch self {
        case .budgetExhausted, .notReady, .ending: true
        default: false
        }
    }
}

/// Which pods of a cluster may be moved.
public struct PodMovability: Sendable {
    private let budgets: [String: [PodDisruptionBudget]]
    private let policy: ClusterPolicy
    private let now: Date

    /// The longest grace period of a pod that is moved; source: cluster-autoscaler's max-graceful-termination-sec.
    public static let graceSecondsMax: Int64 = 600
    /// Kinds of owners that make their pods again at once.
    static let owners: Set<String> = ["ReplicaSet", "StatefulSet", "ReplicationController"]
    /// Volumes that live and die with the pod on its node.
    static let localVolumes: Set<String> = ["emptyDir", "hostPath"]
    static let safeToEvict = "cluster-autoscaler.kubernetes.io/safe-to-evict"
    static let safeLocalVolumes = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
    static let doNotDisrupt = ["karpenter.sh/do-not-disrupt", "cloudoptim.io/do-not-disrupt"]
    /// What voluntary work sets on a node: a pod that tolerates all of it comes back.
    static let cordon = Taint(key: "node.kubernetes.io/unschedulable", effect: "NoSchedule")

    /// Learns budgets and policy.
    public init(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) {
        budgets = Dictionary(grouping: snapshot.objects.budgets, by: \.namespace)
        self.policy = policy
        now = snapshot.capturedAt
    }

    /// Whether a pod ends with its node and needs no other place: a static pod, a daemon's, or one that has ended.
    public static func endsWithNode(_ pod: Pod) -> Bool { pod.isMirror || pod.isDaemon || pod.isFinished }

    /// The budgets that cover a pod.
    public func budgets(of pod: Pod) -> [PodDisruptionBudget] {
        (budgets[pod.namespace] ?? []).filter { $0.covers(pod) }
    }

    /// Why a pod is not moved; nil: it may be.
    public func reason(_ pod: Pod) -> Unmovable? {
        if pod.deletedBy != nil { return .ending }
        if !pod.placement.unknownConstraints.isEmpty { return .unknownConstraint(pod.placement.unknownConstraints) }
        if pod.placement.schedulerName != "default-scheduler" { return .otherScheduler(pod.placement.schedulerName) }
        if let asked = asksForPeace(pod) { return .doNotDisrupt(asked) }
        if let reason = policy.protected.reason(namespace: pod.namespace, labels: pod.labels) {
            return .protected(reason)
        }
        if pod.isCritical { return .critical }
        if let owner = ownerReason(pod) { return owner }
        if holdsLocalData(pod) { return .localData }
        if pod.tolerations.contains(where: { $0.tolerates(PodMovability.cordon) }) { return .toleratesCordon }
        if pod.graceSeconds > PodMovability.graceSecondsMax { return .longGrace(pod.graceSeconds) }
        return budgetReason(pod) ?? (pod.phase == .running && pod.isReady ? nil : .notReady)
    }

    private func isSafeToEvict(_ pod: Pod) -> Bool { pod.annotations[PodMovability.safeToEvict] == "true" }

    private func asksForPeace(_ pod: Pod) -> String? {
        if pod.annotations[PodMovability.safeToEvict] == "false" { return PodMovability.safeToEvict }
        return PodMovability.doNotDisrupt.first { key in
            guard let value = pod.annotations[key] else { return false }
            if value == "true" { return true }
            // Karpenter also takes a duration, counted from the pod's creation.
            guard let span = TimeSpan(value) else { return value != "false" }
            return now.timeIntervalSince(pod.createdAt) < span.interval
        }
    }

    private func ownerReason(_ pod: Pod) -> Unmovable? {
        guard let kind = pod.ownerKind else { return .bare }
        if PodMovability.owners.contains(kind) { return nil }
        if kind == "Job" { return isSafeToEvict(pod) ? nil : .job }
        return .unknownOwner(kind)
    }

    private func holdsLocalData(_ pod: Pod) -> Bool {
        let local = pod.placement.volumes.filter { PodMovability.localVolumes.contains($0.kind) }
        guard !local.isEmpty, !policy.packing.movesLocalData, !isSafeToEvict(pod) else { return false }
        let safe = pod.annotations[PodMovability.safeLocalVolumes]?.split(separator: ",").count ?? 0
        return safe < local.count
    }

    private func budgetReason(_ pod: Pod) -> Unmovable? {
        let covering = budgets(of: pod)
        guard let budget = covering.first else { return nil }
        guard covering.count == 1 else { return .severalBudgets }
        if budget.blocksForever { return .budgetForbids(budget.name) }
        if !pod.isReady, budget.alwaysAllowsUnhealthy { return nil }
        return budget.disruptionsAllowed > 0 ? nil : .budgetExhausted(budget.name)
    }

    /// What an eviction costs: `clamp(1 + pod-deletion-cost / 2^27 + priority / 2^25, -10, 10)`.
    /// Source: Karpenter, designs/balanced-consolidation.md.
    public static func evictionCost(_ pod: Pod) -> Double {
        let deletion = pod.annotations["controller.kubernetes.io/pod-deletion-cost"].flatMap { Double($0) } ?? 0
        let cost = 1 + deletion / 134_217_728 + Double(pod.priority) / 33_554_432
        return cost.isFinite ? min(10, max(-10, cost)) : 1
    }
}
