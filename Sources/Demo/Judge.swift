import Foundation

/// What the verdict is made from. The world's side is the simulator's and moto's own word; the ledger is heard only on
/// whether a job was lost.
struct Evidence: Sendable {
    /// The worker that was killed, and the drain it was in.
    struct Kill: Sendable {
        var worker: String
        var job: String
        var fence: Int
        /// Pods that had been asked to leave by then, of how many.
        var asked: Int
        var pods: Int
    }

    /// The nodes that were warned.
    var warned: [SentNotice]
    /// Instances of events that were none of our business.
    var strangers: [String]
    var state: WorldState
    var calls: [LoggedCall]
    /// moto's instances with the tag `cloudoptim.io/replaces`.
    var replacements: [FarSide.Instance]
    var messagesLeft: Int
    var jobs: [LedgerWindow.Job]
    /// The kind of every job that was ever seen, by id.
    var jobsSeen: [String: String]
    /// Jobs that the ledger names and that are nowhere in it.
    var unaccounted: [String]
    var scheduledKinds: Set<String>
    var lateSchedules: [String]
    var kill: Kill?
    /// Ids of waiting jobs that Redis forgot; nil: it was not flushed.
    var idsFlushed: Int?
    /// The jobs that kept the workers busy.
    var loadEnqueued: Int
    var load: LedgerWindow.Load
    var seconds: Double
}

/// Judges the evidence. Pure.
struct Judge {
    struct Check: Encodable, Sendable, Equatable {
        var name: String
        var ok: Bool
        var detail: String
    }

    static let cordonSecondsMax = 10.0
    static let secondsMax = 180.0
    static let replacesTag = "cloudoptim.io/replaces"

    let evidence: Evidence

    init(_ evidence: Evidence) { self.evidence = evidence }

    var checks: [Check] {
        [cordons, drains, budgets, replacements, doubled, jobs, takeover, flush, strangers, time]
    }

    private func node(_ notice: SentNotice) -> WorldState.Node? { evidence.state.node(of: notice.instanceID) }
    private var nodes: [WorldState.Node] { evidence.warned.compactMap(node) }

    // MARK: Nodes

    /// Warning to cordon, in milliseconds, the shortest first; nodes that never were are not in it.
    var cordonMilliseconds: [Int] {
        nodes.compactMap { node in
            guard let from = node.interruptedAt, let to = node.cordonedAt else { return nil }
            return Int((to.timeIntervalSince(from) * 1000).rounded())
        }.sorted()
    }

    /// Nearest rank.
    static func percentile(_ part: Double, of sorted: [Int]) -> Int? {
        guard !sorted.isEmpty else { return nil }
        return sorted[min(sorted.count - 1, max(0, Int((part * Double(sorted.count)).rounded(.up)) - 1))]
    }

    private func isCordonedInTime(_ node: WorldState.Node) -> Bool {
        guard let from = node.interruptedAt, let to = node.cordonedAt else { return false }
        return to.timeIntervalSince(from) <= Self.cordonSecondsMax
    }

    private func isDrainedInTime(_ node: WorldState.Node) -> Bool {
        guard let at = node.drainedAt, let deadline = node.deadline else { return false }
        return at < deadline && node.abruptPodDeaths.isEmpty
    }

    /// Warned nodes that were cordoned or empty too late, or never.
    var nodesLate: Int {
        evidence.warned.count { notice in node(notice).map { !isCordonedInTime($0) || !isDrainedInTime($0) } ?? true }
    }

    private var cordons: Check {
        let late = evidence.warned.filter { node($0).map { !isCordonedInTime($0) } ?? true }
        let times = cordonMilliseconds.map { Narrator.number(Double($0) / 1000) + " s" }
        let detail =
            late.isEmpty
            ? "\(Narrator.count(times.count, "node")), warning to cordon: \(times.joined(separator: ", "))"
            : "too late or never: \(Narrator.list(late.map { Watcher.short($0.node) }))"
        return Check(
            name: "every warned node cordoned within 10 s", ok: late.isEmpty && !evidence.warned.isEmpty, detail: detail
        )
    }

    private var drains: Check {
        let late = evidence.warned.filter { node($0).map { !isDrainedInTime($0) } ?? true }
        let spare = nodes.compactMap { node in
            node.drainedAt.flatMap { at in node.deadline.map { $0.timeIntervalSince(at) } }
        }
        let pods = nodes.map(\.removals.count).reduce(0, +)
        let forced = nodes.flatMap(\.removals).count { $0.verb == "delete" }
        let detail =
            late.isEmpty
            ? "\(Narrator.count(pods, "pod")) left, \(forced) of them forced, none died with its node; "
                + "at least \(Int(spare.min() ?? 0)) s to spare"
            : "not empty in time: \(Narrator.list(late.map { Watcher.short($0.node) }))"
        return Check(
            name: "every warned node drained before its deadline", ok: late.isEmpty && !evidence.warned.isEmpty,
            detail: detail)
    }

    private var budgets: Check {
        let broken = evidence.state.pdbViolations
        let refused = evidence.calls.count { $0.evictedPod != nil && $0.status == 429 }
        let detail =
            broken.isEmpty
            ? "the API server said \"not now\" \(Narrator.count(refused, "time")), and every pod waited"
            : broken.map { "\($0.budget) by \($0.verb) of \($0.pod)" }.joined(separator: "; ")
        return Check(name: "no disruption budget broken", ok: broken.isEmpty, detail: detail)
    }

    // MARK: Effects

    private func launched(for notice: SentNotice) -> [FarSide.Instance] {
        evidence.replacements.filter { $0.tags[Self.replacesTag] == notice.instanceID }
    }

    var replacementsMissing: Int { evidence.warned.count { launched(for: $0).isEmpty } }
    /// Instances too many, also such that replace nothing that was warned.
    var replacementsDoubled: Int {
        evidence.replacements.count - evidence.warned.count { !launched(for: $0).isEmpty }
    }

    private var replacements: Check {
        let outside = evidence.warned.filter { notice in
            launched(for: notice).contains { evidence.state.node(of: $0.id) == nil }
        }
        let isOK = replacementsMissing == 0 && replacementsDoubled == 0 && outside.isEmpty && !evidence.warned.isEmpty
        let kinds = evidence.replacements.map { "\($0.type) \($0.isSpot ? "spot" : "on demand") in \($0.zone)" }
        let detail =
            isOK
            ? "moto counts \(evidence.replacements.count): \(Narrator.list(kinds)); all joined the cluster"
            : "moto counts \(evidence.replacements.count) for \(Narrator.count(evidence.warned.count, "node")): "
                + "\(replacementsMissing) missing, \(replacementsDoubled) too many, \(outside.count) not joined"
        return Check(name: "exactly one replacement launched for each", ok: isOK, detail: detail)
    }

    /// Effects that the world saw more than once: launches, and pods removed twice from one node.
    var effectsDoubled: Int {
        let launches = evidence.state.launchesByToken.values.map { max(0, $0.instanceIDs.count - 1) }.reduce(0, +)
        let removals = evidence.state.nodes.map { node in
            node.removals.count - Set(node.removals.map(\.pod)).count
        }.reduce(0, +)
        return replacementsDoubled + launches + removals
    }

    private var doubled: Check {
        let removals = evidence.state.nodes.map(\.removals.count).reduce(0, +)
        let replays = evidence.state.launchesByToken.values.map(\.replays).reduce(0, +)
        let evictions = evidence.calls.count { $0.evictedPod != nil && $0.executed }
        let again = max(0, evictions - evidence.state.nodes.flatMap(\.removals).count { $0.verb == "evict" })
        let detail =
            effectsDoubled == 0
            ? "\(Narrator.count(evidence.state.launchesByToken.count, "launch call")) and "
                + "\(Narrator.count(removals, "pod removal")), each once; asked again after a crash and recognised "
                + "by the far side: \(Narrator.count(replays + again, "call"))"
            : "\(Narrator.count(effectsDoubled, "effect")) happened more than once"
        return Check(name: "no effect doubled", ok: effectsDoubled == 0, detail: detail)
    }

    // MARK: Jobs

    /// Jobs that vanished, died or never ended. Looks of a schedule that found nothing leave no history on purpose, and
    /// each schedule has a current one.
    var jobsLost: [String] {
        let present = Dictionary(evidence.jobs.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let vanished =
            evidence.jobsSeen.filter { id, kind in
                present[id] == nil && !evidence.scheduledKinds.contains(kind)
            }.map { "\($0.value) \($0.key) vanished" } + evidence.unaccounted.map { "\($0) is named and nowhere" }
        let failed = evidence.jobs.filter { $0.state == "dead" }.map { "\($0.kind) \($0.id) is dead" }
        let open = evidence.jobs.filter { !$0.isEnded && !evidence.scheduledKinds.contains($0.kind) }
            .map { "\($0.kind) \($0.id) is \($0.state)" }
        let short = evidence.loadEnqueued - evidence.load.ended
        let load = (0..<max(0, short)).map { "a job of the load (number \($0 + 1)) did not end" }
        return (vanished + failed + open + missing).sorted() + load
    }

    /// Drains and replacements that there should be one of for each warned instance.
    private var missing: [String] {
        evidence.warned.flatMap { notice in
            ["drain-node", "replace-node"].compactMap { kind in
                let found = evidence.jobs.count { $0.kind == kind && $0.instance == notice.instanceID }
                return found == 1 ? nil : "\(found) \(kind) for \(notice.instanceID), wanted 1"
            }
        }
    }

    private var jobs: Check {
        let late = evidence.lateSchedules.map { "schedule \($0) is late" }
        let problems = jobsLost + late
        let ended = evidence.jobs.count(where: \.isEnded)
        let detail =
            problems.isEmpty
            ? "all \(evidence.load.ended) of the rush are done; of \(evidence.jobsSeen.count) others \(ended) ended "
                + "with a record, the rest are looks of a schedule that found nothing, or its current one"
            : problems.prefix(8).joined(separator: "; ")
        return Check(name: "no job lost", ok: problems.isEmpty && !evidence.jobs.isEmpty, detail: detail)
    }

    private var takeover: Check {
        let name = "a worker killed in the middle of a drain, its job finished by another"
        guard let kill = evidence.kill else { return Check(name: name, ok: false, detail: "no worker was killed") }
        let job = evidence.jobs.first { $0.id == kill.job }
        let isOK = job.map { $0.state == "done" && $0.fence > kill.fence && $0.worker != kill.worker } ?? false
        let how =
            isOK ? "\(job?.worker ?? "") finished it" : "it is \(job?.state ?? "gone") at \(job?.worker ?? "no worker")"
        return Check(
            name: name, ok: isOK && kill.asked > 0,
            detail: "\(kill.worker) died when \(kill.asked) of \(kill.pods) pods had been asked to leave and the node "
                + "was not empty; \(how)")
    }

    private var flush: Check {
        Check(
            name: "Redis flushed while warnings were on their way", ok: evidence.idsFlushed != nil,
            detail: evidence.idsFlushed.map {
                "the ids of \(Narrator.count($0, "waiting job")) forgotten, the jobs not"
            }
                ?? "it was not flushed")
    }

    private var strangers: Check {
        let warned = Set(evidence.warned.map(\.instanceID))
        let touched = evidence.state.nodes.filter {
            !warned.contains($0.instanceID) && ($0.cordonedAt != nil || $0.uncordonedAt != nil || !$0.removals.isEmpty)
        }
        let replaced = evidence.replacements.filter { evidence.strangers.contains($0.tags[Self.replacesTag] ?? "") }
        let isOK = touched.isEmpty && replaced.isEmpty && evidence.messagesLeft == 0
        let detail =
            isOK
            ? "no other node was touched, the queue is empty"
            : "touched: \(Narrator.list(touched.map { Watcher.short($0.node) })); replaced: \(replaced.count); "
                + "messages left in the queue: \(evidence.messagesLeft)"
        return Check(name: "events about strangers and copies changed nothing", ok: isOK, detail: detail)
    }

    private var time: Check {
        Check(
            name: "over in three minutes", ok: evidence.seconds < Self.secondsMax,
            detail: "\(Int(evidence.seconds.rounded())) s from the first process to the verdict")
    }
}
