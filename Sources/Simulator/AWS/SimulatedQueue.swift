import Foundation

extension QueueService {
    /// A message, waiting or hidden.
    struct Message: Sendable {
        var id: String
        var body: String
        var sentAt: Date
        var firstReceivedAt: Date?
        var receives = 0
        /// Hidden until then; nil: waiting.
        var hiddenUntil: Date?
    }

    /// A queue and all of its messages.
    struct Queue: Sendable {
        var account: String
        var region: String
        var name: String
        var attributes: [String: String]
        var createdAt: Date
        var messages: [String: Message] = [:]
        /// Ids of waiting messages, oldest first; those that were deleted meanwhile are passed by.
        var waiting: [String] = []
        /// How many of `waiting` were handed out already.
        var taken = 0
        /// Receivers that wait for a message.
        var listeners: [UUID: CheckedContinuation<Void, Never>] = [:]

        var arn: String { "arn:aws:sqs:\(region):\(account):\(name)" }
        var path: String { "/\(account)/\(name)" }
    }
}
