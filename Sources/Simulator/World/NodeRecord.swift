import Foundation

/// The life of one node, kept after the node is gone: what an outsider judges a drain by.
struct NodeRecord: Sendable {
    /// A pod that ended in another way than by its own graceful stop.
    struct AbruptDeath: Sendable {
        var pod: ObjectKey
        var at: Date
        var cause: String
        /// It had already been asked to stop, and its grace was not over.
        var wasTerminating: Bool
    }

    struct Removal: Sendable {
        var pod: ObjectKey
        var at: Date
        var actor: String
        /// "evict" or "delete".
        var verb: String
    }

    var cluster: String
    var node: String
    var instanceID: String
    var instanceType: String
    var zone: String
    var isSpot: Bool
    var owner: String
    var clientToken: String?
    var joinedAt: Date
    var cordonedAt: Date?
    var cordonedBy: String?
    var uncordonedAt: Date?
    var drainedAt: Date?
    var interruptedAt: Date?
    var interruptionKind: String?
    var deadline: Date?
    var terminatedAt: Date?
    var terminatedBy: String?
    var removedAt: Date?
    var podsAtInterruption = 0
    var removals: [Removal] = []
    var abruptDeaths: [AbruptDeath] = []
    /// The kubelet no longer answers: pods that are asked to stop never finish.
    var kubeletIsDead = false

    var json: JSONValue {
        func time(_ date: Date?) -> JSONValue { date.map { .string(Timestamp.milliseconds($0)) } ?? .null }
        func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
        return [
            "cluster": .string(cluster), "node": .string(node), "instanceID": .string(instanceID),
            "instanceType": .string(instanceType), "zone": .string(zone), "capacityType": isSpot ? "spot" : "on-demand",
            "owner": .string(owner), "clientToken": text(clientToken), "joinedAt": time(joinedAt),
            "cordonedAt": time(cordonedAt), "cordonedBy": text(cordonedBy), "uncordonedAt": time(uncordonedAt),
            "drainedAt": time(drainedAt), "interruptedAt": time(interruptedAt),
            "interruptionKind": text(interruptionKind),
            "deadline": time(deadline), "terminatedAt": time(terminatedAt), "terminatedBy": text(terminatedBy),
            "removedAt": time(removedAt), "podsAtInterruption": .integer(podsAtInterruption),
            "podsEvicted": .integer(removals.count { $0.verb == "evict" }),
            "podsDeleted": .integer(removals.count { $0.verb == "delete" }),
            "removals": .array(
                removals.map {
                    [
                        "pod": .string("\($0.pod.namespace)/\($0.pod.name)"), "at": time($0.at),
                        "actor": .string($0.actor),
                        "verb": .string($0.verb),
                    ]
                }),
            "abruptPodDeaths": .array(
                abruptDeaths.map {
                    [
                        "pod": .string("\($0.pod.namespace)/\($0.pod.name)"), "at": time($0.at),
                        "cause": .string($0.cause),
                        "wasTerminating": .bool($0.wasTerminating),
                    ]
                }),
        ]
    }
}

/// A budget that was broken by a client: what must never happen before the force point.
struct BudgetViolation: Sendable {
    var cluster: String
    var budget: ObjectKey
    var pod: ObjectKey
    var at: Date
    var actor: String
    var verb: String
    var healthyAfter: Int
    var desiredHealthy: Int

    var json: JSONValue {
        [
            "cluster": .string(cluster), "budget": .string("\(budget.namespace)/\(budget.name)"),
            "pod": .string("\(pod.namespace)/\(pod.name)"), "at": .string(Timestamp.milliseconds(at)),
            "actor": .string(actor), "verb": .string(verb), "healthyAfter": .integer(healthyAfter),
            "desiredHealthy": .integer(desiredHealthy),
        ]
    }
}
