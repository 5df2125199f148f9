-- What operators and autoscalers read: how many workers there is work for, and how the database fares.

-- Due and running work by queue. Paused jobs are not due; at most 100,000 due jobs of a queue are counted. Work that runs
-- counts too: a signal of the backlog alone takes away the workers that work it off.
CREATE VIEW scale_signal AS
    SELECT q.queue, d.due, r.running, w.workers, w.slots_per_worker,
           ceil((d.due + r.running) / w.slots_per_worker::numeric)::int AS needed_workers,
           coalesce(extract(epoch FROM now() - d.oldest), 0)::float8 AS backlog_seconds
      FROM (SELECT queue FROM job GROUP BY queue) q,
           LATERAL (SELECT count(*) AS due, min(run_at) AS oldest FROM (
                SELECT j.run_at FROM job j
                 WHERE j.state = 0 AND j.queue = q.queue AND j.run_at <= now()
                   AND NOT EXISTS (SELECT FROM pause p WHERE (p.until IS NULL OR p.until > now())
                        AND (p.scope = 'all' OR (p.scope = 'queue' AND p.name = j.queue)
                             OR (p.scope = 'kind' AND p.name = j.kind) OR (p.scope = 'tenant' AND p.name = j.tenant)
                             OR (p.scope = 'cluster' AND p.name = j.target))) LIMIT 100000) x) d,
           LATERAL (SELECT count(*) AS running FROM job j WHERE j.state = 1 AND j.queue = q.queue) r,
           LATERAL (SELECT count(*) AS workers, coalesce(round(avg(slots)), 16)::int AS slots_per_worker
                      FROM worker k WHERE k.state = 0 AND k.expires_at > now() AND q.queue = ANY (k.queues)) w;

-- `SELECT needed_workers()`: workers that the due and running jobs keep busy, all queues together or one of them.
CREATE FUNCTION needed_workers(slots_per_worker int DEFAULT NULL, of_queue text DEFAULT NULL) RETURNS int
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = @schema@, pg_temp AS $$
    SELECT coalesce(ceil(sum(s.due + s.running)
               / greatest(1, coalesce($1, max(s.slots_per_worker)))::numeric), 0)::int
      FROM scale_signal s WHERE $2 IS NULL OR s.queue = $2
$$;

-- The hot tables: what vacuum has left to do there, and their size.
CREATE VIEW table_health AS
    SELECT c.relname::text AS name, coalesce(s.n_live_tup, 0) AS live_rows, coalesce(s.n_dead_tup, 0) AS dead_rows,
           pg_total_relation_size(c.oid) AS bytes, greatest(s.last_vacuum, s.last_autovacuum) AS vacuumed_at,
           greatest(s.last_analyze, s.last_autoanalyze) AS analyzed_at
      FROM pg_class c LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
     WHERE c.relnamespace = to_regnamespace('@schema@') AND c.relkind = 'r' AND NOT c.relispartition;

-- The days of history. Rows are the planner's estimate.
CREATE VIEW history_partition AS
    SELECT c.relname::text AS name, greatest(c.reltuples, 0)::bigint AS rows, pg_total_relation_size(c.oid) AS bytes,
           CASE WHEN c.relname ~ '_[0-9]{8}$' THEN to_date(right(c.relname, 8), 'YYYYMMDD') END AS day
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = to_regclass('@schema@.job_history');

-- One row. Sessions of other users are seen by members of pg_read_all_stats only.
CREATE VIEW database_health AS
    SELECT current_setting('server_version_num')::int AS server_version, pg_is_in_recovery() AS is_standby,
           coalesce((SELECT max(extract(epoch FROM now() - a.xact_start)) FROM pg_stat_activity a
                      WHERE a.datname = current_database() AND a.backend_xmin IS NOT NULL
                        AND a.pid <> pg_backend_pid()), 0)::float8 AS oldest_xmin_seconds,
           coalesce((SELECT max(age(a.backend_xmin)) FROM pg_stat_activity a
                      WHERE a.datname = current_database()), 0)::bigint AS oldest_xmin_age,
           (SELECT count(*) FROM pg_prepared_xacts x WHERE x.database = current_database()) AS prepared_transactions,
           coalesce((SELECT max(greatest(age(r.xmin), age(r.catalog_xmin))) FROM pg_replication_slots r), 0)::bigint
               AS slot_xmin_age,
           (SELECT count(*) FROM history_partition p WHERE p.day > (now() AT TIME ZONE 'UTC')::date) AS history_days_ahead,
           pg_database_size(current_database()) AS bytes;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON scale_signal, table_health, history_partition, database_health TO cloudoptim_reader;
        GRANT EXECUTE ON FUNCTION needed_workers(int, text) TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT ON scale_signal, table_health, history_partition, database_health TO cloudoptim_worker;
        GRANT EXECUTE ON FUNCTION needed_workers(int, text) TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON scale_signal, table_health, history_partition, database_health TO cloudoptim_owner;
        GRANT EXECUTE ON FUNCTION needed_workers(int, text) TO cloudoptim_owner;
    END IF;
END $$;
