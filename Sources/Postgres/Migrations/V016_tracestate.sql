-- What other tracers keep beside a trace: W3C's tracestate goes with its traceparent. 512 bytes of printable ASCII: no header ends there.

ALTER TABLE job ADD COLUMN tracestate text CONSTRAINT job_tracestate_check
    CHECK (octet_length(tracestate) BETWEEN 1 AND 512 AND tracestate ~ '^[ -~]+$');

-- `enqueue` as in V015, and the W3C tracestate beside the traceparent; what is not of its form is as if it were not there.
DROP FUNCTION enqueue(text, jsonb, text, timestamptz, text, text); -- contract: the new one takes the same calls

CREATE FUNCTION enqueue(kind text, parameters jsonb DEFAULT '{}', key text DEFAULT NULL, run_at timestamptz DEFAULT NULL,
                        target text DEFAULT '', traceparent text DEFAULT NULL, tracestate text DEFAULT NULL) RETURNS uuid
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
    IF s ->> 'fan_out' <> 'none' AND NOT EXISTS (
        SELECT FROM job_target t WHERE t.target = enqueue.target AND t.fan_out = s ->> 'fan_out') THEN
        RAISE EXCEPTION 'kind % is about a %: there is none "%"', wanted, s ->> 'fan_out', target USING ERRCODE = '22023';
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
                     limit_max, rate_key, rate_per_second, rate_burst, args, traceparent, tracestate)
        VALUES (new_id, s ->> 'queue', wanted, owner, target, (s ->> 'lane')::smallint, coalesce(run_at, now()),
                coalesce(run_at, now()) + make_interval(secs => (s ->> 'start_before_seconds')::int),
                (s ->> 'timeout_seconds')::int, (s -> 'retries' ->> 'max_attempts')::int,
                expand_template(s -> 'limit' ->> 'key', target, owner, arguments), (s -> 'limit' ->> 'max')::int,
                expand_template(s -> 'rate' ->> 'key', target, owner, arguments),
                (s -> 'rate' ->> 'per_second')::real, (s -> 'rate' ->> 'burst')::real, arguments,
                CASE WHEN traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$' THEN traceparent END,
                CASE WHEN traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'
                          AND octet_length(tracestate) BETWEEN 1 AND 512 AND tracestate ~ '^[ -~]+$' THEN tracestate END);
    RETURN new_id;
END $$;
REVOKE ALL ON FUNCTION enqueue(text, jsonb, text, timestamptz, text, text, text) FROM PUBLIC;

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['cloudoptim_enqueuer', 'cloudoptim_worker', 'cloudoptim_owner'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION enqueue(text, jsonb, text, timestamptz, text, text, text) TO %I', wanted);
        END IF;
    END LOOP;
END $$;
