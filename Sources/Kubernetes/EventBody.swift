import Foundation
import Infrastructure

/// An Event about a node as the API takes it.
struct EventBody {
    /// Events about things without a namespace live in `default`.
    static let namespace = "default"
    /// The API refuses longer messages.
    private static let messageMax = 1_024

    private let event: ClusterEvent
    private let date: Date

    init(_ event: ClusterEvent, at date: Date) {
        self.event = event
        self.date = date
    }

    var object: JSONValue {
        let time = JSONValue.string(date.formatted(.iso8601))
        return [
            "apiVersion": "v1", "kind": "Event",
            "metadata": ["name": .string(event.name), "namespace": .string(EventBody.namespace)],
            "involvedObject": [
                "apiVersion": "v1", "kind": "Node", "name": .string(event.node.name), "uid": .string(event.node.uid),
            ],
            "reason": .string(event.reason), "message": .string(String(event.message.prefix(EventBody.messageMax))),
            "type": event.isWarning ? "Warning" : "Normal", "source": ["component": "cloudoptim"],
            "firstTimestamp": time, "lastTimestamp": time, "count": 1, "reportingComponent": "cloudoptim",
            "reportingInstance": "cloudoptim",
        ]
    }
}
