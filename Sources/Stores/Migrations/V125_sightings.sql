-- What scans of an account remember: volumes on their way to deletion, and instances in no cluster.
-- Times are world time; money is micro-dollars per hour.
CREATE TABLE volume_sighting (
    tenant text NOT NULL REFERENCES tenant (name),
    account text NOT NULL CHECK (account ~ '^[0-9]{12}$'),
    region text NOT NULL,
    volume_id text NOT NULL CHECK (length(volume_id) BETWEEN 1 AND 64),
    cluster_id text,                                       -- the owner by its tags, where it is registered
    unused_since timestamptz,
    marked_at timestamptz,                                 -- the mark's date: the tag's twin, which survives its loss
    used_at timestamptz,
    stage text NOT NULL CHECK (stage IN ('used', 'kept', 'seen', 'marked', 'snapshotting', 'deletable')),
    reason text NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),                -- bytes
    saving_per_hour bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    job_id uuid NOT NULL,
    PRIMARY KEY (tenant, account, region, volume_id)
);

CREATE TABLE ghost_sighting (
    tenant text NOT NULL REFERENCES tenant (name),
    account text NOT NULL CHECK (account ~ '^[0-9]{12}$'),
    region text NOT NULL,
    instance_id text NOT NULL CHECK (length(instance_id) BETWEEN 1 AND 64),
    cluster_id text,
    ghost_class text NOT NULL CHECK (ghost_class IN ('A', 'B', 'C', 'D', 'E')),
    first_seen_at timestamptz NOT NULL,
    counted_at timestamptz NOT NULL CHECK (counted_at >= first_seen_at),
    scans int NOT NULL CHECK (scans > 0),
    type text NOT NULL,
    per_hour bigint NOT NULL,
    reason text NOT NULL,
    job_id uuid NOT NULL,
    PRIMARY KEY (tenant, account, region, instance_id)
);

CREATE VIEW volume_status AS
    SELECT tenant, account, region, volume_id, cluster_id, stage, reason, unused_since, marked_at, used_at, seen_at,
           size / 1073741824.0 AS gibibytes, saving_per_hour * 730 / 1e6 AS dollars_per_month
      FROM volume_sighting;

CREATE VIEW ghost_status AS
    SELECT tenant, account, region, instance_id, cluster_id, ghost_class, first_seen_at, counted_at, scans, type, reason,
           per_hour * 730 / 1e6 AS dollars_per_month
      FROM ghost_sighting;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON volume_status, ghost_status TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON volume_sighting, ghost_sighting TO cloudoptim_worker;
        GRANT SELECT ON volume_status, ghost_status TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON volume_sighting, ghost_sighting, volume_status, ghost_status TO cloudoptim_owner;
    END IF;
END $$;
