/// A node as the API server tells it.
struct NodeObject: Decodable, Sendable, Equatable {
    struct Taint: Decodable, Sendable, Equatable {
        var key: String
        var value: String?
        var effect: String
        var timeAdded: Timestamp?
    }
    struct Condition: Decodable, Sendable, Equatable {
        var type: String
        var status: String
        var reason: String?
        var lastTransitionTime: Timestamp?
    }
    struct Spec: Decodable, Sendable, Equatable {
        var providerID: String?
        var taints: [Taint]?
        var unschedulable: Bool?
    }
    struct Status: Decodable, Sendable, Equatable {
        struct Info: Decodable, Sendable, Equatable {
            var kubeletVersion: String?
            var architecture: String?
            var operatingSystem: String?
        }
        var capacity: [String: Quantity]?
        var allocatable: [String: Quantity]?
        var conditions: [Condition]?
        var nodeInfo: Info?
    }

    var metadata: ObjectMetadata
    var spec: Spec?
    var status: Status?

    var isReady: Bool { status?.conditions?.contains { $0.type == "Ready" && $0.status == "True" } ?? false }
}
