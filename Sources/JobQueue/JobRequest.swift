import Foundation

/// A wish to have a job run: what callers, schedules and other jobs hand to the ledger.
public struct JobRequest: Sendable, Codable, Equatable {
    /// The kind to run.
    public var kind: JobKind
    /// The parameters, a JSON object that the kind's spec accepts. At most 64 KiB.
    public var parameters: JSONText
    /// The cluster, account or region it is about; empty for none. The ledger derives the tenant from it.
    public var target: String
    /// The idempotency key; nil: the spec's template, or a key of its own that protects the enqueue's retry for an hour.
    public var key: IdempotencyKey?
    /// The earliest start in machine time, as a delay from now; nil: at once.
    public var delay: Duration?
    /// Start before this delay from now has passed, or be cancelled as late; nil: the spec's `start_before`.
    public var startBefore: Duration?
    /// Overrides the lane of the spec; only towards less urgent for external callers.
    public var lane: Lane?
    /// Overrides the queue of the spec, for a worker that serves it alone: a replay under a debugger.
    public var queue: String?
    /// The W3C trace context of whoever asked; nil: that of the task that enqueues.
    public var traceparent: String?
    /// What other tracers keep beside it; counts only together with a `traceparent`.
    public var tracestate: String?
    /// The dead job this one runs again.
    public var replayOf: JobID?

    /// Makes a request for one run.
    public init(
        _ kind: JobKind, parameters: JSONText = .emptyObject, target: String = "", key: IdempotencyKey? = nil,
        delay: Duration? = nil, startBefore: Duration? = nil, lane: Lane? = nil, queue: String? = nil,
        traceparent: String? = nil, tracestate: String? = nil, replayOf: JobID? = nil
    ) {
        self.kind = kind
        self.parameters = parameters
        self.target = target
        self.key = key
        self.delay = delay
        self.startBefore = startBefore
        self.lane = lane
        self.queue = queue
        self.traceparent = traceparent
        self.tracestate = tracestate
        self.replayOf = replayOf
    }
}

/// What makes two requests the same request, and for how long.
public struct IdempotencyKey: Hashable, Sendable, Codable {
    /// When a key is freed.
    public enum Release: Hashable, Sendable, Codable {
        /// When its job ends, however it ends: "one at a time".
        case atEnd
        /// A time after the enqueue, whatever becomes of the job: "once".
        case after(Duration)
    }

    /// Business identity, at most 512 bytes: `interruption/<tenant>/<cluster>/<instance id>`.
    public var text: String
    /// When it may be used anew.
    public var release: Release

    /// Makes a key.
    public init(_ text: String, release: Release) {
        self.text = text
        self.release = release
    }
}

/// A job as the ledger takes it: a request with its identity, resolved against its spec.
public struct NewJob: Sendable {
    /// Made once; a retried enqueue sends the same id.
    public var id: JobID
    /// The request.
    public var request: JobRequest
    /// The spec in force.
    public var spec: JobSpec

    /// Makes a job to be enqueued.
    public init(id: JobID = JobID(), request: JobRequest, spec: JobSpec) {
        self.id = id
        self.request = request
        self.spec = spec
    }
}

/// What became of one enqueued job.
public enum EnqueueResult: Sendable, Equatable {
    /// It is in the ledger under its own id.
    case enqueued(JobID)
    /// The key was taken by a job with the same arguments: that job's id.
    case duplicate(of: JobID)
    /// The key was taken by a job with other arguments: nothing was stored.
    case conflict(with: JobID)

    /// The job that stands for the request; nil for a conflict.
    public var id: JobID? {
        switch self {
        case .enqueued(let id), .duplicate(let id): id
        case .conflict: nil
        }
    }
}

/// A value to be kept, committed in the same transaction as the end of a step or job. Opaque to the queue.
public struct Record: Sendable, Codable, Equatable {
    /// Selects the upsert that a store registered.
    public var kind: String
    /// The row's business key.
    public var key: String
    /// The row.
    public var value: JSONText

    /// Makes a record.
    public init(kind: String, key: String, value: JSONText) {
        self.kind = kind
        self.key = key
        self.value = value
    }
}
