import Foundation
import Infrastructure
import JobQueue
import Postgres

/// What containers used, and what was raised for want of memory.
public struct UsageStore: UsageHistory, MemoryRaises {
    private let connection: PostgresConnection

    /// Reads over a connection.
    public init(_ connection: PostgresConnection) { self.connection = connection }

    static let last = """
        SELECT namespace, kind, workload, container, max(last_at) FROM usage_day
         WHERE cluster_id = $1 AND day >= $2::int GROUP BY 1, 2, 3, 4
        """
    static let days = """
        SELECT namespace, kind, workload, container, day, to_json(cpu), memory_max, minutes, first_at, last_at FROM usage_day
         WHERE cluster_id = $1 AND day >= $2::int ORDER BY 1, 2, 3, 4, 5
        """
    static let raises = """
        SELECT namespace, kind, workload, container, kill_key, killed_at, lifetime, at, limit_before, limit_after,
               request_before, request_after
          FROM memory_raise WHERE cluster_id = $1 ORDER BY at, kill_key
        """

    /// The newest sample of each container of a cluster since a day.
    public func lastSamples(in cluster: ClusterID, sinceDay day: Int) async throws -> [ContainerKey: Date] {
        var found: [ContainerKey: Date] = [:]
        for row in try await connection.query(UsageStore.last, [.text(cluster.rawValue), .int(Int64(day))]) {
            found[try UsageStore.key(row)] = try row.date(4)
        }
        return found
    }

    /// The days of each container of a cluster since a day.
    public func usage(in cluster: ClusterID, sinceDay day: Int) async throws -> [ContainerKey: [UsageDay]] {
        var found: [ContainerKey: [UsageDay]] = [:]
        for row in try await connection.query(UsageStore.days, [.text(cluster.rawValue), .int(Int64(day))]) {
            found[try UsageStore.key(row), default: []].append(
                try UsageDay(
                    day: Int(row.int(4)), cpu: UsageHistogram(counts: row.json(5).decode([Int].self)),
                    memoryMax: Bytes(rawValue: row.int(6)), minutes: Int(row.int(7)), firstAt: row.date(8),
                    lastAt: row.date(9)))
        }
        return found
    }

    /// Raises of memory of a cluster, oldest first.
    public func raises(in cluster: ClusterID) async throws -> [MemoryRaiseFact] {
        try await connection.query(UsageStore.raises, [.text(cluster.rawValue)]).map { row in
            func bytes(_ column: Int) throws -> Bytes? { try row.intIfPresent(column).map { Bytes(rawValue: $0) } }
            let kill = MemoryKill(
                key: try row.string(4), at: try row.date(5), lifetime: try row.doubleIfPresent(6))
            return try MemoryRaiseFact(
                cluster: cluster, key: UsageStore.key(row),
                record: MemoryRaiseRecord(
                    kill: kill, at: row.date(7), limitBefore: bytes(8), limitAfter: bytes(9), requestBefore: bytes(10),
                    requestAfter: Bytes(rawValue: row.int(11))))
        }
    }

    private static func key(_ row: PostgresRow) throws -> ContainerKey {
        try ContainerKey(
            namespace: row.string(0), kind: row.string(1), workload: row.string(2), container: row.string(3))
    }
}

extension RecordStatements {
    /// Counts are added bucket by bucket, and only samples that are all newer than what is there: a repeat adds nothing.
    /// Days of more than two weeks ago go.
    static let usage = """
        WITH old AS (
            DELETE FROM usage_day u USING (
                SELECT v->>'cluster' AS cluster_id, max((v->'usage'->>'day')::int) AS day
                  FROM unnest($2::jsonb[]) AS t(v) GROUP BY 1) n, cluster c
             WHERE u.cluster_id = n.cluster_id AND c.id = n.cluster_id AND c.tenant = $3::text AND u.day < n.day - 14)
        INSERT INTO usage_day (cluster_id, namespace, kind, workload, container, day, cpu, memory_max, minutes, first_at,
                               last_at)
        SELECT DISTINCT ON (t.key) c.id, v->'key'->>'namespace', v->'key'->>'kind', v->'key'->>'workload',
               v->'key'->>'container', (v->'usage'->>'day')::int,
               ARRAY(SELECT n::int FROM jsonb_array_elements_text(v->'usage'->'cpu'->'counts') AS n),
               (v->'usage'->>'memory_max')::bigint, (v->'usage'->>'minutes')::int, (v->'usage'->>'first_at')::timestamptz,
               (v->'usage'->>'last_at')::timestamptz
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
          JOIN cluster c ON c.id = v->>'cluster' AND c.tenant = $3::text
         WHERE $4::uuid IS NOT NULL
         ORDER BY t.key
        ON CONFLICT (cluster_id, day, namespace, kind, workload, container) DO UPDATE
           SET cpu = ARRAY(SELECT coalesce(a, 0) + coalesce(b, 0) FROM unnest(usage_day.cpu, excluded.cpu) AS n(a, b)),
               memory_max = GREATEST(usage_day.memory_max, excluded.memory_max),
               minutes = usage_day.minutes + excluded.minutes, last_at = excluded.last_at
         WHERE usage_day.last_at < excluded.first_at
        """

    /// A kill is answered once. What is older than two weeks goes.
    static let memoryRaise = """
        WITH old AS (
            DELETE FROM memory_raise WHERE at < world_now() - interval '14 days'
               AND kill_key NOT IN (SELECT v->'record'->'kill'->>'key' FROM unnest($2::jsonb[]) AS t(v)))
        INSERT INTO memory_raise (cluster_id, kill_key, namespace, kind, workload, container, killed_at, lifetime, at,
                                  limit_before, limit_after, request_before, request_after, job_id)
        SELECT DISTINCT ON (t.key) c.id, v->'record'->'kill'->>'key', v->'key'->>'namespace', v->'key'->>'kind',
               v->'key'->>'workload', v->'key'->>'container', (v->'record'->'kill'->>'at')::timestamptz,
               (v->'record'->'kill'->>'lifetime')::double precision, (v->'record'->>'at')::timestamptz,
               (v->'record'->>'limit_before')::bigint, (v->'record'->>'limit_after')::bigint,
               (v->'record'->>'request_before')::bigint, (v->'record'->>'request_after')::bigint, $4::uuid
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
          JOIN cluster c ON c.id = v->>'cluster' AND c.tenant = $3::text
         ORDER BY t.key
        ON CONFLICT (cluster_id, kill_key) DO NOTHING
        """
}
