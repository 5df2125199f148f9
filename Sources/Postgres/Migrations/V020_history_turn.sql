-- Partitions of the history are made and dropped by their owner's function: a scheduler that connects as a user with no more than
-- the role cloudoptim_worker can do its upkeep, too. What may be dropped is told by the jobspecs, never by the caller.
-- `@schema@` is replaced by the schema that is migrated.

CREATE FUNCTION turn_history() RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = @schema@, pg_temp AS $$
DECLARE
    today constant date := (now() AT TIME ZONE 'UTC')::date;
    days_ahead constant int := 3;
    history_days constant int := (SELECT coalesce(max((spec ->> 'history_days')::int), 30) FROM job_kind);
    oldest constant text := 'job_history_' || to_char(today - history_days, 'YYYYMMDD');
    day date;
    starts timestamptz;
    ends timestamptz;
    partition text;
    dropped int := 0;
    deleted int;
BEGIN
    -- One at a time: of two that make a day's partition at once the second finds it.
    PERFORM pg_advisory_xact_lock(hashtextextended('turn_history @schema@', 0));
    FOR i IN 0 .. days_ahead LOOP
        day := today + i;
        partition := 'job_history_' || to_char(day, 'YYYYMMDD');
        starts := day::timestamp AT TIME ZONE 'UTC';
        ends := (day + 1)::timestamp AT TIME ZONE 'UTC';
        CONTINUE WHEN EXISTS (SELECT FROM history_partition p WHERE p.name = partition);
        -- This day's rows went to the default partition already, and are kept there.
        CONTINUE WHEN EXISTS (SELECT FROM job_history_default d WHERE d.finished_at >= starts AND d.finished_at < ends);
        EXECUTE format('CREATE TABLE %I PARTITION OF job_history FOR VALUES FROM (%L) TO (%L)', partition, starts, ends);
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO cloudoptim_worker', partition);
        END IF;
    END LOOP;
    FOR partition IN SELECT p.name FROM history_partition p WHERE p.day IS NOT NULL AND p.name < oldest LOOP
        EXECUTE format('DROP TABLE %I', partition);  -- contract: a day past the longest history of any jobspec
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM job_history_default d WHERE d.finished_at < now() - make_interval(days => history_days);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    DELETE FROM history_pruned x WHERE 'job_history_' || to_char(x.day, 'YYYYMMDD') < oldest;
    RETURN dropped + deleted;
END $$;
REVOKE EXECUTE ON FUNCTION turn_history() FROM PUBLIC;

DO $$
DECLARE
    partition text;
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_worker') THEN
        GRANT EXECUTE ON FUNCTION turn_history() TO cloudoptim_worker;
        FOR partition IN SELECT name FROM history_partition LOOP
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO cloudoptim_worker', partition);
        END LOOP;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_owner') THEN
        GRANT EXECUTE ON FUNCTION turn_history() TO cloudoptim_owner;
    END IF;
END $$;
