-- What containers used, by day of UTC: a histogram of CPU and the most memory. Days beyond the window are deleted as new
-- ones are written. `@schema@` is replaced by the schema that is migrated.

CREATE TABLE usage_day (
    cluster_id text NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,
    namespace text NOT NULL,
    kind text NOT NULL,
    workload text NOT NULL,
    container text NOT NULL,
    day int NOT NULL,                                       -- days since 1970-01-01, world time
    cpu int[] NOT NULL CHECK (cardinality(cpu) <= 256),     -- samples by bucket
    memory_max bigint NOT NULL CHECK (memory_max >= 0),     -- bytes
    minutes int NOT NULL CHECK (minutes >= 0),
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,                           -- what is not newer is not added again
    PRIMARY KEY (cluster_id, day, namespace, kind, workload, container)
);

CREATE VIEW usage_status AS
    SELECT u.cluster_id, c.tenant, u.namespace, u.kind, u.workload, u.container, u.day, u.memory_max, u.minutes,
           (SELECT coalesce(sum(n), 0) FROM unnest(u.cpu) AS n) AS samples, u.first_at, u.last_at
      FROM usage_day u JOIN cluster c ON c.id = u.cluster_id WHERE u.workload <> '';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON usage_status TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON usage_day TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON usage_day TO cloudoptim_owner;
    END IF;
END $$;
