import Foundation
import Infrastructure
import Optimizer

/// Which groups of a cluster's nodes may sleep, and what is decided about each. Pure.
struct NodeGroupPlanner: Sendable {
    /// One group with what is known of it.
    struct Subject: Sendable {
        var group: NodeGroup
        var candidate: SleepCandidate
        /// A pod that keeps its nodes; nil: none does.
        var busy: String?
        /// What its nodes cost per hour, by instance, as far as that is known.
        var prices: [String: MicroDollars]
        /// The instances of its nodes.
        var instances: Set<String>

        /// What a node costs per hour: the mean; nil: nothing is known.
        var perNode: MicroDollars? {
            prices.isEmpty
                ? nil : MicroDollars(rawValue: prices.values.map(\.rawValue).reduce(0, +) / Int64(prices.count))
        }

        /// Of the nodes that it had when it was put to sleep those that are not there any more.
        func gone(from row: NodeGroupSleep?) -> [String: MicroDollars]? {
            row?.nodes?.filter { !instances.contains($0.key) }
        }
    }

    let cluster: ClusterID
    let environment: String
    let policy: ClusterPolicy
    let now: Date
    let phase: OfficePhase

    /// So long after the hours nobody is told that pods still run: they are going.
    static let settling: TimeInterval = 15 * 60

    /// A pod waits for a place, and is not just about to get one, when it is so old.
    static let waiting: TimeInterval = 2 * 60

    /// The groups, and how many nodes of each other owner are left alone.
    func subjects(
        groups: [NodeGroup], nodes: [Node], pods: [Pod], prices: [String: MicroDollars]
    ) -> (subjects: [Subject], others: [String: Int]) {
        let byInstance = Dictionary(
            groups.flatMap { group in group.instances.map { ($0, group.reference) } },
            uniquingKeysWith: { first, _ in first })
        let known = Set(groups.map(\.reference))
        var members: [NodeGroupReference: [Node]] = [:]
        var others: [String: Int] = [:]
        for node in nodes {
            let managed = groups.first {
                $0.reference.owner == .managed && $0.reference.name == node.labels[NodeGroupPlanner.managedLabel]
            }
            if let group = managed?.reference ?? node.instance.flatMap({ byInstance[$0] }), known.contains(group) {
                members[group, default: []].append(node)
            } else {
                let owner = NodeOwner.of(node: node, instance: nil, cluster: cluster, ownTemplate: nil)
                others[
                    owner == .karpenter || owner == .autoMode || owner == .fargate ? "\(owner)" : "other", default: 0] +=
                    1
            }
        }
        let waiting = pods.filter { pod in
            isWork(pod) && pod.phase == .pending && pod.nodeName == nil && pod.deletedBy == nil
                && now.timeIntervalSince(pod.createdAt) >= NodeGroupPlanner.waiting
        }
        let byNode = Dictionary(grouping: pods.filter(isWork), by: \.nodeName)
        let subjects = groups.map { group in
            let own = members[group.reference] ?? []
            let costs = own.compactMap { node in
                node.instance.flatMap { id in prices[node.name].map { (id.rawValue, $0) } }
            }
            return Subject(
                group: group,
                candidate: SleepCandidate(
                    level: group.desired, asleepLevel: policy.officeHours.nodesAsleepMin,
                    ready: own.count { $0.isReady && !$0.isDeleting }, mark: group.mark,
                    objection: objection(to: group, waiting: waiting.count)),
                busy: own.flatMap { byNode[$0.name] ?? [] }.map { "\($0.namespace)/\($0.name)" }.min(),
                prices: Dictionary(costs, uniquingKeysWith: { first, _ in first }),
                instances: Set(own.compactMap(\.instance?.rawValue)))
        }
        return (subjects, others)
    }

    private static let managedLabel = "eks.amazonaws.com/nodegroup"

    /// Whether a pod is somebody's work: neither the cluster's own nor one of each node, and not over.
    private func isWork(_ pod: Pod) -> Bool {
        !pod.isFinished && !pod.isMirror && !pod.isDaemon && !SleepPlanner.systemNamespaces.contains(pod.namespace)
    }

    /// Why a group must not sleep, and is woken where it does.
    private func objection(to group: NodeGroup, waiting: Int) -> String? {
        if !policy.officeHours.shrinksNodeGroups { return "the policy shrinks no node groups" }
        if environment == "production" { return "the nodes of a production cluster stay" }
        if let reason = policy.protected.reason(tags: group.tags) { return reason }
        if group.tags[SleepMark.optOutAnnotation] == "never" { return "its owner says never" }
        // Whoever starts something at night has a place for it.
        if waiting > 0 { return "\(waiting) pods wait for a place" }
        return nil
    }

    /// What is decided about a group.
    func step(_ subject: Subject, known: SleepRecord?) -> SleepStep {
        let step = SleepStep.decide(subject.candidate, known: known, phase: phase, now: now)
        let goesDown = if case .sleep = step.change { true } else { step.record?.state == .intended }
        // Nodes go after the workloads, never under them.
        return goesDown && subject.busy != nil ? SleepStep() : step
    }

    /// The least size that a group returns to.
    func minSize(_ subject: Subject, row: NodeGroupSleep?) -> Int {
        let open = row.flatMap { $0.record.isOpen ? $0.minSize : nil }
        return [subject.group.mark?.minSize, open].compactMap { $0 }.max() ?? subject.group.minSize
    }

    /// The nodes that its row keeps: all while it is on its way down, then those, and when it is woken those that were gone.
    func nodes(_ subject: Subject, _ step: SleepStep, row: NodeGroupSleep?) -> [String: MicroDollars]? {
        if step.record?.state == .intended { return subject.prices }
        switch step.change {
        case .sleep: return subject.prices
        case .wake: return subject.gone(from: row)
        case .clear, nil: break
        }
        return step.record.map(isUp) ?? false ? nil : row?.nodes
    }

    /// Whether a record says that the group is up again.
    func isUp(_ record: SleepRecord) -> Bool {
        switch record.state {
        case .waking, .awake, .overridden: true
        case .intended, .asleep, .refused: false
        }
    }

    /// The action of a step; nil: it changes nothing.
    /// - Parameter row: what the ledger says before. Its time is part of the key: within one night a group may be woken for a pod
    ///   that waits, and sleep again.
    func action(_ subject: Subject, _ step: SleepStep, minSize: Int, row: NodeGroupSleep?) -> Action? {
        let group = subject.group.reference
        let seen = row?.at ?? subject.group.mark?.since ?? phase.since
        func key(_ verb: String) -> String {
            let times = "\(phase.since.formatted(.iso8601))/\(seen.formatted(.iso8601))"
            return "\(verb)/\(cluster)/\(group)/\(times)/\(policy.version)"
        }
        switch step.change {
        case nil: return nil
        case .sleep(let from, let to, let mark):
            return Action(
                key: key("sleep"), .sizeNodeGroup(change: .lower(group, to: to, since: mark.since)),
                reason:
                    "\(group): out of office hours since \(phase.since.formatted(.iso8601)), \(from) -> \(to) nodes",
                saving: subject.perNode.map { MicroDollars(rawValue: $0.rawValue * Int64(from - to)) })
        case .wake(let from, let to):
            let why =
                phase.isAwake
                ? "office hours begin \((phase.opensAt ?? phase.since).formatted(.iso8601))"
                : "it must not sleep: \(subject.candidate.objection ?? "")"
            return Action(
                key: key("wake"),
                .sizeNodeGroup(change: .raise(group, from: from, to: to, minSize: minSize)),
                reason: "\(group): \(why), \(from) -> \(to) nodes")
        case .clear:
            return Action(
                key: key("clear-sleep"), .clearNodeGroupMark(group: group, minSize: minSize),
                reason: "\(group): it is awake")
        }
    }

    /// Why a group that would sleep now does not; nil: nothing to tell, or told in this phase already.
    func refusal(_ subject: Subject, known: SleepRecord?) -> (record: SleepRecord, finding: Finding)? {
        guard !phase.isAwake, policy.officeHours.shrinksNodeGroups, known?.isOpen != true,
            known?.since != phase.since, subject.candidate.level > subject.candidate.asleepLevel,
            now.timeIntervalSince(phase.since) >= NodeGroupPlanner.settling,
            let reason = subject.candidate.objection ?? subject.busy.map({ "\($0) still runs on its nodes" })
        else { return nil }
        return (
            SleepRecord(
                state: .refused, original: subject.candidate.level, asleepLevel: subject.candidate.asleepLevel,
                since: phase.since),
            finding("office-hours-nodes-refused", "\(subject.group.reference)", .info, "It does not shrink: \(reason).")
        )
    }

    /// Told once in each phase: nodes of owners whose API sizes no group.
    func leftAlone(_ owner: String, count: Int, known: SleepRecord?) -> (record: SleepRecord, finding: Finding)? {
        // A node that its group is ending is in no group any more for a while.
        guard !phase.isAwake, policy.officeHours.shrinksNodeGroups, known?.since != phase.since,
            now.timeIntervalSince(phase.since) >= NodeGroupPlanner.settling
        else { return nil }
        let why =
            switch owner {
            case "karpenter": "Karpenter removes nodes by itself once they are empty (its disruption budgets say when)"
            case "auto-mode": "EKS Auto Mode removes nodes by itself once they are empty"
            case "fargate": "Fargate ends with its pods"
            default: "they are in no managed node group and in no Auto Scaling group that bears the cluster's tag"
            }
        return (
            SleepRecord(state: .refused, original: count, asleepLevel: 0, since: phase.since),
            finding("office-hours-nodes-left", "nodes/\(owner)", .info, "\(count) nodes are left alone: \(why).")
        )
    }

    /// What a note says to people.
    func finding(_ note: SleepStep.Note, of group: NodeGroupReference) -> Finding {
        switch note {
        case .levelsDiffer(let mark, let ledger):
            finding(
                "office-hours-levels-differ", "\(group)", .warning,
                "Its tag says \(mark) nodes, the ledger \(ledger): the larger is restored. Somebody edited one of them."
            )
        case .overridden(let level):
            finding(
                "office-hours-overridden", "\(group)", .info,
                "It was set to \(level) nodes while it slept: it is left alone until the next window. If nobody did that, an"
                    + " autoscaler did: pods waited for a place.")
        case .loweredAfterWake:
            finding(
                "office-hours-lowered", "\(group)", .info,
                "It was lowered again after it was woken: it is left as it is.")
        case .notReady(let ready, let wanted):
            finding(
                "office-hours-not-ready", "\(group)", .warning,
                "Office hours have begun and \(ready) of \(wanted) nodes are ready: look at the group's scaling activities."
            )
        }
    }

    private func finding(
        _ code: String, _ subject: String, _ severity: Finding.Severity, _ message: String
    ) -> Finding {
        Finding(code, cluster: cluster, subject: subject, severity, message)
    }
}
