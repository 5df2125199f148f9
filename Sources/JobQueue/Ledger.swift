import Foundation

/// The durable truth about jobs. Every operation is atomic and guarded by itself: any number of processes may call any
/// of them at any time, and a caller may die before, during or after each.
///
/// Every operation may throw `QueueError` with code `unavailable`: then nothing is known about whether it happened,
/// and the caller repeats it or lets the lease decide.
public protocol Ledger: EnqueueLedger, WorkerLedger, LeaderLedger {}

/// What anybody may ask of the ledger.
public protocol EnqueueLedger: Sendable {
    /// Stores jobs, each once. Step 2 of 7 in a job's life (the scheduler's own way there is `fire`).
    ///
    /// Results stand in the order of `jobs`. A batch is one transaction; a conflict or a duplicate stops nothing else.
    /// - Throws: `invalid` when a request does not fit its spec; `queueFull` when a queue has no room for jobs of lanes 2 and
    ///   3: then nothing was stored. What schedules and jobs enqueue themselves is never refused.
    func enqueue(_ jobs: [NewJob]) async throws -> [EnqueueResult]
    /// Cancels a queued job at once, or asks the worker of a running one to stop.
    func cancel(_ id: JobID, by who: String) async throws -> CancelResult
    /// World time: machine time plus the offset of a simulation.
    func worldTime() async throws -> Date
}

/// What a cancel led to.
public enum CancelResult: String, Sendable, Codable {
    /// It was queued and is cancelled now.
    case cancelled
    /// It runs; its worker will confirm.
    case asked
    /// It had ended before.
    case ended
    /// No such job.
    case unknown
}

/// What a worker needs of the ledger.
public protocol WorkerLedger: Sendable {
    /// Announces a worker; its lease runs for `lease` from now.
    func register(_ worker: WorkerRegistration, lease: Duration) async throws
    /// Extends the lease. nil: the lease had ended; the worker must drop everything and register under a new id.
    func renew(_ worker: WorkerID, lease: Duration) async throws -> Renewal?
    /// Stops claims of this worker (`draining`) or ends it (`gone`).
    func setState(_ state: WorkerState, of worker: WorkerID) async throws
    /// Makes queued jobs this worker's: compare-and-set, fence + 1, limits and rates. Ids that cannot be claimed are
    /// left out. `alone`: the worker has nothing else in flight, so it may claim suspects, one at a time.
    /// Step 4 of 7 in a job's life.
    func claim(_ ids: [JobID], by worker: WorkerID, kinds: [JobKind], alone: Bool) async throws -> [ClaimedJob]
    /// Finds due jobs without the broker, and claims them.
    func scan(_ queues: [String], lanes: [Lane], atMost: Int, by worker: WorkerID, kinds: [JobKind], alone: Bool)
        async throws -> [ClaimedJob]
    /// Whether due jobs wait that a worker may only run alone: their workers died twice.
    func hasSuspects(_ queues: [String], kinds: [JobKind]) async throws -> Bool
    /// Saves a checkpoint with records. False: fenced.
    func save(_ checkpoint: JSONText, progress: JobProgress?, records: [Record], of run: RunID) async throws -> Bool
    /// Settles runs, in one transaction each or batched; the result says for each whether it was this worker's to
    /// settle (false: fenced). Step 7 of 7 in a job's life.
    func settle(_ settlements: [Settlement]) async throws -> [Bool]
    /// Whether exactly this run ended its job as done, as its history row says. For a settlement whose answer was lost.
    func hasFinished(_ run: RunID) async throws -> Bool
    /// Commits the intent of an effect, or finds the entry that exists. nil: fenced.
    func intend(_ intent: EffectIntent, of run: RunID) async throws -> EffectEntry?
    /// Stores the answer or the refusal of an effect whose state is still `intended`.
    func complete(effect key: String, state: EffectEntry.State, response: JSONText) async throws
    /// Removes the intent of an effect that this run wrote and surely did not send.
    func withdraw(effect key: String, of run: RunID) async throws
    /// Appends lines to a job's log.
    func append(log lines: [String], to run: RunID) async throws
    /// World time.
    func worldTime() async throws -> Date
}

/// What the leading scheduler needs of the ledger.
public protocol LeaderLedger: Sendable {
    /// Takes or renews the lead. nil: somebody else has it.
    func lead(_ name: String, holder: WorkerID, lease: Duration) async throws -> Int64?
    /// Gives up the lead of exactly this term.
    func resign(_ name: String, holder: WorkerID, term: Int64) async throws
    /// Frees the runs of dead workers and of runs past their deadline.
    func reap(atMost: Int) async throws -> ReapReport
    /// Extends every live or just-ended lease: after a gap of the ledger nobody is to blame for a missed renewal.
    func extendLeases(by lease: Duration) async throws
    /// The next ids to run in a list, fair between tenants, continuing at `cursor`.
    func ready(in list: ReadyList, atMost: Int, cursor: FeedCursor) async throws -> Feed
    /// The same among those alone that waited so long that they rise so many lanes: `Ageing`.
    func aged(in list: ReadyList, rising lanes: Int, atMost: Int, cursor: FeedCursor) async throws -> Feed
    /// The queues and lanes that have due jobs, with how many were seen (bounded).
    func readyLists() async throws -> [ReadyList]
    /// Writes kinds; a higher version wins. Returns the kinds whose stored version is higher than the given one.
    func publish(_ specs: [JobSpec]) async throws -> [JobKind]
    /// The kinds in force.
    func kinds() async throws -> [JobSpec]
    /// Every enabled schedule row, and the change counter they were read at.
    func timetable() async throws -> Timetable
    /// The change counter alone.
    func timetableVersion() async throws -> Int64
    /// Fires slots by compare-and-set. The result says for each whether it was won and enqueued.
    /// Step 2 of 7 in a job's life: it is due: a row is written, once per slot.
    func fire(_ ticks: [Tick]) async throws -> [TickResult]
    /// Removes what has expired: keys, effects, workers, old history; makes partitions ahead.
    func sweep(_ retention: Retention) async throws -> SweepReport
}

extension LeaderLedger {
    /// As `sweep(_:)`, with the default ages.
    public func sweep() async throws -> SweepReport { try await sweep(Retention()) }
}

/// A worker as it announces itself.
public struct WorkerRegistration: Sendable, Codable, Equatable {
    /// New with every process start.
    public var id: WorkerID
    /// The host, for people.
    public var host: String
    /// The queues it takes from.
    public var queues: [String]
    /// The kinds it can run.
    public var kinds: [JobKind]
    /// Handlers that run at once.
    public var slots: Int
    /// Jobs it may own at once, waiting ones included.
    public var inFlightMax: Int
    /// The program's version.
    public var version: String

    /// Makes a registration.
    public init(
        id: WorkerID, host: String, queues: [String], kinds: [JobKind], slots: Int, inFlightMax: Int, version: String
    ) {
        self.id = id
        self.host = host
        self.queues = queues
        self.kinds = kinds
        self.slots = slots
        self.inFlightMax = inFlightMax
        self.version = version
    }
}

/// The states of a worker row.
public enum WorkerState: Int16, Sendable, Codable {
    /// It claims.
    case live = 0
    /// It finishes what it has and claims nothing.
    case draining = 1
    /// It is gone; what it held is taken back.
    case gone = 2
}

/// One run of a job: who may write about it.
public struct RunID: Hashable, Sendable {
    /// The job.
    public let job: JobID
    /// The run's fence.
    public let fence: Int64
    /// The worker that claimed it.
    public let worker: WorkerID

    /// Names a run.
    public init(job: JobID, fence: Int64, worker: WorkerID) {
        self.job = job
        self.fence = fence
        self.worker = worker
    }
}

/// What the ledger says when a lease is renewed.
public struct Renewal: Sendable, Equatable {
    /// The runs that the ledger says this worker has.
    public var runs: [Held]
    /// Whether the worker was told to drain.
    public var isDraining: Bool

    /// One run held.
    public struct Held: Sendable, Equatable {
        /// The job.
        public var job: JobID
        /// Its fence.
        public var fence: Int64
        /// Whether somebody wants it cancelled.
        public var isCancelAsked: Bool

        /// Makes an entry.
        public init(job: JobID, fence: Int64, isCancelAsked: Bool) {
            self.job = job
            self.fence = fence
            self.isCancelAsked = isCancelAsked
        }
    }

    /// Makes a renewal.
    public init(runs: [Held], isDraining: Bool) {
        self.runs = runs
        self.isDraining = isDraining
    }
}

/// How a run is settled.
public struct Settlement: Sendable {
    /// The run.
    public var run: RunID
    /// What becomes of the job.
    public var verdict: Verdict

    /// What becomes of the job.
    public enum Verdict: Sendable {
        /// It ended well; with what it leaves behind. `keepsHistory` false: nothing worth a row happened.
        case done(result: JSONText?, records: [Record], followUps: [NewJob], keepsHistory: Bool)
        /// It runs again after a time, at no cost in attempts; with what it leaves behind so far.
        case snooze(after: Duration, records: [Record], followUps: [NewJob])
        /// It failed and is tried again after a time.
        case retry(after: Duration, error: JSONText)
        /// It failed for good.
        case dead(reason: String, error: JSONText)
        /// Its worker stops; it runs again at once, at no cost.
        case interrupt
        /// It was cancelled, or too late to start.
        case cancelled(reason: String)
    }

    /// Makes a settlement.
    public init(run: RunID, verdict: Verdict) {
        self.run = run
        self.verdict = verdict
    }
}

/// What a reap freed.
public struct ReapReport: Sendable, Equatable {
    /// Workers whose lease had ended.
    public var workersLost: Int
    /// Jobs that went back to the queue.
    public var requeued: Int
    /// Jobs that had been asked to cancel.
    public var cancelled: Int
    /// Jobs that crashed alone three times.
    public var poisoned: Int
    /// Jobs whose attempts were used up by deadlines.
    public var dead: Int

    /// Makes a report.
    public init(workersLost: Int = 0, requeued: Int = 0, cancelled: Int = 0, poisoned: Int = 0, dead: Int = 0) {
        self.workersLost = workersLost
        self.requeued = requeued
        self.cancelled = cancelled
        self.poisoned = poisoned
        self.dead = dead
    }
}

/// Where a feeder's look at a list ended.
public struct FeedCursor: Sendable, Equatable {
    /// The last tenant looked at; the next look starts after it.
    public var tenant: String
    /// Per tenant, the last `(run_at, id)` handed out, as opaque text.
    public var positions: [String: Position]

    /// The last job handed out for a tenant.
    public struct Position: Sendable, Equatable {
        /// Its `run_at`, in microseconds since 1970.
        public var runAt: Int64
        /// Its id.
        public var id: JobID

        /// Makes a position.
        public init(runAt: Int64, id: JobID) {
            self.runAt = runAt
            self.id = id
        }
    }

    /// The start of a list.
    public static let start = FeedCursor(tenant: "", positions: [:])

    /// Makes a cursor.
    public init(tenant: String, positions: [String: Position]) {
        self.tenant = tenant
        self.positions = positions
    }
}

/// What a feeder gets from one look.
public struct Feed: Sendable, Equatable {
    /// The ids, in the order to push them.
    public var ids: [JobID]
    /// Where to go on.
    public var cursor: FeedCursor
    /// Whether the look reached the end of every tenant's line: what was not seen is not there.
    public var isAtEnd: Bool

    /// Makes a feed.
    public init(ids: [JobID], cursor: FeedCursor, isAtEnd: Bool = true) {
        self.ids = ids
        self.cursor = cursor
        self.isAtEnd = isAtEnd
    }
}

/// One row of the timetable: a kind and a target.
public struct ScheduleRow: Sendable, Equatable {
    /// `<kind>` or `<kind>/<target>`.
    public var id: String
    /// The kind to enqueue.
    public var kind: JobKind
    /// What it is about.
    public var target: String
    /// The parameters of its jobs.
    public var parameters: JSONText
    /// When.
    public var schedule: Schedule
    /// The spec text as stored: compared when a slot is fired.
    public var storedSpec: JSONText
    /// The slot fired last.
    public var lastSlot: Date
    /// The slot to fire next.
    public var nextSlot: Date

    /// Makes a row.
    public init(
        id: String, kind: JobKind, target: String, parameters: JSONText, schedule: Schedule, storedSpec: JSONText,
        lastSlot: Date, nextSlot: Date
    ) {
        self.id = id
        self.kind = kind
        self.target = target
        self.parameters = parameters
        self.schedule = schedule
        self.storedSpec = storedSpec
        self.lastSlot = lastSlot
        self.nextSlot = nextSlot
    }
}

/// The schedule rows and when they were read.
public struct Timetable: Sendable {
    /// The enabled rows.
    public var rows: [ScheduleRow]
    /// The change counter.
    public var version: Int64

    /// Makes a timetable.
    public init(rows: [ScheduleRow], version: Int64) {
        self.rows = rows
        self.version = version
    }
}

/// One schedule row that is due: the whole of what was read, the slots to fire and the slot after them.
public struct Tick: Sendable {
    /// The row as it was read.
    public var row: ScheduleRow
    /// The slots to enqueue, oldest first; may be empty (missed slots skipped).
    public var slots: [Date]
    /// The new `next_slot`.
    public var next: Date
    /// The jobs, one per slot, in the same order.
    public var jobs: [NewJob]

    /// Makes a tick.
    public init(row: ScheduleRow, slots: [Date], next: Date, jobs: [NewJob]) {
        self.row = row
        self.slots = slots
        self.next = next
        self.jobs = jobs
    }
}

/// What became of a tick.
public struct TickResult: Sendable, Equatable {
    /// Whether the compare-and-set was won; false: read the timetable again.
    public var isWon: Bool
    /// The jobs that were enqueued; fewer than slots where `overlap: skip` skipped.
    public var enqueued: [JobID]

    /// Makes a result.
    public init(isWon: Bool, enqueued: [JobID]) {
        self.isWon = isWon
        self.enqueued = enqueued
    }
}

/// What a sweep removed.
public struct SweepReport: Sendable, Equatable {
    /// Rows removed by table.
    public var removed: [String: Int]

    /// Makes a report.
    public init(removed: [String: Int]) { self.removed = removed }
}
