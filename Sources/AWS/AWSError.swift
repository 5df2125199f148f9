import Infrastructure

/// Why an AWS call failed. The text never holds a secret, a token or a signature.
public struct AWSError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure; callers decide by it.
    public enum Code: String, Sendable, CaseIterable {
        /// Too many calls; nothing was done.
        case throttled
        /// The credentials are unknown, or lack the permission.
        case unauthorized
        /// The credentials are past their time.
        case expiredCredentials
        /// The thing named does not exist (any more).
        case notFound
        /// Any other definite no.
        case invalidRequest
        /// The pool has nothing to give; nothing was launched.
        case insufficientCapacity
        /// The ClientToken was used with other parameters before.
        case idempotentMismatch
        /// Our clock and theirs disagree, and correcting ours did not help.
        case clockSkew
        /// AWS failed (5xx): it may or may not have acted.
        case serverFault
        /// No answer came.
        case network
        /// The answer is not what the service promises.
        case malformedAnswer
        /// A quota of the account is used up; nothing was done.
        case limitExceeded
        /// A dry run that would have succeeded: the good news, told as AWS tells it.
        case dryRunWouldSucceed
    }

    /// The kind of failure.
    public let code: Code
    /// The word of AWS, such as `InsufficientInstanceCapacity`; empty when no answer came.
    public let awsCode: String
    /// Service and action, such as `ec2 RunInstances`.
    public let action: String
    /// What was found.
    public let message: String
    /// The id that AWS support asks for; nil: not told.
    public let requestID: String?
    /// The HTTP status; nil: no answer.
    public let status: Int?
    /// False when AWS surely did nothing, in this attempt and all before it.
    public internal(set) var mayHaveBeenExecuted: Bool
    /// The clock of AWS minus ours, in seconds, at the time of a refusal; nil: not told.
    let serverClockAheadSeconds: Double?

    init(
        _ code: Code, awsCode: String = "", action: String, message: String, requestID: String? = nil,
        status: Int? = nil, mayHaveBeenExecuted: Bool, serverClockAheadSeconds: Double? = nil
    ) {
        self.code = code
        self.awsCode = awsCode
        self.action = action
        self.message = message
        self.requestID = requestID
        self.status = status
        self.mayHaveBeenExecuted = mayHaveBeenExecuted
        self.serverClockAheadSeconds = serverClockAheadSeconds
    }

    /// True when the answer is final: the same request will be refused again, and nothing was done. False for throttling
    /// and for an unknown outcome.
    public var isDefiniteRefusal: Bool {
        guard !mayHaveBeenExecuted else { return false }
        switch code {
        case .unauthorized, .expiredCredentials, .notFound, .invalidRequest, .insufficientCapacity, .idempotentMismatch,
            .limitExceeded, .dryRunWouldSucceed:
            return true
        case .throttled, .clockSkew, .serverFault, .network, .malformedAnswer: return false
        }
    }

    /// Action, code, message and request id on one line.
    public var description: String {
        let id = requestID.map { " (request \($0))" } ?? ""
        return "\(action): \(code.rawValue)\(awsCode.isEmpty ? "" : " \(awsCode)"): \(message)\(id)"
    }
}

extension FarSideError {
    /// What jobs and the action runner see of it.
    public init(_ error: AWSError) {
        let code: FarSideError.Code =
            switch error.code {
            case .throttled: .throttled
            case .expiredCredentials: .unauthorized
            case .unauthorized: AWSErrorTable.isMissingPermission(error.awsCode) ? .forbidden : .unauthorized
            case .notFound: .notFound
            case .insufficientCapacity, .limitExceeded: .noCapacity
            case .idempotentMismatch: .conflict
            case .invalidRequest, .dryRunWouldSucceed: .refused
            case .clockSkew: .badConfiguration
            case .serverFault: .fault
            case .network: .network
            case .malformedAnswer: .malformed
            }
        self.init(
            code, farCode: error.awsCode, "\(error.action): \(error.message)",
            mayHaveBeenExecuted: error.mayHaveBeenExecuted, side: .aws)
    }
}
