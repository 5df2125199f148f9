/// The protocol as a set of atomic statements, named as in `Ledger`, between processes that may stop anywhere.
///
/// Workers claim any id at any time: that stands for every content of the broker, and for the scan. Left out: clocks
/// (a lease simply may end), deadlines, rates, suspects, several tenants.
struct ProtocolModel: Sendable {
    /// One step, where it leads, and which promise it broke on the way.
    struct Step {
        var name: String
        var state: ModelState
        var broken: String?
    }

    var jobCount = 2
    var workerCount = 2
    /// Whether job 0 has an effect, and whether the far side honours a token (class A) or not (class C).
    var effect: EffectKind = .none
    enum EffectKind: Sendable { case none, token, once }
    var hasLimit = false
    var hasSharedKey = false
    var budget = ModelState.Budget()
    var mutant: Mutant?

    var start: ModelState {
        var state = ModelState()
        state.budget = budget
        return state
    }

    /// Every step that may come next.
    func steps(from state: ModelState) -> [Step] {
        var steps: [Step] = []
        func step(_ name: String, _ change: (inout ModelState) -> String?) {
            var next = state
            let broken = change(&next)
            steps.append(Step(name: name, state: next, broken: broken ?? brokenInvariant(next)))
        }
        for job in 0..<jobCount {
            if state.jobs[job].place == .absent, mutant == .enqueueWithoutKey || mayEnqueue(state) {
                step("enqueue(\(job))") { enqueue(job, &$0) }
            }
            if state.budget.cancels > 0, state.jobs[job].isHot, !state.jobs[job].isCancelAsked {
                step("cancel(\(job))") { cancel(job, &$0) }
            }
        }
        for worker in 0..<workerCount { workerSteps(worker, state, step) }
        leaderSteps(state, step)
        return steps
    }

    private func mayEnqueue(_ state: ModelState) -> Bool { !hasSharedKey || state.keyHolder == 0 }

    private func enqueue(_ job: Int, _ state: inout ModelState) -> String? {
        state.jobs[job].place = .queued
        if hasSharedKey, state.keyHolder == 0 { state.keyHolder = UInt8(job + 1) }
        return nil
    }

    private func cancel(_ job: Int, _ state: inout ModelState) -> String? {
        state.budget.cancels -= 1
        if state.jobs[job].place == .queued {
            remove(job, .cancelled, &state)
        } else {
            state.jobs[job].isCancelAsked = true
        }
        return nil
    }

    /// Moves a job out of the hot table: history, slot and key in the same statement.
    func remove(_ job: Int, _ place: ModelState.Place, _ state: inout ModelState) {
        state.jobs[job].place = place
        state.jobs[job].historyRows += 1
        state.jobs[job].slot = 0
        if state.keyHolder == UInt8(job + 1), !(mutant == .keyKeptWhenDead && place == .dead) { state.keyHolder = 0 }
    }

    func requeue(_ job: Int, keepsAttempt: Bool, freesSlot: Bool = true, _ state: inout ModelState) {
        state.jobs[job].place = .queued
        if !keepsAttempt { state.jobs[job].attempt -= 1 }
        if freesSlot { state.jobs[job].slot = 0 }
    }

    // MARK: The leader

    private func leaderSteps(_ state: ModelState, _ step: (String, (inout ModelState) -> String?) -> Void) {
        if state.budget.gaps > 0 {
            step("the ledger is away for longer than a lease") { next in
                next.budget.gaps -= 1
                next.hasGap = true
                for worker in 0..<workerCount where next.workers[worker].lease == .live {
                    next.workers[worker].lease = .over
                }
                return nil
            }
        }
        if state.hasGap {
            step("extendLeases") { next in
                next.hasGap = false
                for worker in 0..<workerCount where next.workers[worker].lease == .over {
                    next.workers[worker].lease = .live
                }
                return nil
            }
        }
        guard !state.hasGap || mutant == .gapWithoutExtend else { return }
        for worker in 0..<workerCount where state.workers[worker].lease == .over {
            step("reap: bury worker \(worker)") { next in
                next.workers[worker].lease = .buried
                let isInnocent = next.hasGap && !next.workers[worker].isCrashed
                return isInnocent ? "I15: a worker was buried for the ledger's own gap" : nil
            }
        }
        if !state.reaper.isActing {
            var found: UInt8 = 0
            for job in 0..<jobCount where isLost(job, state) { found |= 1 << UInt8(job) }
            if found != 0 {
                step("reap: lock") { next in
                    next.reaper = .init(isActing: true, found: found)
                    return nil
                }
            }
        } else {
            step("reap: act") { reap(&$0) }
        }
    }

    private func isLost(_ job: Int, _ state: ModelState) -> Bool {
        state.jobs[job].place == .running && state.workers[Int(state.jobs[job].owner)].lease == .buried
    }

    private func reap(_ state: inout ModelState) -> String? {
        var broken: String?
        for job in 0..<jobCount where state.reaper.found & 1 << UInt8(job) != 0 {
            if !isLost(job, state) {
                guard mutant == .reapWithoutRecheck else { continue }
                if state.jobs[job].place == .running { broken = "I7: the run of a live worker was taken" }
                if !state.jobs[job].isHot { broken = "I3: the reaper moved a job that had ended" }
                if state.jobs[job].place != .running { continue }
            }
            if state.jobs[job].isCancelAsked {
                if mutant == .reapIgnoresCancel {
                    requeue(job, keepsAttempt: false, &state)
                    broken = "a job that was asked to cancel went back to the queue"
                } else {
                    remove(job, .cancelled, &state)
                }
            } else {
                requeue(job, keepsAttempt: mutant == .reapBurnsAttempt, freesSlot: mutant != .reapKeepsSlot, &state)
            }
        }
        state.reaper = .init()
        return broken
    }

    // MARK: Invariants

    /// What must hold in every state; nil when it does.
    private func brokenInvariant(_ state: ModelState) -> String? {
        var slots = 0
        for index in 0..<jobCount {
            let job = state.jobs[index]
            var holders = 0
            for worker in 0..<workerCount where job.fence > 0 && state.workers[worker].runs[index].fence == job.fence {
                holders += 1
            }
            if holders > 1 { return "I1: two workers run the same (id, fence)" }
            if job.historyRows > (job.isHot || job.place == .absent ? 0 : 1) {
                return "I14: a job in history twice, or hot and in history"
            }
            if job.isHot, job.attempt != job.failures + (job.place == .running ? 1 : 0) {
                return "I13: an attempt was burnt"
            }
            if hasLimit {
                if job.slot > 0 { slots += 1 }
                if job.place == .running, job.slot != job.fence { return "I8: a running job does not hold its slot" }
                if job.place != .running, job.slot > 0 { return "I8: a slot is held by no live run" }
            }
            if hasSharedKey {
                if job.isHot, state.keyHolder != UInt8(index + 1) { return "I11: a live job without its key" }
                if !job.isHot, state.keyHolder == UInt8(index + 1) { return "I11: a key outlives its job" }
            }
        }
        if hasLimit, slots > 1 { return "I8: more slots than the limit" }
        if effect == .once, state.effect.executions > 1 { return "I10: an effect of class C was executed twice" }
        if effect == .token, state.effect.executions > 1 { return "I10: an effect of class A was executed twice" }
        return nil
    }
}
