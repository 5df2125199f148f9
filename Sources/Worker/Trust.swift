import Synchronization

/// Until when a worker may believe that its lease holds, by its own monotonic clock (which counts suspension).
///
/// The end is anchored at the *start* of the request that renewed the lease: whatever the answer's delay, the ledger
/// cannot have begun to count earlier.
final class Trust: Sendable {
    private let end: Mutex<ContinuousClock.Instant>

    init(until end: ContinuousClock.Instant) { self.end = Mutex(end) }

    /// When trust ends unless it is renewed.
    var until: ContinuousClock.Instant { end.withLock { $0 } }

    /// What remains; zero or less: drop everything.
    var timeLeft: Duration { until - ContinuousClock.now }

    /// Moves the end forward after a renewal that was requested at `start`.
    func renew(requestedAt start: ContinuousClock.Instant, lease: Duration, margin: Duration) {
        end.withLock { $0 = max($0, start + lease - margin) }
    }

    /// Ends it now.
    func end(at instant: ContinuousClock.Instant = .now) { end.withLock { $0 = instant } }
}
