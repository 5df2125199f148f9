/// The one error of everything beyond our own machines: AWS, Kubernetes and webhooks all map into it.
///
/// The text never holds a token, a secret or a whole body.
public struct FarSideError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What to do about it hangs on this alone.
    public enum Code: String, Sendable, Codable, CaseIterable {
        /// Too many requests: `RequestLimitExceeded`, a 429 that is no disruption budget. Nothing was done.
        case throttled
        /// The thing named does not exist (any more).
        case notFound
        /// A precondition failed, or it exists already.
        case conflict
        /// The credentials are wrong, expired or revoked.
        case unauthorized
        /// The credentials are good and the permission is missing: `UnauthorizedOperation`, RBAC.
        case forbidden
        /// No capacity for what was asked: `InsufficientInstanceCapacity` and its like. Nothing was done.
        case noCapacity
        /// Any other definite no: the same request will never work.
        case refused
        /// A fault of the far side (5xx): it may or may not have acted.
        case fault
        /// The connection failed or the answer never came: it may or may not have acted.
        case network
        /// The answer is larger than we read.
        case tooLarge
        /// The answer is not what the far side's interface promises.
        case malformed
        /// The address is one that a customer may not make us call, or the certificate is not trusted.
        case egressRefused
        /// Our own configuration for this far side is unusable.
        case badConfiguration
    }

    /// The kind of failure.
    public let code: Code
    /// The far side's own word: `InsufficientInstanceCapacity`, `TooManyRequests`; empty when it said nothing.
    public let farCode: String
    /// What was found and, where known, what to do.
    public let message: String
    /// How long it asks us to wait; nil: not told.
    public let retryAfter: Duration?
    /// False when the far side surely did nothing.
    public let mayHaveBeenExecuted: Bool
    /// Whose failure it is; nil: not a far side's own.
    public let side: FarSide?

    /// Makes an error.
    /// - Parameter mayHaveBeenExecuted: nil: what `code` says of itself.
    public init(
        _ code: Code, farCode: String = "", _ message: String, retryAfter: Duration? = nil,
        mayHaveBeenExecuted: Bool? = nil, side: FarSide? = nil
    ) {
        self.code = code
        self.farCode = farCode
        self.message = message
        self.retryAfter = retryAfter
        self.mayHaveBeenExecuted = mayHaveBeenExecuted ?? code.leavesDoubt
        self.side = side
    }

    /// True when asking again with the same request is pointless and nothing was done: the answer is final.
    public var isDefinite: Bool {
        guard !mayHaveBeenExecuted else { return false }
        switch code {
        case .notFound, .conflict, .unauthorized, .forbidden, .noCapacity, .refused, .egressRefused, .badConfiguration:
            return true
        case .throttled, .fault, .network, .tooLarge, .malformed: return false
        }
    }

    /// Whether it says that the far side as a whole is in trouble: such failures in a row open its circuit.
    public var isTrouble: Bool {
        switch code {
        case .throttled, .unauthorized, .fault, .network, .malformed: side != nil
        case .notFound, .conflict, .forbidden, .noCapacity, .refused, .tooLarge, .egressRefused, .badConfiguration:
            false
        }
    }

    /// Code and message.
    public var description: String { "\(code.rawValue)\(farCode.isEmpty ? "" : " \(farCode)"): \(message)" }
}

/// What is beyond our own machines.
public enum FarSide: String, Sendable, Codable, CaseIterable {
    /// A cluster's API server.
    case kubernetes
    /// A cluster's AWS account.
    case aws
}

extension FarSideError.Code {
    /// Whether an answer of this code leaves open what happened.
    fileprivate var leavesDoubt: Bool {
        switch self {
        case .fault, .network, .tooLarge, .malformed: true
        case .throttled, .notFound, .conflict, .unauthorized, .forbidden, .noCapacity, .refused, .egressRefused,
            .badConfiguration:
            false
        }
    }
}
