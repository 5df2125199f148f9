import JobQueue
import Synchronization

/// What a worker says about itself to health checks.
public final class WorkerStatus: Sendable {
    private struct State {
        var worker: WorkerID?
        var trustedUntil: ContinuousClock.Instant?
        var inFlight = 0
        var drain: (@Sendable () -> Void)?
        var hasEnded = false
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

    /// Whether the worker has drained: it will claim nothing more and has nothing in hand.
    public var hasEnded: Bool { state.withLock { $0.hasEnded } }

    /// Has the worker drain, as SIGTERM would.
    public func drain() { state.withLock { $0.drain }?() }

    func begin(drain: @escaping @Sendable () -> Void) { state.withLock { $0.drain = drain } }
    func end() { state.withLock { $0.hasEnded = true } }

    func update(worker: WorkerID, trustedUntil: ContinuousClock.Instant, inFlight: Int) {
        state.withLock { state in
            state.worker = worker
            state.trustedUntil = trustedUntil
            state.inFlight = inFlight
        }
    }
}
