-- Decisions that wait for a person; what voluntary work disturbed lately.

CREATE TABLE proposal (
    id uuid PRIMARY KEY,
    key text NOT NULL,                                     -- matter and content: the same proposed again is one row
    matter text NOT NULL,                                  -- kind, target and parameters: one open proposal for each
    tenant text NOT NULL,
    target text NOT NULL,
    kind text NOT NULL,
    parameters jsonb NOT NULL,
    state text NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'approved', 'done', 'rejected', 'superseded', 'void')),
    actions jsonb NOT NULL CHECK (jsonb_typeof(actions) = 'array'),
    saving bigint,                                         -- micro-dollars per hour
    policy_version int,
    digest text NOT NULL,
    decided_by uuid NOT NULL,                              -- the job
    decided_at timestamptz NOT NULL,                       -- world time
    expires_at timestamptz NOT NULL,                       -- world time
    answered_by text,
    answered_at timestamptz,
    job_id uuid,                                           -- the job that carries it out
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((state IN ('open', 'superseded')) OR answered_by IS NOT NULL)
);
CREATE UNIQUE INDEX proposal_open ON proposal (tenant, matter) WHERE state = 'open';
CREATE INDEX proposal_key ON proposal (tenant, key);

CREATE VIEW proposal_status AS
    SELECT id, tenant, target, kind,
           CASE WHEN state IN ('open', 'approved') AND expires_at <= world_now() THEN 'expired' ELSE state END AS state,
           jsonb_array_length(actions) AS actions, saving / 1e6 AS dollars_per_hour, policy_version, digest,
           decided_by, decided_at, expires_at, answered_by, answered_at, job_id, note
      FROM proposal;

-- One row for each node cordoned and pod evicted by voluntary work: what hourly budgets are counted by.
CREATE TABLE disturbance (
    cluster_id text NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,
    key text NOT NULL,                                     -- the effect key: a retry takes nothing more
    what text NOT NULL CHECK (what IN ('node', 'pod')),
    at timestamptz NOT NULL,                               -- world time
    PRIMARY KEY (cluster_id, key)
);
CREATE INDEX disturbance_at ON disturbance (cluster_id, what, at);

-- Takes one from a budget of the last hour. One at a time for a cluster, so that two workers never both take the last.
CREATE FUNCTION take_disturbance(wanted_cluster text, wanted text, wanted_key text, wanted_at timestamptz, most int)
    RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('disturbance/' || wanted_cluster || '/' || wanted, 0));
    IF EXISTS (SELECT FROM disturbance WHERE cluster_id = wanted_cluster AND key = wanted_key) THEN
        RETURN true;
    END IF;
    IF (SELECT count(*) FROM disturbance WHERE cluster_id = wanted_cluster AND what = wanted
           AND at > wanted_at - interval '1 hour') >= most THEN
        RETURN false;
    END IF;
    INSERT INTO disturbance (cluster_id, key, what, at) VALUES (wanted_cluster, wanted_key, wanted, wanted_at);
    DELETE FROM disturbance WHERE cluster_id = wanted_cluster AND what = wanted AND at < wanted_at - interval '2 days';
    RETURN true;
END $$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON proposal_status TO cloudoptim_reader;
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
