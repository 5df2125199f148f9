import Postgres

/// One upsert for each kind of record that a job's facts become. The ledger runs them in the settling transaction:
/// `$1::text[]` keys, `$2::jsonb[]` values, `$3` the tenant of the job, `$4` the job.
///
/// Whatever a fact says, it is written only for clusters of the job's own tenant; a cluster that was removed meanwhile
/// is skipped. Running a statement twice gives the same rows.
public enum RecordStatements {
    /// The statements by record kind.
    public static let all: [String: String] = [
        "event": event, "event_dead_letter": eventDeadLetter, "interruption": interruption,
        "interruption_progress": interruptionProgress, "unavailable_pool": unavailablePool,
        "indexed_instance": indexedInstance, "instance_sweep": instanceSweep, "saving": saving, "finding": finding,
    ]

    /// The writers that the ledger is opened with.
    public static var writers: RecordWriters { RecordWriters(all) }

    static let event = """
        INSERT INTO event (key, tenant, queue, kind, account, region, instances, cluster_id, at, outcome, note, job_id)
        SELECT DISTINCT ON (t.key) t.key, $3::text, v->>'queue', v->>'kind', v->>'account', v->>'region',
               ARRAY(SELECT jsonb_array_elements_text(v->'instances')), v->>'cluster', (v->>'at')::timestamptz,
               v->>'outcome', v->>'note', $4::uuid
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v) ORDER BY t.key
        ON CONFLICT (key) DO NOTHING
        """

    static let eventDeadLetter = """
        INSERT INTO event_dead_letter (key, tenant, queue, message, error, body, job_id)
        SELECT DISTINCT ON (t.key) t.key, $3::text, v->>'queue', v->>'message', v->>'error',
               decode(v->>'body_base64', 'base64'), $4::uuid
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v) ORDER BY t.key
        ON CONFLICT (key) DO NOTHING
        """

    /// Several events about one instance merge, in one batch as over time: the earliest deadline wins.
    static let interruption = """
        INSERT INTO interruption (cluster_id, instance_id, generation, kind, event_at, deadline, lifecycle, job_id)
        SELECT c.id, v->>'instance', (v->>'generation')::int,
               (array_agg(v->>'kind' ORDER BY (v->>'event_at')::timestamptz))[1], min((v->>'event_at')::timestamptz),
               min((v->>'deadline')::timestamptz),
               (array_agg(v->'lifecycle') FILTER (WHERE v ? 'lifecycle'))[1], $4::uuid
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
          JOIN cluster c ON c.id = v->>'cluster' AND c.tenant = $3::text
         GROUP BY c.id, v->>'instance', (v->>'generation')::int
         ORDER BY 1, 2, 3
        ON CONFLICT (cluster_id, instance_id, generation) DO UPDATE
           SET deadline = LEAST(interruption.deadline, excluded.deadline),
               event_at = LEAST(interruption.event_at, excluded.event_at),
               lifecycle = COALESCE(interruption.lifecycle, excluded.lifecycle)
        """

    /// What is set once stays.
    static let interruptionProgress = """
        WITH p AS (
            SELECT c.id AS cluster_id, v->>'instance' AS instance_id, (v->>'generation')::int AS generation,
                   (array_agg(v->'requirement') FILTER (WHERE v ? 'requirement'))[1] AS requirement,
                   min((v->>'cordoned_at')::timestamptz) AS cordoned_at,
                   min((v->>'drained_at')::timestamptz) AS drained_at, min(v->>'replacement') AS replacement,
                   min((v->>'closed_at')::timestamptz) AS closed_at
              FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
              JOIN cluster c ON c.id = v->>'cluster' AND c.tenant = $3::text
             WHERE $4::uuid IS NOT NULL
             GROUP BY 1, 2, 3)
        UPDATE interruption i
           SET requirement = COALESCE(i.requirement, p.requirement), cordoned_at = COALESCE(i.cordoned_at, p.cordoned_at),
               drained_at = COALESCE(i.drained_at, p.drained_at), replacement = COALESCE(i.replacement, p.replacement),
               closed_at = COALESCE(i.closed_at, p.closed_at)
          FROM p WHERE i.cluster_id = p.cluster_id AND i.instance_id = p.instance_id AND i.generation = p.generation
        """

    static let unavailablePool = """
        INSERT INTO unavailable_pool (account, region, zone, type, capacity, until, reason, tenant)
        SELECT DISTINCT ON (1, 2, 3, 4, 5) v->>'account', v->'pool'->>'region', v->'pool'->>'zone', v->'pool'->>'type',
               v->>'capacity', (v->>'until')::timestamptz, v->>'reason', $3::text
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
         WHERE $4::uuid IS NOT NULL
           AND EXISTS (SELECT FROM cluster c WHERE c.tenant = $3::text AND c.account = v->>'account')
         ORDER BY 1, 2, 3, 4, 5, 6 DESC
        ON CONFLICT (account, region, zone, type, capacity) DO UPDATE
           SET until = GREATEST(unavailable_pool.until, excluded.until), reason = excluded.reason, tenant = excluded.tenant
        """

    static let indexedInstance = """
        INSERT INTO instance_index (cluster_id, instance_id, node, node_uid, seen_at)
        SELECT DISTINCT ON (1, 2) c.id, v->>'instance', v->>'node', v->>'node_uid', (v->>'seen_at')::timestamptz
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
          JOIN cluster c ON c.id = v->>'cluster' AND c.tenant = $3::text
         WHERE $4::uuid IS NOT NULL
         ORDER BY 1, 2, 5 DESC
        ON CONFLICT (cluster_id, instance_id) DO UPDATE
           SET node = excluded.node, node_uid = excluded.node_uid, seen_at = excluded.seen_at
         WHERE instance_index.seen_at <= excluded.seen_at
        """

    /// Runs after `indexed_instance`, in the same transaction: kinds are written in the order of their names. Events of
    /// more than a day and pools that may be asked again go with it.
    static let instanceSweep = """
        WITH old AS (
            DELETE FROM event WHERE tenant = $3::text AND received_at < now() - interval '25 hours'), pools AS (
            DELETE FROM unavailable_pool WHERE tenant = $3::text AND until < world_now() - interval '1 hour')
        DELETE FROM instance_index i USING unnest($1::text[], $2::jsonb[]) AS t(key, v), cluster c
         WHERE c.id = v->>'cluster' AND c.tenant = $3::text AND i.cluster_id = c.id AND $4::uuid IS NOT NULL
           AND i.seen_at < (v->>'before')::timestamptz
           AND NOT EXISTS (SELECT FROM interruption n WHERE n.cluster_id = i.cluster_id AND n.instance_id = i.instance_id
                              AND n.closed_at IS NULL AND n.created_at > now() - interval '1 hour')
        """

    static let saving = """
        INSERT INTO saving (key, tenant, cluster_id, instance_id, per_hour, since, job_id)
        SELECT DISTINCT ON (t.key) t.key, $3::text, c.id, v->>'instance', (v->>'per_hour')::bigint,
               (v->>'since')::timestamptz, $4::uuid
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
          JOIN cluster c ON c.id = v->>'cluster' AND c.tenant = $3::text
         ORDER BY t.key
        ON CONFLICT (key) DO NOTHING
        """

    /// A finding that is found again is one finding; the same job finding it again does not count.
    static let finding = """
        INSERT INTO finding (key, tenant, code, cluster_id, subject, severity, message, kind, job_id, saving, confidence)
        SELECT DISTINCT ON (t.key) t.key, $3::text, v->>'code', v->>'cluster', v->>'subject', v->>'severity',
               v->>'message', v->>'job_kind', $4::uuid, (v->>'saving')::bigint, (v->>'confidence')::double precision
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v) ORDER BY t.key
        ON CONFLICT (tenant, key) DO UPDATE
           SET severity = excluded.severity, message = excluded.message, last_at = now(), job_id = excluded.job_id,
               saving = excluded.saving, confidence = excluded.confidence,
               times = finding.times + CASE WHEN finding.job_id = excluded.job_id THEN 0 ELSE 1 END
        """
}
