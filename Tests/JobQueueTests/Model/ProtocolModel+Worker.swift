/// What a worker does, one statement at a time; between any two it may crash, be paused, or lose an answer.
extension ProtocolModel {
    typealias StepMaker = (String, (inout ModelState) -> String?) -> Void

    func workerSteps(_ worker: Int, _ state: ModelState, _ step: StepMaker) {
        let row = state.workers[worker]
        if row.isCrashed {
            if row.lease == .live {
                step("worker \(worker)'s lease ends") { next in
                    next.workers[worker].lease = .over
                    return nil
                }
            }
        } else {
            if state.budget.crashes > 0 {
                step("worker \(worker) crashes") { next in
                    next.budget.crashes -= 1
                    next.workers[worker].isCrashed = true
                    next.workers[worker].runs = .init(repeating: .init())
                    return nil
                }
            }
            if row.lease == .live, state.budget.pauses > 0 {
                step("worker \(worker) is paused for longer than its lease") { next in
                    next.budget.pauses -= 1
                    next.workers[worker].lease = .over
                    return nil
                }
            }
            if row.lease != .live, !state.hasGap {
                step("worker \(worker) renews in vain and drops everything") { selfFence(worker, &$0) }
            }
            for job in 0..<jobCount {
                let run = row.runs[job]
                if run.fence > 0 {
                    runSteps(worker, job, run, state, step)
                } else {
                    idleSteps(worker, job, state, step)
                }
            }
        }
        // A process that is gone starts again under a new id, once nothing names the old one.
        let isNamed = (0..<jobCount).contains {
            state.jobs[$0].place == .running && Int(state.jobs[$0].owner) == worker
        }
        if row.lease == .buried, !isNamed, row.runs[0].fence == 0, row.runs[1].fence == 0 {
            step("register(\(worker))") { next in
                next.workers[worker] = .init()
                return nil
            }
        }
    }

    private func selfFence(_ worker: Int, _ state: inout ModelState) -> String? {
        state.workers[worker].runs = .init(repeating: .init())
        state.workers[worker].lease = .buried
        return nil
    }

    // MARK: Claim

    private func idleSteps(_ worker: Int, _ job: Int, _ state: ModelState, _ step: StepMaker) {
        if mayClaim(worker, job, state) {
            step("claim(\(job)) by \(worker)") { next in
                let broken = claim(worker, job, &next)
                next.workers[worker].runs[job] = .init(fence: next.jobs[job].fence)
                return broken
            }
            if state.budget.losses > 0 {
                step("claim(\(job)) by \(worker), the reply is lost") { next in
                    next.budget.losses -= 1
                    return claim(worker, job, &next)
                }
            }
        }
        // The renewal says that the ledger has a run which this worker does not know: it hands it back.
        let isOrphan =
            state.jobs[job].place == .running && Int(state.jobs[job].owner) == worker
            && state.workers[worker].lease == .live
        if isOrphan, mutant != .noOrphanHandBack {
            step("settle(\(job), interrupt) of an orphan by \(worker)") { next in
                if next.jobs[job].isCancelAsked {
                    remove(job, .cancelled, &next)
                } else {
                    requeue(job, keepsAttempt: false, &next)
                }
                return nil
            }
        }
    }

    private func mayClaim(_ worker: Int, _ job: Int, _ state: ModelState) -> Bool {
        let row = state.jobs[job]
        if mutant == .noScan, state.budget.losses == 0 { return false }
        let isFree =
            row.place == .queued || (mutant == .scanIgnoresLeases && row.place == .running && Int(row.owner) != worker)
        guard state.workers[worker].lease == .live, isFree, row.fence < 7 else { return false }
        return !hasLimit || mutant == .claimWithoutSlot || (0..<jobCount).allSatisfy { state.jobs[$0].slot == 0 }
    }

    private func claim(_ worker: Int, _ job: Int, _ state: inout ModelState) -> String? {
        var broken: String?
        if state.jobs[job].place == .running, state.workers[Int(state.jobs[job].owner)].lease == .live {
            broken = "I7: the run of a live worker was taken"
        }
        if state.jobs[job].place == .queued { state.jobs[job].attempt += 1 }
        state.jobs[job].place = .running
        state.jobs[job].owner = UInt8(worker)
        if mutant != .claimWithoutFence || state.jobs[job].fence == 0 {
            state.jobs[job].fence += 1
        } else {
            broken = "I2: a claim did not raise the fence"
        }
        if hasLimit { state.jobs[job].slot = state.jobs[job].fence }
        return broken
    }

    /// The guard of every write about a run.
    private func owns(_ worker: Int, _ job: Int, _ run: ModelState.Run, _ state: ModelState) -> Bool {
        let row = state.jobs[job]
        return row.place == .running && row.fence == run.fence && Int(row.owner) == worker
    }

    // MARK: While it runs

    private func runSteps(_ worker: Int, _ job: Int, _ run: ModelState.Run, _ state: ModelState, _ step: StepMaker) {
        let isOwned = owns(worker, job, run, state)
        let name = "(\(job)) by \(worker) under \(run.fence)"
        func drop(_ next: inout ModelState) { next.workers[worker].runs[job] = .init() }
        func advance(_ next: inout ModelState, _ to: ModelState.Step) { next.workers[worker].runs[job].step = to }

        let hasEffect = effect != .none && job == 0
        if !hasEffect, run.step == .started {
            if !isOwned || !state.jobs[job].isSaved || mutant == .saveWithoutFence {
                step("save\(name)") { next in
                    guard isOwned || mutant == .saveWithoutFence else {
                        drop(&next)
                        return nil
                    }
                    next.jobs[job].isSaved = true
                    return isOwned ? nil : "I4: save changed a job under an old fence"
                }
            }
        }
        if hasEffect { effectSteps(worker, run, isOwned, state, step) }
        if !hasEffect || run.step == .noted {
            settleSteps(worker, job, run, state, "done", step) { remove(job, .done, &$0) }
        }
        if run.step == .parked {
            settleSteps(worker, job, run, state, "dead", step) { remove(job, .dead, &$0) }
        }
        if state.budget.failures > 0, run.step != .parked {
            settleSteps(worker, job, run, state, "retry", step) { next in
                next.budget.failures -= 1
                if next.jobs[job].isCancelAsked { return remove(job, .cancelled, &next) }
                next.jobs[job].failures += 1
                requeue(job, keepsAttempt: true, &next)
                if mutant == .keyReleasedEarly, next.keyHolder == UInt8(job + 1) { next.keyHolder = 0 }
            }
            settleSteps(worker, job, run, state, "dead", step) { next in
                next.budget.failures -= 1
                remove(job, .dead, &next)
            }
        }
    }

    /// A settlement, with the answer received or lost.
    private func settleSteps(
        _ worker: Int, _ job: Int, _ run: ModelState.Run, _ state: ModelState, _ verdict: String, _ step: StepMaker,
        _ act: @escaping (inout ModelState) -> Void
    ) {
        let isOwned = owns(worker, job, run, state)
        func settle(_ next: inout ModelState) -> String? {
            if isOwned {
                act(&next)
                return nil
            }
            switch mutant {
            case .settleWithoutFence where next.jobs[job].isHot:
                act(&next)
                return "I4: settle changed a job under an old fence"
            case .settleCountsEveryRequest: next.jobs[job].historyRows += 1
            case .slotsFreedByList: next.jobs[job].slot = 0
            default: break
            }
            return nil
        }
        let name = "settle(\(job), \(verdict)) by \(worker) under \(run.fence)"
        step(name) { next in
            let broken = settle(&next)
            next.workers[worker].runs[job] = .init()
            return broken
        }
        // The in-flight set keeps the run until its end is acknowledged: it settles again.
        if isOwned, state.budget.losses > 0 {
            step("\(name), the reply is lost") { next in
                next.budget.losses -= 1
                return settle(&next)
            }
        }
    }

    // MARK: The effect of job 0

    private func effectSteps(
        _ worker: Int, _ run: ModelState.Run, _ isOwned: Bool, _ state: ModelState, _ step: StepMaker
    ) {
        let name = "by \(worker) under \(run.fence)"
        func advance(_ next: inout ModelState, _ to: ModelState.Step) { next.workers[worker].runs[0].step = to }
        switch run.step {
        case .started:
            step("intend \(name)") { next in
                if mutant == .noEffectLedger {
                    advance(&next, .asked)
                    return nil
                }
                guard isOwned || mutant == .intendWithoutFence else {
                    next.workers[worker].runs[0] = .init()
                    return nil
                }
                switch next.effect.state {
                case 2: advance(&next, .noted)
                case 1: advance(&next, effect == .token || mutant == .effectSentAgain ? .asked : .parked)
                default:
                    next.effect.state = 1
                    next.effect.request = run.fence
                    advance(&next, .asked)
                }
                return isOwned ? nil : "I4: intend wrote under an old fence"
            }
        case .asked:
            step("the call \(name)") { next in
                advance(&next, .answered)
                return call(run, &next)
            }
            if state.budget.losses > 0 {
                step("the call \(name), the answer is lost") { next in
                    next.budget.losses -= 1
                    advance(&next, effect == .token || mutant == .effectSentAgain ? .started : .parked)
                    return call(run, &next)
                }
            }
        case .answered:
            step("complete \(name)") { next in
                advance(&next, .noted)
                if next.effect.state == 2, mutant == .completeWithoutGuard {
                    return "I10: a stored answer was overwritten"
                }
                if next.effect.state == 1 { next.effect.state = 2 }
                return nil
            }
        case .noted, .parked: break
        }
    }

    /// The far side: with a token it executes once and checks that the request is the same.
    private func call(_ run: ModelState.Run, _ state: inout ModelState) -> String? {
        let request = mutant == .requestComputedAnew || mutant == .noEffectLedger ? run.fence : state.effect.request
        if state.effect.state == 0 {
            execute(request, &state)
            return "I10: a call before its intent was committed"
        }
        if effect == .token, state.effect.sent > 0 {
            return state.effect.sent == request ? nil : "I10: the same token with another request"
        }
        execute(request, &state)
        return nil
    }

    private func execute(_ request: UInt8, _ state: inout ModelState) {
        state.effect.executions = min(3, state.effect.executions + 1)
        if state.effect.sent == 0 { state.effect.sent = request }
    }
}
