/// What the protocol's tables, processes and far side look like at one instant, small enough to visit every one.
struct ModelState: Sendable {
    enum Place: UInt8 { case absent, queued, running, done, cancelled, dead }

    /// A row of `job`, and what became of it. One limit key with one slot, and one idempotency key, are shared by all.
    struct Job {
        var place = Place.absent
        var fence: UInt8 = 0
        var owner: UInt8 = 0
        var attempt: UInt8 = 0
        /// Retries so far: what `attempt` should count.
        var failures: UInt8 = 0
        var historyRows: UInt8 = 0
        var isCancelAsked = false
        /// The fence of the slot it holds; 0: none.
        var slot: UInt8 = 0
        var isSaved = false
        var isHot: Bool { place == .queued || place == .running }
    }

    enum Lease: UInt8 { case live, over, buried }

    /// How far a handler is. `asked`: the intent is committed; `answered`: the far side acted and said so.
    enum Step: UInt8 { case started, asked, answered, noted, parked }

    /// A handler in a worker's memory. fence 0: none.
    struct Run {
        var fence: UInt8 = 0
        var step = Step.started
    }

    struct Worker {
        var isCrashed = false
        var lease = Lease.live
        /// By job.
        var runs = InlineArray<2, Run>(repeating: Run())
    }

    /// The effect of job 0: its ledger row and the far side's own log.
    struct Effect {
        /// 0 none, 1 intended, 2 done.
        var state: UInt8 = 0
        /// The frozen request (the fence that computed it), and the author.
        var request: UInt8 = 0
        /// The request that the far side saw first.
        var sent: UInt8 = 0
        var executions: UInt8 = 0
    }

    /// The reaper between its two statements.
    struct Reaper {
        var isActing = false
        /// Jobs found, as bits.
        var found: UInt8 = 0
    }

    /// How much may still go wrong.
    struct Budget {
        var crashes: UInt8 = 0
        var pauses: UInt8 = 0
        var losses: UInt8 = 0
        var failures: UInt8 = 0
        var cancels: UInt8 = 0
        var gaps: UInt8 = 0
    }

    var jobs = InlineArray<2, Job>(repeating: Job())
    var workers = InlineArray<2, Worker>(repeating: Worker())
    var effect = Effect()
    var reaper = Reaper()
    var budget = Budget()
    /// The job that holds the shared key, plus one; 0: free.
    var keyHolder: UInt8 = 0
    /// The ledger was away; leases must be extended before anybody is buried.
    var hasGap = false

    /// The state as two numbers: equal exactly for equal states.
    struct Packed: Hashable {
        var high: UInt64
        var low: UInt64
    }

    /// The state in few bits, for the set of states seen.
    var packed: Packed {
        Packed(high: packedProcesses, low: packedShared)
    }

    /// Each job with the worker of the same number: 32 bits.
    private var packedProcesses: UInt64 {
        var bits: UInt64 = 0
        for index in 0..<2 {
            let (job, worker) = (jobs[index], workers[index])
            bits = bits &* 8 &+ UInt64(job.place.rawValue)
            bits = bits &* 8 &+ UInt64(job.fence)
            bits = bits &* 2 &+ UInt64(job.owner)
            bits = bits &* 8 &+ UInt64(job.attempt)
            bits = bits &* 4 &+ UInt64(job.failures)
            bits = bits &* 4 &+ UInt64(job.historyRows)
            bits = bits &* 2 &+ (job.isCancelAsked ? 1 : 0)
            bits = bits &* 8 &+ UInt64(job.slot)
            bits = bits &* 2 &+ (job.isSaved ? 1 : 0)
            bits = bits &* 2 &+ (worker.isCrashed ? 1 : 0)
            bits = bits &* 4 &+ UInt64(worker.lease.rawValue)
            bits = bits &* 8 &+ UInt64(worker.runs[0].fence)
            bits = bits &* 8 &+ UInt64(worker.runs[1].fence)
        }
        return bits
    }

    private var packedShared: UInt64 {
        var bits: UInt64 = 0
        for index in 0..<2 {
            bits = bits &* 8 &+ UInt64(workers[index].runs[0].step.rawValue)
            bits = bits &* 8 &+ UInt64(workers[index].runs[1].step.rawValue)
        }
        bits = bits &* 4 &+ UInt64(effect.state)
        bits = bits &* 8 &+ UInt64(effect.request)
        bits = bits &* 8 &+ UInt64(effect.sent)
        bits = bits &* 4 &+ UInt64(effect.executions)
        bits = bits &* 2 &+ (reaper.isActing ? 1 : 0)
        bits = bits &* 4 &+ UInt64(reaper.found)
        bits = bits &* 4 &+ UInt64(budget.crashes)
        bits = bits &* 4 &+ UInt64(budget.pauses)
        bits = bits &* 4 &+ UInt64(budget.losses)
        bits = bits &* 4 &+ UInt64(budget.failures)
        bits = bits &* 4 &+ UInt64(budget.cancels)
        bits = bits &* 4 &+ UInt64(budget.gaps)
        bits = bits &* 4 &+ UInt64(keyHolder)
        return bits &* 2 &+ (hasGap ? 1 : 0)
    }

    /// Everything that was asked for has ended, and nothing of it is left.
    func isSettled(jobCount: Int) -> Bool {
        (0..<jobCount).allSatisfy { [.done, .cancelled, .dead].contains(jobs[$0].place) } && keyHolder == 0
    }
}

/// A guard that is left out: the model must notice.
enum Mutant: String, CaseIterable, Sendable {
    case settleWithoutFence = "settle without the fence"
    case settleCountsEveryRequest = "settle writes history for the list instead of the rows removed"
    case slotsFreedByList = "settle frees the slots of the list instead of the rows removed"
    case keyReleasedEarly = "a retry releases the key"
    case keyKeptWhenDead = "a dead job keeps its key"
    case enqueueWithoutKey = "enqueue writes the row without winning the key"
    case claimWithoutFence = "claim does not raise the fence"
    case scanIgnoresLeases = "claim takes running jobs"
    case claimWithoutSlot = "claim does not take a slot"
    case reapWithoutRecheck = "the reaper does not test again after locking"
    case reapBurnsAttempt = "a crash costs an attempt"
    case reapIgnoresCancel = "the reaper requeues what was cancelled"
    case reapKeepsSlot = "the reaper leaves the slot"
    case gapWithoutExtend = "the reaper acts after a gap without extending leases"
    case noOrphanHandBack = "an orphan claim is not handed back"
    case noScan = "jobs are found through the broker only, and the broker lost them"
    case saveWithoutFence = "save without the fence"
    case intendWithoutFence = "intend without the fence"
    case noEffectLedger = "the call is made without an intent"
    case effectSentAgain = "a call of class C is sent again after a lost answer"
    case requestComputedAnew = "a repeated call sends a request computed anew"
    case completeWithoutGuard = "complete without the state's guard"
}
