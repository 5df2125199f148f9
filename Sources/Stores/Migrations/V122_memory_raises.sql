-- Raises of memory after containers were killed for want of it. `@schema@` is replaced by the schema that is migrated.

CREATE TABLE memory_raise (
    cluster_id text NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,
    kill_key text NOT NULL CHECK (length(kill_key) BETWEEN 1 AND 400),
    namespace text NOT NULL,
    kind text NOT NULL,
    workload text NOT NULL,
    container text NOT NULL,
    killed_at timestamptz NOT NULL,                         -- world time, as is `at`
    lifetime double precision,                              -- seconds from the container's start to the kill
    at timestamptz NOT NULL,
    limit_before bigint,
    limit_after bigint,
    request_before bigint,
    request_after bigint NOT NULL,
    job_id uuid NOT NULL,
    PRIMARY KEY (cluster_id, kill_key)
);
CREATE INDEX memory_raise_at ON memory_raise (cluster_id, at);

CREATE VIEW memory_raise_status AS
    SELECT m.cluster_id, c.tenant, m.namespace, m.kind, m.workload, m.container, m.killed_at, m.lifetime, m.at,
           m.limit_before, m.limit_after, m.request_before, m.request_after
      FROM memory_raise m JOIN cluster c ON c.id = m.cluster_id;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON memory_raise_status TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON memory_raise TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON memory_raise TO cloudoptim_owner;
    END IF;
END $$;
