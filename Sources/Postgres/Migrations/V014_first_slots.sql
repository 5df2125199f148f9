-- A new schedule's first slot, and that of one whose spec changed: at once, so that a cluster is looked at when it is added.
-- But bulk work of the lane `data` that comes less often than every five minutes (prices, refreshes) begins one to ten minutes
-- later, spread by the schedule's id: a fresh fleet, or a release, does not read everything at once.

CREATE FUNCTION first_slot(id text, lane int, spec jsonb) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT world_now() + CASE WHEN lane = 3 AND coalesce((spec ->> 'every')::int, 86400) > 300
        THEN make_interval(secs => 60 + ('x' || left(encode(sha256(convert_to(id, 'UTF8')), 'hex'), 4))::bit(16)::int % 540)
        ELSE interval '0' END
$$;

CREATE OR REPLACE FUNCTION sync_schedules() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('cloudoptim.sync_schedules'));
    CREATE TEMP TABLE IF NOT EXISTS wanted_schedule
        (id text, kind text, target text, parameters jsonb, spec jsonb, lane int) ON COMMIT DROP;
    DELETE FROM wanted_schedule;
    INSERT INTO wanted_schedule
        SELECT k.kind, k.kind, '', '{}'::jsonb, k.spec -> 'schedule', (k.spec ->> 'lane')::int FROM job_kind k
         WHERE jsonb_typeof(k.spec -> 'schedule') = 'object' AND k.spec ->> 'fan_out' = 'none'
        UNION ALL
        SELECT k.kind || '/' || t.target, k.kind, t.target, t.parameters, k.spec -> 'schedule', (k.spec ->> 'lane')::int
          FROM job_kind k JOIN job_target t ON t.fan_out = k.spec ->> 'fan_out'
         WHERE jsonb_typeof(k.spec -> 'schedule') = 'object';
    DELETE FROM schedule s WHERE NOT EXISTS (SELECT FROM wanted_schedule w WHERE w.id = s.id);
    UPDATE schedule s SET spec = w.spec, parameters = w.parameters, next_slot = first_slot(w.id, w.lane, w.spec)
      FROM wanted_schedule w WHERE w.id = s.id AND (s.spec <> w.spec OR s.parameters <> w.parameters);
    INSERT INTO schedule (id, kind, target, parameters, spec, last_slot, next_slot)
        SELECT w.id, w.kind, w.target, w.parameters, w.spec, 'epoch', first_slot(w.id, w.lane, w.spec)
          FROM wanted_schedule w WHERE NOT EXISTS (SELECT FROM schedule s WHERE s.id = w.id);
END $$;
