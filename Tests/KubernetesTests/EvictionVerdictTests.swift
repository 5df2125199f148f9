import Testing

@testable import Kubernetes

@Suite("An eviction's answer")
struct EvictionVerdictTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var status: Int
        var failure: FailureStatus?
        var header: Duration?
        var isDone = false
        var wanted: String
        var testDescription: String { "\(status) \(failure?.message ?? "-") is \(wanted)" }
    }

    static let budget = FailureStatus(
        reason: "TooManyRequests", message: "Cannot evict pod as it would violate the pod's disruption budget.",
        details: .init(
            causes: [
                .init(
                    reason: "DisruptionBudget",
                    message: "The disruption budget web needs 2 healthy pods and has 2 currently")
            ],
            retryAfterSeconds: nil))

    static let rows: [Row] = [
        Row(status: 200, isDone: true, wanted: "evicted"),
        Row(status: 201, isDone: true, wanted: "evicted"),
        Row(
            status: 404,
            failure: FailureStatus(reason: "NotFound", message: "pods \"a\" not found", details: .init(name: "a")),
            isDone: true, wanted: "gone"),
        Row(status: 404, wanted: "retry"),
        Row(status: 404, failure: FailureStatus(reason: "NotFound", message: "no such path"), wanted: "retry"),
        Row(
            status: 409,
            failure: FailureStatus(
                reason: "Conflict",
                message:
                    "Operation cannot be fulfilled on Pod \"a\": the UID in the precondition (1) does not match the UID in record (2)."
            ),
            isDone: true, wanted: "replacedByOther"),
        Row(
            status: 409,
            failure: FailureStatus(reason: "Conflict", message: "Precondition failed: UID in precondition: 1"),
            isDone: true, wanted: "replacedByOther"),
        Row(
            status: 409,
            failure: FailureStatus(
                reason: "Conflict", message: "the object has been modified; please apply your changes"),
            wanted: "retry"),
        Row(status: 409, wanted: "retry"),
        Row(status: 429, failure: budget, wanted: "blocked nil"),
        Row(
            status: 429,
            failure: FailureStatus(
                reason: "TooManyRequests", message: "being processed",
                details: .init(causes: [.init(reason: "DisruptionBudget")], retryAfterSeconds: 10)),
            wanted: "blocked 10.0 seconds"),
        Row(
            status: 429, failure: FailureStatus(reason: "TooManyRequests", message: "slow down"), header: .seconds(3),
            wanted: "rateLimited 3.0 seconds"),
        Row(status: 429, wanted: "rateLimited nil"),
        Row(
            status: 500,
            failure: FailureStatus(
                reason: "InternalError",
                message:
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."),
            wanted: "neverWillSucceed"),
        Row(status: 500, failure: FailureStatus(reason: "InternalError", message: "webhook"), wanted: "retry"),
        Row(status: 503, wanted: "retry"), Row(status: 504, wanted: "retry"),
        Row(status: 400, wanted: "refused invalid"), Row(status: 401, wanted: "refused unauthorized"),
        Row(status: 403, failure: FailureStatus(reason: "Forbidden", message: "no"), wanted: "refused forbidden"),
        Row(
            status: 403,
            failure: FailureStatus(
                reason: "Forbidden", message: "terminating",
                details: .init(causes: [.init(reason: "NamespaceTerminating")])),
            wanted: "retry"),
        Row(status: 422, wanted: "refused invalid"), Row(status: 302, wanted: "refused malformedAnswer"),
    ]

    @Test("means what the table says", arguments: rows)
    func table(_ row: Row) {
        let error =
            row.status < 300
            ? nil
            : KubernetesError.refusal(row.status, row.failure, retryAfter: row.header, subject: "evict pod web/a") {
                $0
            }
        let verdict = EvictionVerdict.of(status: row.status, failure: row.failure, error: error)
        #expect(verdict.isDone == row.isDone)
        #expect(word(verdict) == row.wanted)
    }

    @Test("names the budget that blocks")
    func reason() throws {
        let error = KubernetesError.refusal(429, Self.budget, retryAfter: nil, subject: "evict pod web/a") { $0 }
        guard case .blockedByBudget(_, let reason) = EvictionVerdict.of(status: 429, failure: Self.budget, error: error)
        else { throw error }
        #expect(reason.contains("web/a") && reason.contains("The disruption budget web needs 2"))
    }

    private func word(_ verdict: EvictionVerdict) -> String {
        func text(_ duration: Duration?) -> String { duration.map { "\($0)" } ?? "nil" }
        return switch verdict {
        case .evicted: "evicted"
        case .gone: "gone"
        case .replacedByOther: "replacedByOther"
        case .blockedByBudget(let after, _): "blocked \(text(after))"
        case .rateLimited(let after): "rateLimited \(text(after))"
        case .neverWillSucceed: "neverWillSucceed"
        case .retry(let error): error.isDefiniteRefusal ? "retry of a definite refusal" : "retry"
        case .refused(let error): "refused \(error.code.rawValue)"
        }
    }
}
