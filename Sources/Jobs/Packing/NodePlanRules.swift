import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// What a plan that empties nodes does next (domain-rules sections 1.6 and 4). Pure.
///
/// All nodes are cordoned first; pods leave in steps, each with its successor seen Ready before the next; any pod that stays
/// pending, any obstacle to what is left of the plan, and any change that a person makes gives everything back.
struct NodePlanRules {
    let kind: JobKind
    let seen: NodePlanObservation
    var memory: NodePlanMemory
    var decision = Decision()

    /// How often the cluster is looked at while pods move.
    static let lookEvery: Int64 = 5_000
    /// A plan in which nothing went on for so long is given up.
    static let idleSecondsMax: Double = 900
    /// The ledger hears of a live plan at least this often.
    static let heartbeatSeconds: Double = 60
    /// How long a new instance may take to become a Ready node.
    static let joinSecondsMax: Double = 600
    /// Launches of one step that failed in passing.
    static let failuresMax = 20
    /// Rounds in which marks are given back; after that restore-marks does it.
    static let abortRoundsMax = 5
    /// A node object whose instance was ended is waited for so long.
    static let goneSecondsMax: Double = 300
    /// The value of our taint.
    static let taintValue = "packing"

    init(_ kind: JobKind, _ seen: NodePlanObservation, _ memory: NodePlanMemory) {
        self.kind = kind
        self.seen = seen
        self.memory = memory
    }

    /// The decision of a round of a plan under way.
    static func next(_ kind: JobKind, _ seen: NodePlanObservation, _ memory: NodePlanMemory) throws -> Decision {
        var rules = NodePlanRules(kind, seen, memory)
        return try rules.decide()
    }

    private mutating func decide() throws -> Decision {
        takeReports()
        guard let mine = seen.plans.first(where: { $0.number == memory.number }), mine.kind == kind.rawValue,
            mine.closedAt == nil
        else {
            if !memory.isOpened { return try open() }
            return Decision(
                findings: [
                    find(
                        "plan-lost", .warning,
                        "The plan is not in the ledger any more: nothing was begun, or it was taken over.")
                ],
                // What its last actions saved is true all the same.
                facts: decision.facts, next: .stop(reason: "plan-lost"))
        }
        // A list that cannot be read whole now may be in a moment; meanwhile nothing is concluded from it.
        if !seen.snapshot.objects.isComplete(PackingPlanner.lists), !isIdle {
            return try again(after: NodePlanRules.lookEvery, mine)
        }
        if memory.abort == nil { memory.abort = reasonToAbort() }
        if memory.abort != nil { return try giveBack(mine) }
        if let replacement = memory.replacement, !replacement.hasJoined { return try launch(replacement, mine) }
        if !memory.isCordoned { return try cordon(mine) }
        return try drain(mine)
    }

    /// Tells the ledger of the plan.
    mutating func open() throws -> Decision {
        memory.isOpened = true
        decision.facts.append(
            .nodePlan(
                NodePlan(
                    cluster: seen.cluster, number: memory.number, kind: kind.rawValue,
                    nodes: memory.plan.removals.map(\.node.uid), openedAt: seen.now)))
        decision.memory = try JSONText(encoding: memory)
        decision.next = .again(afterMilliseconds: 0)
        return decision
    }

    var planner: PackingPlanner {
        PackingPlanner(seen.snapshot, policy: seen.policy)
    }

    /// The nodes that are still to be emptied, with what the cluster shows of them.
    var remaining: [(removal: ClusterPlan.Removal, node: Node)] {
        memory.plan.removals.compactMap { removal in
            guard memory.ended[removal.node.uid] == nil,
                let node = seen.snapshot.objects.nodes.first(where: { $0.uid == removal.node.uid })
            else { return nil }
            return (removal, node)
        }
    }

    // MARK: Keys

    func key(_ verb: String, _ subject: String) -> String { "\(verb)/\(seen.cluster)/\(subject)/plan-\(memory.number)" }

    // MARK: What the last round brought

    private mutating func takeReports() {
        for report in seen.reports {
            let parts = report.key.split(separator: "/").map(String.init)
            switch parts.first {
            case "cordon": if report.outcome == .refused { giveUp("a node could not be cordoned", report) }
            case "evict": takeEviction(report, pod: parts.last ?? "")
            case "terminate": takeEnd(report)
            case "launch": takeLaunch(report)
            default: break
            }
        }
        if memory.replacement?.launched == nil || memory.replacement?.hasJoined == true {
            memory.isCordoned = memory.isCordoned || isEverythingCordoned
        }
    }

    private var isEverythingCordoned: Bool {
        !remaining.isEmpty
            && remaining.allSatisfy {
                $0.node.isUnschedulable && $0.node.annotations[NodeMark.byAnnotation] == mark($0.removal)
            }
    }

    func mark(_ removal: ClusterPlan.Removal) -> String { key("cordon", removal.node.uid) }

    private mutating func takeEviction(_ report: ActionReport, pod: String) {
        switch report.outcome {
        case .done, .gone: memory.progressAt = seen.now
        case .refused, .impossible: giveUp("a pod cannot be evicted", report)
        // Asked again in a later round; the budget may allow it then.
        case .blocked, .failed, .withheld, .skipped: memory.evictions[pod] = nil
        }
    }

    private mutating func takeEnd(_ report: ActionReport) {
        guard let removal = memory.plan.removals.first(where: { report.key == endKey($0) }) else { return }
        if report.isDone {
            memory.ended[removal.node.uid] = seen.now
            memory.progressAt = seen.now
            // What a replacement saves is known when the last of the nodes that it replaces has ended.
            if memory.replacement == nil { decision.facts.append(.saving(saving([removal], after: nil))) }
        } else if report.outcome == .refused {
            giveUp("the instance \(removal.instance) could not be ended", report)
        }
    }

    /// What the end of nodes saves: all they cost, or what their replacement costs less.
    private func saving(_ ended: [ClusterPlan.Removal], after launched: NodePlanMemory.Replacement?) -> SavingFact {
        let subject = launched?.launched?.id ?? ended[0].instance
        return SavingFact(
            key: "saving/\(seen.cluster)/plan-\(memory.number)/\(ended[0].node.uid)", cluster: seen.cluster,
            feature: Feature(kind: kind.rawValue) ?? .packing, launched == nil ? .removed : .cheaper,
            subject: subject.rawValue, before: ended.reduce(.zero) { $0 + $1.cost }, after: launched?.price ?? .zero,
            since: seen.now)
    }

    /// What a plan with a replacement saved when it ends; a new node that replaced only some saves less, or nothing.
    var replacementSaving: SavingFact? {
        guard let replacement = memory.replacement, replacement.launched != nil else { return nil }
        let ended = memory.plan.removals.filter { memory.ended[$0.node.uid] != nil }
        return ended.isEmpty ? nil : saving(ended, after: replacement)
    }

    func endKey(_ removal: ClusterPlan.Removal) -> String { "terminate/\(removal.instance)" }

    mutating func giveUp(_ what: String, _ report: ActionReport) {
        memory.abort = memory.abort ?? "\(what) (\(report.code)): \(report.message)"
    }

    // MARK: Reasons to give up

    private var isIdle: Bool { seen.now.timeIntervalSince(memory.progressAt) >= NodePlanRules.idleSecondsMax }

    private mutating func reasonToAbort() -> String? {
        let pending = PackingPlanner.pending(seen.snapshot)
        memory.pendingSince = pending.isEmpty ? nil : memory.pendingSince ?? seen.now
        if let since = memory.pendingSince, let first = pending.first,
            seen.now.timeIntervalSince(since) >= seen.policy.disruption.pendingMax.interval
        {
            return "\(first.reference) has been pending for \(seen.policy.disruption.pendingMax)"
        }
        guard seen.policy.disruption.windows.isOpen(at: seen.now, holidays: seen.policy.disruption.holidays) else {
            return "the disruption window closed"
        }
        if isIdle {
            return "nothing went on for \(Int(NodePlanRules.idleSecondsMax)) s"
        }
        if memory.isCordoned,
            let changed = remaining.first(where: {
                !$0.node.isUnschedulable || $0.node.annotations[NodeMark.byAnnotation] != mark($0.removal)
            })
        {
            return "somebody took the mark off \(changed.node.name)"
        }
        let interrupted = Set(seen.interruptions.map(\.instance))
        if let hit = remaining.first(where: { interrupted.contains($0.removal.instance) }) {
            return "\(hit.node.name) is being interrupted"
        }
        // What is replaced finds its places only once the new node is there.
        if let replacement = memory.replacement, !replacement.hasJoined { return nil }
        return planner.obstacle(leaving: remaining.map(\.node.name))?.words
    }

    // MARK: Going on

    func again(after milliseconds: Int64, _ mine: NodePlan) throws -> Decision {
        var decision = decision
        var memory = memory
        if seen.now.timeIntervalSince(memory.seenAt) >= NodePlanRules.heartbeatSeconds {
            memory.seenAt = seen.now
            var alive = mine
            alive.seenAt = seen.now
            decision.facts.append(.nodePlan(alive))
        }
        decision.progress = progress
        decision.memory = try JSONText(encoding: memory)
        decision.next = .again(afterMilliseconds: milliseconds)
        return decision
    }

    /// Pods moved and nodes removed, of all that the plan means to.
    private var progress: JobProgress {
        let total = memory.plan.removals.reduce(0) { $0 + $1.moves.count + 1 }
        let places = Dictionary(seen.snapshot.objects.pods.map { ($0.uid, $0.nodeName) }) { first, _ in first }
        let left = remaining.reduce(0) { count, item in
            count + 1 + item.removal.moves.count { places[$0.pod.uid] == item.node.name }
        }
        let note: String
        if let abort = memory.abort {
            note = "gives back: \(abort)"
        } else if memory.replacement?.hasJoined == false {
            note = "waits for the node that comes first"
        } else {
            note = remaining.first.map { "empties \($0.node.name)" } ?? "waits for its nodes to go"
        }
        return JobProgress(done: total - left, total: total, note: String(note.prefix(200)))
    }

    private mutating func cordon(_ mine: NodePlan) throws -> Decision {
        decision.actions = cordons
        return try again(after: decision.actions.isEmpty ? NodePlanRules.lookEvery : 500, mine)
    }

    /// Every node is marked before the first pod leaves one of them: otherwise pods would go from one to the next.
    var cordons: [Action] {
        remaining.filter { $0.node.annotations[NodeMark.byAnnotation] == nil }.map { removal, node in
            Action(
                key: mark(removal), .cordon(node: removal.node, taintValue: NodePlanRules.taintValue),
                reason: "\(node.name) is to be emptied: its \(removal.moves.count) pods find places elsewhere",
                saving: removal.saving)
        }
    }

    func find(_ code: String, _ severity: Finding.Severity, _ message: String, saving: MicroDollars? = nil) -> Finding {
        Finding(code, cluster: seen.cluster, subject: "plan-\(memory.number)", severity, message, saving: saving)
    }

    /// The plan's end, as the ledger keeps it.
    func closed(_ mine: NodePlan, _ outcome: String) -> [Fact] {
        var plan = mine
        plan.seenAt = seen.now
        plan.closedAt = seen.now
        plan.outcome = String(outcome.prefix(500))
        let landed = seen.snapshot.objects.pods.filter { pod in
            pod.createdAt >= memory.startedAt && pod.ownerUID.map(memory.owners.contains) ?? false
        }.compactMap(\.nodeName)
        let came = memory.replacement?.launched?.id
        plan.touched = seen.snapshot.objects.nodes.filter { node in
            landed.contains(node.name) || (came != nil && node.instance == came)
        }.map(\.uid).sorted()
        return [.nodePlan(plan)] + [replacementSaving.map(Fact.saving)].compactMap(\.self)
    }
}
