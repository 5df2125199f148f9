import Infrastructure
import JobQueue
import Postgres

/// What scans of an account remember.
public struct SightingStore: Sightings {
    private let connection: PostgresConnection

    /// Reads over a connection.
    public init(_ connection: PostgresConnection) { self.connection = connection }

    static let volumes = """
        SELECT volume_id, cluster_id, unused_since, marked_at, used_at, stage, reason, size, saving_per_hour, seen_at
          FROM volume_sighting WHERE tenant = $1 AND account = $2 AND region = $3 ORDER BY volume_id
        """
    static let ghosts = """
        SELECT instance_id, cluster_id, ghost_class, first_seen_at, counted_at, scans, type, per_hour, reason
          FROM ghost_sighting WHERE tenant = $1 AND account = $2 AND region = $3 ORDER BY instance_id
        """

    /// The volumes of an account that were looked at and are not gone, by id.
    public func volumes(of account: AccountTarget) async throws -> [VolumeSighting] {
        try await connection.query(SightingStore.volumes, SightingStore.key(account)).map { row in
            guard let stage = VolumeStage(rawValue: try row.string(5)) else {
                throw QueueError(.invalid, "a volume of unknown stage '\(try row.string(5))': use a newer program")
            }
            return try VolumeSighting(
                account: account, volume: row.string(0), cluster: row.text(1).map(ClusterID.init(rawValue:)),
                unusedSince: row.dateIfPresent(2), markedAt: row.dateIfPresent(3), usedAt: row.dateIfPresent(4),
                stage: stage, reason: row.string(6), size: Bytes(rawValue: row.int(7)),
                savingPerHour: MicroDollars(rawValue: row.int(8)), seenAt: row.date(9))
        }
    }

    /// The instances of an account that were found in no cluster, by id.
    public func ghosts(of account: AccountTarget) async throws -> [GhostSighting] {
        try await connection.query(SightingStore.ghosts, SightingStore.key(account)).map { row in
            guard let ghostClass = GhostClass(rawValue: try row.string(2)) else {
                throw QueueError(.invalid, "a ghost of unknown class '\(try row.string(2))': use a newer program")
            }
            return try GhostSighting(
                account: account, instance: InstanceID(rawValue: row.string(0)),
                cluster: row.text(1).map(ClusterID.init(rawValue:)), ghostClass: ghostClass, firstSeenAt: row.date(3),
                countedAt: row.date(4), scans: Int(row.int(5)), type: row.string(6),
                perHour: MicroDollars(rawValue: row.int(7)), reason: row.string(8))
        }
    }

    private static func key(_ account: AccountTarget) -> [PostgresValue] {
        [.text(account.tenant.rawValue), .text(account.account), .text(account.region)]
    }
}

/// Sightings are written only for accounts in which the job's tenant has a cluster.
extension RecordStatements {
    /// The statements by record kind.
    static let sightings: [String: String] = [
        "volume_sighting": volumeSighting, "volume_gone": volumeGone, "ghost_sighting": ghostSighting,
        "ghost_gone": ghostGone,
    ]

    private static let ownAccount = """
        EXISTS (SELECT FROM cluster c WHERE c.tenant = $3::text AND c.account = v->'account'->>'account'
                   AND c.region = v->'account'->>'region')
        """

    static let volumeSighting = """
        INSERT INTO volume_sighting AS old (tenant, account, region, volume_id, cluster_id, unused_since, marked_at,
                                            used_at, stage, reason, size, saving_per_hour, seen_at, job_id)
        SELECT DISTINCT ON (2, 3, 4) $3::text, v->'account'->>'account', v->'account'->>'region', v->>'volume',
               v->>'cluster', (v->>'unused_since')::timestamptz, (v->>'marked_at')::timestamptz,
               (v->>'used_at')::timestamptz, v->>'stage', v->>'reason', (v->>'size')::bigint,
               (v->>'saving_per_hour')::bigint, (v->>'seen_at')::timestamptz, $4::uuid
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
         WHERE \(ownAccount)
         ORDER BY 2, 3, 4
        ON CONFLICT (tenant, account, region, volume_id) DO UPDATE
           SET cluster_id = excluded.cluster_id, unused_since = excluded.unused_since, marked_at = excluded.marked_at,
               used_at = excluded.used_at, stage = excluded.stage, reason = excluded.reason, size = excluded.size,
               saving_per_hour = excluded.saving_per_hour, seen_at = excluded.seen_at, job_id = excluded.job_id
         WHERE old.seen_at <= excluded.seen_at
        """

    static let volumeGone = """
        DELETE FROM volume_sighting s USING unnest($1::text[], $2::jsonb[]) AS t(key, v)
         WHERE s.tenant = $3::text AND s.account = v->'account'->>'account' AND s.region = v->'account'->>'region'
           AND s.volume_id = v->>'volume' AND $4::uuid IS NOT NULL
        """

    static let ghostSighting = """
        INSERT INTO ghost_sighting AS old (tenant, account, region, instance_id, cluster_id, ghost_class, first_seen_at,
                                           counted_at, scans, type, per_hour, reason, job_id)
        SELECT DISTINCT ON (2, 3, 4) $3::text, v->'account'->>'account', v->'account'->>'region', v->>'instance',
               v->>'cluster', v->>'ghost_class', (v->>'first_seen_at')::timestamptz, (v->>'counted_at')::timestamptz,
               (v->>'scans')::int, v->>'type', (v->>'per_hour')::bigint, v->>'reason', $4::uuid
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
         WHERE \(ownAccount)
         ORDER BY 2, 3, 4
        ON CONFLICT (tenant, account, region, instance_id) DO UPDATE
           SET cluster_id = excluded.cluster_id, ghost_class = excluded.ghost_class,
               first_seen_at = excluded.first_seen_at, counted_at = excluded.counted_at, scans = excluded.scans,
               type = excluded.type, per_hour = excluded.per_hour, reason = excluded.reason, job_id = excluded.job_id
         WHERE old.counted_at <= excluded.counted_at
        """

    static let ghostGone = """
        DELETE FROM ghost_sighting s USING unnest($1::text[], $2::jsonb[]) AS t(key, v)
         WHERE s.tenant = $3::text AND s.account = v->'account'->>'account' AND s.region = v->'account'->>'region'
           AND s.instance_id = v->>'instance' AND $4::uuid IS NOT NULL
        """
}
