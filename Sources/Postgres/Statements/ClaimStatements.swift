import JobQueue

/// Step 4 of 7: queued -> running by compare-and-set, fence + 1.
enum ClaimStatements {
    /// What is paused is not claimed. `pause` is small: nothing in it costs nothing.
    static let isPaused = """
        EXISTS (SELECT FROM pause p WHERE (p.until IS NULL OR p.until > now())
                AND (p.scope = 'all' OR (p.scope = 'queue' AND p.name = j.queue)
                     OR (p.scope = 'kind' AND p.name = j.kind) OR (p.scope = 'tenant' AND p.name = j.tenant)
                     OR (p.scope = 'cluster' AND p.name = j.target)))
        """

    /// `$1` ids, `$2` worker, `$3` kinds, `$4` whether rated jobs may pass (their token was taken), `$5` alone.
    ///
    /// `(state + 0) = 0`: a join that could use a partial index goes through its dead entries and is six times slower.
    /// Slots are inserted in key order; the order and the number of free ones come from the same snapshot, and a
    /// number taken meanwhile is simply not won. The rows of rated jobs come back unclaimed, with a null fence.
    static let claim = """
        WITH c AS (
            SELECT j.id, j.fence, j.limit_key, j.limit_max, j.rate_key, j.crashes
              FROM job j JOIN worker w ON w.id = $2 AND w.state = 0 AND w.expires_at > now()
             WHERE j.id = ANY ($1) AND (j.state + 0) = 0 AND j.run_at <= now() AND j.cancel_at IS NULL
               AND j.kind = ANY ($3) AND (j.crashes < 2 OR $5) AND NOT \(isPaused)
             ORDER BY j.id FOR UPDATE OF j SKIP LOCKED),
        b AS (
            SELECT c.* FROM c
             WHERE (c.rate_key IS NULL OR $4)
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
            RETURNING j.id, j.fence, j.kind, j.tenant, j.target, j.queue, j.lane, j.attempt, j.max_attempts, j.args,
                      j.checkpoint, j.timeout_seconds, j.traceparent, coalesce(j.late_at < now(), false),
                      greatest(0, extract(epoch FROM now() - j.run_at))::float8)
        SELECT * FROM u
        UNION ALL
        SELECT c.id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
          FROM c WHERE c.rate_key IS NOT NULL AND NOT $4
        """

    static let ratedCandidates = """
        SELECT j.id, j.rate_key, j.rate_per_second, j.rate_burst FROM job j
         WHERE j.id = ANY ($1) AND (j.state + 0) = 0 AND j.run_at <= now() AND j.cancel_at IS NULL
           AND j.rate_key IS NOT NULL AND NOT \(isPaused)
         ORDER BY j.id FOR UPDATE OF j SKIP LOCKED
        """
    static let makeBuckets = """
        INSERT INTO rate_bucket (key, tokens, per_second, burst, at)
        SELECT key, burst, per_second, burst, now() FROM unnest($1::text[], $2::float8[], $3::float8[])
            AS t(key, per_second, burst) ORDER BY key
        ON CONFLICT (key) DO NOTHING
        """
    static let lockBuckets = """
        SELECT key, least(burst, tokens + greatest(0, extract(epoch FROM now() - at)) * per_second)::float8
          FROM rate_bucket WHERE key = ANY ($1) ORDER BY key FOR UPDATE
        """
    static let spendTokens = """
        UPDATE rate_bucket b SET tokens = t.tokens, per_second = t.per_second, burst = t.burst, at = now()
          FROM unnest($1::text[], $2::float8[], $3::float8[], $4::float8[]) AS t(key, tokens, per_second, burst)
         WHERE b.key = t.key
        """
    static let postpone = """
        UPDATE job j SET run_at = now() + make_interval(secs => t.seconds)
          FROM unnest($1::uuid[], $2::float8[]) AS t(id, seconds) WHERE j.id = t.id AND (j.state + 0) = 0
        """

    /// Claims what can be claimed; rated jobs spend their token in the transaction that claims them.
    static func claim(
        _ ids: [JobID], by worker: WorkerID, kinds: [JobKind], alone: Bool, on connection: isolated PostgresConnection
    ) throws -> [ClaimedJob] {
        if ids.isEmpty { return [] }
        let (plain, rated) = try run(ids, worker, kinds, tokensTaken: false, alone, connection)
        var claimed = plain
        if !rated.isEmpty, !(alone && !claimed.isEmpty) {
            claimed += try connection.transaction { connection in
                let granted = try takeTokens(for: rated, on: connection)
                return try run(granted, worker, kinds, tokensTaken: true, alone, connection).claimed
            }
        }
        return claimed
    }

    private static func run(
        _ ids: [JobID], _ worker: WorkerID, _ kinds: [JobKind], tokensTaken: Bool, _ alone: Bool,
        _ connection: isolated PostgresConnection
    ) throws -> (claimed: [ClaimedJob], rated: [JobID]) {
        if ids.isEmpty { return ([], []) }
        let rows = try connection.query(
            claim,
            [.uuidArray(ids), .uuid(worker), .textArray(kinds.map(\.rawValue)), .bool(tokensTaken), .bool(alone)])
        var claimed: [ClaimedJob] = []
        var rated: [JobID] = []
        claimed.reserveCapacity(rows.count)
        for row in rows {
            let id = try row.uuid(0)
            guard let fence = try row.intIfPresent(1) else {
                rated.append(id)
                continue
            }
            claimed.append(
                ClaimedJob(
                    id: id, kind: JobKind(rawValue: try row.string(2)), tenant: try row.string(3),
                    target: try row.string(4), queue: try row.string(5),
                    lane: Lane(rawValue: Int16(try row.int(6))) ?? .work, fence: fence, attempt: Int(try row.int(7)),
                    attemptsMax: Int(try row.int(8)), parameters: try row.json(9),
                    checkpoint: try row.jsonIfPresent(10),
                    timeLeft: .seconds(try row.int(11)), traceparent: row.text(12), isLate: try row.bool(13),
                    startDelay: .seconds(try row.double(14))))
        }
        return (claimed, rated)
    }

    /// Takes a token for as many of the jobs as there are; the rest run again when theirs is due.
    private static func takeTokens(
        for ids: [JobID], on connection: isolated PostgresConnection
    ) throws -> [JobID] {
        struct Bucket {
            var tokens: Double
            let perSecond: Double
            let burst: Double
        }
        var jobs: [(id: JobID, key: String)] = []
        var buckets: [String: Bucket] = [:]
        for row in try connection.query(ratedCandidates, [.uuidArray(ids)]) {
            let key = try row.string(1)
            jobs.append((try row.uuid(0), key))
            buckets[key] = Bucket(tokens: 0, perSecond: try row.double(2), burst: try row.double(3))
        }
        if jobs.isEmpty { return [] }
        let keys = buckets.keys.sorted()
        func column(_ field: (Bucket) -> Double) -> PostgresValue {
            .doubleArray(keys.map { key in buckets[key].map(field) })
        }
        try connection.execute(makeBuckets, [.textArray(keys), column(\.perSecond), column(\.burst)])
        for row in try connection.query(lockBuckets, [.textArray(keys)]) {
            let key = try row.string(0)
            if let bucket = buckets[key] { buckets[key]?.tokens = min(bucket.burst, try row.double(1)) }
        }
        var granted: [JobID] = []
        var waiting: [(id: JobID, seconds: Double)] = []
        var debts: [String: Double] = [:]
        for job in jobs {
            guard let bucket = buckets[job.key] else { continue }
            if bucket.tokens >= 1 {
                buckets[job.key]?.tokens -= 1
                granted.append(job.id)
            } else {
                let debt = debts[job.key, default: 0] + 1
                debts[job.key] = debt
                waiting.append((job.id, (debt - bucket.tokens) / bucket.perSecond))
            }
        }
        try connection.execute(
            spendTokens, [.textArray(keys), column(\.tokens), column(\.perSecond), column(\.burst)])
        if !waiting.isEmpty {
            try connection.execute(
                postpone, [.uuidArray(waiting.map(\.id)), .doubleArray(waiting.map { $0.seconds })])
        }
        return granted
    }
}
