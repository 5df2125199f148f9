-- The queue's tables. Two hot states live in `job`; what ended lives in `job_history` and `job_dead`.
-- `@schema@` is replaced by the schema that is migrated.

CREATE TABLE world_clock (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    shift interval NOT NULL DEFAULT '0',
    is_simulated boolean NOT NULL DEFAULT false,
    CHECK (is_simulated OR shift = '0')
);
INSERT INTO world_clock DEFAULT VALUES;

-- World time: machine time plus the shift of a simulation.
CREATE FUNCTION world_now() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT now() + (SELECT shift FROM world_clock) $$;
-- Instants cross the wire as microseconds since 1970, exactly.
CREATE FUNCTION us(t timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
    AS $$ SELECT (extract(epoch FROM t) * 1000000)::bigint $$;
CREATE FUNCTION at_us(u bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT
    AS $$ SELECT timestamptz 'epoch' + u * interval '1 microsecond' $$;

CREATE TABLE job_kind (
    kind text PRIMARY KEY CHECK (kind ~ '^[a-z][a-z0-9-]{0,62}$'),
    spec jsonb NOT NULL,
    spec_version int NOT NULL CHECK (spec_version > 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- What jobs and schedules can be about, and whose it is. The product above keeps it; the ledger reads the tenant here.
CREATE TABLE job_target (
    target text NOT NULL CHECK (length(target) BETWEEN 1 AND 512),
    fan_out text NOT NULL CHECK (fan_out IN ('cluster', 'account', 'region', 'queue')),
    tenant text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (target, fan_out)
);

CREATE TABLE job (
    id uuid PRIMARY KEY,
    queue text NOT NULL,
    kind text NOT NULL,
    tenant text COLLATE "C" NOT NULL DEFAULT '',
    target text NOT NULL DEFAULT '',
    lane smallint NOT NULL DEFAULT 2 CHECK (lane BETWEEN 0 AND 3),
    state smallint NOT NULL DEFAULT 0 CHECK (state IN (0, 1)),
    run_at timestamptz NOT NULL DEFAULT now() CHECK (isfinite(run_at)),
    late_at timestamptz,
    timeout_seconds int NOT NULL CHECK (timeout_seconds > 0),
    max_attempts int NOT NULL CHECK (max_attempts > 0),
    fence bigint NOT NULL DEFAULT 0,
    worker_id uuid,
    claimed_at timestamptz,
    deadline_at timestamptz,
    claimed_alone boolean NOT NULL DEFAULT false,
    attempt int NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    crashes int NOT NULL DEFAULT 0,
    solo_crashes int NOT NULL DEFAULT 0,
    interrupts int NOT NULL DEFAULT 0,
    snoozes int NOT NULL DEFAULT 0,
    cancel_at timestamptz,
    cancelled_by text,
    limit_key text,
    limit_max int CHECK (limit_max > 0),
    rate_key text,
    rate_per_second real CHECK (rate_per_second > 0),
    rate_burst real CHECK (rate_burst >= 1),
    replay_of uuid,
    args jsonb NOT NULL CHECK (jsonb_typeof(args) = 'object'),
    checkpoint jsonb,
    progress jsonb,
    last_error jsonb,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 1) = (worker_id IS NOT NULL)),
    CHECK ((state = 1) = (deadline_at IS NOT NULL)),
    CHECK ((limit_key IS NULL) = (limit_max IS NULL)),
    CHECK ((rate_key IS NULL) = (rate_per_second IS NULL) AND (rate_key IS NULL) = (rate_burst IS NULL)),
    CONSTRAINT job_args_size CHECK (pg_column_size(args) <= 65536),
    CONSTRAINT job_checkpoint_size CHECK (pg_column_size(checkpoint) <= 1048576)
) WITH (fillfactor = 60, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_threshold = 5000, autovacuum_analyze_scale_factor = 0.5);
CREATE INDEX job_due ON job (queue, lane, tenant, run_at, id) WHERE state = 0;
CREATE INDEX job_held ON job (worker_id) WHERE state = 1;
CREATE INDEX job_deadline ON job (deadline_at) WHERE state = 1;
CREATE INDEX job_suspect ON job (run_at) WHERE state = 0 AND crashes >= 2;

CREATE TABLE job_history (
    id uuid NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    tenant text NOT NULL,
    target text NOT NULL,
    lane smallint NOT NULL,
    fence bigint NOT NULL,
    worker_id uuid,
    run_at timestamptz NOT NULL,
    claimed_at timestamptz,
    attempt int NOT NULL,
    crashes int NOT NULL,
    interrupts int NOT NULL,
    snoozes int NOT NULL,
    cancelled_by text,
    replay_of uuid,
    args jsonb NOT NULL,
    progress jsonb,
    last_error jsonb,
    traceparent text,
    created_at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('done', 'cancelled')),
    reason text,
    result jsonb CHECK (pg_column_size(result) <= 262144),
    finished_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (finished_at);
CREATE TABLE job_history_default PARTITION OF job_history DEFAULT;
CREATE INDEX job_history_id ON job_history (id);

CREATE TABLE job_dead (
    id uuid PRIMARY KEY,
    queue text NOT NULL,
    kind text NOT NULL,
    tenant text NOT NULL,
    target text NOT NULL,
    lane smallint NOT NULL,
    fence bigint NOT NULL,
    worker_id uuid,
    run_at timestamptz NOT NULL,
    claimed_at timestamptz,
    attempt int NOT NULL,
    max_attempts int NOT NULL,
    crashes int NOT NULL,
    interrupts int NOT NULL,
    snoozes int NOT NULL,
    replay_of uuid,
    args jsonb NOT NULL,
    checkpoint jsonb,
    progress jsonb,
    last_error jsonb,
    traceparent text,
    created_at timestamptz NOT NULL,
    reason text NOT NULL,
    replayed_by uuid,
    died_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX job_dead_kind ON job_dead (kind, died_at);

CREATE TABLE job_attempt (
    job_id uuid NOT NULL,
    attempt int NOT NULL,
    fence bigint NOT NULL,
    worker_id uuid,
    started_at timestamptz,
    ended_at timestamptz NOT NULL DEFAULT now(),
    how text NOT NULL CHECK (how IN ('retry', 'dead', 'interrupt', 'crash', 'timeout', 'cancelled')),
    error jsonb
);
CREATE INDEX job_attempt_job ON job_attempt (job_id);

CREATE TABLE job_log (
    job_id uuid NOT NULL,
    fence bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    n bigint GENERATED ALWAYS AS IDENTITY,
    line text NOT NULL CHECK (length(line) <= 1000)
);
CREATE INDEX job_log_job ON job_log (job_id, n);

CREATE TABLE worker (
    id uuid PRIMARY KEY,
    host text NOT NULL,
    queues text[] NOT NULL,
    kinds text[] NOT NULL,
    slots int NOT NULL CHECK (slots > 0),
    in_flight_max int NOT NULL CHECK (in_flight_max >= slots),
    version text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    state smallint NOT NULL DEFAULT 0 CHECK (state IN (0, 1, 2))
) WITH (fillfactor = 50);

CREATE TABLE job_key (
    key text COLLATE "C" PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 512),
    job_id uuid NOT NULL,
    args_hash bytea NOT NULL,
    release smallint NOT NULL CHECK (release IN (0, 2)),
    expires_at timestamptz,
    CHECK ((release = 2) = (expires_at IS NOT NULL))
);
CREATE INDEX job_key_job ON job_key (job_id);
CREATE INDEX job_key_expiry ON job_key (expires_at) WHERE release = 2;

CREATE TABLE job_slot (
    limit_key text NOT NULL,
    n int NOT NULL CHECK (n > 0),
    job_id uuid NOT NULL,
    fence bigint NOT NULL,
    PRIMARY KEY (limit_key, n)
);
CREATE INDEX job_slot_job ON job_slot (job_id);

CREATE TABLE rate_bucket (
    key text PRIMARY KEY,
    tokens double precision NOT NULL,
    per_second double precision NOT NULL,
    burst double precision NOT NULL,
    at timestamptz NOT NULL
);

CREATE TABLE schedule (
    id text PRIMARY KEY,
    kind text NOT NULL REFERENCES job_kind (kind),
    target text NOT NULL DEFAULT '',
    parameters jsonb NOT NULL DEFAULT '{}',
    spec jsonb NOT NULL,
    last_slot timestamptz NOT NULL,
    next_slot timestamptz NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    UNIQUE (kind, target)
) WITH (fillfactor = 50);

-- Raised by every change of the timetable that a leader must read again; firing a slot does not raise it.
CREATE TABLE timetable_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version bigint NOT NULL DEFAULT 1
);
INSERT INTO timetable_version DEFAULT VALUES;
CREATE FUNCTION timetable_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE timetable_version SET version = version + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER schedule_changed AFTER INSERT OR DELETE OR UPDATE OF spec, enabled, parameters ON schedule
    FOR EACH STATEMENT EXECUTE FUNCTION timetable_changed();

CREATE TABLE effect (
    key text COLLATE "C" PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 512),
    job_id uuid NOT NULL,
    fence bigint NOT NULL,
    step text NOT NULL,
    class "char" NOT NULL CHECK (class IN ('A', 'B', 'C')),
    state smallint NOT NULL DEFAULT 0 CHECK (state IN (0, 1, 2)),
    token text NOT NULL CHECK (length(token) = 64),
    request jsonb NOT NULL,
    response jsonb,
    at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    CHECK ((state = 0) = (completed_at IS NULL))
);
CREATE INDEX effect_job ON effect (job_id);
CREATE INDEX effect_open ON effect (at) WHERE state = 0;

CREATE TABLE pause (
    scope text NOT NULL CHECK (scope IN ('queue', 'kind', 'cluster', 'tenant', 'all')),
    name text NOT NULL,
    by text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, name)
);

CREATE TABLE lead (
    name text PRIMARY KEY,
    term bigint NOT NULL,
    holder uuid,
    expires_at timestamptz NOT NULL
);

-- Schedule rows follow from kinds and targets: one per kind and target of its fan-out. First slot: at once.
CREATE FUNCTION sync_schedules() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('cloudoptim.sync_schedules'));
    CREATE TEMP TABLE IF NOT EXISTS wanted_schedule (id text, kind text, target text, parameters jsonb, spec jsonb)
        ON COMMIT DROP;
    DELETE FROM wanted_schedule;
    INSERT INTO wanted_schedule
        SELECT k.kind, k.kind, '', '{}'::jsonb, k.spec -> 'schedule' FROM job_kind k
         WHERE jsonb_typeof(k.spec -> 'schedule') = 'object' AND k.spec ->> 'fan_out' = 'none'
        UNION ALL
        SELECT k.kind || '/' || t.target, k.kind, t.target, t.parameters, k.spec -> 'schedule'
          FROM job_kind k JOIN job_target t ON t.fan_out = k.spec ->> 'fan_out'
         WHERE jsonb_typeof(k.spec -> 'schedule') = 'object';
    DELETE FROM schedule s WHERE NOT EXISTS (SELECT FROM wanted_schedule w WHERE w.id = s.id);
    UPDATE schedule s SET spec = w.spec, parameters = w.parameters, next_slot = world_now()
      FROM wanted_schedule w WHERE w.id = s.id AND (s.spec <> w.spec OR s.parameters <> w.parameters);
    INSERT INTO schedule (id, kind, target, parameters, spec, last_slot, next_slot)
        SELECT w.id, w.kind, w.target, w.parameters, w.spec, 'epoch', world_now() FROM wanted_schedule w
         WHERE NOT EXISTS (SELECT FROM schedule s WHERE s.id = w.id);
END $$;
