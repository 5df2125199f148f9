/// A message as SQS gives it.
public struct QueueMessage: Hashable, Sendable, Codable {
    /// The message's id.
    public var id: String
    /// What deletes it.
    public var receipt: String
    /// The body, as it came.
    public var body: String
    /// How often it was received, this time included; nil: not told.
    public var receiveCount: Int?

    /// Makes a message.
    public init(id: String, receipt: String, body: String, receiveCount: Int? = nil) {
        self.id = id
        self.receipt = receipt
        self.body = body
        self.receiveCount = receiveCount
    }
}

/// A customer's interruption queue. Every call may throw `FarSideError`.
public protocol MessageQueue: Sendable {
    /// Receives at most `max` (1 to 10) messages, waiting up to `wait` for the first.
    /// - Parameter visibility: how long they stay hidden from other receivers.
    func receive(max: Int, wait: Duration, visibility: Duration) async throws -> [QueueMessage]
    /// Deletes messages, in batches of ten; returns how many were not deleted.
    func delete(_ receipts: [String]) async throws -> Int
}

/// What is posted to a webhook.
public struct WebhookDelivery: Hashable, Sendable, Codable {
    /// The address, https.
    public var url: String
    /// The body, JSON.
    public var body: String
    /// The name of the secret that signs it, never the secret; nil: unsigned.
    public var signingSecret: String?

    /// Makes a delivery.
    public init(url: String, body: String, signingSecret: String? = nil) {
        self.url = url
        self.body = body
        self.signingSecret = signingSecret
    }
}

/// Posts to webhooks.
public protocol Webhook: Sendable {
    /// Posts a delivery with the header `Idempotency-Key: <key>` and, where a secret is named, an HMAC-SHA256 signature
    /// of the body. Returns the HTTP status of a 2xx answer.
    /// - Throws: `FarSideError`: `refused` for a 4xx other than 408 and 429, `throttled`, `fault`, `network`.
    func post(_ delivery: WebhookDelivery, key: String) async throws -> Int
}
