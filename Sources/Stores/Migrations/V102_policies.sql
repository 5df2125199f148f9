-- What may be done in a cluster, every version kept; a switch for one cluster; what a finding is worth.

CREATE TABLE cluster_policy (
    cluster_id text NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,
    version int NOT NULL CHECK (version > 0),
    document jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object' AND pg_column_size(document) < 262144),
    changed_by text NOT NULL,
    note text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster_id, version)
);

-- What was limited kind by kind becomes the first version. `cluster_mode` is read by the release before this one only.
INSERT INTO cluster_policy (cluster_id, version, document, changed_by, note)
SELECT cluster_id, 1, jsonb_build_object('modes', jsonb_object_agg(kind, mode)), 'migration', 'from the modes of kinds'
  FROM cluster_mode GROUP BY cluster_id;

-- Stops every action in one cluster, before the next one.
CREATE TABLE cluster_kill_switch (
    cluster_id text PRIMARY KEY REFERENCES cluster (id) ON DELETE CASCADE,
    is_on boolean NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE finding
    ADD COLUMN saving bigint,                              -- micro-dollars per hour
    ADD COLUMN confidence double precision CHECK (confidence BETWEEN 0 AND 1);

CREATE OR REPLACE VIEW finding_status AS
    SELECT key, tenant, code, cluster_id, subject, severity, message, kind, first_at, last_at, times,
           saving / 1e6 AS dollars_per_hour, confidence
      FROM finding;

CREATE VIEW policy_history AS
    SELECT p.cluster_id, c.tenant, p.version, p.document, p.changed_by, p.note, p.changed_at,
           p.version = max(p.version) OVER (PARTITION BY p.cluster_id) AS is_current
      FROM cluster_policy p JOIN cluster c ON c.id = p.cluster_id;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON policy_history, finding_status TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA @schema@ TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON ALL TABLES IN SCHEMA @schema@ TO cloudoptim_owner;
    END IF;
END $$;
