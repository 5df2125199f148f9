import Foundation

/// What the risk score said of a pool that an account used, on one day: whether it was right is seen later.
public struct RiskPrediction: Hashable, Sendable, Codable {
    /// The account.
    public var account: String
    /// The pool; its zone by the account's own name.
    public var pool: SpotPool
    /// The day, UTC: there is one prediction of a pool for each.
    public var day: LocalDay
    /// When it was made, world time.
    public var at: Date
    /// The score, 0 (good) to 1 (bad).
    public var score: Double
    /// The sum of the weights whose inputs were real, 0 to 1.
    public var confidence: Double

    /// Makes one.
    public init(account: String, pool: SpotPool, day: LocalDay, at: Date, score: Double, confidence: Double) {
        self.account = account
        self.pool = pool
        self.day = day
        self.at = at
        self.score = score
        self.confidence = confidence
    }
}

/// A prediction whose time is over.
public struct RiskOutcome: Hashable, Sendable, Codable {
    /// What was predicted, 0 to 1.
    public var score: Double
    /// Whether an instance of the pool was interrupted within 24 hours.
    public var wasInterrupted: Bool

    /// Makes one.
    public init(score: Double, wasInterrupted: Bool) {
        self.score = score
        self.wasInterrupted = wasInterrupted
    }
}
