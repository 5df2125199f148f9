-- Objects that sleep outside of office hours: the second of two places that know what they return to; the first is the
-- annotation cloudoptim.io/asleep of the object itself. `@schema@` is replaced by the schema that is migrated.

CREATE TABLE sleeper (
    cluster_id text NOT NULL REFERENCES cluster (id) ON DELETE CASCADE,
    uid text NOT NULL CHECK (length(uid) BETWEEN 1 AND 128),
    kind text NOT NULL,
    namespace text NOT NULL,
    name text NOT NULL,
    state text NOT NULL CHECK (state IN ('intended', 'asleep', 'waking', 'awake', 'overridden', 'refused')),
    original int NOT NULL CHECK (original >= 0),            -- the level to return to
    asleep_level int NOT NULL CHECK (asleep_level >= 0),
    since timestamptz NOT NULL,                             -- world time: when the phase began, part of effect keys
    at timestamptz NOT NULL,                                -- world time: when this was seen
    job_id uuid NOT NULL,
    PRIMARY KEY (cluster_id, uid)
);

CREATE VIEW sleeper_status AS
    SELECT s.cluster_id, c.tenant, s.kind, s.namespace, s.name, s.uid, s.state, s.original, s.asleep_level, s.since, s.at
      FROM sleeper s JOIN cluster c ON c.id = s.cluster_id;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON sleeper_status TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON sleeper TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON sleeper TO cloudoptim_owner;
    END IF;
END $$;
