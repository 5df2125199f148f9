-- Limits that operators set, beside those of jobspecs; and the circuit breakers of far sides.

-- running_max, per_second and burst hold back claims of lanes 1 to 3 within the scope; weight is a tenant's share of a
-- queue; depth_max refuses lanes 2 and 3 at enqueue; age_seconds is the wait after which they rise one lane.
CREATE TABLE job_limit (
    scope text NOT NULL CHECK (scope IN ('queue', 'kind', 'cluster', 'tenant')),
    name text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 512),
    running_max int CHECK (running_max BETWEEN 1 AND 10000),
    per_second float8 CHECK (per_second BETWEEN 0.0001 AND 100000),
    burst float8 CHECK (burst BETWEEN 1 AND 100000),
    weight int CHECK (weight BETWEEN 1 AND 1000),
    depth_max int CHECK (depth_max BETWEEN 1 AND 10000000),
    age_seconds int CHECK (age_seconds BETWEEN 1 AND 31622400),
    by text NOT NULL,
    reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 500),
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, name),
    CHECK ((per_second IS NULL) = (burst IS NULL)),
    CHECK (weight IS NULL OR scope = 'tenant'),
    CHECK ((depth_max IS NULL AND age_seconds IS NULL) OR scope = 'queue')
);

-- Failures in a row of one far side of one target; five of them open the circuit, a success removes the row.
CREATE TABLE circuit (
    side text NOT NULL CHECK (length(side) BETWEEN 1 AND 63),
    target text NOT NULL CHECK (length(target) BETWEEN 1 AND 512),
    failures int NOT NULL CHECK (failures > 0),
    last_error text NOT NULL,
    first_at timestamptz NOT NULL DEFAULT now(),
    probe_at timestamptz,
    PRIMARY KEY (side, target)
);

CREATE VIEW limit_status AS
    SELECT l.scope, l.name, l.running_max,
           (SELECT count(*) FROM job_slot s WHERE s.limit_key = 'operator/' || l.scope || ':' || l.name) AS running,
           l.per_second, l.burst, l.weight, l.depth_max, l.age_seconds, l.by, l.reason, l.at AS since
      FROM job_limit l;

CREATE VIEW circuit_status AS
    SELECT side, target, probe_at IS NOT NULL AS is_open, failures, last_error, first_at, probe_at FROM circuit;

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
                WHEN j.lane > 0 AND EXISTS (
                     SELECT FROM job_limit l
                      WHERE ((l.scope = 'queue' AND l.name = j.queue) OR (l.scope = 'kind' AND l.name = j.kind)
                             OR (l.scope = 'cluster' AND l.name = j.target) OR (l.scope = 'tenant' AND l.name = j.tenant))
                        AND l.running_max <= (SELECT count(*) FROM job_slot s
                                               WHERE s.limit_key = 'operator/' || l.scope || ':' || l.name)) THEN 'blocked'
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

-- `enqueue` as in V003, and `depth_max`.
CREATE OR REPLACE FUNCTION enqueue(kind text, parameters jsonb DEFAULT '{}', key text DEFAULT NULL, run_at timestamptz DEFAULT NULL,
                        target text DEFAULT '') RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = @schema@, pg_temp AS $$
DECLARE
    wanted ALIAS FOR kind;
    s jsonb;
    arguments jsonb := coalesce(parameters, '{}');
    name text;
    field jsonb;
    owner text;
    job_key_text text;
    release_seconds int;
    new_id uuid := uuid_v7();
    first_id uuid;
    first_hash bytea;
    hash bytea;
    most int;
BEGIN
    SELECT k.spec INTO s FROM job_kind k WHERE k.kind = wanted;
    IF s IS NULL OR NOT (s ->> 'external')::boolean THEN
        RAISE EXCEPTION 'kind "%" may not be enqueued from SQL: its jobspec does not say external: true', wanted
            USING ERRCODE = '42501';
    END IF;
    SELECT l.depth_max INTO most FROM job_limit l
     WHERE l.scope = 'queue' AND l.name = s ->> 'queue' AND (s ->> 'lane')::int >= 2
       AND l.depth_max <= (SELECT count(*) FROM (SELECT FROM job j WHERE j.state = 0 AND j.queue = l.name
                                                    AND j.lane IN (2, 3) LIMIT l.depth_max) x);
    IF FOUND THEN
        RAISE EXCEPTION 'queue % is full: it takes % queued jobs of lanes 2 and 3', s ->> 'queue', most
            USING ERRCODE = '53400';
    END IF;
    IF jsonb_typeof(arguments) <> 'object' THEN
        RAISE EXCEPTION 'parameters: found %, wanted an object', jsonb_typeof(arguments) USING ERRCODE = '22023';
    END IF;
    FOR name IN SELECT jsonb_object_keys(arguments) LOOP
        IF s -> 'parameters' -> name IS NULL THEN
            RAISE EXCEPTION 'kind % has no parameter "%"', wanted, name USING ERRCODE = '22023';
        END IF;
    END LOOP;
    FOR name, field IN SELECT e.key, e.value FROM jsonb_each(s -> 'parameters') AS e LOOP
        IF arguments -> name IS NULL THEN
            IF (field ->> 'required')::boolean THEN
                RAISE EXCEPTION 'kind % needs parameter "%"', wanted, name USING ERRCODE = '22023';
            ELSIF field ? 'default' THEN
                arguments := arguments || jsonb_build_object(name, field -> 'default');
            END IF;
        ELSIF NOT (jsonb_typeof(arguments -> name) = CASE WHEN field ->> 'type' = 'integer' THEN 'number'
                                                        ELSE field ->> 'type' END)
              OR (field ->> 'type' = 'integer' AND (arguments ->> name)::numeric % 1 <> 0) THEN
            RAISE EXCEPTION 'parameter "%": found %, wanted %', name, jsonb_typeof(arguments -> name), field ->> 'type'
                USING ERRCODE = '22023';
        END IF;
    END LOOP;
    SELECT t.tenant INTO owner FROM job_target t WHERE t.target = enqueue.target ORDER BY t.fan_out LIMIT 1;
    owner := coalesce(owner, '');
    hash := sha256(convert_to(wanted || E'\n' || target || E'\n' || arguments::text, 'UTF8'));
    job_key_text := key;
    release_seconds := 86400;
    IF job_key_text IS NULL AND jsonb_typeof(s -> 'key') = 'object' THEN
        job_key_text := expand_template(s -> 'key' ->> 'template', target, owner, arguments);
        release_seconds := (s -> 'key' ->> 'release_seconds')::int;
    END IF;
    IF job_key_text IS NOT NULL THEN
        INSERT INTO job_key AS jk (key, job_id, args_hash, release, expires_at)
            VALUES (job_key_text, new_id, hash, CASE WHEN release_seconds IS NULL THEN 0 ELSE 2 END,
                    now() + make_interval(secs => release_seconds))
            ON CONFLICT DO NOTHING;
        SELECT jk.job_id, jk.args_hash INTO first_id, first_hash FROM job_key jk WHERE jk.key = job_key_text;
        IF first_id IS NULL THEN
            RAISE EXCEPTION 'key "%" was freed at this moment: try again', job_key_text USING ERRCODE = '40001';
        END IF;
        IF first_id IS DISTINCT FROM new_id THEN
            IF first_hash IS DISTINCT FROM hash THEN
                RAISE EXCEPTION 'key "%" belongs to job % with other arguments', job_key_text, first_id
                    USING ERRCODE = '23505';
            END IF;
            RETURN first_id;
        END IF;
    END IF;
    INSERT INTO job (id, queue, kind, tenant, target, lane, run_at, late_at, timeout_seconds, max_attempts, limit_key,
                     limit_max, rate_key, rate_per_second, rate_burst, args)
        VALUES (new_id, s ->> 'queue', wanted, owner, target, (s ->> 'lane')::smallint, coalesce(run_at, now()),
                coalesce(run_at, now()) + make_interval(secs => (s ->> 'start_before_seconds')::int),
                (s ->> 'timeout_seconds')::int, (s -> 'retries' ->> 'max_attempts')::int,
                expand_template(s -> 'limit' ->> 'key', target, owner, arguments), (s -> 'limit' ->> 'max')::int,
                expand_template(s -> 'rate' ->> 'key', target, owner, arguments),
                (s -> 'rate' ->> 'per_second')::real, (s -> 'rate' ->> 'burst')::real, arguments);
    RETURN new_id;
END $$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON limit_status, circuit_status TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT ON limit_status, circuit_status TO cloudoptim_worker;
        GRANT SELECT, INSERT, UPDATE, DELETE ON job_limit, circuit TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON job_limit, circuit, limit_status, circuit_status TO cloudoptim_owner;
    END IF;
END $$;
