/// What the API server's answer to an eviction (or to a deletion with a UID precondition) means for a drain.
///
/// Source: domain-rules section 3, after kubectl drain and Karpenter's eviction queue.
public enum EvictionVerdict: Sendable, Equatable {
    /// The pod is being deleted with its grace period.
    case evicted
    /// The pod no longer exists: done.
    case gone
    /// Another pod has taken the name (the UID precondition failed): the one we meant is gone, done.
    case replacedByOther
    /// A PodDisruptionBudget does not allow it now. The text names the budget where the server does.
    case blockedByBudget(retryAfter: Duration?, reason: String)
    /// The API server's own rate limit, not a budget.
    case rateLimited(retryAfter: Duration?)
    /// More than one PodDisruptionBudget covers the pod: eviction can never succeed; only a deletion could.
    case neverWillSucceed(reason: String)
    /// A passing fault: ask again after a pause; the UID precondition makes a repeat harmless.
    case retry(KubernetesError)
    /// A refusal that asking again will not change (401, 403, 400, 422).
    case refused(KubernetesError)

    /// True when nothing is left to do for this pod but wait until it has ended.
    public var isDone: Bool {
        switch self {
        case .evicted, .gone, .replacedByOther: true
        case .blockedByBudget, .rateLimited, .neverWillSucceed, .retry, .refused: false
        }
    }

    /// The verdict on an answered eviction.
    /// - Parameters:
    ///   - status: the HTTP status.
    ///   - failure: the `Status` object, when the answer held one.
    ///   - error: the same refusal as an error, for its redacted words; nil for a 2xx.
    static func of(status: Int, failure: FailureStatus?, error: KubernetesError?) -> EvictionVerdict {
        guard let error else { return .evicted }
        switch status {
        case 404:
            // A 404 of a balancer or of an unknown path must not count as a drained pod.
            return failure?.namesObject == true ? .gone : .retry(passing(error))
        case 409:
            // The UID precondition, or a write that lost a race against another one: only the first means another pod.
            let words = failure?.message ?? ""
            return words.contains("UID") || words.lowercased().contains("precondition failed")
                ? .replacedByOther : .retry(passing(error))
        case 429:
            return error.isBudget
                ? .blockedByBudget(retryAfter: error.retryAfter, reason: error.message)
                : .rateLimited(retryAfter: error.retryAfter)
        case 403 where failure?.hasCause("NamespaceTerminating") == true:
            return .retry(passing(error))  // its pods are being deleted; the next answer is 404
        case 500..<600:
            return error.code == .multipleBudgets ? .neverWillSucceed(reason: error.message) : .retry(error)
        default:
            return .refused(error)
        }
    }

    /// A refusal by its status that in truth will pass: nothing was done.
    private static func passing(_ error: KubernetesError) -> KubernetesError {
        var error = error
        error.code = .serverFault
        return error
    }
}
