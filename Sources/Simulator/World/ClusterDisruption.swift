import Foundation

/// A budget with the evictions that were allowed but are not visible yet.
struct BudgetState {
    var budget: DisruptionBudget
    var disrupted: [String: Date] = [:]
}

/// The disruption controller, and an observer that recounts by itself.
extension ClusterState {
    /// How long an allowed eviction counts although its pod is still there (Kubernetes' DeletionTimeout).
    static let disruptedPodTimeout: TimeInterval = 120

    func indexBudget(_ key: ObjectKey, _ value: JSONValue?) {
        let budget = value.map { DisruptionBudget(spec: $0["spec"]) }
        budgets[key] = budget.map { BudgetState(budget: $0) }
        budgetIndex.set(key, selector: budget?.selector, pods: labelledPods(of: key.namespace))
        if budget != nil { budgetsToUpdate.insert(key) }
    }

    func labelledPods(of namespace: String) -> [(key: ObjectKey, labels: [String: String])] {
        (podsByNamespace[namespace] ?? []).compactMap { key in pods[key].map { (key, $0.labels) } }
    }

    func indexPodInBudgets(_ pod: ObjectKey, old: PodFacts?, new: PodFacts?) {
        let isRelabelled = old?.labels != new?.labels
        guard isRelabelled || old?.isReady != new?.isReady || old?.isTerminating != new?.isTerminating else { return }
        let touched =
            isRelabelled ? budgetIndex.podChanged(pod, labels: new?.labels) : budgetIndex.objects(selecting: pod)
        if new == nil || new?.isTerminating == true { for key in touched { budgets[key]?.disrupted[pod.name] = nil } }
        budgetsToUpdate.formUnion(touched)
    }

    /// The budgets that select the pod, with their status as of now.
    func budgetsSelecting(_ pod: ObjectKey) -> [(key: ObjectKey, budget: DisruptionBudget, status: DisruptionStatus)] {
        budgetIndex.objects(selecting: pod).sorted().compactMap { key in
            budgets[key].map { (key, $0.budget, disruptionStatus(key, $0)) }
        }
    }

    func disruptionStatus(_ key: ObjectKey, _ state: BudgetState) -> DisruptionStatus {
        let limit = now.addingTimeInterval(-Self.disruptedPodTimeout)
        let members = budgetIndex.pods(selectedBy: key).compactMap { pods[$0] }
        let healthy = members.count {
            $0.isReady && !$0.isTerminating && (state.disrupted[$0.key.name].map { $0 < limit } ?? true)
        }
        return DisruptionArithmetic.status(
            state.budget, podCount: members.count, healthy: healthy, scale: wantedReplicas(of: members))
    }

    /// The sum of what the pods' controllers want; a pod without one counts for nothing, as in the real controller.
    private func wantedReplicas(of members: [PodFacts]) -> Int {
        var scales: [String: Int] = [:]
        for pod in members {
            guard let owner = pod.owner, scales[owner.uid] == nil else { continue }
            let key = ObjectKey(namespace: pod.key.namespace, name: owner.name)
            switch owner.kind {
            case "ReplicaSet": scales[owner.uid] = object(.replicaSets, key)?.value["spec"]["replicas"].int ?? 0
            case "StatefulSet": scales[owner.uid] = object(.statefulSets, key)?.value["spec"]["replicas"].int ?? 0
            default: break
            }
        }
        return scales.values.reduce(0, +)
    }

    /// Notes an allowed eviction, until the pod is seen terminating.
    func noteEviction(of pod: ObjectKey, under budget: ObjectKey) {
        budgets[budget]?.disrupted[pod.name] = now
        budgetsToUpdate.insert(budget)
    }

    func updateBudgetStatuses() {
        while let key = budgetsToUpdate.popFirst() {
            guard let state = budgets[key] else { continue }
            let status = disruptionStatus(key, state)
            let time = timestamp
            update(.budgets, key) { object in
                let allowed = status.disruptionsAllowed > 0
                let condition = object["status"]["conditions"].array.first
                let isSame = condition?["status"] == (allowed ? "True" : "False")
                object["status"] = [
                    "expectedPods": .integer(status.expectedPods), "currentHealthy": .integer(status.currentHealthy),
                    "desiredHealthy": .integer(status.desiredHealthy),
                    "disruptionsAllowed": .integer(status.disruptionsAllowed),
                    "observedGeneration": object["metadata"]["generation"],
                    "disruptedPods": state.disrupted.isEmpty
                        ? .null : .object(state.disrupted.mapValues { .string(Timestamp.seconds($0)) }),
                    "conditions": [
                        [
                            "type": "DisruptionAllowed", "status": allowed ? "True" : "False",
                            "reason": allowed ? "SufficientPods" : "InsufficientPods", "message": "",
                            "observedGeneration": object["metadata"]["generation"],
                            "lastTransitionTime": isSame ? condition?["lastTransitionTime"] ?? time : time,
                        ]
                    ],
                ]
            }
        }
    }

    /// Called before a client removes a pod: would a budget be below what it wants, before the pod's force point?
    ///
    /// Counts the pods anew instead of trusting the status that the eviction was judged by.
    func observeRemoval(of pod: PodFacts, actor: String, verb: String) {
        guard !pod.isTerminating else { return }
        let record = pod.node.flatMap { node in records[instanceID(ofNode: node)] }
        if let node = pod.node, pod.isEvictable {
            records[instanceID(ofNode: node)]?.removals.append(
                NodeRecord.Removal(pod: pod.key, at: now, actor: actor, verb: verb))
        }
        guard pod.isReady else { return }
        if let deadline = record?.deadline, now >= deadline.addingTimeInterval(-TimeInterval(pod.graceSeconds)) {
            return
        }
        for key in budgets.keys where key.namespace == pod.key.namespace {
            guard let budget = budgets[key]?.budget, let selector = budget.selector, selector.matches(pod.labels) else {
                continue
            }
            let members = (podsByNamespace[key.namespace] ?? []).compactMap { pods[$0] }.filter {
                selector.matches($0.labels)
            }
            let healthyAfter = members.count { $0.isReady && !$0.isTerminating } - 1
            let desired = DisruptionArithmetic.status(
                budget, podCount: members.count, healthy: healthyAfter, scale: wantedReplicas(of: members)
            ).desiredHealthy
            guard healthyAfter < desired else { continue }
            violations.append(
                BudgetViolation(
                    cluster: name, budget: key, pod: pod.key, at: now, actor: actor, verb: verb,
                    healthyAfter: healthyAfter, desiredHealthy: desired))
        }
    }
}
