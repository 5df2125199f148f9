-- What the risk score said of the pools that accounts used, a row for each pool and day: `cloudoptim risk calibration`.

CREATE TABLE risk_prediction (
    account text NOT NULL,
    region text NOT NULL,
    zone text NOT NULL,                                    -- by its name in the account
    type text NOT NULL,
    day date NOT NULL,                                     -- UTC
    at timestamptz NOT NULL,                               -- world time
    score double precision NOT NULL CHECK (score BETWEEN 0 AND 1),
    confidence double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    PRIMARY KEY (account, region, zone, type, day)
);

-- Those whose 24 hours are over, and whether an instance of the pool was interrupted in them.
CREATE VIEW risk_outcome AS
    SELECT p.account, p.region, p.zone, p.type, p.day, p.score, p.confidence,
           EXISTS (SELECT FROM pool_incident i
                    WHERE i.account = p.account AND i.region = p.region AND i.zone = p.zone AND i.type = p.type
                      AND i.kind = 'interruption' AND i.at > p.at AND i.at <= p.at + interval '24 hours') AS interrupted
      FROM risk_prediction p WHERE p.at <= world_now() - interval '24 hours';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON risk_outcome TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA @schema@ TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON ALL TABLES IN SCHEMA @schema@ TO cloudoptim_owner;
    END IF;
END $$;
