import JobQueue
import Synchronization

/// What a worker says about itself to health checks.
public final class WorkerStatus: Sendable {
    private struct State {
        var worker: WorkerID?
        var trustedUntil: ContinuousClock.Instant?
        var inFlight = 0
    }
    private let state = Mutex(State())

    /// Nothing known yet.
    public init() {}

    /// Whether the worker holds a lease it may believe in.
    public var isReady: Bool { state.withLock { ($0.trustedUntil ?? .now) > .now } }
    /// The id it registered under last.
    public var worker: WorkerID? { state.withLock { $0.worker } }
    /// Runs in its hands.
    public var inFlight: Int { state.withLock { $0.inFlight } }

    func update(worker: WorkerID, trustedUntil: ContinuousClock.Instant, inFlight: Int) {
        state.withLock { $0 = State(worker: worker, trustedUntil: trustedUntil, inFlight: inFlight) }
    }
}
