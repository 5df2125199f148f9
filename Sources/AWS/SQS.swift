import Foundation
import HTTPClient
import Infrastructure

extension AWSClient {
    /// What became of one entry of a batch.
    public struct BatchEntryFailure: Sendable, Hashable {
        /// The place of the entry in what was given.
        public let index: Int
        /// The code, such as `ReceiptHandleIsInvalid`.
        public let awsCode: String
        /// Whether it is our fault: a repeat will not help.
        public let isDefinite: Bool
    }

    /// Entries that one batch call takes.
    static let batchEntriesMax = 10

    private struct ReceiveBody: Encodable {
        var QueueUrl: String
        var MaxNumberOfMessages: Int
        var VisibilityTimeout: Int
        var WaitTimeSeconds: Int
        var AttributeNames = ["ApproximateReceiveCount"]
    }

    struct ReceiveAnswer: Decodable {
        struct Message: Decodable {
            var MessageId: String
            var ReceiptHandle: String
            var Body: String
            var Attributes: [String: String]?
        }
        var Messages: [Message]?
    }

    /// `ReceiveMessage`: at most `max` (1 to 10) messages, hidden from others for `visibility`; waits up to `wait` (20 s).
    public func receiveMessages(
        queue: String, max: Int, visibility: Duration, wait: Duration, _ options: CallOptions = CallOptions()
    ) async throws -> [QueueMessage] {
        let waitSeconds = min(20, Swift.max(0, Int(wait.components.seconds)))
        let body = ReceiveBody(
            QueueUrl: queue, MaxNumberOfMessages: min(AWSClient.batchEntriesMax, Swift.max(1, max)),
            VisibilityTimeout: min(43_200, Swift.max(0, Int(visibility.components.seconds))),
            WaitTimeSeconds: waitSeconds)
        let answer: ReceiveAnswer = try await sqs(
            "ReceiveMessage", body, isRepeatable: true, timeout: .seconds(waitSeconds + 10), options)
        return (answer.Messages ?? []).map {
            QueueMessage(
                id: $0.MessageId, receipt: $0.ReceiptHandle, body: $0.Body,
                receiveCount: $0.Attributes?["ApproximateReceiveCount"].flatMap { Int($0) })
        }
    }

    private struct BatchBody<Entry: Encodable & Sendable>: Encodable, Sendable {
        var QueueUrl: String
        var Entries: [Entry]
    }

    private struct BatchAnswer: Decodable {
        struct Failure: Decodable {
            var Id: String
            var Code: String
            var SenderFault: Bool
        }
        struct Success: Decodable { var Id: String }
        var Failed: [Failure]?
        var Successful: [Success]?
    }

    private struct DeleteEntry: Encodable, Sendable {
        var Id: String
        var ReceiptHandle: String
    }

    /// `DeleteMessageBatch` of at most ten receipts; returns those that were not deleted.
    public func deleteMessages(
        queue: String, receipts: [String], _ options: CallOptions = CallOptions()
    ) async throws -> [BatchEntryFailure] {
        let entries = receipts.enumerated().map { DeleteEntry(Id: String($0), ReceiptHandle: $1) }
        return try await batch("DeleteMessageBatch", queue, entries, isRepeatable: true, options)
    }

    private struct SendEntry: Encodable, Sendable {
        var Id: String
        var MessageBody: String
    }

    /// `SendMessageBatch` of at most ten bodies; returns those that were not sent. Not repeated when the answer was lost.
    public func sendMessages(
        queue: String, bodies: [String], _ options: CallOptions = CallOptions()
    ) async throws -> [BatchEntryFailure] {
        let entries = bodies.enumerated().map { SendEntry(Id: String($0), MessageBody: $1) }
        return try await batch("SendMessageBatch", queue, entries, isRepeatable: false, options)
    }

    private func batch<Entry: Encodable & Sendable>(
        _ action: String, _ queue: String, _ entries: [Entry], isRepeatable: Bool, _ options: CallOptions
    ) async throws -> [BatchEntryFailure] {
        guard !entries.isEmpty else { return [] }
        let body = BatchBody(QueueUrl: queue, Entries: entries)
        let answer: BatchAnswer = try await sqs(action, body, isRepeatable: isRepeatable, options)
        let done = Set((answer.Successful ?? []).map(\.Id))
        let failed = Dictionary((answer.Failed ?? []).map { ($0.Id, $0) }) { first, _ in first }
        return entries.indices.compactMap { index in
            let id = String(index)
            guard !done.contains(id) else { return nil }
            // An entry that the answer does not name at all was not confirmed.
            return BatchEntryFailure(
                index: index, awsCode: failed[id]?.Code ?? "NotInAnswer", isDefinite: failed[id]?.SenderFault ?? false)
        }
    }

    private struct AttributesBody: Encodable {
        var QueueUrl: String
        var AttributeNames: [String]
    }

    private struct AttributesAnswer: Decodable { var Attributes: [String: String]? }

    /// `GetQueueAttributes`, such as `ApproximateNumberOfMessages`.
    public func queueAttributes(
        queue: String, names: [String] = ["All"], _ options: CallOptions = CallOptions()
    ) async throws -> [String: String] {
        let answer: AttributesAnswer = try await sqs(
            "GetQueueAttributes", AttributesBody(QueueUrl: queue, AttributeNames: names), isRepeatable: true, options)
        return answer.Attributes ?? [:]
    }

    private struct VisibilityBody: Encodable {
        var QueueUrl: String
        var ReceiptHandle: String
        var VisibilityTimeout: Int
    }

    private struct NoAnswer: Decodable {}

    /// `ChangeMessageVisibility`: hidden for `visibility` from now on.
    public func changeMessageVisibility(
        queue: String, receipt: String, visibility: Duration, _ options: CallOptions = CallOptions()
    ) async throws {
        let seconds = min(43_200, Swift.max(0, Int(visibility.components.seconds)))
        let body = VisibilityBody(QueueUrl: queue, ReceiptHandle: receipt, VisibilityTimeout: seconds)
        let _: NoAnswer = try await sqs("ChangeMessageVisibility", body, isRepeatable: true, options)
    }

    private func sqs<Body: Encodable, Answer: Decodable>(
        _ action: String, _ body: Body, isRepeatable: Bool, timeout: Duration = .seconds(15), _ options: CallOptions
    ) async throws -> Answer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let call = ServiceCall(
            service: .sqs, action: action,
            payload: .json(target: "AmazonSQS.\(action)", body: Array(try encoder.encode(body))),
            isRepeatable: isRepeatable, attemptTimeout: timeout)
        let answer = try await send(call, options)
        let bytes = answer.body.isEmpty ? Array("{}".utf8) : answer.body
        return try read(call, bytes) { try JSONDecoder().decode(Answer.self, from: Data($0)) }
    }
}
