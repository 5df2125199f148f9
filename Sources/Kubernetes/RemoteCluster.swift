import Foundation
import Infrastructure
import Logging

/// A cluster behind its API server, in the product's words. A value: `within` makes one for another caller.
public struct RemoteCluster: Cluster {
    let client: KubernetesClient
    let options: CallOptions
    private let now: @Sendable () -> Date
    private let logger: Logger

    /// A cluster over a client.
    /// - Parameters:
    ///   - options: deadline, urgency and trace of every call.
    ///   - now: world time, which events bear.
    public init(
        _ client: KubernetesClient, options: CallOptions = CallOptions(),
        now: @escaping @Sendable () -> Date = { Date() },
        logger: Logger
    ) {
        self.client = client
        self.options = options
        self.now = now
        self.logger = logger
    }

    /// The same cluster with other call options: a job's deadline, lane 0, a trace.
    public func within(_ options: CallOptions) -> RemoteCluster {
        RemoteCluster(client, options: options, now: now, logger: logger)
    }

    /// The server's version.
    /// - Throws: `FarSideError`.
    public func version() async throws -> String {
        try await far { try await client.version(options: options).gitVersion }
    }

    /// Every node.
    /// - Throws: `FarSideError`.
    public func nodes() async throws -> [Node] {
        try await far {
            reported(try await client.list(Mapped<NodeObject>.self, .nodes, options: options), "nodes").map(\.value)
        }
    }

    /// One node; nil: there is none of that name.
    /// - Throws: `FarSideError`.
    public func node(named name: String) async throws -> Node? {
        try await far {
            do {
                return try await client.get(NodeObject.self, .nodes, name: name, options: options).node
            } catch let error as KubernetesError where error.code == .notFound {
                return nil
            }
        }
    }

    /// Every pod.
    /// - Throws: `FarSideError`.
    public func pods() async throws -> [Pod] {
        try await far {
            reported(try await client.list(Mapped<PodObject>.self, .pods, options: options), "pods").map(\.value)
        }
    }

    /// The pods bound to a node.
    /// - Throws: `FarSideError`.
    public func pods(onNode name: String) async throws -> [Pod] {
        try await far {
            let selector = "spec.nodeName=" + FieldSelector.escape(name)
            let list = try await client.list(
                Mapped<PodObject>.self, .pods, fieldSelector: selector, options: options)
            return reported(list, "pods").map(\.value)
        }
    }

    /// Every PodDisruptionBudget that covers anything.
    /// - Throws: `FarSideError`.
    public func budgets() async throws -> [PodDisruptionBudget] {
        try await far {
            let (items, reading) = try await budgetList(now: now())
            if reading.unreadable > 0 {
                logger.error(
                    "Objects of a cluster are unreadable and were left out",
                    metadata: [
                        "kind": "poddisruptionbudgets", "count": "\(reading.unreadable)",
                        "first_reason": "\(reading.problem)",
                    ])
            }
            return items
        }
    }

    /// Patches a node under its UID and resourceVersion.
    /// - Throws: `FarSideError`, `conflict` when either differs.
    public func patch(_ patch: NodePatch) async throws -> Node {
        try await far {
            try await client.patch(
                NodeObject.self, .nodes, name: patch.node.name, .merge(patch.body),
                resourceVersion: patch.resourceVersion, options: options
            ).node
        }
    }

    /// Evicts a pod under its UID.
    /// - Throws: `FarSideError`; `throttled` for the server's rate limit.
    public func evict(_ pod: PodReference, graceSeconds: Int64?) async throws -> EvictionAnswer {
        try await far {
            let verdict = try await client.evict(
                namespace: pod.namespace, pod: pod.name, uid: pod.uid, graceSeconds: graceSeconds, options: options)
            return try verdict.evictionAnswer(of: pod)
        }
    }

    /// Deletes a pod under its UID.
    /// - Throws: `FarSideError`.
    public func delete(_ pod: PodReference, graceSeconds: Int64) async throws -> DeletionAnswer {
        try await far {
            let verdict = try await client.delete(
                .pods, namespace: pod.namespace, name: pod.name, uid: pod.uid, graceSeconds: graceSeconds,
                options: options)
            return try verdict.deletionAnswer(of: "pod \(pod)")
        }
    }

    /// Deletes a node object under its UID.
    /// - Throws: `FarSideError`.
    public func delete(_ node: NodeReference) async throws -> DeletionAnswer {
        try await far {
            try await client.delete(.nodes, name: node.name, uid: node.uid, options: options)
                .deletionAnswer(of: "node \(node.name)")
        }
    }

    /// Records an event about a node; saying the same again leaves one event.
    /// - Throws: `FarSideError`.
    public func record(_ event: ClusterEvent) async throws {
        try await far { try await client.record(event, at: now(), options: options) }
    }

    func far<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as KubernetesError {
            throw error.farSide
        }
    }

    /// One object that we cannot read must not hide all others from an interruption: it is logged and left out.
    private func reported<Object>(_ list: ObjectList<Object>, _ kind: String) -> [Object] {
        if let first = list.unreadable.first {
            logger.error(
                "Objects of a cluster are unreadable and were left out",
                metadata: [
                    "kind": "\(kind)", "count": "\(list.unreadable.count)", "first_name": "\(first.name)",
                    "first_reason": "\(first.reason)",
                ])
        }
        return list.items
    }
}

/// Values within a field selector.
enum FieldSelector {
    static func escape(_ value: String) -> String {
        value.reduce(into: "") { $0 += "\\,=".contains($1) ? "\\\($1)" : "\($1)" }
    }
}
