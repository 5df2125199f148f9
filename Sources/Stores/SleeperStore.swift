import Infrastructure
import JobQueue
import Postgres

/// Objects and groups of nodes that sleep outside of office hours.
public struct SleeperStore: Sleepers {
    private let connection: PostgresConnection

    /// Reads over a connection.
    public init(_ connection: PostgresConnection) { self.connection = connection }

    static let read = """
        SELECT kind, namespace, name, uid, state, original, asleep_level, since, at FROM sleeper
         WHERE cluster_id = $1 ORDER BY uid
        """

    /// Every row of a cluster.
    /// - Throws: `QueueError` `invalid` for a row of a newer program.
    public func sleepers(in cluster: ClusterID) async throws -> [Sleeper] {
        try await connection.query(SleeperStore.read, [.text(cluster.rawValue)]).map { row in
            guard let kind = ChangeableKind(rawValue: try row.string(0)),
                let state = SleepRecord.State(rawValue: try row.string(4))
            else {
                throw QueueError(
                    .invalid,
                    "sleeper of kind '\(try row.string(0))', state '\(try row.string(4))': use a newer program")
            }
            return try Sleeper(
                cluster: cluster,
                object: ObjectReference(
                    kind, namespace: row.string(1), name: row.string(2), uid: row.string(3)),
                record: SleepRecord(
                    state: state, original: Int(row.int(5)), asleepLevel: Int(row.int(6)), since: row.date(7)),
                at: row.date(8))
        }
    }

    static let readNodeGroups = """
        SELECT node_group, state, original, min_size, asleep_level, since, at, nodes FROM node_group_sleep
         WHERE cluster_id = $1 ORDER BY node_group
        """

    /// Every row about groups of a cluster's nodes.
    /// - Throws: `QueueError` `invalid` for a row of a newer program.
    public func nodeGroups(in cluster: ClusterID) async throws -> [NodeGroupSleep] {
        try await connection.query(SleeperStore.readNodeGroups, [.text(cluster.rawValue)]).map { row in
            guard let state = SleepRecord.State(rawValue: try row.string(1)) else {
                throw QueueError(.invalid, "node_group_sleep in state '\(try row.string(1))': use a newer program")
            }
            return try NodeGroupSleep(
                cluster: cluster, group: row.string(0),
                record: SleepRecord(
                    state: state, original: Int(row.int(2)), asleepLevel: Int(row.int(4)), since: row.date(5)),
                minSize: Int(row.int(3)), at: row.date(6),
                nodes: row.text(7).map { try JSONText(text: $0).decode() })
        }
    }
}

extension RecordStatements {
    /// A newer word replaces an older one. What is over since two months goes.
    static let sleeper = """
        WITH old AS (
            DELETE FROM sleeper WHERE state IN ('awake', 'overridden', 'refused') AND at < world_now() - interval '60 days'
               AND uid NOT IN (SELECT v->'object'->>'uid' FROM unnest($2::jsonb[]) AS t(v)))
        INSERT INTO sleeper (cluster_id, uid, kind, namespace, name, state, original, asleep_level, since, at, job_id)
        SELECT DISTINCT ON (t.key) c.id, v->'object'->>'uid', v->'object'->>'kind', v->'object'->>'namespace',
               v->'object'->>'name', v->'record'->>'state', (v->'record'->>'original')::int,
               (v->'record'->>'asleep_level')::int, (v->'record'->>'since')::timestamptz, (v->>'at')::timestamptz, $4::uuid
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
          JOIN cluster c ON c.id = v->>'cluster' AND c.tenant = $3::text
         ORDER BY t.key, (v->>'at')::timestamptz DESC
        ON CONFLICT (cluster_id, uid) DO UPDATE
           SET kind = excluded.kind, namespace = excluded.namespace, name = excluded.name, state = excluded.state,
               original = excluded.original, asleep_level = excluded.asleep_level, since = excluded.since,
               at = excluded.at, job_id = excluded.job_id
         WHERE sleeper.at <= excluded.at
        """

    /// A newer word replaces an older one. What is over since two months goes.
    static let nodeGroupSleep = """
        WITH old AS (
            DELETE FROM node_group_sleep
             WHERE state IN ('awake', 'overridden', 'refused') AND at < world_now() - interval '60 days'
               AND node_group NOT IN (SELECT v->>'group' FROM unnest($2::jsonb[]) AS t(v)))
        INSERT INTO node_group_sleep
               (cluster_id, node_group, state, original, min_size, asleep_level, since, at, nodes, job_id)
        SELECT DISTINCT ON (t.key) c.id, v->>'group', v->'record'->>'state', (v->'record'->>'original')::int,
               (v->>'min_size')::int, (v->'record'->>'asleep_level')::int, (v->'record'->>'since')::timestamptz,
               (v->>'at')::timestamptz, nullif(v->'nodes', 'null'), $4::uuid
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
          JOIN cluster c ON c.id = v->>'cluster' AND c.tenant = $3::text
         ORDER BY t.key, (v->>'at')::timestamptz DESC
        ON CONFLICT (cluster_id, node_group) DO UPDATE
           SET state = excluded.state, original = excluded.original, min_size = excluded.min_size,
               asleep_level = excluded.asleep_level, since = excluded.since, at = excluded.at,
               nodes = excluded.nodes, job_id = excluded.job_id
         WHERE node_group_sleep.at <= excluded.at
        """
}
