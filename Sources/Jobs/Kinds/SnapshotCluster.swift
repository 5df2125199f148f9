import Foundation
import Infrastructure
import JobQueue

/// `snapshot-cluster`: keeps the index of which instance is which node, by which events are resolved.
public struct SnapshotCluster: Job {
    /// The kind's name.
    public static let kind: JobKind = "snapshot-cluster"

    /// It takes none.
    public struct Parameters: Codable, Sendable {
        /// Asks for a snapshot.
        public init() {}
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var cluster: ClusterID
        var version: String
        var nodes: [Node]
    }

    /// Makes the job of one request.
    public init(_ parameters: Parameters) {}

    /// Lists the nodes.
    public func observe(_ context: JobContext) async throws -> Observation {
        let registration = try await context.registration()
        let cluster = try await context.cluster(registration)
        return try await Observation(
            now: context.now, cluster: registration.id, version: cluster.version(), nodes: cluster.nodes())
    }

    /// One entry for each node with an instance; what was seen before and not now is swept.
    public func decide(_ observation: Observation) throws -> Decision {
        let entries = observation.nodes.compactMap { node in
            node.instance.map {
                IndexedInstance(
                    instance: $0, cluster: observation.cluster, node: node.name, nodeUID: node.uid,
                    seenAt: observation.now, type: node.instanceType, zone: node.zone, capacity: node.capacityType)
            }
        }
        struct Summary: Encodable {
            var version: String
            var nodes: Int
            var instances: Int
        }
        let summary = Summary(version: observation.version, nodes: observation.nodes.count, instances: entries.count)
        return Decision(
            facts: entries.map(Fact.indexedInstance)
                + [.indexSwept(cluster: observation.cluster, before: observation.now)],
            result: try JSONText(encoding: summary))
    }
}
