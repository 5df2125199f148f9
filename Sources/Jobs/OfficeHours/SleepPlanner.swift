import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// Which objects of a cluster may sleep, and what is decided about each. Pure.
struct SleepPlanner: Sendable {
    /// One object with what is known of it.
    struct Subject: Sendable {
        var object: ObjectReference
        var candidate: SleepCandidate
        /// Whether a person should be told why it does not sleep.
        var isObjectionTold: Bool
    }

    let cluster: ClusterID
    let environment: String
    let policy: ClusterPolicy
    let now: Date
    let phase: OfficePhase

    /// Namespaces of the cluster's own machinery: they never sleep, whatever a policy says.
    static let systemNamespaces: Set<String> = ["kube-system", "kube-public", "kube-node-lease"]

    /// Every Deployment, StatefulSet and CronJob; an autoscaler in place of its workload where some replicas stay.
    func subjects(workloads: [Workload], autoscalers: [Autoscaler], knowsAutoscalers: Bool) -> [Subject] {
        let byTarget = Dictionary(grouping: autoscalers) { "\($0.namespace)/\($0.targetKind)/\($0.targetName)" }
        return workloads.compactMap { workload in
            guard let kind = SleepPlanner.kind(of: workload) else { return nil }
            let scalers = byTarget["\(workload.namespace)/\(workload.kind.rawValue)/\(workload.name)"] ?? []
            let keep = workload.annotations[SleepMark.keepAnnotation].flatMap { Int($0) } ?? 0
            let objection = objection(to: workload, scalers: scalers, keep: keep, knowsAutoscalers: knowsAutoscalers)
            if keep > 0, let scaler = scalers.first(where: { $0.kind == .horizontal }) {
                // Set to fewer replicas, the workload and its autoscaler would fight: the autoscaler's least counts.
                return Subject(
                    object: ObjectReference(
                        .autoscaler, namespace: scaler.namespace, name: scaler.name, uid: scaler.uid),
                    candidate: SleepCandidate(
                        level: scaler.minReplicas ?? 1, asleepLevel: keep, mark: mark(scaler.annotations),
                        objection: objection?.reason), isObjectionTold: objection?.isTold ?? false)
            }
            let isCron = kind == .cronJob
            return Subject(
                object: ObjectReference(
                    kind, namespace: workload.namespace, name: workload.name, uid: workload.uid),
                candidate: SleepCandidate(
                    level: isCron ? (workload.isSuspended ? 0 : 1) : workload.replicas ?? 1,
                    asleepLevel: isCron ? 0 : keep, ready: isCron ? nil : workload.readyReplicas,
                    mark: mark(workload.annotations), objection: objection?.reason),
                isObjectionTold: objection?.isTold ?? false)
        }
    }

    private static func kind(of workload: Workload) -> ChangeableKind? {
        switch workload.kind {
        case .deployment: .deployment
        case .statefulSet: .statefulSet
        case .cronJob: .cronJob
        case .daemonSet, .replicaSet, .job: nil
        }
    }

    private func mark(_ annotations: [String: String]) -> SleepMark? {
        annotations[SleepMark.annotation].flatMap(SleepMark.init(parsing:))
    }

    /// Why an object must not sleep, and whether that is worth telling.
    private func objection(
        to workload: Workload, scalers: [Autoscaler], keep: Int, knowsAutoscalers: Bool
    ) -> (reason: String, isTold: Bool)? {
        let hours = policy.officeHours
        if SleepPlanner.systemNamespaces.contains(workload.namespace) { return ("the cluster's own", false) }
        if let reason = policy.protected.reason(namespace: workload.namespace, labels: workload.labels) {
            return (reason, false)
        }
        if environment == "production"
            ? !hours.namespaces.contains(workload.namespace)
            : !hours.namespaces.isEmpty && !hours.namespaces.contains(workload.namespace)
        {
            return ("its namespace is not listed", false)
        }
        if workload.annotations[SleepMark.optOutAnnotation] == "never" { return ("its owner says never", false) }
        if now.timeIntervalSince(workload.createdAt) < hours.workloadAgeMin.interval { return ("too young", false) }
        if workload.gitOps == .argoCD || workload.gitOps == .flux {
            return (
                "\(workload.gitOps == .flux ? "Flux" : "Argo CD") writes it and would undo a change; put the schedule"
                    + " into its repository, or let it ignore replicas and the annotation \(SleepMark.annotation)", true
            )
        }
        if let owner = workload.owner { return ("\(owner.kind) \(owner.name) writes it and would undo a change", true) }
        if workload.deletesClaimsWhenScaled, keep == 0 {
            return ("its claims would be deleted with its pods (persistentVolumeClaimRetentionPolicy)", true)
        }
        if !knowsAutoscalers { return ("its autoscalers could not be read", true) }
        if scalers.contains(where: { $0.kind == .keda }) {
            return ("KEDA sizes it; pause it there (autoscaling.keda.sh/paused-replicas)", true)
        }
        if keep == 0, scalers.contains(where: { $0.kind == .horizontal && $0.minReplicas == 0 }) {
            return ("its autoscaler scales to zero by itself and might wake it (minReplicas 0)", true)
        }
        return nil
    }

    /// What is decided about an object.
    func step(_ subject: Subject, known: SleepRecord?) -> SleepStep {
        SleepStep.decide(subject.candidate, known: known, phase: phase, now: now)
    }

    /// The action of a step; nil: it changes nothing.
    func action(_ subject: Subject, _ step: SleepStep) -> Action? {
        let object = subject.object
        func key(_ verb: String, _ since: Date) -> String {
            // The policy, the window, the phase and the workload: once in each.
            "\(verb)/\(cluster)/\(object.uid)/\(since.formatted(.iso8601))/\(policy.version)"
        }
        switch step.change {
        case nil: return nil
        case .sleep(let from, let to, let mark):
            return Action(
                key: key("sleep", phase.since),
                verb(object, .lower(object, to: to, since: mark.since)),
                reason: "\(object): out of office hours since \(phase.since.formatted(.iso8601)), \(from) -> \(to)")
        case .wake(let from, let to):
            let why =
                phase.isAwake
                ? "office hours begin \((phase.opensAt ?? phase.since).formatted(.iso8601))"
                : "it must not sleep: \(subject.candidate.objection ?? "")"
            return Action(
                key: key("wake", phase.since), verb(object, .raise(object, from: from, to: to)),
                reason: "\(object): \(why), \(from) -> \(to)")
        case .clear:
            return Action(
                key: key("clear-sleep", subject.candidate.mark?.since ?? phase.since),
                .clearSleepMark(object: object), reason: "\(object): it is awake")
        }
    }

    private func verb(_ object: ObjectReference, _ change: LevelChange) -> Verb {
        switch object.kind {
        case .cronJob: .suspend(change: change)
        case .autoscaler: .setMinReplicas(change: change)
        case .deployment, .statefulSet, .daemonSet, .service: .scale(change: change)
        }
    }

    /// What a note says to people.
    func finding(_ note: SleepStep.Note, of object: ObjectReference) -> Finding {
        switch note {
        case .levelsDiffer(let mark, let ledger):
            Finding(
                "office-hours-levels-differ", cluster: cluster, subject: "\(object)", .warning,
                "Its annotation says \(mark), the ledger \(ledger): the larger is restored. Somebody edited one of them."
            )
        case .overridden(let level):
            Finding(
                "office-hours-overridden", cluster: cluster, subject: "\(object)", .info,
                "It was set to \(level) while it slept: it is left alone until the next window. If nobody did that, a tool"
                    + " undoes our changes: set the annotation \(SleepMark.optOutAnnotation): never.")
        case .loweredAfterWake:
            Finding(
                "office-hours-lowered", cluster: cluster, subject: "\(object)", .info,
                "It was lowered again after it was woken: it is left as it is.")
        case .notReady(let ready, let wanted):
            Finding(
                "office-hours-not-ready", cluster: cluster, subject: "\(object)", .warning,
                "Office hours have begun and \(ready) of \(wanted) replicas are ready: look for pods that cannot be placed."
            )
        }
    }
}
