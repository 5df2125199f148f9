import JobQueue

/// Taking back what was lost: the runs of dead workers, and runs past their deadline.
enum ReapStatements {
    /// A lease is over three seconds after it ended: the worker's own trust ends three seconds before.
    static let buryWorkers = "UPDATE worker SET state = 2 WHERE state < 2 AND expires_at < now() - interval '3 s'"
    static let deadWorkers = """
        SELECT w.id FROM worker w WHERE w.state = 2 AND EXISTS (SELECT FROM job j WHERE j.worker_id = w.id AND j.state = 1)
        """
    /// Locks first, on the job's own columns only: a join to `worker` re-tested after a lock would take live jobs.
    static let lock = """
        SELECT id FROM job
         WHERE state = 1 AND (worker_id = ANY ($1) OR deadline_at < now() - interval '10 s')
         ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
        """
    /// Acts on the locked rows, testing again. `$1` dead workers, `$2` ids.
    ///
    /// A crash costs no attempt; a passed deadline does. Crashes accuse nobody: only a crash while claimed alone
    /// counts towards quarantine. Back-off and spread keep a fleet-wide loss from coming back all at once.
    static let act = """
        WITH l AS (
            SELECT j.id, j.fence, j.worker_id, j.attempt, j.claimed_at, j.crashes,
                   CASE WHEN j.cancel_at IS NOT NULL THEN 'cancelled'
                        WHEN j.worker_id = ANY ($1) AND j.claimed_alone AND j.solo_crashes >= 2 THEN 'poison'
                        WHEN j.worker_id = ANY ($1) THEN 'crash'
                        WHEN j.attempt >= j.max_attempts THEN 'exhausted'
                        ELSE 'timeout' END AS verdict
              FROM job j
             WHERE j.id = ANY ($2) AND (j.state + 0) = 1
               AND (j.worker_id = ANY ($1) OR j.deadline_at < now() - interval '10 s')),
        a AS (
            INSERT INTO job_attempt (job_id, attempt, fence, worker_id, started_at, how, error)
            SELECT id, attempt, fence, worker_id, claimed_at,
                   CASE WHEN verdict IN ('cancelled', 'crash') THEN verdict WHEN verdict = 'poison' THEN 'crash'
                        ELSE 'timeout' END,
                   jsonb_build_object('code', verdict, 'message', CASE WHEN verdict IN ('timeout', 'exhausted')
                       THEN 'the run passed its deadline' ELSE 'the worker''s lease ended' END)
              FROM l),
        s AS (DELETE FROM job_slot x USING l WHERE x.job_id = l.id AND x.fence = l.fence),
        b AS (
            UPDATE job j SET state = 0, worker_id = NULL, claimed_at = NULL, deadline_at = NULL, claimed_alone = false,
                   late_at = NULL, crashes = j.crashes + CASE WHEN l.verdict = 'crash' THEN 1 ELSE 0 END,
                   solo_crashes = j.solo_crashes + CASE WHEN l.verdict = 'crash' AND j.claimed_alone THEN 1 ELSE 0 END,
                   attempt = j.attempt - CASE WHEN l.verdict = 'crash' THEN 1 ELSE 0 END,
                   run_at = now() + make_interval(secs => CASE
                       WHEN l.verdict = 'crash' AND j.lane = 0 THEN 0
                       WHEN l.verdict = 'crash' AND j.crashes <= 1 THEN random() * (1 + j.crashes)
                       ELSE least(60, 2 ^ least(j.crashes + 1, 6)) * (0.5 + random()) END)
              FROM l WHERE j.id = l.id AND l.verdict IN ('crash', 'timeout') RETURNING j.id),
        g AS (
            DELETE FROM job j USING l WHERE j.id = l.id AND l.verdict IN ('cancelled', 'poison', 'exhausted')
            RETURNING j.id, j.queue, j.kind, j.tenant, j.target, j.lane, j.fence, j.worker_id, j.run_at, j.claimed_at,
                      j.attempt, j.max_attempts, j.crashes, j.interrupts, j.snoozes, j.cancelled_by, j.replay_of, j.args,
                      j.checkpoint, j.progress, j.last_error, j.traceparent, j.created_at, l.verdict),
        k AS (DELETE FROM job_key x USING g WHERE x.job_id = g.id AND x.release = 0),
        h AS (
            INSERT INTO job_history (id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt,
                                     crashes, interrupts, snoozes, cancelled_by, replay_of, args, progress, last_error,
                                     traceparent, created_at, outcome, reason)
            SELECT id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt, crashes,
                   interrupts, snoozes, cancelled_by, replay_of, args, progress, last_error, traceparent, created_at,
                   'cancelled', coalesce('cancelled by ' || cancelled_by, 'cancelled')
              FROM g WHERE verdict = 'cancelled'),
        x AS (
            INSERT INTO job_dead (id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt,
                                  max_attempts, crashes, interrupts, snoozes, replay_of, args, checkpoint, progress,
                                  last_error, traceparent, created_at, reason)
            SELECT id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt, max_attempts,
                   crashes + 1, interrupts, snoozes, replay_of, args, checkpoint, progress, last_error, traceparent,
                   created_at, CASE verdict WHEN 'poison' THEN 'poison: its worker died three times while it ran alone'
                                            ELSE 'attempts exhausted: passed its deadline' END
              FROM g WHERE verdict <> 'cancelled')
        SELECT verdict, count(*) FROM l GROUP BY verdict
        """
    /// After a gap of the ledger nobody is to blame for a missed renewal.
    static let extendLeases = """
        UPDATE worker SET expires_at = greatest(expires_at, now() + make_interval(secs => $1::float8)) WHERE state < 2
        """

    static func reap(atMost: Int, on connection: isolated PostgresConnection) throws -> ReapReport {
        var report = ReapReport()
        report.workersLost = try connection.execute(buryWorkers)
        let dead = try connection.query(deadWorkers).map { try $0.uuid(0) }
        let counts = try connection.transaction { connection in
            let ids = try connection.query(lock, [.uuidArray(dead), .int(Int64(atMost))]).map { try $0.uuid(0) }
            if ids.isEmpty { return [String: Int]() }
            var counts: [String: Int] = [:]
            for row in try connection.query(act, [.uuidArray(dead), .uuidArray(ids)]) {
                counts[try row.string(0)] = Int(try row.int(1))
            }
            return counts
        }
        report.requeued = counts["crash", default: 0] + counts["timeout", default: 0]
        report.cancelled = counts["cancelled", default: 0]
        report.poisoned = counts["poison", default: 0]
        report.dead = counts["exhausted", default: 0]
        return report
    }

    static let lead = """
        INSERT INTO lead (name, term, holder, expires_at) VALUES ($1, 1, $2, now() + make_interval(secs => $3::float8))
        ON CONFLICT (name) DO UPDATE SET
            term = lead.term + CASE WHEN lead.holder = $2 AND lead.expires_at > now() THEN 0 ELSE 1 END,
            holder = $2, expires_at = now() + make_interval(secs => $3::float8)
          WHERE lead.holder = $2 OR lead.holder IS NULL OR lead.expires_at < now()
        RETURNING term
        """
    static let resign =
        "UPDATE lead SET holder = NULL, expires_at = now() WHERE name = $1 AND holder = $2 AND term = $3"
}
