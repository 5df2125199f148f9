import Postgres

/// What the harness adds to the schema: every move of a job is written down by the database itself, in the transaction
/// that makes it.
enum Audit {
    static let schema = """
        CREATE TABLE chaos_move (
            seq bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), app text NOT NULL, op text NOT NULL,
            job uuid NOT NULL, kind text NOT NULL, from_state smallint, to_state smallint, from_fence bigint,
            to_fence bigint, from_worker uuid, to_worker uuid, owner_live boolean, past_deadline boolean, rate_key text,
            asked boolean, crashes int);
        CREATE INDEX chaos_move_job ON chaos_move (job, seq);
        CREATE INDEX chaos_move_worker ON chaos_move (to_worker);
        CREATE TABLE chaos_flaw (at timestamptz NOT NULL DEFAULT clock_timestamp(), what text NOT NULL, job uuid, detail text);
        CREATE TABLE chaos_slot (key text NOT NULL, job uuid NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
        CREATE TABLE chaos_count (key text PRIMARY KEY, n int NOT NULL);

        CREATE FUNCTION chaos_note_move() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            app text := current_setting('application_name');
            owner_live boolean;
        BEGIN
            IF TG_OP = 'INSERT' THEN
                INSERT INTO chaos_move (app, op, job, kind, to_state, to_fence, to_worker)
                    VALUES (app, 'insert', NEW.id, NEW.kind, NEW.state, NEW.fence, NEW.worker_id);
                RETURN NULL;
            END IF;
            IF OLD.worker_id IS NOT NULL THEN
                SELECT w.state < 2 AND w.expires_at > now() - interval '2 s' INTO owner_live
                  FROM worker w WHERE w.id = OLD.worker_id;
            END IF;
            IF TG_OP = 'UPDATE' THEN
                INSERT INTO chaos_move (app, op, job, kind, from_state, to_state, from_fence, to_fence, from_worker,
                                        to_worker, owner_live, past_deadline, rate_key, asked, crashes)
                    VALUES (app, 'update', OLD.id, OLD.kind, OLD.state, NEW.state, OLD.fence, NEW.fence, OLD.worker_id,
                            NEW.worker_id, owner_live, OLD.deadline_at < now() - interval '9 s', OLD.rate_key,
                            OLD.cancel_at IS NOT NULL, NEW.crashes);
            ELSE
                INSERT INTO chaos_move (app, op, job, kind, from_state, from_fence, from_worker, owner_live,
                                        past_deadline, asked)
                    VALUES (app, 'delete', OLD.id, OLD.kind, OLD.state, OLD.fence, OLD.worker_id, owner_live,
                            OLD.deadline_at < now() - interval '9 s', OLD.cancel_at IS NOT NULL);
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER chaos_inserted AFTER INSERT OR DELETE ON job FOR EACH ROW EXECUTE FUNCTION chaos_note_move();
        CREATE TRIGGER chaos_moved AFTER UPDATE ON job FOR EACH ROW
            WHEN (OLD.state <> NEW.state OR OLD.fence <> NEW.fence OR OLD.worker_id IS DISTINCT FROM NEW.worker_id)
            EXECUTE FUNCTION chaos_note_move();

        CREATE FUNCTION chaos_note_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (NEW.checkpoint ->> 'fence')::bigint <> NEW.fence OR NEW.state <> 1 THEN
                INSERT INTO chaos_flaw (what, job, detail) VALUES ('checkpoint of another run', NEW.id, NEW.checkpoint::text);
            END IF;
            IF (NEW.checkpoint ->> 'step')::int < (OLD.checkpoint ->> 'step')::int THEN
                INSERT INTO chaos_flaw (what, job, detail) VALUES ('checkpoint went back', NEW.id, NEW.checkpoint::text);
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER chaos_checkpoint AFTER UPDATE ON job FOR EACH ROW
            WHEN (NEW.checkpoint IS DISTINCT FROM OLD.checkpoint) EXECUTE FUNCTION chaos_note_checkpoint();

        CREATE FUNCTION chaos_note_effect() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                IF NOT EXISTS (SELECT FROM job j WHERE j.id = NEW.job_id AND j.fence = NEW.fence AND j.state = 1) THEN
                    INSERT INTO chaos_flaw (what, job, detail) VALUES ('intent of a run that owns no job', NEW.job_id, NEW.key);
                END IF;
            ELSIF OLD.state <> 0 OR NEW.request <> OLD.request OR NEW.token <> OLD.token THEN
                INSERT INTO chaos_flaw (what, job, detail) VALUES ('an ended or frozen effect was changed', NEW.job_id, NEW.key);
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER chaos_effect AFTER INSERT OR UPDATE ON effect FOR EACH ROW EXECUTE FUNCTION chaos_note_effect();

        CREATE FUNCTION chaos_note_slot() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO chaos_slot (key, job) VALUES (NEW.key, NEW.job_id);
            RETURN NULL;
        END $$;
        CREATE TRIGGER chaos_slot AFTER INSERT ON job_key FOR EACH ROW WHEN (NEW.key LIKE 's:%')
            EXECUTE FUNCTION chaos_note_slot();
        """

    /// For each limit with jobs that have waited for two seconds, and for nothing else: whether it is full.
    static let limitUse = """
        SELECT w.limit_key, (SELECT count(*) FROM job r WHERE r.limit_key = w.limit_key AND r.state = 1) >= w.limit_max
          FROM (SELECT limit_key, max(limit_max) AS limit_max FROM job
                 WHERE state = 0 AND limit_key IS NOT NULL AND crashes < 2 AND run_at < now() - interval '2 s'
                 GROUP BY limit_key) w
        """

    /// What must hold in every snapshot, looked at many times while the faults go on: each row is a violation.
    static let snapshot = """
        SELECT 'limit exceeded', limit_key FROM job WHERE state = 1 AND limit_key IS NOT NULL
         GROUP BY limit_key HAVING count(*) > max(limit_max)
        UNION ALL
        SELECT 'running without its slot', j.id::text FROM job j WHERE j.state = 1 AND j.limit_key IS NOT NULL
           AND NOT EXISTS (SELECT FROM job_slot s WHERE s.job_id = j.id AND s.fence = j.fence)
        UNION ALL
        SELECT 'slot without its run', s.limit_key FROM job_slot s
         WHERE NOT EXISTS (SELECT FROM job j WHERE j.id = s.job_id AND j.fence = s.fence AND j.state = 1)
        UNION ALL
        SELECT 'unique job without its key', j.id::text FROM job j WHERE j.kind = 'unique'
           AND NOT EXISTS (SELECT FROM job_key k WHERE k.job_id = j.id)
        UNION ALL
        SELECT 'two unique jobs at once', args ->> 'n' FROM job WHERE kind = 'unique' GROUP BY 2 HAVING count(*) > 1
        UNION ALL
        SELECT 'hot and ended at once', j.id::text FROM job j
         WHERE EXISTS (SELECT FROM job_dead d WHERE d.id = j.id)
            OR EXISTS (SELECT FROM job_history h WHERE h.id = j.id AND h.finished_at > now() - interval '1 hour')
        """
}
