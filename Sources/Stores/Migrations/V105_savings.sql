-- What is saved: projected when decided (`saving`), measured day by day afterwards (`saving_day`).

ALTER TABLE saving
    ADD COLUMN feature text NOT NULL DEFAULT 'interruptions',
    ADD COLUMN form text NOT NULL DEFAULT 'cheaper' CHECK (form IN ('cheaper', 'removed', 'gone')),
    ADD COLUMN before bigint,                              -- micro-dollars per hour, by the prices of the decision
    ADD COLUMN after bigint;
CREATE INDEX saving_cluster ON saving (cluster_id, since);

-- When each instance was a node of its cluster: what node hours are measured by.
CREATE TABLE node_life (
    cluster_id text NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,
    instance_id text NOT NULL,
    type text,
    zone text,
    capacity text CHECK (capacity IN ('spot', 'on-demand')),
    first_seen timestamptz NOT NULL,                       -- world time
    last_seen timestamptz NOT NULL,
    PRIMARY KEY (cluster_id, instance_id)
);
CREATE INDEX node_life_seen ON node_life (cluster_id, last_seen);

-- One row for each saving and UTC day, however often the day is measured: nothing is added twice.
CREATE TABLE saving_day (
    key text NOT NULL,
    day date NOT NULL,
    tenant text NOT NULL,
    cluster_id text NOT NULL,
    feature text NOT NULL,
    hours double precision NOT NULL CHECK (hours BETWEEN 0 AND 24),
    before bigint NOT NULL,                                -- micro-dollars per hour
    after bigint NOT NULL,                                 -- micro-dollars per hour, the mean of the hours
    amount bigint NOT NULL,                                -- micro-dollars: hours x (before - after)
    measured_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, day)
);
CREATE INDEX saving_day_cluster ON saving_day (cluster_id, day);

CREATE OR REPLACE VIEW saving_status AS
    SELECT key, tenant, cluster_id, instance_id, per_hour / 1e6 AS dollars_per_hour, since, job_id, feature, form,
           before / 1e6 AS dollars_before, after / 1e6 AS dollars_after
      FROM saving;

CREATE VIEW savings_by_day AS
    SELECT tenant, cluster_id, feature, day, sum(hours) AS hours, sum(amount) / 1e6 AS dollars
      FROM saving_day GROUP BY tenant, cluster_id, feature, day;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON saving_status, savings_by_day TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA @schema@ TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON ALL TABLES IN SCHEMA @schema@ TO cloudoptim_owner;
    END IF;
END $$;
