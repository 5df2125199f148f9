import JobQueue

/// Cancelling: one statement, so that a job that moves between queued and running meanwhile is not missed.
enum CancelStatements {
    static let cancel = """
        WITH l AS (SELECT id, state, cancel_at FROM job WHERE id = $1 FOR UPDATE),
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
        SELECT (SELECT count(*) FROM g), (SELECT count(*) FROM m)
        """

    static let hasEnded = """
        SELECT EXISTS (SELECT FROM job_history WHERE id = $1) OR EXISTS (SELECT FROM job_dead WHERE id = $1)
        """

    static func cancel(_ id: JobID, by who: String, on connection: isolated PostgresConnection) throws -> CancelResult {
        if let row = try connection.query(cancel, [.uuid(id), .text(who)]).first {
            if try row.int(0) > 0 { return .cancelled }
            if try row.int(1) > 0 { return .asked }
        }
        let ended = try connection.query(hasEnded, [.uuid(id)]).first?.bool(0) ?? false
        return ended ? .ended : .unknown
    }
}
