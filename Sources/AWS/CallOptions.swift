import Foundation

/// How one call is made.
public struct CallOptions: Sendable {
    /// When the call must be over, attempts and pauses included; nil: in 30 s.
    public var deadline: ContinuousClock.Instant?
    /// Most attempts after throttling, 5xx or a lost connection.
    public var attemptsMax: Int
    /// The W3C trace context to pass on; nil: none.
    public var traceparent: String?
    /// Only ask whether an EC2 call would be allowed: it then throws `dryRunWouldSucceed` or `unauthorized`.
    public var dryRun: Bool

    /// Makes options.
    public init(
        deadline: ContinuousClock.Instant? = nil, attemptsMax: Int = 3, traceparent: String? = nil, dryRun: Bool = false
    ) {
        self.deadline = deadline
        self.attemptsMax = attemptsMax
        self.traceparent = traceparent
        self.dryRun = dryRun
    }
}

/// Time and chance, as parameters.
public struct CallTiming: Sendable {
    /// The wall clock, for signatures and expiries.
    public var now: @Sendable () -> Date
    /// The clock of deadlines and rates.
    public var instant: @Sendable () -> ContinuousClock.Instant
    /// Waits; throws when the task is cancelled.
    public var sleep: @Sendable (Duration) async throws -> Void
    /// An even draw from 0 to below 1.
    public var random: @Sendable () -> Double

    /// The machine's own.
    public static let machine = CallTiming(
        now: { Date() }, instant: { .now }, sleep: { try await Task.sleep(for: $0) }, random: { .random(in: 0..<1) })

    /// Takes clocks and chance from elsewhere.
    public init(
        now: @escaping @Sendable () -> Date, instant: @escaping @Sendable () -> ContinuousClock.Instant,
        sleep: @escaping @Sendable (Duration) async throws -> Void, random: @escaping @Sendable () -> Double
    ) {
        self.now = now
        self.instant = instant
        self.sleep = sleep
        self.random = random
    }
}

/// The pauses between attempts: decorrelated jitter, each drawn between the base and three times the last.
/// Source: "Exponential Backoff and Jitter", AWS Architecture Blog.
struct RetryPause {
    static let base = Duration.milliseconds(100)
    static let most = Duration.seconds(5)

    private var last = RetryPause.base

    mutating func next(random: Double) -> Duration {
        let span = last * 3 - RetryPause.base
        last = min(RetryPause.most, RetryPause.base + span * random)
        return last
    }
}
