import Foundation
import HTTPClient

/// What an answer with a status of 300 or more says.
struct ErrorAnswer {
    private struct JSONBody: Decodable {
        var __type: String?
        var message: String?
        var Message: String?
    }

    /// Longest message that is passed on; EC2 appends encoded authorization details of several KiB.
    private static let messageCharactersMax = 400

    static func error(_ call: ServiceCall, _ answer: HTTPResponse, at now: Date, hiding secrets: [String]) -> AWSError {
        var code = ""
        var text = ""
        var requestID = answer.header("x-amzn-requestid") ?? answer.header("x-amz-request-id")
        if case .json = call.payload {
            let body = try? JSONDecoder().decode(JSONBody.self, from: Data(answer.body))
            // SQS tells its older code too; the newer has its namespace before it.
            code = body?.__type.flatMap { $0.split(separator: "#").last.map(String.init) } ?? ""
            text = body?.message ?? body?.Message ?? ""
        } else if case .rest = call.payload {
            let body = try? JSONDecoder().decode(JSONBody.self, from: Data(answer.body))
            // `ResourceNotFoundException:http://…`, in a header or in the body.
            let type = answer.header("x-amzn-errortype") ?? body?.__type ?? ""
            code = type.split { $0 == "#" || $0 == ":" }.first { $0.hasSuffix("Exception") }.map(String.init) ?? type
            text = body?.message ?? body?.Message ?? ""
        } else if let tree = try? XMLTree.parse(answer.body) {
            // S3's answer is the error itself.
            let entry = tree["Errors"]?["Error"] ?? tree["Error"] ?? (tree.name == "Error" ? tree : nil)
            code = entry?.string("Code") ?? ""
            text = entry?.string("Message") ?? ""
            requestID = tree.string("RequestID") ?? tree.string("RequestId") ?? requestID
        }
        let kind: AWSError.Code = AWSErrorTable.code(code, message: text, status: answer.status)
        let ahead = answer.header("date").flatMap(AWSTimestamp.headerDate).map { $0.timeIntervalSince(now) }
        return AWSError(
            kind, awsCode: code, action: call.title, message: message(text, code: code, status: answer.status, secrets),
            requestID: requestID, status: answer.status, mayHaveBeenExecuted: kind == .serverFault,
            serverClockAheadSeconds: ahead)
    }

    private static func message(_ text: String, code: String, status: Int, _ secrets: [String]) -> String {
        // Its message repeats the signed request with the session token.
        if code == "SignatureDoesNotMatch" { return "the secret key is not the one of the access key" }
        if text.isEmpty { return "HTTP status \(status)" }
        let safe = secrets.reduce(text) { $0.replacingOccurrences(of: $1, with: "<redacted>") }
        return String(safe.prefix(messageCharactersMax))
    }
}
