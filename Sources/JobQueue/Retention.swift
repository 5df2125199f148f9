/// How long the ledger keeps what is over, beside the history, whose age is a matter of each kind (`history` of its
/// jobspec), and keys, which say so themselves.
public struct Retention: Sendable, Equatable {
    /// Entries of the effect ledger: at least 30, and never less than a key of their job lives.
    public var effectDays = 30
    /// Attempts that failed, and logs of jobs that ended.
    public var attemptDays = 30
    /// Dead letters that nobody asked for; nil: for ever. Replayed ones go after `attemptDays`.
    public var deadDays: Int?
    /// Workers that are gone.
    public var workerHours = 24

    /// The defaults.
    public init() {}
}
