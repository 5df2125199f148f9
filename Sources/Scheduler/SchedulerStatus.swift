import Synchronization

/// What a scheduler says about itself to health checks.
public final class SchedulerStatus: Sendable {
    private struct State {
        var isLeading = false
        var lastAnswer = ContinuousClock.now
    }
    private let state = Mutex(State())

    /// Nothing known yet.
    public init() {}

    /// Whether it leads.
    public var isLeading: Bool { state.withLock { $0.isLeading } }
    /// Whether the ledger answered within the last half minute, leading or standing by.
    public var isReady: Bool { state.withLock { $0.lastAnswer > .now - .seconds(30) } }

    func note(isLeading: Bool) { state.withLock { $0 = State(isLeading: isLeading) } }
    func noteAnswer() { state.withLock { $0.lastAnswer = .now } }
}
