-- Which release of the schema this is, and which days of history have lost the kinds that are kept for less long.

-- A process runs against the release it was built for, and against the next one.
CREATE TABLE schema_release (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    release int NOT NULL CHECK (release > 0),
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- A kind whose `history` is shorter than the longest is deleted from each day's partition once, and noted here.
CREATE TABLE history_pruned (
    day date NOT NULL,
    kind text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, kind)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT ON schema_release TO cloudoptim_worker;
        GRANT SELECT, INSERT, UPDATE, DELETE ON history_pruned TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON schema_release, history_pruned TO cloudoptim_owner;
    END IF;
END $$;
