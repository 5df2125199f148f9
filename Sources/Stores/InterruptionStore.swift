import Foundation
import Infrastructure
import JobQueue
import Postgres

/// Which node an instance is, and which instances are about to go.
public struct InterruptionStore: InstanceIndex, Interruptions {
    let connection: PostgresConnection

    /// Reads over a connection.
    public init(_ connection: PostgresConnection) { self.connection = connection }

    static let indexed = """
        SELECT instance_id, cluster_id, node, node_uid, seen_at FROM instance_index
         WHERE cluster_id = ANY($1::text[]) AND instance_id = ANY($2::text[]) ORDER BY cluster_id, instance_id
        """
    static let columns = """
        i.cluster_id, i.instance_id, i.generation, i.kind, i.event_at, i.deadline, i.lifecycle, i.requirement, i.drained_at,
        i.replacement, i.closed_at
        """
    static let newest = """
        SELECT DISTINCT ON (i.cluster_id, i.instance_id) \(columns) FROM interruption i
         WHERE i.cluster_id = ANY($1::text[]) AND i.instance_id = ANY($2::text[])
         ORDER BY i.cluster_id, i.instance_id, i.generation DESC
        """
    static let live = "SELECT \(columns) FROM interruption i WHERE i.cluster_id = $1 AND i.closed_at IS NULL"

    /// Those of the instances that are nodes of these clusters.
    public func find(_ instances: [InstanceID], in clusters: [ClusterID]) async throws -> [IndexedInstance] {
        try await connection.query(
            InterruptionStore.indexed, [.textArray(clusters.map(\.rawValue)), .textArray(instances.map(\.rawValue))]
        ).map { row in
            try IndexedInstance(
                instance: InstanceID(rawValue: row.string(0)), cluster: ClusterID(rawValue: row.string(1)),
                node: row.string(2), nodeUID: row.string(3), seenAt: row.date(4))
        }
    }

    /// The newest of this instance, live or closed.
    public func find(_ instance: InstanceID, of cluster: ClusterID) async throws -> Interruption? {
        let found: [Interruption] = try await find([instance], in: [cluster])
        return found.first
    }

    /// The newest of each of these instances, live or closed.
    public func find(_ instances: [InstanceID], in clusters: [ClusterID]) async throws -> [Interruption] {
        try await connection.query(
            InterruptionStore.newest, [.textArray(clusters.map(\.rawValue)), .textArray(instances.map(\.rawValue))]
        ).map(InterruptionStore.interruption)
    }

    /// The live ones of a cluster.
    public func live(in cluster: ClusterID) async throws -> [Interruption] {
        try await connection.query(InterruptionStore.live, [.text(cluster.rawValue)])
            .map(InterruptionStore.interruption)
    }

    private static func interruption(_ row: PostgresRow) throws -> Interruption {
        guard let kind = InterruptionKind(rawValue: try row.string(3)) else {
            throw QueueError(.invalid, "interruption of unknown kind '\(try row.string(3))': use a newer program")
        }
        return try Interruption(
            cluster: ClusterID(rawValue: row.string(0)), instance: InstanceID(rawValue: row.string(1)),
            generation: Int(row.int(2)), kind: kind, eventAt: row.date(4), deadline: row.date(5),
            lifecycle: row.jsonIfPresent(6)?.decode(LifecycleAction.self),
            requirement: row.jsonIfPresent(7)?.decode(ReplacementRequirement.self), drainedAt: row.dateIfPresent(8),
            replacement: row.text(9).map(InstanceID.init(rawValue:)), closedAt: row.dateIfPresent(10))
    }
}
