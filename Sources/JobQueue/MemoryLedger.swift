import Foundation

/// A ledger in memory: the twin of the one in Postgres, for tests and for programs that can lose their jobs.
///
/// It keeps every rule of the protocol (fences, leases, keys, slots, rates, suspects, effects, schedules), and its
/// contract suite holds it to the Postgres ledger. Its clock is given, and moved by `advance`.
public actor MemoryLedger: Ledger, ControlLedger {
    /// One job, hot or ended, as it can be looked at.
    public struct Row: Sendable, Equatable {
        /// The request as stored.
        public internal(set) var job: ResolvedJob
        /// Whose it is.
        public internal(set) var tenant: String
        /// Queued or running; nil: it has ended.
        public internal(set) var state: JobState?
        /// How it ended; nil while it has not.
        public internal(set) var end: JobEnd?
        /// Why it was cancelled or died.
        public internal(set) var reason: String?
        /// The earliest start, in machine time.
        public internal(set) var runAt: Date
        /// Start before this, or be cancelled as late.
        public internal(set) var lateAt: Date?
        /// Raised by every claim.
        public internal(set) var fence: Int64 = 0
        /// Who runs it.
        public internal(set) var worker: WorkerID?
        /// When its run must have ended.
        public internal(set) var deadlineAt: Date?
        /// Whether it was claimed as a suspect, alone.
        public internal(set) var isAlone = false
        /// Attempts that count.
        public internal(set) var attempt = 0
        /// Workers that died while they ran it, since its last sign of life.
        public internal(set) var crashes = 0
        /// Workers that died while they ran nothing else.
        public internal(set) var soloCrashes = 0
        /// Times it was handed back by a stopping worker.
        public internal(set) var interrupts = 0
        /// Times it asked to run again later.
        public internal(set) var snoozes = 0
        /// When somebody asked to cancel it.
        public internal(set) var cancelAt: Date?
        /// Who asked.
        public internal(set) var cancelledBy: String?
        /// What its last run saved.
        public internal(set) var checkpoint: JSONText?
        /// How far it is.
        public internal(set) var progress: JobProgress?
        /// The error of its last failed attempt.
        public internal(set) var lastError: JSONText?
        /// What it left behind.
        public internal(set) var result: JSONText?
        /// When it ended.
        public internal(set) var finishedAt: Date?
        /// The job that runs it again.
        public internal(set) var replayedBy: JobID?
    }

    struct Worker {
        var registration: WorkerRegistration
        var state: WorkerState
        var expiresAt: Date
    }

    struct Key {
        var job: JobID
        var request: String
        /// nil: freed when the job ends.
        var expiresAt: Date?
    }

    /// Who holds a slot of a limit key.
    public struct SlotHolder: Sendable, Hashable {
        /// The job.
        public var job: JobID
        /// The fence of the run.
        public var fence: Int64
    }

    struct Bucket {
        var tokens: Double
        var at: Date
    }

    struct Effect {
        var entry: EffectEntry
        var run: RunID
        var at: Date
    }

    struct Lead {
        var term: Int64
        var holder: WorkerID?
        var expiresAt: Date
    }

    /// What a target of schedules is: whose, and what kind of thing.
    struct Target: Hashable {
        var name: String
        var fanOut: JobSpec.FanOut
    }

    private let machineClock: @Sendable () -> Date
    let random: @Sendable () -> Double
    private var clockOffset: Double = 0
    private var worldOffset: Double = 0

    var jobs: [JobID: Row] = [:]
    var ended: [JobID: Row] = [:]
    var workers: [WorkerID: Worker] = [:]
    var keys: [String: Key] = [:]
    var slots: [String: [Int: SlotHolder]] = [:]
    var buckets: [String: Bucket] = [:]
    var effects: [String: Effect] = [:]
    var leads: [String: Lead] = [:]
    /// What is paused, and until when; nil: until it is resumed.
    var pauses: [JobScope: Date?] = [:]
    var limits: [JobScope: JobLimit] = [:]
    var specs: [JobKind: JobSpec] = [:]
    var targets: [Target: (tenant: String, parameters: JSONText)] = [:]
    var schedules: [String: (row: ScheduleRow, isEnabled: Bool)] = [:]
    var scheduleVersion: Int64 = 1
    var logs: [JobID: [String]] = [:]
    var records: [String: Record] = [:]

    /// Makes an empty ledger.
    /// - Parameters:
    ///   - clock: machine time; by default a clock that stands still until `advance` moves it.
    ///   - random: uniform in 0..<1, for the spread of what is taken back.
    public init(
        clock: @escaping @Sendable () -> Date = { Date(timeIntervalSince1970: 1_800_000_000) },
        random: @escaping @Sendable () -> Double = { 0.5 }
    ) {
        machineClock = clock
        self.random = random
    }

    // MARK: Clocks

    /// Machine time.
    public var now: Date { machineClock().addingTimeInterval(clockOffset) }

    /// World time, without waiting.
    var world: Date { now.addingTimeInterval(worldOffset) }

    /// Moves machine time, and world time with it.
    public func advance(bySeconds seconds: Double) { clockOffset += seconds }

    /// Moves world time alone, as a simulation does.
    public func shiftWorld(bySeconds seconds: Double) { worldOffset += seconds }

    /// See `EnqueueLedger`.
    public func worldTime() -> Date { world }

    // MARK: For tests to look and to set the scene

    /// A job, hot or ended.
    public func row(_ id: JobID) -> Row? { jobs[id] ?? ended[id] }

    /// Every job, by id.
    public func rows() -> [Row] { (Array(jobs.values) + ended.values).sorted { $0.job.id < $1.job.id } }

    /// Who holds the slots of a limit key.
    public func holders(ofLimit key: String) -> [SlotHolder] {
        (slots[key] ?? [:]).sorted { $0.key < $1.key }.map(\.value)
    }

    /// The job that holds an idempotency key.
    public func holder(ofKey key: String) -> JobID? { keys[key]?.job }

    /// The lines a job logged.
    public func log(of id: JobID) -> [String] { logs[id] ?? [] }

    /// A record that was kept, by kind and key.
    public func record(kind: String, key: String) -> Record? { records["\(kind)\n\(key)"] }

    /// An entry of the effect ledger.
    public func effect(_ key: String) -> EffectEntry? { effects[key]?.entry }

    /// What contradicts itself, once nobody runs anything: slots and keys that outlived their job. Empty: nothing.
    public func contradictions() -> [String] {
        var found: [String] = []
        for (limit, holders) in slots {
            for holder in holders.values where jobs[holder.job]?.fence != holder.fence {
                found.append("a slot of \(limit) is held by a run that has ended")
            }
        }
        for (text, key) in keys where key.expiresAt == nil && jobs[key.job] == nil {
            found.append("the key \(text) is held by a job that has ended")
        }
        return found.sorted()
    }

    /// Says whose a target is; its schedule rows come with it.
    public func setTarget(
        _ name: String, fanOut: JobSpec.FanOut = .cluster, tenant: String, parameters: JSONText = .emptyObject
    ) throws {
        targets[Target(name: name, fanOut: fanOut)] = (tenant, parameters)
        try syncSchedules()
    }

    /// Removes a target and its schedule rows.
    public func removeTarget(_ name: String, fanOut: JobSpec.FanOut = .cluster) throws {
        targets[Target(name: name, fanOut: fanOut)] = nil
        try syncSchedules()
    }

    /// Turns a schedule row on or off.
    public func setSchedule(_ id: String, isEnabled: Bool) {
        guard schedules[id] != nil else { return }
        schedules[id]?.isEnabled = isEnabled
        scheduleVersion += 1
    }
}
