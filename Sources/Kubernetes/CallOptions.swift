/// What one call may take, given by its caller.
public struct CallOptions: Sendable {
    /// By when the call must have ended, retries and waits for the local rate included; nil: only the client's timeouts.
    public var deadline: ContinuousClock.Instant?
    /// True for lane 0 (interruptions): such a call never waits for the client's own rate limit.
    public var isUrgent: Bool
    /// A W3C `traceparent` header to send along.
    public var traceparent: String?

    /// No deadline, not urgent, no trace, unless said.
    public init(deadline: ContinuousClock.Instant? = nil, isUrgent: Bool = false, traceparent: String? = nil) {
        self.deadline = deadline
        self.isUrgent = isUrgent
        self.traceparent = traceparent
    }
}

/// What a client keeps to, whoever calls.
public struct ClientLimits: Sendable, Equatable {
    /// One exchange (K8S_API_TIMEOUT_SECONDS).
    public var timeout: Duration
    /// When and how often a failed request is repeated.
    public var retry: RetryPolicy
    /// Requests per second to this cluster from this process.
    public var requestsPerSecond: Double
    /// Requests at once after a quiet time.
    public var burst: Int
    /// Objects of one page of a list. Twice cut to a tenth when a page is over `pageBytesMax`.
    public var pageSize: Int
    /// Largest page of a list, in bytes: what is in memory at once before it is narrowed.
    public var pageBytesMax: Int
    /// Largest list, all pages together, in bytes on the wire.
    public var listBytesMax: Int
    /// Largest answer that is no list, in bytes.
    public var answerBytesMax: Int

    /// 30 s, 3 retries, 20 requests per second with bursts of 40, pages of 500 objects and 32 MiB, lists of 256 MiB, other
    /// answers of 4 MiB.
    public init(
        timeout: Duration = .seconds(30), retry: RetryPolicy = RetryPolicy(), requestsPerSecond: Double = 20,
        burst: Int = 40, pageSize: Int = 500, pageBytesMax: Int = 32 << 20, listBytesMax: Int = 256 << 20,
        answerBytesMax: Int = 4 << 20
    ) {
        self.timeout = timeout
        self.retry = retry
        self.requestsPerSecond = requestsPerSecond
        self.burst = burst
        self.pageSize = pageSize
        self.pageBytesMax = pageBytesMax
        self.listBytesMax = listBytesMax
        self.answerBytesMax = answerBytesMax
    }
}

/// Machine time and chance, as a client sees them; tests put their own in.
struct MachineTime: Sendable {
    var now: @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
    var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0, clock: .continuous) }
    /// From 0 to 1.
    var jitter: @Sendable () -> Double = { Double.random(in: 0...1) }
}
