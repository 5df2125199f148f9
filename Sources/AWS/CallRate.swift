import Synchronization

/// A bucket of permits: `burst` at once, then `perSecond`. Callers book ahead and wait their turn.
final class CallRate: Sendable {
    private let perSecond: Double
    private let burst: Double
    private let state: Mutex<(permits: Double, at: ContinuousClock.Instant?)>

    init(perSecond: Double, burst: Int) {
        precondition(perSecond > 0 && burst > 0, "a rate must let something pass")
        self.perSecond = perSecond
        self.burst = Double(burst)
        state = Mutex((Double(burst), nil))
    }

    /// Books a permit and tells how long to wait for it; nil, with nothing booked, when that is longer than `most`.
    func book(now: ContinuousClock.Instant, most: Duration) -> Duration? {
        state.withLock { state in
            let passed = state.at.map { $0.duration(to: now) / .seconds(1) } ?? 0
            let permits = min(burst, state.permits + max(0, passed) * perSecond)
            let wait = Duration.seconds(max(0, (1 - permits) / perSecond))
            guard wait <= most else { return nil }
            state = (permits - 1, max(now, state.at ?? now))
            return wait
        }
    }
}
