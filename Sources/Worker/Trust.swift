import Synchronization

/// Until when a worker may believe that its lease holds, by its own monotonic clock (which counts suspension).
///
/// The end is anchored at the *start* of the request that renewed the lease: whatever the answer's delay, the ledger
/// cannot have begun to count earlier.
final class Trust: Sendable {
    private struct State {
        var end: ContinuousClock.Instant
        var isLost = false
    }
    private let state: Mutex<State>

    init(until end: ContinuousClock.Instant) { state = Mutex(State(end: end)) }

    /// When trust ends unless it is renewed.
    var until: ContinuousClock.Instant { state.withLock { $0.isLost ? .now - .seconds(1) : $0.end } }

    /// What remains; zero or less: drop everything.
    var timeLeft: Duration { until - ContinuousClock.now }

    /// Moves the end forward after a renewal that was requested at `start`.
    func renew(requestedAt start: ContinuousClock.Instant, lease: Duration, margin: Duration) {
        state.withLock { $0.end = max($0.end, start + lease - margin) }
    }

    /// Ends it for good: what was dropped stays dropped, whatever a late answer says.
    func lose() { state.withLock { $0.isLost = true } }
}
