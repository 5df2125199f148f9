import HTTPClient

/// One request to an API server, before it is known where that is and who asks.
struct APICall: Sendable {
    var method: String
    /// Path and query.
    var target: String
    var body: [UInt8]?
    var contentType: String?
    var bytesMax: Int
    /// Whether doing it twice does no harm.
    var isRepeatable: Bool
    /// Whether it changes nothing at all.
    var isRead: Bool
    /// What errors call it: "evict pod web/a".
    var subject: String

    static func read(_ subject: String, _ path: String, query: [(String, String)] = [], bytesMax: Int) -> APICall {
        let text = query.map { "\($0)=\(PercentCoding.encode($1))" }.joined(separator: "&")
        return APICall(
            method: "GET", target: text.isEmpty ? path : path + "?" + text, bytesMax: bytesMax, isRepeatable: true,
            isRead: true, subject: subject)
    }

    static func change(
        _ subject: String, _ method: String, _ path: String, body: [UInt8], contentType: String = "application/json",
        bytesMax: Int, isRepeatable: Bool
    ) -> APICall {
        APICall(
            method: method, target: path, body: body, contentType: contentType, bytesMax: bytesMax,
            isRepeatable: isRepeatable, isRead: false, subject: subject)
    }

    /// `version-trace id-parent id-flags` in hexadecimal, and nothing that could end the header.
    static func checkedTrace(_ text: String) throws -> String {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.count) == [2, 32, 16, 2],
            parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) } })
        else { throw KubernetesError(.invalid, "the traceparent is not of the form 00-<32 hex>-<16 hex>-<2 hex>") }
        return text
    }
}

/// What came back: a 2xx with its body, a refusal, or (without a status) no answer.
struct APIAnswer: Sendable {
    var status: Int?
    var body: [UInt8] = []
    var failure: FailureStatus?
    var error: KubernetesError?
}

extension KubernetesError {
    /// The error of an exchange that gave no answer.
    init(_ error: HTTPError, subject: String, redact: (String) -> String) {
        let code: Code =
            switch error.code {
            case .timeout: .timeout
            case .cannotConnect, .dns, .network, .cancelled: .network
            case .tls: .tls
            case .tooLarge: .tooLarge
            case .egressRefused: .egressRefused
            case .badURL: .invalid
            }
        self.init(
            code, "\(subject): \(KubernetesError.oneLine(redact(error.message), limit: 512))",
            mayHaveBeenExecuted: error.mayHaveReachedServer)
    }
}
