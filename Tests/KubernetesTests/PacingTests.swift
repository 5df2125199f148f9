import Testing

@testable import Kubernetes

@Suite("Pacing")
struct PacingTests {
    @Test("lets a burst through and then one at a time, in the order of asking")
    func bucket() {
        let start = ContinuousClock.now
        var bucket = TokenBucket(perSecond: 10, burst: 3, now: start)
        let waits = (0..<6).map { _ in bucket.reserve(now: start, limit: nil) }
        #expect(waits == [.zero, .zero, .zero, .milliseconds(100), .milliseconds(200), .milliseconds(300)])
        #expect(bucket.reserve(now: start + .seconds(10), limit: nil) == .zero)
    }

    @Test("takes nothing from a caller that cannot wait so long")
    func limit() {
        let start = ContinuousClock.now
        var bucket = TokenBucket(perSecond: 1, burst: 1, now: start)
        #expect(bucket.reserve(now: start, limit: .zero) == .zero)
        for _ in 0..<5 { #expect(bucket.reserve(now: start, limit: .milliseconds(500)) == nil) }
        #expect(bucket.reserve(now: start, limit: .seconds(1)) == .seconds(1))
    }

    @Test("never holds an urgent caller back, and its debt is bounded")
    func urgent() {
        let start = ContinuousClock.now
        var bucket = TokenBucket(perSecond: 1, burst: 5, now: start)
        for _ in 0..<1_000 { bucket.bypass(now: start) }
        #expect(bucket.reserve(now: start, limit: nil) == .seconds(6))
    }

    @Test("returns the token of a cancelled caller")
    func giveBack() {
        let start = ContinuousClock.now
        var bucket = TokenBucket(perSecond: 1, burst: 1, now: start)
        _ = bucket.reserve(now: start, limit: nil)
        #expect(bucket.reserve(now: start, limit: nil) == .seconds(1))
        bucket.giveBack()
        #expect(bucket.reserve(now: start, limit: nil) == .seconds(1))
    }

    @Test("doubles the pause, half of it jitter, up to its bound")
    func backoff() {
        let policy = RetryPolicy(retriesMax: 9, pauseMin: .milliseconds(200), pauseMax: .seconds(2))
        let fault = KubernetesError(.serverFault, "", status: 503)
        func pause(_ failures: Int, _ jitter: Double) -> Duration? {
            policy.pause(after: fault, failures: failures, repeatable: true, remaining: nil, jitter: jitter)
        }
        #expect(pause(1, 0) == .milliseconds(100) && pause(1, 1) == .milliseconds(200))
        #expect(pause(2, 1) == .milliseconds(400) && pause(4, 1) == .milliseconds(1_600))
        #expect(pause(9, 1) == .seconds(2) && pause(9, 0) == .seconds(1))
        #expect(pause(10, 0) == nil)
    }

    @Test("waits as long as the server asks, but not longer than its bound or the deadline")
    func retryAfter() {
        let policy = RetryPolicy()
        func pause(_ asked: Int64, remaining: Duration?) -> Duration? {
            policy.pause(
                after: KubernetesError(.tooManyRequests, "", status: 429, retryAfter: .seconds(asked)), failures: 1,
                repeatable: true, remaining: remaining, jitter: 0)
        }
        #expect(pause(3, remaining: nil) == .seconds(3))
        #expect(pause(11, remaining: nil) == nil)
        #expect(pause(3, remaining: .seconds(3)) == nil)
        #expect(pause(3, remaining: .seconds(4)) == .seconds(3))
    }

    @Test("repeats only what may pass, and only when a repeat does no harm", arguments: KubernetesError.Code.allCases)
    func codes(_ code: KubernetesError.Code) {
        let passing: Set<KubernetesError.Code> = [.tooManyRequests, .serverFault, .timeout, .network]
        func pause(_ repeatable: Bool, _ unsure: Bool, budget: Bool = false) -> Duration? {
            RetryPolicy().pause(
                after: KubernetesError(code, "", isBudget: budget, mayHaveBeenExecuted: unsure), failures: 1,
                repeatable: repeatable, remaining: nil, jitter: 0)
        }
        #expect((pause(true, true) != nil) == passing.contains(code))
        #expect((pause(false, false) != nil) == passing.contains(code))
        #expect(pause(false, true) == nil)
        if code == .tooManyRequests { #expect(pause(true, false, budget: true) == nil) }
        if passing.contains(code) { #expect(!KubernetesError(code, "").isDefiniteRefusal) }
    }
}
