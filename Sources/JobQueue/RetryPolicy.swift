/// How often and how soon a failed job is tried again.
public struct RetryPolicy: Sendable, Codable, Equatable {
    /// Attempts in all, the first included; at least 1.
    public var attemptsMax: Int
    /// The delay after the first failure.
    public var firstSeconds: Double
    /// Each further delay is the last times this.
    public var factor: Double
    /// No delay is longer.
    public var maxSeconds: Double
    /// The share of the delay that is random, 0 to 1: failures that came together do not come back together.
    public var jitter: Double

    enum CodingKeys: String, CodingKey {
        case factor, jitter
        case attemptsMax = "max_attempts"
        case firstSeconds = "first_seconds"
        case maxSeconds = "max_seconds"
    }

    /// Makes a policy; the defaults try 5 times over about 15 s to minutes.
    public init(
        attemptsMax: Int = 5, firstSeconds: Double = 1, factor: Double = 3, maxSeconds: Double = 600,
        jitter: Double = 0.3
    ) {
        self.attemptsMax = attemptsMax
        self.firstSeconds = firstSeconds
        self.factor = factor
        self.maxSeconds = maxSeconds
        self.jitter = jitter
    }

    /// The delay before the attempt after `attempt` (1 = the first). `random` is uniform in 0..<1.
    public func delay(afterAttempt attempt: Int, random: Double) -> Duration {
        var seconds = firstSeconds
        for _ in 1..<max(2, min(attempt, 64)) { seconds = min(seconds * factor, maxSeconds) }
        if attempt <= 1 { seconds = min(firstSeconds, maxSeconds) }
        return .seconds(seconds * (1 - jitter + 2 * jitter * random))
    }

    /// What a failed run leads to.
    public enum Verdict: Sendable, Equatable {
        /// Back to the queue, after this time.
        case retry(after: Duration)
        /// Dead, with this reason.
        case dead(reason: String)
    }

    /// Decides what becomes of a job whose attempt threw. The one place where an error's code decides a retry.
    public func verdict(on error: any Error, attempt: Int, attemptsMax: Int, random: Double) -> Verdict {
        if let queueError = error as? QueueError {
            if queueError.code == .outcomeUnknown { return .dead(reason: "outcome unknown") }
            if queueError.isPermanent { return .dead(reason: "permanent error: \(queueError.code.rawValue)") }
        }
        if attempt >= attemptsMax { return .dead(reason: "attempts exhausted") }
        return .retry(after: delay(afterAttempt: attempt, random: random))
    }
}
