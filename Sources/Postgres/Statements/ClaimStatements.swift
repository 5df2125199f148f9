import JobQueue

/// Step 4 of 7: queued -> running by compare-and-set, fence + 1.
enum ClaimStatements {
    /// What is paused is not claimed. `pause` is small: nothing in it is seen once a statement, and costs nothing a row.
    static let isPaused = """
        (EXISTS (SELECT FROM pause)
         AND EXISTS (SELECT FROM pause p WHERE (p.until IS NULL OR p.until > now())
                AND (p.scope = 'all' OR (p.scope = 'queue' AND p.name = j.queue)
                     OR (p.scope = 'kind' AND p.name = j.kind) OR (p.scope = 'tenant' AND p.name = j.tenant)
                     OR (p.scope = 'cluster' AND p.name = j.target))))
        """

    /// What a claimed row returns, in the order that `run` reads.
    private static let columns = """
        j.id, j.fence, j.kind, j.tenant, j.target, j.queue, j.lane, j.attempt, j.max_attempts, j.args, j.checkpoint,
                      j.timeout_seconds, j.traceparent, j.tracestate, coalesce(j.late_at < now(), false),
                      greatest(0, extract(epoch FROM now() - j.run_at))::float8
        """

    /// The same for a batch, of jobs that need no slot and no token: most do not, and pass none of the other's joins.
    /// `$1` ids, `$2` worker, `$3` kinds. Whoever is not claimed here is asked for with `claim`.
    ///
    /// No join: ids are looked up by an array, which no plan can turn into a scan of an index on state.
    static let claimPlain = """
        WITH c AS (
            SELECT j.id FROM job j
             WHERE j.id = ANY ($1) AND (j.state + 0) = 0 AND j.run_at <= now() AND j.cancel_at IS NULL
               AND j.kind = ANY ($3) AND j.crashes < 2 AND j.limit_key IS NULL AND j.rate_key IS NULL
               AND EXISTS (SELECT FROM worker w WHERE w.id = $2 AND w.state = 0 AND w.expires_at > now())
               AND NOT \(isPaused) AND NOT \(LimitStatements.isHeld)
             ORDER BY j.id FOR UPDATE OF j SKIP LOCKED)
        UPDATE job j SET state = 1, worker_id = $2, fence = j.fence + 1, attempt = j.attempt + 1, claimed_at = now(),
               deadline_at = now() + make_interval(secs => j.timeout_seconds), claimed_alone = false
         WHERE j.id = ANY (ARRAY(SELECT id FROM c))
        RETURNING \(columns)
        """
    /// A batch below this is claimed in one statement, whatever its jobs need: one round trip.
    private static let plainBatchMin = 16

    /// `$1` ids, `$2` worker, `$3` kinds, `$4` whether gated jobs may pass (they were admitted), `$5` alone.
    ///
    /// Gated are jobs that need a token or an operator's slot: `GateStatements`.
    ///
    /// `(state + 0) = 0`: a join that could use a partial index goes through its dead entries and is six times slower.
    /// Slots are inserted in key order; the order and the number of free ones come from the same snapshot, and a
    /// number taken meanwhile is simply not won. The rows of gated jobs come back unclaimed, with a null fence.
    static let claim = """
        WITH c AS (
            SELECT j.id, j.fence, j.limit_key, j.limit_max, j.crashes,
                   j.rate_key IS NOT NULL OR \(LimitStatements.isHeld) AS is_gated
              FROM job j JOIN worker w ON w.id = $2 AND w.state = 0 AND w.expires_at > now()
             WHERE j.id = ANY ($1) AND (j.state + 0) = 0 AND j.run_at <= now() AND j.cancel_at IS NULL
               AND j.kind = ANY ($3) AND (j.crashes < 2 OR $5) AND NOT \(isPaused)
             ORDER BY j.id FOR UPDATE OF j SKIP LOCKED),
        b AS (
            SELECT c.* FROM c
             WHERE (NOT c.is_gated OR $4)
               AND (NOT $5 OR c.id = (SELECT s.id FROM c s ORDER BY s.crashes >= 2 DESC, s.id LIMIT 1)
                    OR NOT EXISTS (SELECT FROM c s WHERE s.crashes >= 2))),
        r AS (
            SELECT id, fence, limit_key, limit_max, row_number() OVER (PARTITION BY limit_key ORDER BY id) AS rn
              FROM b WHERE limit_key IS NOT NULL),
        f AS (
            SELECT k.limit_key, n.n, row_number() OVER (PARTITION BY k.limit_key ORDER BY n.n) AS rn
              FROM (SELECT limit_key, max(limit_max) AS slots, count(*) AS wanted FROM r GROUP BY limit_key) k,
                   LATERAL (SELECT t.n FROM generate_series(1, k.slots) AS t(n)
                             WHERE NOT EXISTS (SELECT FROM job_slot s WHERE s.limit_key = k.limit_key AND s.n = t.n)
                             LIMIT k.wanted) n),
        g AS (
            INSERT INTO job_slot (limit_key, n, job_id, fence)
            SELECT r.limit_key, f.n, r.id, r.fence + 1 FROM r JOIN f USING (limit_key, rn) ORDER BY r.limit_key, f.n
            ON CONFLICT DO NOTHING RETURNING job_id),
        u AS (
            UPDATE job j SET state = 1, worker_id = $2, fence = j.fence + 1, attempt = j.attempt + 1, claimed_at = now(),
                   deadline_at = now() + make_interval(secs => j.timeout_seconds), claimed_alone = (j.crashes >= 2)
              FROM b WHERE j.id = b.id AND (b.limit_key IS NULL OR b.id IN (SELECT job_id FROM g))
            RETURNING \(columns))
        SELECT * FROM u
        UNION ALL
        SELECT c.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
          FROM c WHERE c.is_gated AND NOT $4
        """

    /// Claims what can be claimed; gated jobs pass their gates in the transaction that claims them.
    static func claim(
        _ ids: [JobID], by worker: WorkerID, kinds: [JobKind], alone: Bool, on connection: isolated PostgresConnection
    ) throws -> [ClaimedJob] {
        if ids.isEmpty { return [] }
        var claimed: [ClaimedJob] = []
        var rest = ids
        if ids.count >= plainBatchMin, !alone {
            let rows = try connection.query(
                claimPlain, [.uuidArray(ids), .uuid(worker), .textArray(kinds.map(\.rawValue))])
            claimed.reserveCapacity(rows.count)
            for row in rows { claimed.append(try job(row, try row.uuid(0), try row.int(1))) }
            if claimed.count == ids.count { return claimed }
            let found = Set(claimed.map(\.id))
            rest = ids.filter { !found.contains($0) }
        }
        let (plain, gated) = try run(rest, worker, kinds, isAdmitted: false, alone, connection)
        claimed += plain
        if !gated.isEmpty, !(alone && !claimed.isEmpty) {
            claimed += try connection.transaction { connection in
                let granted = try GateStatements.admit(gated, on: connection)
                let passed = try run(Array(granted.keys), worker, kinds, isAdmitted: true, alone, connection).claimed
                try GateStatements.occupy(passed, granted, on: connection)
                return passed
            }
        }
        return claimed
    }

    private static func run(
        _ ids: [JobID], _ worker: WorkerID, _ kinds: [JobKind], isAdmitted: Bool, _ alone: Bool,
        _ connection: isolated PostgresConnection
    ) throws -> (claimed: [ClaimedJob], gated: [JobID]) {
        if ids.isEmpty { return ([], []) }
        let rows = try connection.query(
            claim,
            [.uuidArray(ids), .uuid(worker), .textArray(kinds.map(\.rawValue)), .bool(isAdmitted), .bool(alone)])
        var claimed: [ClaimedJob] = []
        var gated: [JobID] = []
        claimed.reserveCapacity(rows.count)
        for row in rows {
            let id = try row.uuid(0)
            guard let fence = try row.intIfPresent(1) else {
                gated.append(id)
                continue
            }
            claimed.append(try job(row, id, fence))
        }
        return (claimed, gated)
    }

    private static func job(_ row: PostgresRow, _ id: JobID, _ fence: Int64) throws -> ClaimedJob {
        ClaimedJob(
            id: id, kind: JobKind(rawValue: try row.string(2)), tenant: try row.string(3),
            target: try row.string(4), queue: try row.string(5),
            lane: Lane(rawValue: Int16(try row.int(6))) ?? .work, fence: fence, attempt: Int(try row.int(7)),
            attemptsMax: Int(try row.int(8)), parameters: try row.json(9), checkpoint: try row.jsonIfPresent(10),
            timeLeft: .seconds(try row.int(11)), traceparent: row.text(12), tracestate: row.text(13),
            isLate: try row.bool(14), startDelay: .seconds(try row.double(15)))
    }
}
