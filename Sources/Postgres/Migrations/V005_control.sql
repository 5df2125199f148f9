-- Control: who paused what, why and until when; what runs now and how far it is; logs to be read.

ALTER TABLE pause ADD COLUMN reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 500);
ALTER TABLE pause ADD COLUMN until timestamptz;
ALTER TABLE pause DROP CONSTRAINT pause_scope_check;
ALTER TABLE pause ADD CONSTRAINT pause_scope_check
    CHECK (scope IN ('queue', 'kind', 'cluster', 'tenant', 'schedule', 'all'));
-- A paused schedule leaves the timetable: its leader must read it again.
CREATE TRIGGER pause_changed AFTER INSERT OR DELETE OR UPDATE ON pause
    FOR EACH ROW EXECUTE FUNCTION timetable_changed();

CREATE INDEX job_attempt_end ON job_attempt (ended_at);

CREATE VIEW pause_status AS
    SELECT scope, name, by, reason, at AS since, until FROM pause WHERE until IS NULL OR until > now();

CREATE OR REPLACE VIEW job_status AS
    SELECT j.id, j.queue, j.kind, j.tenant, j.target, j.lane,
           CASE WHEN j.state = 1 AND j.cancel_at IS NOT NULL THEN 'cancelling'
                WHEN j.state = 1 THEN 'running'
                WHEN EXISTS (SELECT FROM pause p WHERE (p.until IS NULL OR p.until > now())
                     AND (p.scope = 'all' OR (p.scope = 'queue' AND p.name = j.queue)
                     OR (p.scope = 'kind' AND p.name = j.kind) OR (p.scope = 'cluster' AND p.name = j.target)
                     OR (p.scope = 'tenant' AND p.name = j.tenant))) THEN 'paused'
                WHEN j.crashes >= 2 THEN 'suspect'
                WHEN j.run_at > now() AND j.last_error IS NOT NULL THEN 'retrying'
                WHEN j.run_at > now() THEN 'scheduled'
                WHEN j.limit_key IS NOT NULL AND (SELECT count(*) FROM job_slot s WHERE s.limit_key = j.limit_key)
                     >= j.limit_max THEN 'blocked'
                ELSE 'queued' END AS state,
           j.attempt, j.max_attempts, j.crashes, j.interrupts, j.snoozes, j.fence, j.worker_id, j.run_at, j.claimed_at,
           j.deadline_at, NULL::timestamptz AS finished_at, j.created_at, j.args, j.progress, NULL::jsonb AS result,
           j.last_error, NULL::text AS reason, j.replay_of, NULL::uuid AS replayed_by, j.cancelled_by, j.cancel_at
      FROM job j
    UNION ALL
    SELECT h.id, h.queue, h.kind, h.tenant, h.target, h.lane, h.outcome, h.attempt, NULL, h.crashes, h.interrupts,
           h.snoozes, h.fence, h.worker_id, h.run_at, h.claimed_at, NULL, h.finished_at, h.created_at, h.args,
           h.progress, h.result, h.last_error, h.reason, h.replay_of, NULL, h.cancelled_by, NULL
      FROM job_history h
    UNION ALL
    SELECT d.id, d.queue, d.kind, d.tenant, d.target, d.lane, 'dead', d.attempt, d.max_attempts, d.crashes,
           d.interrupts, d.snoozes, d.fence, d.worker_id, d.run_at, d.claimed_at, NULL, d.died_at, d.created_at, d.args,
           d.progress, NULL, d.last_error, d.reason, d.replay_of, d.replayed_by, NULL, NULL
      FROM job_dead d;

-- What runs now. The time to its end follows from the steps of this very run: what earlier runs did is not counted.
CREATE VIEW job_running AS
    SELECT r.id, r.kind, r.queue, r.tenant, r.target, r.lane, r.worker_id, w.host, r.attempt, r.fence, r.claimed_at,
           r.deadline_at, extract(epoch FROM now() - r.claimed_at)::float8 AS running_seconds, r.cancel_at,
           r.cancelled_by, r.done, r.total, r.note,
           CASE WHEN r.total >= r.done AND r.done > r.done_before AND now() > r.claimed_at
                THEN (extract(epoch FROM now() - r.claimed_at) * (r.total - r.done) / (r.done - r.done_before))::float8
           END AS eta_seconds
      FROM (SELECT j.id, j.kind, j.queue, j.tenant, j.target, j.lane, j.worker_id, j.attempt, j.fence, j.claimed_at,
                   j.deadline_at, j.cancel_at, j.cancelled_by, (j.progress ->> 'done')::bigint AS done,
                   (j.progress ->> 'total')::bigint AS total, j.progress ->> 'note' AS note,
                   CASE WHEN (j.progress ->> 'fence')::bigint = j.fence THEN (j.progress ->> 'done_before')::bigint
                        ELSE (j.progress ->> 'done')::bigint END AS done_before
              FROM job j WHERE j.state = 1) r
      LEFT JOIN worker w ON w.id = r.worker_id;

CREATE VIEW job_log_line AS SELECT job_id, n, fence, at, line FROM job_log;

CREATE OR REPLACE VIEW queue_depth AS
    SELECT q.queue, q.lane, q.due, q.later, q.running, q.oldest_due_seconds,
           (SELECT string_agg(p.scope || ' ' || p.name || ' by ' || p.by, ', ' ORDER BY p.scope)
              FROM pause p WHERE (p.until IS NULL OR p.until > now())
               AND (p.scope = 'all' OR (p.scope = 'queue' AND p.name = q.queue))) AS paused
      FROM (SELECT queue, lane, count(*) FILTER (WHERE state = 0 AND run_at <= now()) AS due,
                   count(*) FILTER (WHERE state = 0 AND run_at > now()) AS later,
                   count(*) FILTER (WHERE state = 1) AS running,
                   coalesce(extract(epoch FROM now() - min(run_at) FILTER (WHERE state = 0 AND run_at <= now())), 0)::float8
                       AS oldest_due_seconds
              FROM job GROUP BY queue, lane) q;

-- A schedule that is off or paused is not late.
CREATE OR REPLACE VIEW schedule_health AS
    SELECT s.id, s.kind, s.target, s.enabled, s.spec, s.last_slot, s.next_slot,
           CASE WHEN s.enabled AND p.name IS NULL THEN greatest(0, extract(epoch FROM world_now() - s.next_slot))::float8
                ELSE 0 END AS late_seconds,
           p.by AS paused_by, p.reason AS pause_reason, p.until AS paused_until
      FROM schedule s
      LEFT JOIN pause p ON p.scope = 'schedule' AND p.name = s.id AND (p.until IS NULL OR p.until > now());

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON pause_status, job_running, job_log_line TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT ON pause_status, job_running, job_log_line TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON pause_status, job_running, job_log_line TO cloudoptim_owner;
    END IF;
END $$;
