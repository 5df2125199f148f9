import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// Emptying the nodes, ending their instances, and giving everything back.
extension NodePlanRules {
    /// One step: nothing new while a successor is awaited or a pod is pending; else the next pods; else the next instance.
    mutating func drain(_ mine: NodePlan) throws -> Decision {
        settleEvictions()
        tidyEnded()
        if remaining.isEmpty {
            let waits = seen.snapshot.objects.nodes.contains { node in
                memory.ended[node.uid].map { seen.now.timeIntervalSince($0) < NodePlanRules.goneSecondsMax } ?? false
            }
            return waits ? try again(after: NodePlanRules.lookEvery, mine) : finish(mine)
        }
        guard memory.evictions.isEmpty, PackingPlanner.pending(seen.snapshot).isEmpty else {
            return try again(after: NodePlanRules.lookEvery, mine)
        }
        for (removal, node) in remaining.prefix(max(1, seen.policy.disruption.nodesAtOnceMax)) {
            let pods = seen.snapshot.objects.pods.filter {
                $0.nodeName == node.name && !PodMovability.endsWithNode($0)
            }
            if pods.isEmpty {
                decision.actions.append(end(removal))
            } else {
                evict(pods, from: removal)
            }
        }
        return try again(after: decision.actions.isEmpty ? NodePlanRules.lookEvery : 2_000, mine)
    }

    /// Forgets evictions whose pod is gone and whose owner has as many Ready pods again as before.
    private mutating func settleEvictions() {
        for (uid, eviction) in memory.evictions {
            if seen.snapshot.objects.pods.contains(where: { $0.uid == uid }) { continue }
            let desired = seen.snapshot.objects.workloads.first { $0.uid == eviction.owner }?.replicas
            if ready(eviction.owner) >= min(eviction.ready, desired ?? eviction.ready) {
                memory.evictions[uid] = nil
                memory.progressAt = seen.now
            }
        }
    }

    private func ready(_ owner: String) -> Int {
        seen.snapshot.objects.pods.count {
            $0.ownerUID == owner && $0.phase == .running && $0.isReady && $0.deletedBy == nil
        }
    }

    /// At most one pod of each owner and of each budget at a time: never both halves of a budget.
    private mutating func evict(_ pods: [Pod], from removal: ClusterPlan.Removal) {
        let movability = PodMovability(seen.snapshot, policy: seen.policy)
        var owners = Set(memory.evictions.values.map(\.owner))
        var budgets: Set<String> = []
        for pod in pods.sorted(by: { ($0.namespace, $0.name) < ($1.namespace, $1.name) }) {
            guard memory.evictions.count < min(seen.policy.disruption.evictionsAtOnceMax, seen.evictionsLeft),
                movability.reason(pod) == nil,
                let owner = pod.ownerUID, owners.insert(owner).inserted
            else { continue }
            let covering = movability.budgets(of: pod).map { "\($0.namespace)/\($0.name)" }
            guard budgets.isDisjoint(with: covering) else { continue }
            budgets.formUnion(covering)
            memory.evictions[pod.uid] = .init(owner: owner, ready: ready(owner), since: seen.now)
            memory.owners.insert(owner)
            decision.actions.append(evict(pod.reference, from: removal))
        }
    }

    private func evict(_ pod: PodReference, from removal: ClusterPlan.Removal) -> Action {
        Action(
            key: "evict/\(seen.cluster)/\(pod.uid)", .evict(pod: pod, graceSeconds: nil),
            reason: "\(removal.node.name) is being emptied, and others have room for \(pod)")
    }

    private func removeObject(_ node: NodeReference) -> Action {
        Action(
            key: "delete-node/\(seen.cluster)/\(node.uid)", .deleteNode(node: node),
            reason: "the instance behind \(node.name) has ended")
    }

    private func uncordon(_ node: NodeReference, _ why: String) -> Action {
        Action(key: key("uncordon", node.uid), .uncordon(node: node), reason: "\(node.name) is given back: \(why)")
    }

    /// What later rounds do if nothing changes: a proposal shows it, and its approval covers it.
    var foreseen: [Action] {
        var actions: [Action] = []
        for removal in memory.plan.removals {
            actions += removal.moves.map { evict($0.pod, from: removal) }
            actions.append(end(removal))
            actions.append(removeObject(removal.node))
            actions.append(uncordon(removal.node, "only if the plan is given up"))
        }
        return actions
    }

    private func end(_ removal: ClusterPlan.Removal) -> Action {
        let verb: Verb
        switch removal.owner {
        case .autoScalingGroup, .managedNodeGroup:
            verb = .terminateInAutoScalingGroup(instance: removal.instance, shrinks: memory.replacement == nil)
        case .ours, .karpenter, .autoMode, .fargate, .unknown: verb = .terminate(instances: [removal.instance])
        }
        return Action(
            key: endKey(removal), verb, reason: "\(removal.node.name) is empty", saving: removal.saving)
    }

    /// The cloud controller removes the objects of ended instances; where none does, we do.
    private mutating func tidyEnded() {
        for node in seen.snapshot.objects.nodes {
            guard memory.ended[node.uid] != nil, let id = node.instance else { continue }
            let instance = seen.snapshot.instances?.first { $0.id == id }
            guard seen.snapshot.instances != nil, instance?.state.isEnding ?? true, instance?.state != .stopping else {
                continue
            }
            decision.actions.append(removeObject(NodeReference(name: node.name, uid: node.uid)))
        }
    }

    private func finish(_ mine: NodePlan) -> Decision {
        var decision = decision
        let saved = memory.plan.removals.reduce(MicroDollars.zero) { $0 + $1.saving }
        decision.facts += closed(mine, NodePlan.done)
        decision.findings.append(
            find(
                "plan-done", .info,
                "\(memory.plan.removals.count) nodes were emptied and removed, \(memory.plan.evictions) pods moved.",
                saving: saved))
        decision.result = JSONText(
            text:
                "{\"nodes_removed\":\(memory.plan.removals.count),\"saving\":\(saved),\"evictions\":\(memory.plan.evictions)}"
        )
        decision.memory = nil
        decision.next = .done
        return decision
    }

    // MARK: Giving back

    /// Takes our marks off the nodes that are left, exactly ours, and ends what was launched and carries nothing.
    mutating func giveBack(_ mine: NodePlan) throws -> Decision {
        memory.abortRounds += 1
        let marked = remaining.filter { $0.node.annotations[NodeMark.byAnnotation] == mark($0.removal) }
        let useless = uselessReplacement
        if (marked.isEmpty && useless == nil) || memory.abortRounds > NodePlanRules.abortRoundsMax {
            let reason = memory.abort ?? ""
            decision.facts += closed(mine, reason)
            decision.findings.append(
                find(
                    "plan-aborted", .warning,
                    "Given up: \(reason). \(memory.ended.count) of \(memory.plan.removals.count) nodes were removed; the others are given back."
                ))
            decision.memory = nil
            decision.next = .stop(reason: "plan-aborted")
            return decision
        }
        decision.actions = marked.map { uncordon($0.removal.node, memory.abort ?? "") }
        if let useless {
            decision.actions.append(
                Action(
                    key: "terminate/\(useless)", .terminate(instances: [useless]),
                    reason: "it was launched for a plan that is given up, and carries nothing"))
        }
        return try again(after: 1_000, mine)
    }

    private var uselessReplacement: InstanceID? {
        guard let launched = memory.replacement?.launched?.id,
            seen.snapshot.instances?.first(where: { $0.id == launched })?.state.isEnding != true
        else { return nil }
        guard let node = seen.snapshot.objects.nodes.first(where: { $0.instance == launched }) else { return launched }
        let carries = seen.snapshot.objects.pods.contains {
            $0.nodeName == node.name && !PodMovability.endsWithNode($0)
        }
        return carries ? nil : launched
    }
}
