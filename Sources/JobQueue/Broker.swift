/// The name of one list of ready ids: a queue and a lane. In Redis: `co:{queue}:r:<lane>`.
public struct ReadyList: Hashable, Sendable {
    /// The queue.
    public let queue: String
    /// The lane within it.
    public let lane: Lane

    /// Names a list.
    public init(queue: String, lane: Lane) {
        self.queue = queue
        self.lane = lane
    }
}

/// A hint that something changed, sent to whoever listens and lost without harm.
public enum ControlHint: Hashable, Sendable {
    /// The job has a `cancel_at`: its worker should renew at once.
    case cancel(JobID)
    /// A pause was set or lifted.
    case pause
    /// The worker was asked to drain.
    case drain(WorkerID)
    /// A schedule or kind changed: the timetable should be read again.
    case timetable
}

/// Carries the next ids to run, and nothing else. Any content of it is safe: stale, doubled, foreign or gone.
///
/// Every operation may fail with `QueueError` code `unavailable`; callers fall back to the ledger.
public protocol Broker: Sendable {
    /// Appends ids to a list, in order. No deduplication.
    func push(_ ids: [JobID], to list: ReadyList) async throws
    /// Removes up to `atMost` ids from the head of the first list of `lists` that has any; waits up to `timeout` for one.
    /// Returns an empty array when the time is over. Entries that are not 16 bytes long are dropped.
    func take(from lists: [ReadyList], atMost: Int, timeout: Duration) async throws -> [JobID]
    /// The lengths of the lists, in the same order.
    func lengths(of lists: [ReadyList]) async throws -> [Int]
    /// Sets the incarnation if there is none (`SET co:inc <token> NX`); true means the broker had been emptied.
    func plantIncarnation(_ token: String) async throws -> Bool
    /// Tells everybody who listens.
    func publish(_ hint: ControlHint) async throws
    /// Hints as they come; ends when the connection is lost (the caller listens again after a pause).
    func hints() async throws -> AsyncStream<ControlHint>
}
