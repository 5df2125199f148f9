-- The product's tables: who is looked after, what came in, what is under way.
-- `@schema@` is replaced by the schema that is migrated.

CREATE TABLE tenant (
    name text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- A queue belongs to exactly one tenant: the composite key lets `cluster` say so.
CREATE TABLE interruption_queue (
    url text PRIMARY KEY CHECK (length(url) BETWEEN 1 AND 512),
    tenant text NOT NULL REFERENCES tenant (name),
    UNIQUE (url, tenant)
);

CREATE TABLE cluster (
    id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    tenant text NOT NULL REFERENCES tenant (name),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    account text NOT NULL CHECK (account ~ '^[0-9]{12}$'),
    region text NOT NULL CHECK (region ~ '^[a-z0-9-]{4,32}$'),
    endpoint text NOT NULL CHECK (endpoint ~ '^https://'),
    authority text,
    credential text CHECK (credential ~ '^v1:'),           -- sealed: tenant, cluster and field are its associated data
    queue_url text,
    role_arn text,
    external_id text,
    time_zone text NOT NULL DEFAULT 'UTC',
    environment text NOT NULL DEFAULT 'production' CHECK (environment IN ('production', 'staging', 'development')),
    mode text NOT NULL DEFAULT 'observe' CHECK (mode IN ('off', 'observe', 'propose', 'apply')),
    launch jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (queue_url, tenant) REFERENCES interruption_queue (url, tenant),
    UNIQUE (tenant, account, region, name)
);
CREATE INDEX cluster_queue ON cluster (queue_url);

-- How far one kind of job may go in one cluster, where it is less than the cluster's own mode.
CREATE TABLE cluster_mode (
    cluster_id text NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,
    kind text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('off', 'observe', 'propose', 'apply')),
    PRIMARY KEY (cluster_id, kind)
);

-- One switch that stops every action of every job, before the next one.
CREATE TABLE kill_switch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    is_on boolean NOT NULL DEFAULT false,
    changed_by text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO kill_switch DEFAULT VALUES;

CREATE TABLE instance_index (
    cluster_id text NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,
    instance_id text NOT NULL,
    node text NOT NULL,
    node_uid text NOT NULL,
    seen_at timestamptz NOT NULL,                          -- world time
    PRIMARY KEY (cluster_id, instance_id)
);

-- Every event that came, for a day: the second and later copies of one find its key.
CREATE TABLE event (
    key text PRIMARY KEY,
    tenant text NOT NULL,
    queue text NOT NULL,
    kind text NOT NULL,
    account text NOT NULL,
    region text NOT NULL,
    instances text[] NOT NULL,
    cluster_id text,
    at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('accepted', 'foreign', 'unknown-instance', 'noted')),
    note text NOT NULL DEFAULT '',
    job_id uuid NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX event_received ON event (tenant, received_at);

-- Messages that could not be read. The body is bytes: it may be anything.
CREATE TABLE event_dead_letter (
    key text PRIMARY KEY,
    tenant text NOT NULL,
    queue text NOT NULL,
    message text NOT NULL,
    error text NOT NULL,
    body bytea NOT NULL,
    job_id uuid NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE interruption (
    cluster_id text NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,
    instance_id text NOT NULL,
    generation int NOT NULL CHECK (generation > 0),
    kind text NOT NULL CHECK (kind IN
        ('spot-warning', 'capacity-reservation', 'rebalance', 'maintenance', 'state-change', 'lifecycle')),
    event_at timestamptz NOT NULL,                         -- world time, as are the deadline and every step
    deadline timestamptz NOT NULL,
    lifecycle jsonb,
    requirement jsonb,
    cordoned_at timestamptz,
    drained_at timestamptz,
    replacement text,
    closed_at timestamptz,
    job_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster_id, instance_id, generation)
);
CREATE INDEX interruption_live ON interruption (cluster_id) WHERE closed_at IS NULL;

CREATE TABLE unavailable_pool (
    account text NOT NULL,
    region text NOT NULL,
    zone text NOT NULL,
    type text NOT NULL,
    capacity text NOT NULL CHECK (capacity IN ('spot', 'on-demand')),
    until timestamptz NOT NULL,                            -- world time
    reason text NOT NULL,
    tenant text NOT NULL,
    PRIMARY KEY (account, region, zone, type, capacity)
);

-- Spot prices of Linux: a row for each change.
CREATE TABLE spot_price (
    region text NOT NULL,
    zone text NOT NULL,
    type text NOT NULL,
    at timestamptz NOT NULL,
    price bigint NOT NULL CHECK (price >= 0),              -- micro-dollars per hour
    PRIMARY KEY (region, zone, type, at)
);

CREATE TABLE finding (
    key text NOT NULL,
    tenant text NOT NULL,
    code text NOT NULL,
    cluster_id text,
    subject text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    message text NOT NULL,
    kind text NOT NULL,
    job_id uuid NOT NULL,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at timestamptz NOT NULL DEFAULT now(),
    times int NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant, key)
);

CREATE TABLE saving (
    key text PRIMARY KEY,
    tenant text NOT NULL,
    cluster_id text NOT NULL,
    instance_id text NOT NULL,
    per_hour bigint NOT NULL,                              -- micro-dollars
    since timestamptz NOT NULL,
    job_id uuid NOT NULL
);

CREATE VIEW foreign_event AS
    SELECT key, tenant, queue, kind, account, region, instances, at, received_at FROM event WHERE outcome = 'foreign';

CREATE VIEW cluster_status AS
    SELECT c.id, c.tenant, c.name, c.account, c.region, c.endpoint, c.queue_url, c.environment, c.time_zone, c.mode,
           c.credential IS NOT NULL AS has_credential, c.created_at,
           (SELECT count(*) FROM instance_index x WHERE x.cluster_id = c.id) AS instances,
           (SELECT max(x.seen_at) FROM instance_index x WHERE x.cluster_id = c.id) AS seen_at,
           (SELECT count(*) FROM interruption i WHERE i.cluster_id = c.id AND i.closed_at IS NULL) AS interruptions
      FROM cluster c;

CREATE VIEW interruption_status AS
    SELECT i.cluster_id, i.instance_id, i.generation, i.kind, i.event_at, i.deadline, i.cordoned_at, i.drained_at,
           i.replacement, i.closed_at, i.requirement, c.tenant,
           extract(epoch FROM i.cordoned_at - i.event_at) AS seconds_to_cordon,
           extract(epoch FROM i.drained_at - i.event_at) AS seconds_to_drain
      FROM interruption i JOIN cluster c ON c.id = i.cluster_id;

CREATE VIEW finding_status AS
    SELECT key, tenant, code, cluster_id, subject, severity, message, kind, first_at, last_at, times FROM finding;

CREATE VIEW saving_status AS
    SELECT key, tenant, cluster_id, instance_id, per_hour / 1e6 AS dollars_per_hour, since, job_id FROM saving;

-- What schedules and tenants of jobs are derived from; run in the transaction that changes `cluster`.
CREATE FUNCTION sync_targets() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMP TABLE IF NOT EXISTS wanted_target (target text, fan_out text, tenant text) ON COMMIT DROP;
    DELETE FROM wanted_target;
    INSERT INTO wanted_target
        SELECT id, 'cluster', tenant FROM cluster
        UNION SELECT queue_url, 'queue', tenant FROM cluster WHERE queue_url IS NOT NULL
        UNION SELECT 'account/' || tenant || '/' || account || '/' || region, 'account', tenant FROM cluster
        UNION SELECT 'region/' || region, 'region', '' FROM cluster;
    DELETE FROM job_target t
     WHERE NOT EXISTS (SELECT FROM wanted_target w WHERE w.target = t.target AND w.fan_out = t.fan_out);
    INSERT INTO job_target (target, fan_out, tenant) SELECT target, fan_out, tenant FROM wanted_target
    ON CONFLICT (target, fan_out) DO UPDATE SET tenant = excluded.tenant WHERE job_target.tenant <> excluded.tenant;
    PERFORM sync_schedules();
END $$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON cluster_status, interruption_status, finding_status, foreign_event, saving_status TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA @schema@ TO cloudoptim_worker;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA @schema@ TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON ALL TABLES IN SCHEMA @schema@ TO cloudoptim_owner;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA @schema@ TO cloudoptim_owner;
    END IF;
END $$;
