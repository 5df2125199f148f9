import JobQueue

/// Cancelling: one statement, so that a job that moves between queued and running meanwhile is not missed.
enum CancelStatements {
    /// `$1` ids, `$2` who. The answer: every job that was found hot, and whether it ran.
    static let cancel = """
        WITH l AS (SELECT id, state FROM job WHERE id = ANY ($1) ORDER BY id FOR UPDATE),
        m AS (
            UPDATE job j SET cancel_at = coalesce(j.cancel_at, now()), cancelled_by = coalesce(j.cancelled_by, $2)
              FROM l WHERE j.id = l.id AND l.state = 1 RETURNING j.id),
        g AS (
            DELETE FROM job j USING l WHERE j.id = l.id AND l.state = 0
            RETURNING j.id, j.queue, j.kind, j.tenant, j.target, j.lane, j.fence, j.worker_id, j.run_at, j.claimed_at,
                      j.attempt, j.crashes, j.interrupts, j.snoozes, j.replay_of, j.args, j.progress, j.last_error,
                      j.traceparent, j.created_at),
        k AS (DELETE FROM job_key x USING g WHERE x.job_id = g.id AND x.release = 0),
        h AS (
            INSERT INTO job_history (id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt,
                                     crashes, interrupts, snoozes, cancelled_by, replay_of, args, progress, last_error,
                                     traceparent, created_at, outcome, reason)
            SELECT id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt, crashes,
                   interrupts, snoozes, $2, replay_of, args, progress, last_error, traceparent, created_at,
                   'cancelled', 'cancelled by ' || $2
              FROM g)
        SELECT id, false FROM g UNION ALL SELECT id, true FROM m
        """

    static let ended = """
        SELECT id FROM job_history WHERE id = ANY ($1) UNION ALL SELECT id FROM job_dead WHERE id = ANY ($1)
        """

    /// Cancels what is queued, asks what runs, and says of each id what became of it.
    static func cancel(
        _ ids: [JobID], by who: String, on connection: isolated PostgresConnection
    ) throws -> [JobID: CancelResult] {
        var results: [JobID: CancelResult] = [:]
        for row in try connection.query(cancel, [.uuidArray(ids), .text(who)]) {
            results[try row.uuid(0)] = try row.bool(1) ? .asked : .cancelled
        }
        let rest = ids.filter { results[$0] == nil }
        if rest.isEmpty { return results }
        for row in try connection.query(ended, [.uuidArray(rest)]) { results[try row.uuid(0)] = .ended }
        for id in rest where results[id] == nil { results[id] = .unknown }
        return results
    }
}
