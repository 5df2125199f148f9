/// When a request that failed is sent again: exponential back-off with jitter, the server's Retry-After, a deadline.
public struct RetryPolicy: Sendable, Equatable {
    /// How often a request is repeated after its first failure (K8S_API_RETRY_ATTEMPTS).
    public var retriesMax: Int
    /// The pause before the first repeat, doubled each time; half of it is jitter.
    public var pauseMin: Duration
    /// The longest pause. A server that asks for more by Retry-After gets an error to the caller instead.
    public var pauseMax: Duration

    /// Three repeats, 200 ms to 10 s, unless told otherwise.
    public init(retriesMax: Int = 3, pauseMin: Duration = .milliseconds(200), pauseMax: Duration = .seconds(10)) {
        self.retriesMax = retriesMax
        self.pauseMin = pauseMin
        self.pauseMax = pauseMax
    }

    /// The pause before the next try, nil when the error goes to the caller.
    /// - Parameters:
    ///   - failures: how many tries have failed, at least 1.
    ///   - repeatable: whether doing it twice does no harm (a read, or a change guarded by a UID or resourceVersion).
    ///   - remaining: what is left until the caller's deadline; nil for none.
    ///   - jitter: a random number from 0 to 1.
    func pause(
        after error: KubernetesError, failures: Int, repeatable: Bool, remaining: Duration?, jitter: Double
    ) -> Duration? {
        guard failures <= retriesMax, repeatable || !error.mayHaveBeenExecuted, RetryPolicy.passes(error) else {
            return nil
        }
        var pause = pauseMin
        for _ in 1..<max(failures, 1) where pause < pauseMax { pause *= 2 }
        pause = min(pause, pauseMax)
        pause = pause / 2 + pause * 0.5 * jitter
        if let asked = error.retryAfter {
            if asked > pauseMax { return nil }
            pause = max(pause, asked)
        }
        if let remaining, pause >= remaining { return nil }
        return pause
    }

    /// Whether the failure may pass by itself.
    private static func passes(_ error: KubernetesError) -> Bool {
        switch error.code {
        case .tooManyRequests: !error.isBudget  // a budget is waited for by the drain, which has its own deadline
        case .serverFault: error.status != 501
        case .timeout, .network: true
        case .unauthorized, .forbidden, .notFound, .conflict, .gone, .invalid, .multipleBudgets, .tls, .tooLarge,
            .malformedAnswer, .egressRefused, .badConfiguration:
            false
        }
    }
}
