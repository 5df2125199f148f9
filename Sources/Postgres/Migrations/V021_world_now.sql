-- World time is for everybody who reads a view that tells it: with the reader's own rights `schedule_health` and `risk_outcome`
-- could not be read by cloudoptim_reader, for the clock is a table. `@schema@` is replaced by the schema that is migrated.

CREATE OR REPLACE FUNCTION world_now() RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = @schema@, pg_temp AS $$ SELECT now() + (SELECT shift FROM world_clock) $$;
