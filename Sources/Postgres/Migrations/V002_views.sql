-- What people and programs read. Views only: docs/sql.md lists them.

-- One row per job, wherever it is.
CREATE VIEW job_status AS
    SELECT j.id, j.queue, j.kind, j.tenant, j.target, j.lane,
           CASE WHEN j.state = 1 AND j.cancel_at IS NOT NULL THEN 'cancelling'
                WHEN j.state = 1 THEN 'running'
                WHEN EXISTS (SELECT FROM pause p WHERE p.scope = 'all' OR (p.scope = 'queue' AND p.name = j.queue)
                     OR (p.scope = 'kind' AND p.name = j.kind) OR (p.scope = 'cluster' AND p.name = j.target)
                     OR (p.scope = 'tenant' AND p.name = j.tenant)) THEN 'paused'
                WHEN j.crashes >= 2 THEN 'suspect'
                WHEN j.run_at > now() AND j.last_error IS NOT NULL THEN 'retrying'
                WHEN j.run_at > now() THEN 'scheduled'
                WHEN j.limit_key IS NOT NULL AND (SELECT count(*) FROM job_slot s WHERE s.limit_key = j.limit_key)
                     >= j.limit_max THEN 'blocked'
                ELSE 'queued' END AS state,
           j.attempt, j.max_attempts, j.crashes, j.interrupts, j.snoozes, j.fence, j.worker_id, j.run_at, j.claimed_at,
           j.deadline_at, NULL::timestamptz AS finished_at, j.created_at, j.args, j.progress, NULL::jsonb AS result,
           j.last_error, NULL::text AS reason, j.replay_of
      FROM job j
    UNION ALL
    SELECT h.id, h.queue, h.kind, h.tenant, h.target, h.lane, h.outcome, h.attempt, NULL, h.crashes, h.interrupts,
           h.snoozes, h.fence, h.worker_id, h.run_at, h.claimed_at, NULL, h.finished_at, h.created_at, h.args,
           h.progress, h.result, h.last_error, h.reason, h.replay_of
      FROM job_history h
    UNION ALL
    SELECT d.id, d.queue, d.kind, d.tenant, d.target, d.lane, 'dead', d.attempt, d.max_attempts, d.crashes,
           d.interrupts, d.snoozes, d.fence, d.worker_id, d.run_at, d.claimed_at, NULL, d.died_at, d.created_at, d.args,
           d.progress, NULL, d.last_error, d.reason, d.replay_of
      FROM job_dead d;

CREATE VIEW queue_depth AS
    SELECT queue, lane, count(*) FILTER (WHERE state = 0 AND run_at <= now()) AS due,
           count(*) FILTER (WHERE state = 0 AND run_at > now()) AS later,
           count(*) FILTER (WHERE state = 1) AS running,
           coalesce(extract(epoch FROM now() - min(run_at) FILTER (WHERE state = 0 AND run_at <= now())), 0)::float8
               AS oldest_due_seconds
      FROM job GROUP BY queue, lane;

CREATE VIEW schedule_health AS
    SELECT id, kind, target, enabled, spec, last_slot, next_slot,
           greatest(0, extract(epoch FROM world_now() - next_slot))::float8 AS late_seconds
      FROM schedule;

CREATE VIEW worker_health AS
    SELECT w.id, w.host, w.version, w.queues, w.kinds, w.slots, w.in_flight_max, w.started_at, w.expires_at,
           CASE WHEN w.state = 2 OR w.expires_at < now() THEN 'gone' WHEN w.state = 1 THEN 'draining' ELSE 'live' END AS state,
           (SELECT count(*) FROM job j WHERE j.worker_id = w.id AND j.state = 1) AS running
      FROM worker w;

CREATE VIEW effect_log AS
    SELECT e.key, e.step, CASE e.class WHEN 'A' THEN 'token' WHEN 'B' THEN 'idempotent' ELSE 'once' END AS class,
           CASE e.state WHEN 0 THEN 'intended' WHEN 1 THEN 'done' ELSE 'refused' END AS state,
           e.token, e.job_id, e.fence, e.request, e.response, e.at, e.completed_at
      FROM effect e;

CREATE VIEW leader_health AS
    SELECT name, term, holder, expires_at, expires_at > now() AS is_live FROM lead;

CREATE VIEW job_dead_letter AS
    SELECT id, kind, tenant, target, reason, last_error, args, attempt, crashes, died_at, replayed_by FROM job_dead;

CREATE VIEW attempt_log AS
    SELECT job_id, attempt, fence, worker_id, started_at, ended_at, how, error FROM job_attempt;
