import JobQueue

/// Steps 5 to 7 of 7: checkpoints, and the end of a run. Every write names its fence.
enum SettleStatements {
    /// Progress notes the fence, and how far the job was before this run: the time to its end follows from that.
    static let save = """
        UPDATE job SET checkpoint = $4, crashes = 0,
               progress = CASE WHEN $5::jsonb IS NULL THEN progress ELSE $5::jsonb || jsonb_build_object(
                   'fence', fence, 'done_before', CASE WHEN (progress ->> 'fence')::bigint = fence
                       THEN progress -> 'done_before' ELSE coalesce(progress -> 'done', '0') END) END
         WHERE id = $1 AND fence = $2 AND worker_id = $3 AND state = 1 AND cancel_at IS NULL
        """

    /// `$1` ids, `$2` fences, `$3` results, `$4` whether a history row is kept, `$5` worker.
    ///
    /// DISTINCT and USING (id, fence): a batch may hold an id twice. `(state + 0) = 1`: see `ClaimStatements.claim`.
    /// Rows are looked up by arrays and compared with a hashed list (`IS TRUE` keeps the planner from making a join of
    /// it): whatever the planner believes of the tables, a batch costs one probe a job. By an array the index is walked in
    /// the order of ids, so two batches lock in one order. Slots and keys are freed by the rows really removed.
    static let finish = """
        WITH d AS (
            SELECT DISTINCT ON (id, fence) id, fence, result, keep
              FROM unnest($1::uuid[], $2::bigint[], $3::jsonb[], $4::boolean[]) AS t(id, fence, result, keep)),
        g AS (
            DELETE FROM job j
             WHERE j.id = ANY ($1) AND ((j.id, j.fence) IN (SELECT id, fence FROM d)) IS TRUE
               AND j.worker_id = $5 AND (j.state + 0) = 1
            RETURNING j.id, j.queue, j.kind, j.tenant, j.target, j.lane, j.fence, j.worker_id, j.run_at, j.claimed_at,
                      j.attempt, j.crashes, j.interrupts, j.snoozes, j.replay_of, j.args, j.progress, j.last_error,
                      j.traceparent, j.created_at),
        s AS (
            DELETE FROM job_slot x
             WHERE EXISTS (SELECT FROM job_slot) AND x.job_id = ANY (ARRAY(SELECT id FROM g))
               AND ((x.job_id, x.fence) IN (SELECT id, fence FROM g)) IS TRUE),
        k AS (DELETE FROM job_key x WHERE x.job_id = ANY (ARRAY(SELECT id FROM g)) AND x.release = 0),
        h AS (
            INSERT INTO job_history (id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt,
                                     crashes, interrupts, snoozes, replay_of, args, progress, last_error, traceparent,
                                     created_at, outcome, result)
            SELECT g.id, g.queue, g.kind, g.tenant, g.target, g.lane, g.fence, g.worker_id, g.run_at, g.claimed_at,
                   g.attempt, g.crashes, g.interrupts, g.snoozes, g.replay_of, g.args, g.progress, g.last_error,
                   g.traceparent, g.created_at, 'done', d.result
              FROM g JOIN d USING (id, fence) WHERE d.keep)
        SELECT id, fence FROM g
        """

    /// `$1` ids, `$2` fences, `$3` verdicts, `$4` seconds until the next run, `$5` errors, `$6` reasons, `$7` worker.
    ///
    /// The claim raised `attempt`: a retry keeps that, a snooze and an interrupt give it back. Whoever was asked to
    /// cancel is cancelled, unless it died of its own error.
    static let conclude = """
        WITH d AS (
            SELECT DISTINCT ON (id, fence) id, fence, verdict, seconds, error, reason
              FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::float8[], $5::jsonb[], $6::text[])
                AS t(id, fence, verdict, seconds, error, reason)),
        l AS (
            SELECT j.id, j.fence, d.seconds, d.error, d.reason,
                   CASE WHEN j.cancel_at IS NOT NULL AND d.verdict <> 'dead' THEN 'cancelled' ELSE d.verdict END AS verdict
              FROM job j JOIN d USING (id)
             WHERE j.fence = d.fence AND j.worker_id = $7 AND (j.state + 0) = 1 ORDER BY j.id FOR UPDATE OF j),
        a AS (
            INSERT INTO job_attempt (job_id, attempt, fence, worker_id, started_at, how, error)
            SELECT j.id, j.attempt, j.fence, j.worker_id, j.claimed_at, l.verdict, l.error
              FROM job j JOIN l USING (id) WHERE l.verdict <> 'snooze'),
        s AS (DELETE FROM job_slot x USING l WHERE x.job_id = l.id AND x.fence = l.fence),
        b AS (
            UPDATE job j SET state = 0, worker_id = NULL, claimed_at = NULL, deadline_at = NULL, claimed_alone = false,
                   run_at = now() + make_interval(secs => l.seconds),
                   attempt = j.attempt - CASE WHEN l.verdict = 'retry' THEN 0 ELSE 1 END,
                   snoozes = j.snoozes + CASE WHEN l.verdict = 'snooze' THEN 1 ELSE 0 END,
                   interrupts = j.interrupts + CASE WHEN l.verdict = 'interrupt' THEN 1 ELSE 0 END,
                   crashes = 0, late_at = NULL, last_error = coalesce(l.error, j.last_error)
              FROM l WHERE j.id = l.id AND l.verdict IN ('retry', 'snooze', 'interrupt')),
        g AS (
            DELETE FROM job j USING l WHERE j.id = l.id AND l.verdict IN ('cancelled', 'dead')
            RETURNING j.id, j.queue, j.kind, j.tenant, j.target, j.lane, j.fence, j.worker_id, j.run_at, j.claimed_at,
                      j.attempt, j.max_attempts, j.crashes, j.interrupts, j.snoozes, j.cancelled_by, j.replay_of, j.args,
                      j.checkpoint, j.progress, coalesce(l.error, j.last_error) AS last_error, j.traceparent,
                      j.created_at, l.verdict, l.reason),
        k AS (DELETE FROM job_key x USING g WHERE x.job_id = g.id AND x.release = 0),
        h AS (
            INSERT INTO job_history (id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt,
                                     crashes, interrupts, snoozes, cancelled_by, replay_of, args, progress, last_error,
                                     traceparent, created_at, outcome, reason)
            SELECT id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt, crashes,
                   interrupts, snoozes, cancelled_by, replay_of, args, progress, last_error, traceparent, created_at,
                   'cancelled', coalesce(reason, 'cancelled by ' || cancelled_by)
              FROM g WHERE verdict = 'cancelled'),
        x AS (
            INSERT INTO job_dead (id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt,
                                  max_attempts, crashes, interrupts, snoozes, replay_of, args, checkpoint, progress,
                                  last_error, traceparent, created_at, reason)
            SELECT id, queue, kind, tenant, target, lane, fence, worker_id, run_at, claimed_at, attempt, max_attempts,
                   crashes, interrupts, snoozes, replay_of, args, checkpoint, progress, last_error, traceparent,
                   created_at, coalesce(reason, 'failed')
              FROM g WHERE verdict = 'dead')
        SELECT id, fence FROM l
        """

    static let hasFinished = """
        SELECT EXISTS (SELECT FROM job_history WHERE id = $1 AND fence = $2 AND outcome = 'done')
        """

    static let appendLog = """
        INSERT INTO job_log (job_id, fence, line) SELECT $1, $2, left(line, 1000) FROM unnest($3::text[]) AS t(line)
        """
    /// A job that runs for ever keeps its last lines only. `$2`: how many.
    static let trimLog = """
        DELETE FROM job_log WHERE job_id = $1 AND n <= (
            SELECT n FROM job_log WHERE job_id = $1 ORDER BY n DESC OFFSET $2 LIMIT 1)
        """

    static let tenantOf = "SELECT tenant FROM job WHERE id = $1"

    /// Saves a checkpoint and its records together; false when the run no longer owns the job.
    static func save(
        _ checkpoint: JSONText, _ progress: JobProgress?, _ records: [Record], of run: RunID,
        writers: RecordWriters, on connection: isolated PostgresConnection
    ) throws -> Bool {
        let parameters: [PostgresValue] = [
            .uuid(run.job), .int(run.fence), .uuid(run.worker), .json(checkpoint),
            try progress.map { .json(try JSONText(encoding: $0)) } ?? .null,
        ]
        if records.isEmpty { return try connection.execute(save, parameters) == 1 }
        return try connection.transaction { connection in
            guard try connection.execute(save, parameters) == 1 else { return false }
            let tenant = try connection.query(tenantOf, [.uuid(run.job)]).first?.text(0) ?? ""
            try writers.write(records, tenant: tenant, job: run.job, on: connection)
            return true
        }
    }

    /// Settles runs; answers for each, in order, whether it was its worker's to settle.
    static func settle(
        _ settlements: [Settlement], writers: RecordWriters, on connection: isolated PostgresConnection
    ) throws -> [Bool] {
        var answers = [Bool](repeating: false, count: settlements.count)
        for (worker, indices) in Dictionary(grouping: settlements.indices, by: { settlements[$0].run.worker }) {
            var plain: [Int] = []
            var other: [Int] = []
            var loaded: [Int] = []
            for index in indices {
                switch settlements[index].verdict {
                case .done(_, let records, let followUps, _) where records.isEmpty && followUps.isEmpty:
                    plain.append(index)
                case .snooze(_, let records, let followUps) where records.isEmpty && followUps.isEmpty:
                    other.append(index)
                case .done, .snooze: loaded.append(index)
                case .retry, .dead, .interrupt, .cancelled: other.append(index)
                }
            }
            for (list, run) in [(plain, finish), (other, conclude)] where !list.isEmpty {
                let settled = try runBatch(list.map { settlements[$0] }, run, worker, connection)
                for index in list { answers[index] = settled.contains(settlements[index].run) }
            }
            for index in loaded { answers[index] = try settleLoaded(settlements[index], writers, connection) }
        }
        return answers
    }

    private static func runBatch(
        _ batch: [Settlement], _ sql: String, _ worker: WorkerID, _ connection: isolated PostgresConnection
    ) throws -> Set<RunID> {
        var parameters: [PostgresValue] = [
            .uuidArray(batch.map(\.run.job)), .intArray(batch.map(\.run.fence)),
        ]
        if sql == finish {
            parameters.append(
                .jsonArray(batch.map { if case .done(let result, _, _, _) = $0.verdict { result } else { nil } }))
            parameters.append(
                .boolArray(batch.map { if case .done(_, _, _, let keep) = $0.verdict { keep } else { true } }))
        } else {
            let parts = batch.map { Parts($0.verdict) }
            parameters.append(.textArray(parts.map(\.name)))
            parameters.append(.doubleArray(parts.map(\.seconds)))
            parameters.append(.jsonArray(parts.map(\.error)))
            parameters.append(.textArray(parts.map(\.reason)))
        }
        parameters.append(.uuid(worker))
        var settled = Set<RunID>()
        for row in try connection.query(sql, parameters) {
            settled.insert(RunID(job: try row.uuid(0), fence: try row.int(1), worker: worker))
        }
        return settled
    }

    /// A settlement with records or follow-ups: one transaction, and nothing of it when the run is fenced.
    private static func settleLoaded(
        _ settlement: Settlement, _ writers: RecordWriters, _ connection: isolated PostgresConnection
    ) throws -> Bool {
        let (records, followUps, sql): ([Record], [NewJob], String) =
            switch settlement.verdict {
            case .done(_, let records, let followUps, _): (records, followUps, finish)
            case .snooze(_, let records, let followUps): (records, followUps, conclude)
            default: ([], [], conclude)
            }
        let jobs = try followUps.map { try $0.resolved(tenant: "${tenant}") }
        return try connection.transaction { connection in
            let tenant = try connection.query(tenantOf, [.uuid(settlement.run.job)]).first?.text(0)
            let settled = try runBatch([settlement], sql, settlement.run.worker, connection)
            guard settled.contains(settlement.run) else { return false }
            if !jobs.isEmpty {
                for result in try EnqueueStatements.enqueue(jobs, on: connection) {
                    guard case .conflict(let first) = result else { continue }
                    throw QueueError(.conflict, "a follow-up has the key of job \(first) with other arguments")
                }
            }
            try writers.write(records, tenant: tenant ?? "", job: settlement.run.job, on: connection)
            return true
        }
    }

    /// A verdict as columns.
    private struct Parts {
        var name: String
        var seconds = 0.0
        var error: JSONText?
        var reason: String?

        init(_ verdict: Settlement.Verdict) {
            switch verdict {
            case .done: name = "done"
            case .snooze(let after, _, _):
                name = "snooze"
                seconds = after.seconds
            case .retry(let after, let error):
                name = "retry"
                seconds = after.seconds
                self.error = error
            case .dead(let reason, let error):
                name = "dead"
                self.reason = reason
                self.error = error
            case .interrupt: name = "interrupt"
            case .cancelled(let reason):
                name = "cancelled"
                self.reason = reason
            }
        }
    }
}
