import Foundation

/// What the queue runs: one per kind, or one for many. Programs that embed the queue write these.
public protocol Handler: Sendable {
    /// Runs one job to an outcome.
    ///
    /// Throwing `QueueError` with a permanent code ends the job as dead; any other error is retried as its spec says.
    /// A handler may be run again from its last checkpoint after a crash: everything it does to the outside goes
    /// through `context.effect`, everything it stores through its outcome or `context.step`.
    func run(_ context: HandlerContext) async throws -> Outcome
}

/// How a run ended well.
public struct Outcome: Sendable {
    /// What the job leaves behind, at most 256 KiB.
    public var result: JSONText?
    /// Committed with the end.
    public var records: [Record]
    /// Enqueued with the end, at most 50.
    public var followUps: [JobRequest]
    /// nil: the job is done. Otherwise it goes back to the queue and runs again, from its checkpoint, after this time.
    public var againAfter: Duration?
    /// Run after the commit, once, on a best effort: harmless when lost (an SQS delete).
    public var afterCommit: (@Sendable () async -> Void)?
    /// True for runs that found nothing to do: they leave no history row.
    public var isEmpty: Bool

    /// Makes an outcome.
    public init(
        result: JSONText? = nil, records: [Record] = [], followUps: [JobRequest] = [], againAfter: Duration? = nil,
        isEmpty: Bool = false, afterCommit: (@Sendable () async -> Void)? = nil
    ) {
        self.result = result
        self.records = records
        self.followUps = followUps
        self.againAfter = againAfter
        self.isEmpty = isEmpty
        self.afterCommit = afterCommit
    }

    /// Done, with nothing to keep.
    public static let done = Outcome()
}

/// One claimed run of a job.
public struct ClaimedJob: Sendable {
    /// The job.
    public let id: JobID
    /// Its kind.
    public let kind: JobKind
    /// The customer it belongs to, set by the ledger; empty for the operator's own jobs.
    public let tenant: String
    /// What it is about.
    public let target: String
    /// Its queue.
    public let queue: String
    /// Its lane.
    public let lane: Lane
    /// This run's fence: one more than any run before it.
    public let fence: Int64
    /// 1 for the first attempt; crashes, deploys and snoozes do not count.
    public let attempt: Int
    /// Attempts allowed.
    public let attemptsMax: Int
    /// Its parameters.
    public let parameters: JSONText
    /// What the last run saved; nil on the first.
    public let checkpoint: JSONText?
    /// What remains until its deadline, as the ledger computed it at the claim.
    public let timeLeft: Duration
    /// The W3C trace context of the enqueue.
    public let traceparent: String?
    /// What other tracers keep beside it.
    public let tracestate: String?
    /// Whether it has passed its `start before`: it is settled as cancelled without being run.
    public let isLate: Bool
    /// How long it waited after it was due.
    public let startDelay: Duration

    /// Makes a claimed job: for ledgers.
    public init(
        id: JobID, kind: JobKind, tenant: String, target: String, queue: String, lane: Lane, fence: Int64, attempt: Int,
        attemptsMax: Int, parameters: JSONText, checkpoint: JSONText?, timeLeft: Duration, traceparent: String?,
        tracestate: String? = nil, isLate: Bool, startDelay: Duration = .zero
    ) {
        self.id = id
        self.kind = kind
        self.tenant = tenant
        self.target = target
        self.queue = queue
        self.lane = lane
        self.fence = fence
        self.attempt = attempt
        self.attemptsMax = attemptsMax
        self.parameters = parameters
        self.checkpoint = checkpoint
        self.timeLeft = timeLeft
        self.traceparent = traceparent
        self.tracestate = tracestate
        self.isLate = isLate
        self.startDelay = startDelay
    }

    /// The trace context of the enqueue; nil: nobody traced it.
    public var trace: TraceHeaders? { TraceHeaders(traceparent: traceparent, tracestate: tracestate) }
}

/// What a handler has in its hands while it runs: its job, its clocks, and the only ways to change anything.
public struct HandlerContext: Sendable {
    /// The job being run.
    public let job: ClaimedJob
    /// When this run must end; a margin before the ledger's own deadline.
    public let deadline: ContinuousClock.Instant
    private let run: any JobRun

    /// Makes a context: for workers and tests.
    public init(job: ClaimedJob, deadline: ContinuousClock.Instant, run: any JobRun) {
        self.job = job
        self.deadline = deadline
        self.run = run
    }

    /// World time: for schedules, windows, grace periods and prices. Machine time never comes from here.
    public func now() async throws -> Date { try await run.worldTime() }

    /// Saves where the run is, with records, in one fenced transaction. A crash later resumes from here.
    /// - Throws: `fenced` when this run no longer owns the job: stop at once.
    public func save(checkpoint: JSONText, records: [Record] = [], progress: JobProgress? = nil) async throws {
        try await run.save(checkpoint: checkpoint, records: records, progress: progress)
    }

    /// Carries out an effect exactly once, or at most once for class `.once`.
    ///
    /// The intent and its frozen request are committed before `call` runs. A repeated run finds the entry and
    /// returns the stored response, rethrows the stored refusal, or calls again with the *stored* request and the
    /// same token; for class `.once` an unknown outcome throws `outcomeUnknown` instead.
    /// - Parameter call: sends the request. It throws `EffectRefused` only for a definite refusal (surely not
    ///   executed); any other error leaves the outcome open.
    /// - Throws: `fenced`, `outcomeUnknown`, `EffectRefused`, or what `call` threw.
    public func effect(
        _ intent: EffectIntent, call: @Sendable (EffectCall) async throws -> JSONText
    ) async throws -> JSONText {
        try await run.effect(intent, call: call)
    }

    /// Waits without holding a slot: row, lease and fence stay. At most ten minutes: longer waits end the run with
    /// `Outcome.againAfter`.
    public func wait(for duration: Duration) async throws { try await run.wait(for: duration) }

    /// Runs `body` without holding a slot: for far calls that mostly wait.
    public func withoutSlot<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> Value {
        await run.leaveSlot()
        do {
            let value = try await body()
            try await run.takeSlot()
            return value
        } catch {
            try await run.takeSlot()
            throw error
        }
    }

    /// Writes one line to the job's own log, kept with the job (at most 200 lines of 1,000 characters).
    public func log(_ line: String) { run.log(line) }

    /// True when the run should stop: cancelled, fenced, past its deadline, or its worker is stopping for good.
    public var isCancelled: Bool { Task.isCancelled }

    /// True when the worker wants to stop: reach a checkpoint and call `handBack`.
    public var isDraining: Bool { run.isDraining }

    /// Ends the run at a checkpoint because the worker is stopping; costs no attempt.
    public func handBack() -> any Error { HandBack() }
}

/// Thrown by a handler that reached a checkpoint while its worker is stopping.
public struct HandBack: Error, Sendable {
    /// Makes the signal.
    public init() {}
}

/// How far a job is.
public struct JobProgress: Sendable, Codable, Equatable, CustomStringConvertible {
    /// Units done.
    public var done: Int
    /// Units in all; nil when unknown.
    public var total: Int?
    /// What is being done, one short line.
    public var note: String?

    /// Makes a progress report.
    public init(done: Int, total: Int? = nil, note: String? = nil) {
        self.done = done
        self.total = total
        self.note = note
    }

    /// `3 of 10: evicts pods`.
    public var description: String {
        "\(done)\(total.map { " of \($0)" } ?? "")\(note.map { ": \($0)" } ?? "")"
    }
}

/// What a context needs from whoever runs the job. Workers conform; tests may.
public protocol JobRun: Sendable {
    /// The ledger's world time.
    func worldTime() async throws -> Date
    /// Saves a checkpoint, fenced.
    func save(checkpoint: JSONText, records: [Record], progress: JobProgress?) async throws
    /// Runs an effect by the effect ledger.
    func effect(_ intent: EffectIntent, call: @Sendable (EffectCall) async throws -> JSONText) async throws -> JSONText
    /// Waits without a slot.
    func wait(for duration: Duration) async throws
    /// Gives the slot back.
    func leaveSlot() async
    /// Takes a slot again.
    func takeSlot() async throws
    /// Appends to the job's log.
    func log(_ line: String)
    /// Whether the worker is stopping.
    var isDraining: Bool { get }
}
