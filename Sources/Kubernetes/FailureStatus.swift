import Foundation

/// The `Status` object with which an API server explains a refusal: only the fields that decide something.
struct FailureStatus: Decodable, Sendable, Equatable {
    struct Cause: Decodable, Sendable, Equatable {
        var reason: String?
        var message: String?
    }
    struct Details: Decodable, Sendable, Equatable {
        var name: String?
        var kind: String?
        var causes: [Cause]?
        var retryAfterSeconds: Int64?
    }

    var kind: String?
    var status: String?
    var reason: String?
    var message: String?
    var details: Details?

    /// Nil when the body is no `Status` (a proxy's HTML page, "404 page not found", garbage).
    init?(body: [UInt8]) {
        // A refusal is short; a huge one is not worth reading, and the status line says enough.
        guard body.count <= 256 * 1024, let read = try? JSONDecoder().decode(FailureStatus.self, from: Data(body)),
            read.kind == "Status"
        else { return nil }
        self = read
    }

    init(reason: String? = nil, message: String? = nil, details: Details? = nil) {
        self.kind = "Status"
        self.status = "Failure"
        self.reason = reason
        self.message = message
        self.details = details
    }

    func hasCause(_ reason: String) -> Bool { details?.causes?.contains { $0.reason == reason } ?? false }

    /// Whether a 404 speaks of a missing object, and not of a path or API group that the server does not know.
    var namesObject: Bool { !(details?.name ?? "").isEmpty }

    var isBudget: Bool {
        hasCause("DisruptionBudget") || message?.contains("violate the pod's disruption budget") == true
    }
    var saysMultipleBudgets: Bool { message?.contains("more than one PodDisruptionBudget") == true }
}

extension KubernetesError {
    /// The error of an answer that is not 2xx.
    /// - Parameters:
    ///   - subject: what was asked, without query values: "evict pod web/a".
    ///   - redact: blots the connection's secrets out of the server's own words.
    static func refusal(
        _ httpStatus: Int, _ failure: FailureStatus?, retryAfter header: Duration?, subject: String,
        redact: (String) -> String
    ) -> KubernetesError {
        let code: Code =
            switch httpStatus {
            case 401: .unauthorized
            case 403: .forbidden
            // Only a Status tells that the object is missing; a balancer's 404 says nothing about the cluster.
            case 404: failure == nil ? .malformedAnswer : .notFound
            case 409: .conflict
            case 410: .gone
            case 429: .tooManyRequests
            case 400..<500: .invalid
            case 500..<600: failure?.saysMultipleBudgets == true ? .multipleBudgets : .serverFault
            default: .malformedAnswer  // 1xx and 3xx: redirects are never followed
            }
        var words = "\(subject): "
        if let message = failure?.message ?? failure?.reason {
            let causes = (failure?.details?.causes ?? []).prefix(3).compactMap(\.message)
            let said = ([message] + causes.filter { !message.contains($0) }).joined(separator: "; ")
            words += oneLine(redact(said), limit: 512)
        } else {
            words += "answered \(httpStatus) without a Kubernetes Status"
        }
        if let advice = advice(code) { words += "; " + advice }
        let asked = failure?.details?.retryAfterSeconds.map { Duration.seconds(max(0, min($0, 3_600))) }
        let unsure = code == .serverFault || code == .malformedAnswer
        return KubernetesError(
            code, words, status: httpStatus, retryAfter: header ?? asked,
            isBudget: httpStatus == 429 && failure?.isBudget == true, mayHaveBeenExecuted: unsure)
    }

    private static func advice(_ code: Code) -> String? {
        switch code {
        case .unauthorized: "the token is wrong, expired or revoked: renew the cluster's credentials"
        case .malformedAnswer: "is this the address of a Kubernetes API server?"
        case .forbidden: "grant the permission or switch the feature off (see docs/security.md)"
        default: nil
        }
    }

    /// One printable line of at most `limit` characters.
    static func oneLine(_ text: String, limit: Int) -> String {
        let head = text.prefix(limit)
        let clean = String(head.map { $0.isNewline || $0.unicodeScalars.contains { $0.value < 32 } ? " " : $0 })
        return head.endIndex == text.endIndex ? clean : clean + "…"
    }
}
