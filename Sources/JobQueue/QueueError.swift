/// The one error of the queue's vocabulary. `code` decides what happens next, in `RetryPolicy.verdict`.
public struct QueueError: Error, Sendable, CustomStringConvertible {
    /// What went wrong, as a machine needs it.
    public enum Code: String, Sendable, Codable {
        /// Input that can never work as it stands: a wrong field, an unknown kind, a size over its limit.
        case invalid
        /// The same idempotency key with other arguments.
        case conflict
        /// This run no longer owns its job: a newer fence exists, the lease ended, or it was cancelled.
        case fenced
        /// The ledger, the broker or the network is away; the same call may work later.
        case unavailable
        /// The queue is at `depth_max`.
        case queueFull
        /// The handler ran past its deadline.
        case timeout
        /// An effect without token or natural idempotency was sent and its answer lost: a person must look.
        case outcomeUnknown
        /// The far side refused for good.
        case refused
        /// A failure that may pass: retried with back-off.
        case transient
        /// Not found.
        case notFound
    }

    /// Decides retry and exit codes.
    public let code: Code
    /// What was found, what was wanted, and what to do.
    public let message: String
    /// The error below, if any.
    public let underlying: (any Error)?

    /// Makes an error with a message that a person can act on.
    public init(_ code: Code, _ message: String, underlying: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.underlying = underlying
    }

    /// The message, and the cause behind it.
    public var description: String {
        guard let underlying else { return "\(code.rawValue): \(message)" }
        return "\(code.rawValue): \(message) (\(underlying))"
    }

    /// Whether the same job may succeed when it is tried again.
    public var isPermanent: Bool {
        switch code {
        case .invalid, .conflict, .outcomeUnknown, .refused, .notFound: true
        case .fenced, .unavailable, .queueFull, .timeout, .transient: false
        }
    }
}
