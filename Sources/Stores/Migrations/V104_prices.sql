-- What capacity costs and how pools behaved. `spot_price` had no writer before this version: it is made anew by zone id,
-- which is the same in all accounts.

DROP TABLE spot_price;  -- contract: no release has read it yet
CREATE TABLE spot_price (
    region text NOT NULL,
    zone_id text NOT NULL,                                 -- use1-az1; the name in our own account where no id was told
    type text NOT NULL,
    product text NOT NULL DEFAULT 'Linux/UNIX',
    at timestamptz NOT NULL,                               -- when the price changed
    price bigint NOT NULL CHECK (price >= 0),              -- micro-dollars per hour
    last_seen timestamptz NOT NULL,                        -- when it was last seen in force
    zone text NOT NULL,                                    -- the zone's name in our own account
    PRIMARY KEY (region, zone_id, type, product, at)
);
CREATE INDEX spot_price_type ON spot_price (region, type, at);

CREATE TABLE account_zone (
    account text NOT NULL,
    region text NOT NULL,
    zone text NOT NULL,
    zone_id text NOT NULL,
    PRIMARY KEY (account, region, zone)
);

CREATE TABLE on_demand_price (
    region text NOT NULL,
    type text NOT NULL,
    price bigint NOT NULL CHECK (price > 0),               -- micro-dollars per hour
    at timestamptz NOT NULL,
    PRIMARY KEY (region, type)
);

CREATE TABLE spot_advice (
    region text NOT NULL,
    type text NOT NULL,
    range smallint NOT NULL CHECK (range BETWEEN 0 AND 4),
    saving int NOT NULL,                                   -- per cent against on demand; may be negative
    PRIMARY KEY (region, type)
);

CREATE TABLE price_source (
    name text PRIMARY KEY,                                 -- advisor, spot/<region>, on-demand/<region>
    tag text,
    at timestamptz NOT NULL                                -- world time
);

-- Whole days (UTC) of spot prices that are there, or can never be had.
CREATE TABLE price_day (
    region text NOT NULL,
    type text NOT NULL,
    day date NOT NULL,
    state text NOT NULL CHECK (state IN ('filled', 'unfillable')),
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region, type, day)
);

-- What pools did to an account; the zone by its name there.
CREATE TABLE pool_incident (
    account text NOT NULL,
    region text NOT NULL,
    zone text NOT NULL,
    type text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('interruption', 'no-capacity', 'rebalance')),
    at timestamptz NOT NULL,                               -- world time
    PRIMARY KEY (account, region, zone, type, kind, at)
);

ALTER TABLE instance_index ADD COLUMN type text, ADD COLUMN zone text;

CREATE VIEW price_coverage AS
    SELECT region, day, count(*) FILTER (WHERE state = 'filled') AS types_filled,
           count(*) FILTER (WHERE state = 'unfillable') AS types_unfillable
      FROM price_day GROUP BY region, day;

CREATE VIEW spot_price_now AS
    SELECT DISTINCT ON (region, zone_id, type) region, zone_id, zone, type, price / 1e6 AS dollars_per_hour, at, last_seen
      FROM spot_price ORDER BY region, zone_id, type, at DESC;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON price_coverage, spot_price_now TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA @schema@ TO cloudoptim_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT ALL ON ALL TABLES IN SCHEMA @schema@ TO cloudoptim_owner;
    END IF;
END $$;
