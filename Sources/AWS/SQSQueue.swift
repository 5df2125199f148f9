import Infrastructure

/// One customer's interruption queue.
public struct SQSQueue: MessageQueue {
    private let client: AWSClient
    private let url: String

    /// Names a queue by its URL; calls go to the client's region, whatever host the URL names.
    public init(client: AWSClient, url: String) {
        self.client = client
        self.url = url
    }

    /// `ReceiveMessage`.
    public func receive(max: Int, wait: Duration, visibility: Duration) async throws -> [QueueMessage] {
        do {
            return try await client.receiveMessages(queue: url, max: max, visibility: visibility, wait: wait)
        } catch {
            throw EC2Cloud.translation(of: error)
        }
    }

    /// `DeleteMessageBatch`, ten at a time.
    public func delete(_ receipts: [String]) async throws -> Int {
        var failures = 0
        for start in stride(from: 0, to: receipts.count, by: AWSClient.batchEntriesMax) {
            let some = Array(receipts[start..<min(receipts.count, start + AWSClient.batchEntriesMax)])
            do {
                failures += try await client.deleteMessages(queue: url, receipts: some).count
            } catch {
                throw EC2Cloud.translation(of: error)
            }
        }
        return failures
    }
}
