/// A guard of the protocol that is taken away, to see whether the checker notices.
enum Mutant: String, CaseIterable, Sendable {
    case noFenceInFinish = "no-fence-in-finish"
    case noFenceInCheckpoint = "no-fence-in-checkpoint"
    case reaperWithoutStateCheck = "reaper-without-state-check"
    case noEffectLedger = "no-effect-ledger"
    case intentWithoutFence = "intent-without-fence"
    case lostAnswerRepeated = "lost-answer-repeated"
    case keyReleasedEarly = "key-released-early"
    case keyNeverReleased = "key-never-released"
    case scanIgnoresLeases = "scan-ignores-leases"
    case orphanNeverHandedBack = "orphan-never-handed-back"
    case slotsFreedBySettledList = "slots-freed-by-settled-list"
    case slotWithoutRun = "slot-without-run"
    case limitWorksAsOne = "limit-works-as-one"
    case fireWithoutCompare = "fire-without-compare"
    case interruptBurnsAttempt = "interrupt-burns-attempt"
    case crashAccuses = "crash-accuses"
    case claimKeepsFence = "claim-keeps-fence"

    /// What is missing, in words.
    var missing: String {
        switch self {
        case .noFenceInFinish: "finish deletes the row by its id alone"
        case .noFenceInCheckpoint: "a checkpoint is saved by the job's id alone"
        case .reaperWithoutStateCheck: "the reaper acts on what it saw one look ago"
        case .noEffectLedger: "effects are called without an entry"
        case .intentWithoutFence: "an intent is committed without owning the job"
        case .lostAnswerRepeated: "an effect without token is sent again after a lost answer"
        case .keyReleasedEarly: "a key is freed when its job starts"
        case .keyNeverReleased: "a finish does not free the job's key"
        case .scanIgnoresLeases: "the scan takes running jobs of live workers"
        case .orphanNeverHandedBack: "a claim whose answer was lost stays with its worker"
        case .slotsFreedBySettledList: "slots are freed by the list, also of runs that were fenced"
        case .slotWithoutRun: "a finish leaves its slot behind"
        case .limitWorksAsOne: "a limit lets one job run at a time, whatever its maximum"
        case .fireWithoutCompare: "a slot is fired without comparing what was read"
        case .interruptBurnsAttempt: "a deploy costs an attempt"
        case .crashAccuses: "every crash counts towards quarantine"
        case .claimKeepsFence: "a claim does not raise the fence"
        }
    }

    /// What is done to bring the difference to light.
    var faults: [Fault] {
        switch self {
        case .noFenceInFinish, .noFenceInCheckpoint, .intentWithoutFence, .slotsFreedBySettledList: [.stopWorker]
        case .reaperWithoutStateCheck, .noEffectLedger, .lostAnswerRepeated, .crashAccuses: [.killWorker]
        case .orphanNeverHandedBack: [.dropPostgresReplies]
        case .interruptBurnsAttempt: [.roll]
        case .keyReleasedEarly, .keyNeverReleased, .scanIgnoresLeases, .slotWithoutRun, .limitWorksAsOne,
            .fireWithoutCompare, .claimKeepsFence:
            []
        }
    }

    /// What the checker must find broken, one of these at least: anything else would be luck.
    var mustBreak: Set<String> {
        switch self {
        case .noFenceInFinish, .claimKeepsFence: ["fence_regressions", "illegal_moves"]
        case .noFenceInCheckpoint, .reaperWithoutStateCheck, .intentWithoutFence, .scanIgnoresLeases: ["illegal_moves"]
        case .noEffectLedger, .lostAnswerRepeated: ["effects_doubled"]
        case .keyReleasedEarly, .keyNeverReleased: ["keys_leaked"]
        case .orphanNeverHandedBack: ["jobs_stuck"]
        case .slotsFreedBySettledList, .slotWithoutRun: ["slots_leaked"]
        case .limitWorksAsOne: ["limits_underused"]
        case .fireWithoutCompare: ["schedule_slots_doubled"]
        case .interruptBurnsAttempt: ["attempts_burnt_by_deploy"]
        case .crashAccuses: ["innocents_quarantined"]
        }
    }

    /// How the far side behaves: a slow one leaves answers open when a worker dies.
    var farSide: FarSide.Temper {
        switch self {
        case .lostAnswerRepeated, .noEffectLedger: .slow
        case .reaperWithoutStateCheck, .crashAccuses: .faulty
        default: .well
        }
    }

    /// How long jobs under a limit take: long enough for a zombie to wake while its job runs elsewhere.
    var limitedSeconds: ClosedRange<Double> { self == .slotsFreedBySettledList ? 3...6 : 0.6...2.6 }

    /// How long its round goes on: what only a zombie shows comes a few times a minute.
    var seconds: Int {
        switch self {
        case .slotsFreedBySettledList, .lostAnswerRepeated, .noEffectLedger: 60
        default: 24
        }
    }

    /// Zombies write only when they still believe in their lease: in these rounds the fence stands alone.
    var needsZombies: Bool { faults == [.stopWorker] }
}
