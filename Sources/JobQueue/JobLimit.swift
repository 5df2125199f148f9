import Foundation

/// What an operator allows within a scope, beside the limits of jobspecs. nil limits nothing. Lane 0 is never held back.
public struct JobLimit: Sendable, Equatable {
    /// A queue, kind, tenant or cluster.
    public var scope: JobScope
    /// Jobs that run at once.
    public var runningMax: Int?
    /// Jobs that start per second: a token bucket.
    public var rate: JobRate?
    /// A tenant's share of a queue; 1 where nothing is said. A tenant of weight 3 is handed out three for one.
    public var weight: Int?
    /// Queued jobs of lanes 2 and 3 that a queue takes; more are refused with `queueFull`.
    public var depthMax: Int?
    /// The wait after which jobs of a queue's lanes 2 and 3 rise one lane.
    public var ageSeconds: Int?

    /// Limits nothing yet.
    public init(
        _ scope: JobScope, runningMax: Int? = nil, rate: JobRate? = nil, weight: Int? = nil, depthMax: Int? = nil,
        ageSeconds: Int? = nil
    ) {
        self.scope = scope
        self.runningMax = runningMax
        self.rate = rate
        self.weight = weight
        self.depthMax = depthMax
        self.ageSeconds = ageSeconds
    }

    /// Where nothing else is said, jobs of lanes 2 and 3 rise one lane after this wait.
    public static let ageSecondsStandard = 600

    /// Whether it may hold back a claim.
    public var isGate: Bool { runningMax != nil || rate != nil }

    /// What its slots and its bucket are called, beside those of jobspecs.
    public var gateKey: String { "operator/\(scope.word):\(scope.name)" }

    /// Checks that the fields fit the scope and lie in their ranges.
    /// - Throws: `invalid`, naming the field.
    public func validated() throws -> JobLimit {
        func check(_ field: String, _ value: Int?, _ range: ClosedRange<Int>, on scopes: [String]) throws {
            guard let value else { return }
            guard scopes.contains(scope.word) else {
                throw QueueError(
                    .invalid, "\(field) is a limit of a \(scopes.joined(separator: " or ")), not of a \(scope.word)")
            }
            guard range.contains(value) else {
                throw QueueError(
                    .invalid, "\(field): found \(value), wanted \(range.lowerBound) to \(range.upperBound)")
            }
        }
        let all = ["queue", "kind", "tenant", "cluster"]
        guard all.contains(scope.word) || (scope.word == "api" && rate != nil) else {
            throw QueueError(
                .invalid, "a limit is of a \(all.joined(separator: ", ")), or the rate of an api; not of \(scope.word)")
        }
        try check("running", runningMax, 1...10_000, on: all)
        try check("weight", weight, 1...1000, on: ["tenant"])
        try check("depth", depthMax, 1...10_000_000, on: ["queue"])
        try check("age", ageSeconds, 1...31_622_400, on: ["queue"])
        if let rate, !(0.0001...100_000).contains(rate.perSecond) || !(1...100_000).contains(rate.burst) {
            throw QueueError(
                .invalid,
                "rate: found \(rate.perSecond) per second, burst \(rate.burst); wanted 0.0001 to 100000, burst 1 to 100000"
            )
        }
        return self
    }
}

/// Starts per second, and how many can be saved up.
public struct JobRate: Sendable, Equatable {
    /// Tokens per second.
    public var perSecond: Double
    /// The most tokens saved up.
    public var burst: Double

    /// - Parameter burst: nil: what a second gives, at least one.
    public init(perSecond: Double, burst: Double? = nil) {
        self.perSecond = perSecond
        self.burst = burst ?? max(1, perSecond)
    }
}
