/// The statements of the product with one guard left out.
enum MutantStatements {
    /// `$1` ids, `$2` results: no fence, no worker, no state.
    static let finish = """
        WITH g AS (
            DELETE FROM job j USING unnest($1::uuid[], $2::jsonb[]) AS t(id, result) WHERE j.id = t.id
            RETURNING j.id, j.queue, j.kind, j.tenant, j.target, j.lane, j.fence, j.worker_id, j.run_at, j.claimed_at,
                      j.attempt, j.crashes, j.interrupts, j.snoozes, j.args, j.created_at, t.result),
        s AS (DELETE FROM job_slot x USING g WHERE x.job_id = g.id),
        k AS (DELETE FROM job_key x USING g WHERE x.job_id = g.id AND x.release = 0)
        INSERT INTO job_history (id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt,
                                 crashes, interrupts, snoozes, args, created_at, outcome, result)
        SELECT id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt, crashes, interrupts,
               snoozes, args, created_at, 'done', result FROM g
        """
    static let checkpoint = "UPDATE job SET checkpoint = $2 WHERE id = $1"
    static let heldByTheDead = """
        SELECT j.id FROM job j JOIN worker w ON w.id = j.worker_id WHERE j.state = 1
           AND (w.state = 2 OR w.expires_at < now() - interval '3 s')
        """
    static let takeBack = """
        WITH u AS (UPDATE job SET state = 0, worker_id = NULL, claimed_at = NULL, deadline_at = NULL, run_at = now()
                    WHERE id = ANY ($1) RETURNING id)
        DELETE FROM job_slot s USING u WHERE s.job_id = u.id
        """
    static let intent = """
        INSERT INTO effect (key, job_id, fence, step, class, token, request)
        VALUES ($1, $2, $3, $4, $5::text::"char", encode(sha256(convert_to($1 || E'\\n', 'UTF8')), 'hex'), $6)
        ON CONFLICT (key) DO NOTHING
        """
    static let freeKeys = "DELETE FROM job_key WHERE job_id = ANY ($1) AND release = 0"
    static let keepKeys = """
        INSERT INTO job_key (key, job_id, args_hash, release, expires_at)
        SELECT 'u:left/' || id, id, '', 0, NULL FROM unnest($1::uuid[]) AS t(id) ON CONFLICT DO NOTHING
        """
    static let freeSlots = "DELETE FROM job_slot WHERE job_id = ANY ($1)"
    static let leaveSlots = """
        INSERT INTO job_slot (limit_key, n, job_id, fence)
        SELECT 'left/' || id, 1, id, fence FROM unnest($1::uuid[], $2::bigint[]) AS t(id, fence) ON CONFLICT DO NOTHING
        """
    /// `$1` just claimed: all but the oldest run of each limit go back into the line, as if there had been no slot.
    static let oneOfALimit = """
        WITH k AS (
            SELECT DISTINCT ON (limit_key) limit_key, id FROM job WHERE state = 1 AND limit_key IS NOT NULL
             ORDER BY limit_key, claimed_at, id),
        u AS (
            UPDATE job j SET state = 0, worker_id = NULL, claimed_at = NULL, deadline_at = NULL, attempt = j.attempt - 1
              FROM k WHERE j.id = ANY ($1) AND j.state = 1 AND j.limit_key = k.limit_key AND j.id <> k.id
            RETURNING j.id),
        s AS (DELETE FROM job_slot x USING u WHERE x.job_id = u.id)
        SELECT id FROM u
        """
    /// Takes up to `$2` jobs that others run.
    static let steal = """
        UPDATE job j SET worker_id = $1, fence = j.fence + 1, claimed_at = now()
         WHERE j.id IN (SELECT id FROM job WHERE state = 1 AND worker_id <> $1 ORDER BY random() LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING j.id
        """
    static let keepFence = "UPDATE job SET fence = fence - 1 WHERE id = ANY ($1) AND state = 1 AND fence > 1"
    static let accuse = """
        UPDATE job SET crashes = 0, solo_crashes = 2, claimed_alone = true WHERE state = 1 AND worker_id IN
            (SELECT id FROM worker WHERE state = 2 OR expires_at < now() - interval '3 s')
        """
    static let forgetSlots = "UPDATE schedule SET last_slot = $2, next_slot = $3 WHERE id = $1"
}
