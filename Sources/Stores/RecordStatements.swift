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
        "indexed_instance": indexedInstance, "instance_sweep": instanceSweep, "finding": finding,
        "proposal": proposal, "proposal_end": proposalEnd, "sleeper": sleeper,
        "node_group_sleep": nodeGroupSleep, "usage": usage,
        "memory_raise": memoryRaise, "node_plan": nodePlan,
    ].merging(sightings) { own, _ in own }.merging(PriceStatements.all) { own, _ in own }.merging(SavingStatements.all)
    { own, _ in own }

    /// The writers that the ledger is opened with.
    public static var writers: RecordWriters { RecordWriters(all) }

    /// Entered once; afterwards its own job alone carries it on and ends it. What nobody worked on for 15 minutes
    /// (`NodePlan.staleSeconds`) any job may end, once its own is no more. What has ended stays so.
    static let nodePlan = """
        INSERT INTO node_plan (cluster_id, number, kind, nodes, touched, opened_at, seen_at, closed_at, outcome, job_id)
        SELECT DISTINCT ON (c.id, (v->>'number')::int) c.id, (v->>'number')::int, v->>'kind',
               ARRAY(SELECT jsonb_array_elements_text(v->'nodes')), ARRAY(SELECT jsonb_array_elements_text(v->'touched')),
               (v->>'opened_at')::timestamptz, (v->>'seen_at')::timestamptz, (v->>'closed_at')::timestamptz,
               v->>'outcome', $4::uuid
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
          JOIN cluster c ON c.id = v->>'cluster' AND c.tenant = $3::text
         ORDER BY c.id, (v->>'number')::int, (v->>'seen_at')::timestamptz DESC
        ON CONFLICT (cluster_id, number) DO UPDATE
           SET touched = excluded.touched, seen_at = GREATEST(node_plan.seen_at, excluded.seen_at),
               closed_at = excluded.closed_at, outcome = excluded.outcome
         WHERE node_plan.closed_at IS NULL
           AND (node_plan.job_id = excluded.job_id
                OR excluded.closed_at IS NOT NULL AND node_plan.seen_at <= world_now() - interval '15 minutes'
               AND NOT EXISTS (SELECT FROM job j WHERE j.id = node_plan.job_id))
        """

    /// Warnings and rebalance recommendations also count against the pool of an instance that the index knows.
    static let event = """
        WITH incident AS (
            INSERT INTO pool_incident (account, region, zone, type, kind, at)
            SELECT DISTINCT v->>'account', v->>'region', x.zone, x.type,
                   CASE WHEN v->>'kind' = 'rebalance' THEN 'rebalance' ELSE 'interruption' END, (v->>'at')::timestamptz
              FROM unnest($2::jsonb[]) AS t(v), jsonb_array_elements_text(v->'instances') AS i(id),
                   instance_index x JOIN cluster c ON c.id = x.cluster_id AND c.tenant = $3::text
             WHERE v->>'kind' IN ('rebalance', 'spot-warning') AND x.instance_id = i.id AND c.account = v->>'account'
               AND c.region = v->>'region' AND x.type IS NOT NULL AND x.zone IS NOT NULL
            ON CONFLICT DO NOTHING)
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

    /// A pool that gave nothing is remembered longer than it is left alone: the risk's term T counts it.
    static let unavailablePool = """
        WITH incident AS (
            INSERT INTO pool_incident (account, region, zone, type, kind, at)
            SELECT DISTINCT v->>'account', v->'pool'->>'region', v->'pool'->>'zone', v->'pool'->>'type',
                   CASE WHEN v->>'reason' = 'interrupted' THEN 'interruption' ELSE 'no-capacity' END,
                   date_trunc('minute', world_now())
              FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
             WHERE v->>'capacity' = 'spot'
               AND EXISTS (SELECT FROM cluster c WHERE c.tenant = $3::text AND c.account = v->>'account')
            ON CONFLICT DO NOTHING)
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

    /// A node that is seen also lives on: what node hours are measured by.
    static let indexedInstance = """
        WITH life AS (
            INSERT INTO node_life (cluster_id, instance_id, type, zone, capacity, first_seen, last_seen)
            SELECT DISTINCT ON (1, 2) c.id, v->>'instance', v->>'type', v->>'zone', v->>'capacity',
                   (v->>'seen_at')::timestamptz, (v->>'seen_at')::timestamptz
              FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
              JOIN cluster c ON c.id = v->>'cluster' AND c.tenant = $3::text
             ORDER BY 1, 2
            ON CONFLICT (cluster_id, instance_id) DO UPDATE
               SET last_seen = GREATEST(node_life.last_seen, excluded.last_seen),
                   type = coalesce(node_life.type, excluded.type), zone = coalesce(node_life.zone, excluded.zone),
                   capacity = coalesce(node_life.capacity, excluded.capacity))
        INSERT INTO instance_index (cluster_id, instance_id, node, node_uid, seen_at, type, zone)
        SELECT DISTINCT ON (1, 2) c.id, v->>'instance', v->>'node', v->>'node_uid', (v->>'seen_at')::timestamptz,
               v->>'type', v->>'zone'
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
          JOIN cluster c ON c.id = v->>'cluster' AND c.tenant = $3::text
         WHERE $4::uuid IS NOT NULL
         ORDER BY 1, 2, 5 DESC
        ON CONFLICT (cluster_id, instance_id) DO UPDATE
           SET node = excluded.node, node_uid = excluded.node_uid, seen_at = excluded.seen_at,
               type = coalesce(excluded.type, instance_index.type), zone = coalesce(excluded.zone, instance_index.zone)
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

    /// One open proposal for each matter. The same decided again keeps its id and lives on; another takes its place; one
    /// that a person rejected is not made again before its time is over. (The count makes the one that is superseded go
    /// before the new one comes: an index allows one open proposal.)
    static let proposal = """
        WITH new AS (
            SELECT DISTINCT ON (v->>'matter') t.key, v FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
             ORDER BY v->>'matter', v->>'decided_at' DESC), superseded AS (
            UPDATE proposal p SET state = 'superseded', note = 'a newer decision took its place' FROM new n
             WHERE p.tenant = $3::text AND p.matter = n.v->>'matter' AND p.state = 'open' AND p.key <> n.key
            RETURNING p.id), kept AS (
            UPDATE proposal p SET actions = n.v->'actions', digest = n.v->>'digest', saving = (n.v->>'saving')::bigint,
                   policy_version = (n.v->>'policy_version')::int, decided_by = $4::uuid,
                   decided_at = (n.v->>'decided_at')::timestamptz, expires_at = (n.v->>'expires_at')::timestamptz
              FROM new n WHERE p.tenant = $3::text AND p.key = n.key AND p.state = 'open'
            RETURNING p.key)
        INSERT INTO proposal (id, key, matter, tenant, target, kind, parameters, actions, saving, policy_version, digest,
                              decided_by, decided_at, expires_at)
        SELECT (v->>'id')::uuid, n.key, v->>'matter', $3::text, v->>'target', v->>'kind', v->'parameters', v->'actions',
               (v->>'saving')::bigint, (v->>'policy_version')::int, v->>'digest', $4::uuid,
               (v->>'decided_at')::timestamptz, (v->>'expires_at')::timestamptz
          FROM new n
         WHERE (SELECT count(*) FROM superseded) >= 0
           AND NOT EXISTS (SELECT FROM kept k WHERE k.key = n.key)
           AND NOT EXISTS (SELECT FROM proposal r WHERE r.tenant = $3::text AND r.key = n.key AND r.state = 'rejected'
                              AND r.expires_at > (v->>'decided_at')::timestamptz)
        ON CONFLICT (id) DO NOTHING
        """

    /// What became of an approved proposal. Only a live approval ends.
    static let proposalEnd = """
        UPDATE proposal p SET state = v->>'state', note = CASE WHEN v->>'note' = '' THEN p.note ELSE v->>'note' END
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
         WHERE p.id = t.key::uuid AND p.tenant = $3::text AND p.state = 'approved' AND $4::uuid IS NOT NULL
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
