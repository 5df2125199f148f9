-- Plans that empty nodes: who holds the marks on them while it is under way, and which nodes rest afterwards.

CREATE TABLE node_plan (
    cluster_id text NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,
    number int NOT NULL CHECK (number > 0),                -- from 1 in each cluster: part of effect keys
    kind text NOT NULL,
    nodes text[] NOT NULL,                                 -- UIDs of the nodes to be emptied
    touched text[] NOT NULL,                               -- UIDs of nodes that took pods
    opened_at timestamptz NOT NULL,                        -- world time, as all below
    seen_at timestamptz NOT NULL,
    closed_at timestamptz,
    outcome text,
    job_id uuid NOT NULL,
    PRIMARY KEY (cluster_id, number),
    CHECK ((closed_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX node_plan_live ON node_plan (cluster_id) WHERE closed_at IS NULL;

CREATE VIEW node_plan_status AS
    SELECT c.tenant, p.cluster_id, p.number, p.kind, cardinality(p.nodes) AS nodes, p.opened_at, p.seen_at, p.closed_at,
           COALESCE(p.outcome, 'under way') AS outcome, p.job_id
      FROM node_plan p JOIN cluster c ON c.id = p.cluster_id;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON node_plan_status TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA @schema@ TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON ALL TABLES IN SCHEMA @schema@ TO cloudoptim_owner;
    END IF;
END $$;
