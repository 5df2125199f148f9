-- Groups of nodes that are smaller outside of office hours: the second of two places that know what they return to; the first is
-- the tag cloudoptim.io/asleep of the group itself. `@schema@` is replaced by the schema that is migrated.

CREATE TABLE node_group_sleep (
    cluster_id text NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,
    node_group text NOT NULL CHECK (length(node_group) BETWEEN 1 AND 300),   -- 'managed-node-group/general'
    state text NOT NULL CHECK (state IN ('intended', 'asleep', 'waking', 'awake', 'overridden', 'refused')),
    original int NOT NULL CHECK (original >= 0),            -- nodes to return to
    min_size int NOT NULL CHECK (min_size >= 0),            -- the fewest nodes its owner keeps when it is awake
    asleep_level int NOT NULL CHECK (asleep_level >= 0),
    since timestamptz NOT NULL,                             -- world time: when the phase began, part of effect keys
    at timestamptz NOT NULL,                                -- world time: when this was seen
    job_id uuid NOT NULL,
    PRIMARY KEY (cluster_id, node_group)
);

CREATE VIEW node_group_status AS
    SELECT s.cluster_id, c.tenant, s.node_group, s.state, s.original, s.min_size, s.asleep_level, s.since, s.at
      FROM node_group_sleep s JOIN cluster c ON c.id = s.cluster_id;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON node_group_status TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON node_group_sleep TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON node_group_sleep TO cloudoptim_owner;
    END IF;
END $$;
