import Foundation

/// What the simulator's control API says of the world (`GET /_control/state`): an outsider's notes.
struct WorldState: Decodable, Sendable {
    struct Removal: Decodable, Sendable {
        var pod: String
        var at: Date
        var verb: String
    }

    struct Node: Decodable, Sendable {
        var node: String
        var instanceID: String
        var instanceType: String
        var zone: String
        var capacityType: String
        var clientToken: String?
        var joinedAt: Date
        var cordonedAt: Date?
        var uncordonedAt: Date?
        var drainedAt: Date?
        var interruptedAt: Date?
        var deadline: Date?
        var terminatedAt: Date?
        var removedAt: Date?
        var podsAtInterruption: Int
        var removals: [Removal]
        var abruptPodDeaths: [AbruptDeath]
    }

    struct AbruptDeath: Decodable, Sendable {
        var pod: String
        var cause: String
    }

    struct Violation: Decodable, Sendable {
        var budget: String
        var pod: String
        var verb: String
    }

    struct Launch: Decodable, Sendable {
        var instanceIDs: [String]
        var replays: Int
    }

    struct Cluster: Decodable, Sendable {
        var nodes: Int
        var pods: Int
        var podsReady: Int
        var podsPending: Int
    }

    /// World time.
    var time: Date
    var nodes: [Node]
    var pdbViolations: [Violation]
    /// Executed launches by ClientToken.
    var launchesByToken: [String: Launch]
    var clusters: [Cluster]

    func node(of instance: String) -> Node? { nodes.first { $0.instanceID == instance } }
}

/// A changing call that the simulator saw (`GET /_control/log`).
struct LoggedCall: Decodable, Sendable {
    var sequence: Int
    var endpoint: String
    var method: String?
    var path: String?
    var action: String?
    var outcome: String
    var status: Int?
    var executed: Bool
    var clientToken: String?
    var instanceIDs: [String]?

    struct Page: Decodable, Sendable {
        var entries: [LoggedCall]
        var lastSequence: Int
    }

    /// `namespace/name` of the pod that an eviction is about.
    var evictedPod: String? {
        guard let parts = path?.split(separator: "/"), parts.last == "eviction",
            let at = parts.firstIndex(of: "namespaces"), parts.count > at + 3
        else { return nil }
        return "\(parts[at + 1])/\(parts[at + 3])"
    }
}

/// A pod, as far as its place is of interest.
struct SeenPod: Sendable, Equatable {
    var uid: String
    /// `namespace/name`.
    var name: String
    var owner: String?
    var node: String?
    var isReady: Bool
}

/// A pod on the wire.
struct PodList: Decodable, Sendable {
    struct Pod: Decodable, Sendable {
        struct Metadata: Decodable, Sendable {
            struct Owner: Decodable, Sendable { var uid: String }
            var name: String
            var namespace: String
            var uid: String
            var deletionTimestamp: String?
            var ownerReferences: [Owner]?
        }
        struct Spec: Decodable, Sendable { var nodeName: String? }
        struct Status: Decodable, Sendable {
            struct Condition: Decodable, Sendable {
                var type: String
                var status: String
            }
            var conditions: [Condition]?
        }
        var metadata: Metadata
        var spec: Spec
        var status: Status?
    }
    var items: [Pod]

    var pods: [SeenPod] {
        items.map { pod in
            SeenPod(
                uid: pod.metadata.uid, name: "\(pod.metadata.namespace)/\(pod.metadata.name)",
                owner: pod.metadata.ownerReferences?.first?.uid, node: pod.spec.nodeName,
                isReady: pod.metadata.deletionTimestamp == nil
                    && (pod.status?.conditions ?? []).contains { $0.type == "Ready" && $0.status == "True" })
        }
    }
}

/// How to reach the world (`world.json`).
struct WorldAddress: Decodable, Sendable {
    struct Cluster: Decodable, Sendable {
        var name: String
        var account: String
        var region: String
        var queueURL: String
        var roleARN: String
        var externalID: String
        var launchTemplateID: String
    }
    var awsURL: String
    var motoURL: String
    var clusters: [Cluster]
}

/// A notice that was sent (`POST /_control/interrupt`).
struct SentNotice: Decodable, Sendable {
    struct Answer: Decodable, Sendable { var interrupted: [SentNotice] }
    var node: String
    var instanceID: String
    var eventID: String
    var deadline: Date
}

extension JSONDecoder {
    /// Times with or without a fraction of a second.
    static var ofTheWorld: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let text = try decoder.singleValueContainer().decode(String.self)
            let whole = Date.ISO8601FormatStyle()
            let fraction = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            if let date = (try? fraction.parse(text)) ?? (try? whole.parse(text)) { return date }
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "'\(text)' is not a time"))
        }
        return decoder
    }
}
