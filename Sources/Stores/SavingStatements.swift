/// The upserts of savings, and the sweep.
enum SavingStatements {
    /// By record kind.
    static let all: [String: String] = ["saving": saving, "saving_day": day, "sweep": sweep]

    /// A saving is decided once.
    static let saving = """
        INSERT INTO saving (key, tenant, cluster_id, instance_id, per_hour, since, job_id, feature, form, before, after,
                            until)
        SELECT DISTINCT ON (t.key) t.key, $3::text, c.id, v->>'subject', (v->>'before')::bigint - (v->>'after')::bigint,
               (v->>'since')::timestamptz, $4::uuid, v->>'feature', v->>'form', (v->>'before')::bigint,
               (v->>'after')::bigint, (v->>'until')::timestamptz
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
          JOIN cluster c ON c.id = v->>'cluster' AND c.tenant = $3::text
         ORDER BY t.key
        ON CONFLICT (key) DO NOTHING
        """

    /// A day that is measured again replaces what was measured before: nothing is added twice.
    static let day = """
        INSERT INTO saving_day (key, day, tenant, cluster_id, feature, hours, before, after, amount)
        SELECT DISTINCT ON (1, 2) v->>'key', (v->>'day')::date, $3::text, c.id, v->>'feature', (v->>'hours')::float8,
               (v->>'before')::bigint, (v->>'after')::bigint, (v->>'amount')::bigint
          FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
          JOIN cluster c ON c.id = v->>'cluster' AND c.tenant = $3::text
         WHERE $4::uuid IS NOT NULL ORDER BY 1, 2
        ON CONFLICT (key, day) DO UPDATE
           SET hours = excluded.hours, before = excluded.before, after = excluded.after, amount = excluded.amount,
               measured_at = now()
        """

    /// Rows that are too old to matter, at most 50,000 of each table a day. Only the installation's own job sweeps: it
    /// has no tenant.
    static let sweep = """
        WITH age AS (SELECT v FROM unnest($1::text[], $2::jsonb[]) AS t(key, v)
                      WHERE $3::text = '' AND $4::uuid IS NOT NULL LIMIT 1), findings AS (
            DELETE FROM finding WHERE ctid IN (SELECT f.ctid FROM finding f, age
             WHERE f.last_at < now() - make_interval(days => (v->>'finding_days')::int) LIMIT 50000)), interruptions AS (
            DELETE FROM interruption WHERE ctid IN (SELECT i.ctid FROM interruption i, age
             WHERE i.closed_at < world_now() - make_interval(days => (v->>'interruption_days')::int) LIMIT 50000)), letters AS (
            DELETE FROM event_dead_letter WHERE ctid IN (SELECT l.ctid FROM event_dead_letter l, age
             WHERE l.received_at < now() - make_interval(days => (v->>'dead_letter_days')::int) LIMIT 50000)), proposals AS (
            DELETE FROM proposal WHERE ctid IN (SELECT p.ctid FROM proposal p, age
             WHERE p.expires_at < world_now() - make_interval(days => (v->>'proposal_days')::int) LIMIT 50000)), incidents AS (
            DELETE FROM pool_incident WHERE ctid IN (SELECT p.ctid FROM pool_incident p, age
             WHERE p.at < world_now() - make_interval(days => (v->>'price_days')::int) LIMIT 50000)), lives AS (
            DELETE FROM node_life WHERE ctid IN (SELECT n.ctid FROM node_life n, age
             WHERE n.last_seen < world_now() - make_interval(days => (v->>'price_days')::int) LIMIT 50000))
        DELETE FROM spot_price WHERE ctid IN (SELECT s.ctid FROM spot_price s, age
         WHERE s.last_seen < world_now() - make_interval(days => (v->>'price_days')::int) LIMIT 50000)
        """
}
