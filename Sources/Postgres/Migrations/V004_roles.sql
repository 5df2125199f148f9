-- Four roles, none of which can log in: grant them to the users that programs connect as.
-- A database user without CREATEROLE (some managed services) makes them by hand; the grants are then repeated here.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['cloudoptim_reader', 'cloudoptim_enqueuer', 'cloudoptim_worker', 'cloudoptim_owner'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- made by another migration at this moment
        WHEN insufficient_privilege THEN
            RAISE WARNING 'role % cannot be made by %: ask an administrator', wanted, current_user;
        END;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', '@schema@', wanted);
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_reader') THEN
        GRANT SELECT ON job_status, queue_depth, schedule_health, worker_health, effect_log, leader_health,
            job_dead_letter, attempt_log TO cloudoptim_reader;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cloudoptim_enqueuer') THEN
        GRANT EXECUTE ON FUNCTION enqueue(text, jsonb, text, timestamptz, text) TO cloudoptim_enqueuer;
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
