import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// The first round of a kind that empties nodes: whether anything may be begun, what, and why every other node stays.
struct NodePlanBegin {
    /// What a kind wants done.
    struct Wish {
        var plan: ClusterPlan
        var stays: [String: NodeStay]
        var swap: NodeSwap?

        init(plan: ClusterPlan, stays: [String: NodeStay]) {
            self.plan = plan
            self.stays = stays
        }

        /// The best swap alone: one at a time, so that each is seen to be good before the next.
        init(_ found: NodeSwaps) {
            stays = found.stays
            swap = found.swaps.first
            plan = ClusterPlan()
            for other in found.swaps.dropFirst().flatMap(\.removals) { stays[other.node.name] = .budget }
            take(swap)
        }

        /// Several nodes by one, where none can be emptied into the others alone.
        mutating func merge(_ found: NodeSwap?) {
            guard plan.removals.isEmpty, let found else { return }
            swap = found
            take(found)
        }

        private mutating func take(_ swap: NodeSwap?) {
            guard let swap else { return }
            plan.removals = swap.removals
            plan.saving = swap.saving
            for removal in swap.removals { stays[removal.node.name] = nil }
        }
    }

    /// Nodes that findings name one by one.
    static let findingsMax = 200

    private let kind: JobKind
    private let seen: NodePlanObservation
    private var number: Int { (seen.plans.map(\.number).max() ?? 0) + 1 }

    init(_ kind: JobKind, _ seen: NodePlanObservation) {
        self.kind = kind
        self.seen = seen
    }

    /// The decision: nothing, a proposal's actions, or a plan that is entered in the ledger before anything is done.
    func decide(_ wish: (PackingPlanner) -> Wish) throws -> Decision {
        if let obstacle = nothingNow { return quiet(obstacle) }
        let planner = PackingPlanner(
            seen.snapshot, policy: seen.policy, interrupted: Set(seen.interruptions.map(\.instance)),
            resting: seen.resting)
        var wish = wish(planner)
        let wait = wish.plan.removals.isEmpty ? nil : notYet
        if let wait {
            for removal in wish.plan.removals { wish.stays[removal.node.name] = .planNotBegun(wait) }
        }
        var decision = Decision(findings: findings(wish), result: try result(wish))
        decision.isEmpty = wish.plan.removals.isEmpty && decision.findings.isEmpty
        guard !wish.plan.removals.isEmpty, wait == nil else { return decision }
        guard let memory = memory(wish) else {
            decision.findings.append(
                Finding(
                    "no-launch-template", cluster: seen.cluster, subject: kind.rawValue, .warning,
                    "Neither the cluster's registration nor the instance's tags name a launch template: nothing can be launched."
                ))
            return decision
        }
        var rules = NodePlanRules(kind, seen, memory)
        rules.decision = decision
        if seen.mode == .apply { return try rules.open() }
        // Withheld or proposed: the ledger hears of no plan that nobody carries out. A job that carries an approval out
        // does this first and goes on from there.
        if let replacement = memory.replacement {
            decision.actions = [rules.launchAction(replacement, step: 0)]
            decision.foreseen =
                replacement.plan.steps.indices.dropFirst().map { rules.launchAction(replacement, step: $0) }
                + rules.cordons + rules.foreseen
        } else {
            decision.actions = rules.cordons
            decision.foreseen = rules.foreseen
        }
        decision.memory = try JSONText(encoding: memory)
        decision.next = .again(afterMilliseconds: 500)
        return decision
    }

    // MARK: Whether

    /// Why the cluster is not even looked at for a plan.
    private var nothingNow: (code: String, words: String)? {
        let missing = seen.snapshot.objects.incomplete(PackingPlanner.lists)
        if !missing.isEmpty {
            return (
                "cannot-pack",
                "\(missing.map(\.rawValue).joined(separator: ", ")) cannot be read whole: nothing is moved on the word of a part."
            )
        }
        if seen.snapshot.instances == nil {
            return (
                "cannot-pack",
                "The AWS account cannot be read: it is not known whose the instances are and what they cost."
            )
        }
        if let live = seen.plans.first(where: { $0.isLive(at: seen.now) }) {
            return ("plan-in-flight", "Plan \(live.number) (\(live.kind)) is under way: one at a time.")
        }
        let pending = PackingPlanner.pending(seen.snapshot)
        if let first = pending.first {
            return (
                "pods-pending",
                "\(pending.count) pods wait for a place, \(first.reference) among them: nothing is moved until they have one."
            )
        }
        return nil
    }

    /// Why a plan is not begun now.
    private var notYet: String? {
        let policy = seen.policy.disruption
        if let last = seen.plans.last(where: { $0.closedAt != nil }), let closed = last.closedAt {
            let rest = last.outcome == NodePlan.done ? policy.planCooldown : policy.abortCooldown
            if seen.now.timeIntervalSince(closed) < rest.interval {
                return "plan \(last.number) ended less than \(rest) ago (\(last.outcome ?? ""))"
            }
        }
        if seen.mode == .apply, !policy.windows.isOpen(at: seen.now, holidays: policy.holidays) {
            return "the disruption windows are closed"
        }
        return nil
    }

    private func quiet(_ obstacle: (code: String, words: String)) -> Decision {
        Decision(
            findings: [Finding(obstacle.code, cluster: seen.cluster, subject: kind.rawValue, .info, obstacle.words)],
            isEmpty: true)
    }

    // MARK: What

    private func memory(_ wish: Wish) -> NodePlanMemory? {
        var memory = NodePlanMemory(
            number: number, plan: wish.plan, startedAt: seen.now, seenAt: seen.now, progressAt: seen.now)
        guard let swap = wish.swap else { return memory }
        let instance = seen.snapshot.instances?.first { $0.id == swap.removals.first?.instance }
        guard let template = seen.launch?.template ?? instance?.launchTemplate else { return nil }
        memory.replacement = NodePlanMemory.Replacement(
            plan: swap.launch, template: template,
            tags: [
                "Name": "cloudoptim-\(seen.cluster)", NodeOwner.ownTag: seen.cluster.rawValue,
                "kubernetes.io/cluster/\(seen.snapshot.cluster.name)": "owned",
                NodeOwner.poolTag: instance?.tags[NodeOwner.poolTag] ?? "default",
            ], price: swap.price)
        return memory
    }

    private func findings(_ wish: Wish) -> [Finding] {
        let hours = seen.policy.saving.hoursPerMonth
        var findings = wish.stays.sorted { $0.key < $1.key }.prefix(NodePlanBegin.findingsMax).map { name, stay in
            Finding(
                "node-stays", cluster: seen.cluster, subject: "\(kind)/\(name)", .info, "\(name) stays: \(stay.words).")
        }
        if !wish.plan.removals.isEmpty {
            let dollars = Int((wish.plan.saving.dollars * hours).rounded())
            let what = wish.swap == nil ? "can be emptied and removed" : "can be replaced by one that costs less"
            findings.append(
                Finding(
                    "nodes-to-spare", cluster: seen.cluster, subject: kind.rawValue, .info,
                    "\(wish.plan.removals.map(\.node.name).joined(separator: ", ")) \(what): \(dollars) $ a month, \(wish.plan.evictions) evictions.",
                    saving: wish.plan.saving))
        }
        return findings
    }

    private func result(_ wish: Wish) throws -> JSONText {
        struct Summary: Encodable {
            struct Removal: Encodable {
                var node: String
                var saving: MicroDollars
                var score: Double
                var evictions: [String]
                var replacement: [String]?
            }
            var removals: [Removal]
            var stays: [String: String]
            var saving: MicroDollars
        }
        let shown = wish.stays.sorted { $0.key < $1.key }.prefix(NodePlanBegin.findingsMax)
        return try JSONText(
            encoding: Summary(
                removals: wish.plan.removals.map { removal in
                    Summary.Removal(
                        node: removal.node.name, saving: removal.saving, score: (removal.score * 1000).rounded() / 1000,
                        evictions: removal.moves.map { "\($0.pod) to \($0.to)" },
                        replacement: wish.swap?.launch.steps.first?.pools.prefix(5).map { "\($0.type) in \($0.zone)" })
                },
                stays: Dictionary(
                    shown.map { ($0.key, "\($0.value.code): \($0.value.words)") },
                    uniquingKeysWith: { first, _ in first }),
                saving: wish.plan.saving))
    }
}

extension NodePlanObservation {
    /// A snapshot replayed: no plans, no interruptions, nothing is done.
    static func replay(_ snapshot: ClusterSnapshot, _ policy: ClusterPolicy) -> NodePlanObservation {
        NodePlanObservation(
            snapshot: snapshot, account: "", policy: policy, mode: .observe, plans: [], interruptions: [], launch: nil,
            reports: [], memory: nil)
    }
}
