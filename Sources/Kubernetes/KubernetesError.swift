/// What went wrong between us and a Kubernetes API server.
///
/// The text never holds a token, a header or a body: only the server's own one-line message, cut short, with the
/// connection's token blotted out (a hostile server may echo it).
public struct KubernetesError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What to do about it hangs on this alone.
    public enum Code: String, Sendable, CaseIterable {
        /// 401: the token is wrong, expired or revoked.
        case unauthorized
        /// 403: RBAC or admission says no.
        case forbidden
        /// 404: the object or the resource does not exist.
        case notFound
        /// 409: a UID or resourceVersion precondition failed, or the object exists already.
        case conflict
        /// 410: a continue token or a resourceVersion is too old.
        case gone
        /// 429: a PodDisruptionBudget blocks the eviction (see `isBudget`), or the server's rate limit.
        case tooManyRequests
        /// 400, 405, 413, 415, 422: the request itself is wrong.
        case invalid
        /// 5xx.
        case serverFault
        /// 500, "more than one PodDisruptionBudget": an eviction that can never succeed.
        case multipleBudgets
        /// The exchange or the caller's deadline ran out.
        case timeout
        /// The connection could not be made or broke.
        case network
        /// The server's certificate is not trusted, or the handshake failed.
        case tls
        /// The answer is larger than the limit.
        case tooLarge
        /// The answer is not what the Kubernetes API promises (not JSON, nested too deep, a field of another type).
        case malformedAnswer
        /// The endpoint's address is one that a customer may not make us call.
        case egressRefused
        /// A kubeconfig or connection that we do not accept.
        case badConfiguration
    }

    /// The kind of failure.
    public var code: Code
    /// What was found and, where we know it, what to do.
    public var message: String
    /// The HTTP status, nil when no answer came.
    public var status: Int?
    /// How long the server asks us to wait before the next try.
    public var retryAfter: Duration?
    /// True for a 429 whose cause is a PodDisruptionBudget and not a rate limit.
    public var isBudget: Bool
    /// False when the server surely did not act on the request: it never arrived, or was answered with a refusal.
    public var mayHaveBeenExecuted: Bool

    /// An error of this code; nothing was executed unless `mayHaveBeenExecuted` says so.
    public init(
        _ code: Code, _ message: String, status: Int? = nil, retryAfter: Duration? = nil, isBudget: Bool = false,
        mayHaveBeenExecuted: Bool = false
    ) {
        self.code = code
        self.message = message
        self.status = status
        self.retryAfter = retryAfter
        self.isBudget = isBudget
        self.mayHaveBeenExecuted = mayHaveBeenExecuted
    }

    /// True when the server (or our own rules) said no and will say no again: repeating the same request is pointless.
    public var isDefiniteRefusal: Bool {
        switch code {
        case .unauthorized, .forbidden, .notFound, .conflict, .gone, .invalid, .multipleBudgets, .egressRefused,
            .badConfiguration:
            true
        case .tooManyRequests, .serverFault, .timeout, .network, .tls, .tooLarge, .malformedAnswer: false
        }
    }

    /// The code and the message.
    public var description: String { "kubernetes \(code.rawValue)\(status.map { " (\($0))" } ?? ""): \(message)" }
}
