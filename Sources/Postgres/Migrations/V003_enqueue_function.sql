-- `enqueue`: any SQL client may enqueue a kind marked `external`, inside its own transaction.

-- A UUIDv7 (RFC 9562, 5.7).
CREATE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7'
            || substr(r, 2, 3) || to_hex(8 + (('x' || substr(r, 5, 1))::bit(4)::int & 3)) || substr(r, 6, 15))::uuid
      FROM (SELECT replace(gen_random_uuid()::text, '-', '') AS r0) x,
           LATERAL (SELECT substr(x.r0, 1, 12) || substr(x.r0, 18, 15) AS r) y
$$;

-- Expands `${target}`, `${tenant}` and `${parameters.<name>}`.
CREATE FUNCTION expand_template(template text, target text, tenant text, parameters jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    result text := '';
    rest text := template;
    open_at int;
    close_at int;
    name text;
    value text;
BEGIN
    IF template IS NULL THEN
        RETURN NULL;
    END IF;
    LOOP
        open_at := position('${' IN rest);
        EXIT WHEN open_at = 0;
        close_at := position('}' IN substr(rest, open_at));
        EXIT WHEN close_at = 0;
        name := substr(rest, open_at + 2, close_at - 3);
        value := CASE WHEN name = 'target' THEN target WHEN name = 'tenant' THEN tenant
                      WHEN name LIKE 'parameters.%' THEN parameters ->> substr(name, 12) END;
        IF value IS NULL THEN
            RAISE EXCEPTION 'template % names %, which has no value here', template, name USING ERRCODE = '22023';
        END IF;
        result := result || substr(rest, 1, open_at - 1) || value;
        rest := substr(rest, open_at + close_at);
    END LOOP;
    RETURN result || rest;
END $$;

CREATE FUNCTION enqueue(kind text, parameters jsonb DEFAULT '{}', key text DEFAULT NULL, run_at timestamptz DEFAULT NULL,
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
BEGIN
    SELECT k.spec INTO s FROM job_kind k WHERE k.kind = wanted;
    IF s IS NULL OR NOT (s ->> 'external')::boolean THEN
        RAISE EXCEPTION 'kind "%" may not be enqueued from SQL: its jobspec does not say external: true', wanted
            USING ERRCODE = '42501';
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
REVOKE ALL ON FUNCTION enqueue(text, jsonb, text, timestamptz, text) FROM PUBLIC;
