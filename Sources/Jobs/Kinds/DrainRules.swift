import Foundation
import Infrastructure
import JobQueue

/// What a drain does next (domain-rules section 3). Pure.
struct DrainRules {
    private let seen: DrainNode.Observation
    private var memory: DrainNode.Memory
    private var decision = Decision()

    /// Back-off after a blocked eviction.
    static let pauseMin: Int64 = 100
    static let pauseMax: Int64 = 10_000
    /// How often the node is looked at while pods end.
    static let lookEvery: Int64 = 2_000
    /// How long after the deadline an instance may still be there before we give its node back.
    static let overtimeMax: Double = 600
    /// A node that cannot be cordoned after so many rounds is drained all the same.
    static let cordonTriesMax = 3
    /// How often an Auto Scaling group is asked to wait: the shortest time that a hook may have.
    static let heartbeatEvery: Int64 = 25_000
    /// Evictions of one round, so that a round's decision stays within its limit.
    static let actionsMax = 400

    init(_ observation: DrainNode.Observation) {
        seen = observation
        memory = observation.memory
    }

    /// The decision of this round.
    func decided() throws -> Decision {
        var rules = self
        return try rules.decide()
    }

    private mutating func decide() throws -> Decision {
        guard let interruption = seen.interruption, interruption.closedAt == nil else { return Decision() }
        guard let node = seen.node else {
            decision.facts.append(
                .interruptionProgress(.init(of: interruption, drainedAt: seen.now, closedAt: seen.now)))
            decision.result = result("node gone")
            return decision
        }
        takeReports(node, interruption)
        let taint = NodeMark.taint(DrainNode.taintValue)
        let movable = MovablePods.of(seen.pods, taint: taint)
        let isOver = seen.now >= interruption.deadline
        // An empty node is cordoned too: otherwise pods are placed on it while it waits for its end.
        let isEmptyForGood = movable.isEmpty && (isCordonSettled || isInstanceEnded)
        if isEmptyForGood || (isOver && isInstanceEnded) {
            return try finish(node, interruption, left: movable)
        }
        if seen.now.timeIntervalSince(interruption.deadline) > DrainRules.overtimeMax {
            return stop(node, interruption, left: movable)
        }
        cordon(node, interruption)
        var pause = leave(movable, node: node, interruption: interruption)
        if let hook = interruption.lifecycle, !isOver {
            heartbeat(hook, interruption)
            pause = min(pause, DrainRules.heartbeatEvery)
        }
        decision.progress = progress(left: movable, "pods leave")
        decision.memory = try JSONText(encoding: memory)
        decision.next = .again(afterMilliseconds: pause)
        return decision
    }

    /// Pods that have left, of all that had to.
    private func progress(left: [Pod], _ note: String) -> JobProgress {
        let all = Set(memory.asked.keys).union(left.map(\.uid)).count
        return JobProgress(done: all - left.count, total: all, note: note)
    }

    private var isCordonSettled: Bool { memory.isCordoned || memory.cordonTries >= DrainRules.cordonTriesMax }
    private var isInstanceEnded: Bool { seen.isInstanceKnown && (seen.instance?.state.isEnding ?? true) }
    private var nowMilliseconds: Int64 { Int64(seen.now.timeIntervalSince1970 * 1000) }

    // MARK: What the last round brought

    private mutating func takeReports(_ node: Node, _ interruption: Interruption) {
        for report in seen.reports {
            switch report.key {
            case cordonKey(node, interruption):
                if report.isDone {
                    memory.isCordoned = true
                    decision.facts.append(.interruptionProgress(.init(of: interruption, cordonedAt: seen.now)))
                } else {
                    memory.cordonTries = report.outcome == .refused ? DrainRules.cordonTriesMax : memory.cordonTries + 1
                    if report.outcome == .refused { find("cordon-refused", node, report) }
                }
            case deleteNodeKey(node), lifecycleKey(interruption), terminateKey(interruption):
                if report.isDone || report.outcome == .refused { memory.isTidied = true }
                if report.outcome == .refused { find("cleanup-refused", node, report) }
            default:
                if report.key.hasPrefix("evict/") || report.key.hasPrefix("delete/") { takePodReport(report, node) }
            }
        }
    }

    private mutating func takePodReport(_ report: ActionReport, _ node: Node) {
        guard let uid = report.key.split(separator: "/").last.map(String.init), report.outcome != .skipped else {
            return
        }
        var asked = memory.asked[uid] ?? .init()
        let isDeletion = report.key.hasPrefix("delete/")
        asked.tries += 1
        if isDeletion, !report.isDone { asked.deletions += 1 }
        let doubled = DrainRules.pauseMin << Int64(min(asked.tries - 1, 10))
        asked.notBefore = nowMilliseconds + min(DrainRules.pauseMax, max(doubled, report.retryAfterMilliseconds ?? 0))
        switch report.outcome {
        case .done, .gone: if isDeletion { asked.isDeleted = true }
        case .refused:
            asked.isHopeless = true
            find("pod-refused", node, report)
        case .impossible: asked.isHopeless = true
        case .blocked, .failed, .withheld, .skipped: break
        }
        memory.asked[uid] = asked
    }

    private mutating func find(_ code: String, _ node: Node, _ report: ActionReport) {
        decision.findings.append(
            Finding(
                code, cluster: seen.cluster, subject: node.name, .warning,
                "\(report.key) was refused (\(report.code)): \(report.message)"))
    }

    // MARK: Cordon and leave

    private func suffix(_ interruption: Interruption) -> String {
        interruption.generation == 1 ? "" : "~\(interruption.generation)"
    }
    private func cordonKey(_ node: Node, _ interruption: Interruption) -> String {
        "cordon/\(seen.cluster)/\(node.uid)\(suffix(interruption))"
    }
    private func deleteNodeKey(_ node: Node) -> String { "delete-node/\(seen.cluster)/\(node.uid)" }
    private func lifecycleKey(_ interruption: Interruption) -> String {
        "lifecycle/\(seen.cluster)/\(interruption.intent)"
    }
    private func terminateKey(_ interruption: Interruption) -> String { "terminate/\(interruption.intent)" }

    private mutating func cordon(_ node: Node, _ interruption: Interruption) {
        guard !isCordonSettled else { return }
        let reason = "\(interruption.kind.rawValue): the instance \(interruption.instance) is about to go"
        decision.actions.append(
            Action(
                key: cordonKey(node, interruption),
                .cordon(
                    node: NodeReference(name: node.name, uid: node.uid), taintValue: DrainNode.taintValue),
                reason: reason))
        decision.actions.append(
            Action(
                key: "tell/\(seen.cluster)/\(node.uid)\(suffix(interruption))",
                .tell(
                    event: ClusterEvent(
                        name: "cloudoptim.\(interruption.intent.replacingOccurrences(of: "~", with: "-"))",
                        node: NodeReference(name: node.name, uid: node.uid), reason: "Interruption",
                        message: "CloudOptim drains this node. \(reason).", isWarning: true)),
                reason: "the cluster's own people should see why"))
    }

    /// The hook's own time may be shorter than the drain's: it starts anew with every heartbeat.
    private mutating func heartbeat(_ hook: LifecycleAction, _ interruption: Interruption) {
        guard nowMilliseconds - (memory.heartbeatAt ?? 0) >= DrainRules.heartbeatEvery else { return }
        let count = (memory.heartbeats ?? 0) + 1
        memory.heartbeats = count
        memory.heartbeatAt = nowMilliseconds
        decision.actions.append(
            Action(
                key: "heartbeat/\(seen.cluster)/\(interruption.intent)/\(count)",
                .recordLifecycleHeartbeat(action: hook),
                reason: "the node is not drained yet: its Auto Scaling group should wait"))
    }

    /// Asks the pods to leave, tier by tier; returns when to look again.
    private mutating func leave(_ pods: [Pod], node: Node, interruption: Interruption) -> Int64 {
        let cordon = decision.actions.first.map(\.key)
        let hasWaitingOrdinary = pods.contains { !$0.isCritical && $0.deletedBy == nil && memory.asked[$0.uid] == nil }
        var pause = DrainRules.lookEvery
        var count = 0
        for pod in pods.sorted(by: {
            ($0.isCritical ? 1 : 0, $0.namespace, $0.name) < ($1.isCritical ? 1 : 0, $1.namespace, $1.name)
        }) {
            let exact = interruption.deadline.timeIntervalSince(seen.now)
            let remaining = Int64(exact.rounded(.down))
            let isForced = exact <= Double(pod.graceSeconds)
            // Critical pods leave once every other pod was asked; those past their force point are not held back.
            if pod.isCritical, hasWaitingOrdinary, !isForced { continue }
            guard count < DrainRules.actionsMax else { return DrainRules.pauseMin }
            if let action = action(for: pod, remaining: remaining, isForced: isForced, after: cordon, pause: &pause) {
                decision.actions.append(action)
                count += 1
            } else if !isForced {
                let untilForced = Int64((exact - Double(pod.graceSeconds)) * 1000) + 1
                pause = min(pause, max(DrainRules.pauseMin, untilForced))
            }
        }
        return count > 0 ? DrainRules.pauseMin : pause
    }

    /// What is done about one pod now; nil: nothing but wait.
    private func action(
        for pod: Pod, remaining: Int64, isForced: Bool, after: String?, pause: inout Int64
    ) -> Action? {
        let asked = memory.asked[pod.uid]
        let rest = max(1, remaining)
        if asked?.isDeleted == true { return nil }
        if let deletedBy = pod.deletedBy {
            // It leaves already; only one that would outlive its node is hurried.
            guard remaining > 0, deletedBy > seen.now.addingTimeInterval(Double(rest + 2)) else { return nil }
            return delete(pod, grace: rest, after: after, why: "its grace period ends after its node does")
        }
        let wait = (asked?.notBefore ?? 0) - nowMilliseconds
        // A budget is respected until the pod's grace period no longer fits before the deadline.
        // Only a deletion that failed itself is waited with then.
        if isForced, let asked, asked.tries > 0, asked.deletions == 0 || wait <= 0 {
            return delete(
                pod, grace: rest, after: after,
                why: "its node goes in \(max(0, remaining)) s and it could not be evicted")
        }
        if asked?.isHopeless == true { return nil }
        if wait > 0 {
            pause = min(pause, max(DrainRules.pauseMin, wait))
            return nil
        }
        return Action(
            key: "evict/\(seen.cluster)/\(pod.uid)",
            .evict(pod: pod.reference, graceSeconds: pod.graceSeconds > rest ? rest : nil),
            reason: "\(pod.reference) has to leave a node that is about to go", after: after)
    }

    private func delete(_ pod: Pod, grace: Int64, after: String?, why: String) -> Action {
        Action(
            key: "delete/\(seen.cluster)/\(pod.uid)", .deletePod(pod: pod.reference, graceSeconds: grace), reason: why,
            after: after)
    }

    // MARK: The end

    private mutating func finish(_ node: Node, _ interruption: Interruption, left: [Pod]) throws -> Decision {
        let drainedAt = memory.isDrained ? nil : seen.now
        memory.isDrained = true
        if let drainedAt {
            decision.facts.append(.interruptionProgress(.init(of: interruption, drainedAt: drainedAt)))
            if !left.isEmpty { decision.findings.append(leftBehind(node, left)) }
        }
        if memory.isTidied { return close(interruption, "drained and cleaned up") }
        let reference = NodeReference(name: node.name, uid: node.uid)
        if let hook = interruption.lifecycle {
            decision.actions.append(
                Action(
                    key: lifecycleKey(interruption), .completeLifecycleAction(action: hook),
                    reason: "the node is drained: its Auto Scaling group may go on"))
        } else if isInstanceEnded {
            if let state = seen.instance?.state, state == .stopping || state == .stopped {
                return close(interruption, "drained; the instance is stopped, not terminated")
            }
            decision.actions.append(
                Action(key: deleteNodeKey(node), .deleteNode(node: reference), reason: "its instance is gone"))
        } else if seen.now.timeIntervalSince(interruption.deadline) > DrainRules.overtimeMax {
            return stop(node, interruption, left: left)
        }
        decision.progress = progress(left: left, "empty: waits for the end of its instance")
        decision.memory = try JSONText(encoding: memory)
        // Until its instance has ended, which it does at its deadline; nobody is waiting for this.
        let left = Int64(interruption.deadline.timeIntervalSince(seen.now) * 1000)
        decision.next = .again(afterMilliseconds: !decision.actions.isEmpty ? 500 : min(30_000, max(5_000, left)))
        return decision
    }

    private mutating func close(_ interruption: Interruption, _ how: String) -> Decision {
        decision.facts.append(.interruptionProgress(.init(of: interruption, closedAt: seen.now)))
        decision.result = result(how)
        return decision
    }

    /// The instance outlived its deadline: the marks are given back by restore-marks, since no live intent holds them.
    private mutating func stop(_ node: Node, _ interruption: Interruption, left: [Pod]) -> Decision {
        decision.findings.append(
            Finding(
                "interruption-did-not-happen", cluster: seen.cluster, subject: node.name, .info,
                "\(interruption.instance) still runs \(Int(DrainRules.overtimeMax)) s after it should have gone; its node is given back."
            ))
        if !left.isEmpty { decision.findings.append(leftBehind(node, left)) }
        decision.facts.append(.interruptionProgress(.init(of: interruption, closedAt: seen.now)))
        decision.next = .stop(reason: "the instance did not go")
        return decision
    }

    private func leftBehind(_ node: Node, _ pods: [Pod]) -> Finding {
        let names = pods.prefix(10).map { $0.reference.description }.joined(separator: ", ")
        return Finding(
            "pods-left-behind", cluster: seen.cluster, subject: node.name, .warning,
            "\(pods.count) pods were still on the node when its time was over: \(names).")
    }

    private func result(_ how: String) -> JSONText {
        JSONText(text: "{\"how\":\"\(how)\",\"pods_asked\":\(memory.asked.count)}")
    }
}
