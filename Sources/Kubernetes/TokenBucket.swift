/// A token bucket that may go into debt: a caller reserves its token at once and is told how long to wait for it, so
/// callers are served in the order of their asking. A plain value; the clock is the caller's.
struct TokenBucket: Sendable {
    private let perSecond: Double
    private let burst: Double
    private var tokens: Double
    private var updated: ContinuousClock.Instant

    init(perSecond: Double, burst: Int, now: ContinuousClock.Instant) {
        precondition(perSecond > 0 && burst >= 1, "a token bucket needs a positive rate and burst")
        self.perSecond = perSecond
        self.burst = Double(burst)
        self.tokens = Double(burst)
        self.updated = now
    }

    /// Takes a token and returns how long to wait before using it; nil when that would be longer than `limit`, and then
    /// nothing is taken.
    mutating func reserve(now: ContinuousClock.Instant, limit: Duration?) -> Duration? {
        refill(now)
        let wait = tokens >= 1 ? Duration.zero : .seconds((1 - tokens) / perSecond)
        if let limit, wait > limit { return nil }
        tokens -= 1
        return wait
    }

    /// Takes a token without ever waiting: for the callers that go first (lane 0). The debt slows the others, not them.
    mutating func bypass(now: ContinuousClock.Instant) {
        refill(now)
        tokens = max(tokens - 1, -burst)
    }

    /// Puts back the token of a caller that was cancelled while it waited.
    mutating func giveBack() { tokens = min(tokens + 1, burst) }

    private mutating func refill(_ now: ContinuousClock.Instant) {
        guard now > updated else { return }
        tokens = min(burst, tokens + (now - updated) / .seconds(1) * perSecond)
        updated = now
    }
}
