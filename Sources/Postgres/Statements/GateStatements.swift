import JobQueue

/// Claims that have to take a token or an operator's slot: decided under locks, in the transaction that claims.
///
/// Jobs are locked first and never waited for; then limits, then buckets, each in the order of their names.
enum GateStatements {
    static let gated = """
        SELECT j.id, j.rate_key, j.rate_per_second, j.rate_burst, j.lane, j.queue, j.kind, j.tenant, j.target FROM job j
         WHERE j.id = ANY ($1) AND (j.state + 0) = 0 AND j.run_at <= now() AND j.cancel_at IS NULL
           AND NOT \(ClaimStatements.isPaused)
         ORDER BY j.id FOR UPDATE OF j SKIP LOCKED
        """
    /// `$1` scopes, `$2` names. Locked: of two claims within one scope the second sees what the first took.
    static let lockLimits = """
        SELECT scope, name, running_max, per_second, burst FROM job_limit
         WHERE (running_max IS NOT NULL OR per_second IS NOT NULL)
           AND (scope, name) IN (SELECT s, n FROM unnest($1::text[], $2::text[]) AS t(s, n))
         ORDER BY scope, name FOR UPDATE
        """
    static let taken = "SELECT limit_key, n FROM job_slot WHERE limit_key = ANY ($1)"
    static let occupySlots = """
        INSERT INTO job_slot (limit_key, n, job_id, fence)
        SELECT limit_key, n, job_id, fence FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::bigint[])
            AS t(limit_key, n, job_id, fence) ORDER BY limit_key, n
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

    /// A slot that a granted job takes when it is claimed.
    struct Slot: Sendable {
        let key: String
        let number: Int
    }

    private struct Candidate {
        let id: JobID
        let rateKey: String?
        let scopes: [JobScope]
    }

    /// Decides who may pass: who finds a slot and a token at every gate. Tokens are spent now; the jobs without one run
    /// again when theirs is due; the jobs without a slot stay as they are.
    static func admit(_ ids: [JobID], on connection: isolated PostgresConnection) throws -> [JobID: [Slot]] {
        var buckets: [String: Bucket] = [:]
        var candidates: [Candidate] = []
        for row in try connection.query(gated, [.uuidArray(ids)]) {
            let key = row.text(1)
            if let key {
                buckets[key] = Bucket(tokens: 0, perSecond: try row.double(2), burst: try row.double(3))
            }
            let scopes: [JobScope] =
                try row.int(4) == 0
                ? []
                : [
                    .queue(try row.string(5)), .kind(JobKind(rawValue: try row.string(6))),
                    .tenant(try row.string(7)), .cluster(try row.string(8)),
                ]
            candidates.append(Candidate(id: try row.uuid(0), rateKey: key, scopes: scopes))
        }
        if candidates.isEmpty { return [:] }
        let limits = try limits(of: candidates, on: connection)
        for limit in limits.values {
            guard let rate = limit.rate else { continue }
            buckets[limit.gateKey] = Bucket(tokens: 0, perSecond: rate.perSecond, burst: rate.burst)
        }
        var free = try freeSlots(of: Array(limits.values), wanted: candidates.count, on: connection)
        try fill(&buckets, on: connection)
        var granted: [JobID: [Slot]] = [:]
        var waiting: [(id: JobID, seconds: Double)] = []
        var debts: [String: Double] = [:]
        for job in candidates {
            let gates = job.scopes.compactMap { limits[$0] }
            let rated = (job.rateKey.map { [$0] } ?? []) + gates.filter { $0.rate != nil }.map(\.gateKey)
            if let (key, bucket) = rated.lazy.compactMap({ key in buckets[key].map { (key, $0) } })
                .first(where: { $0.1.tokens < 1 })
            {
                debts[key, default: 0] += 1
                waiting.append((job.id, ((debts[key] ?? 1) - bucket.tokens) / bucket.perSecond))
                continue
            }
            let slotted = gates.filter { $0.runningMax != nil }.map(\.gateKey)
            guard slotted.allSatisfy({ free[$0]?.isEmpty == false }) else { continue }
            for key in rated { buckets[key]?.tokens -= 1 }
            granted[job.id] = slotted.compactMap { key in
                free[key]?.popLast().map { Slot(key: key, number: $0) }
            }
        }
        try spend(buckets, on: connection)
        if !waiting.isEmpty {
            try connection.execute(
                postpone, [.uuidArray(waiting.map(\.id)), .doubleArray(waiting.map { $0.seconds })])
        }
        return granted
    }

    /// Notes the slots of those that were claimed indeed.
    static func occupy(
        _ claimed: [ClaimedJob], _ granted: [JobID: [Slot]], on connection: isolated PostgresConnection
    ) throws {
        let rows = claimed.flatMap { job in (granted[job.id] ?? []).map { (slot: $0, job: job) } }
        if rows.isEmpty { return }
        try connection.execute(
            occupySlots,
            [
                .textArray(rows.map(\.slot.key)), .intArray(rows.map { Int64($0.slot.number) }),
                .uuidArray(rows.map(\.job.id)), .intArray(rows.map(\.job.fence)),
            ])
    }

    // MARK: Limits

    private static func limits(
        of candidates: [Candidate], on connection: isolated PostgresConnection
    ) throws -> [JobScope: JobLimit] {
        let scopes = Array(Set(candidates.flatMap(\.scopes)))
        if scopes.isEmpty { return [:] }
        var limits: [JobScope: JobLimit] = [:]
        for row in try connection.query(
            lockLimits, [.textArray(scopes.map(\.word)), .textArray(scopes.map(\.name))])
        {
            guard let scope = JobScope(try row.string(0), try row.string(1)) else { continue }
            let perSecond = try row.doubleIfPresent(3)
            limits[scope] = JobLimit(
                scope, runningMax: try row.intIfPresent(2).map { Int($0) },
                rate: try perSecond.map { JobRate(perSecond: $0, burst: try row.doubleIfPresent(4)) })
        }
        return limits
    }

    /// The lowest free numbers of every key, the lowest last; as many as there are candidates, at most.
    private static func freeSlots(
        of limits: [JobLimit], wanted: Int, on connection: isolated PostgresConnection
    ) throws -> [String: [Int]] {
        let most = Dictionary(limits.compactMap { limit in limit.runningMax.map { (limit.gateKey, $0) } }) { $1 }
        if most.isEmpty { return [:] }
        var occupied: [String: Set<Int>] = [:]
        for row in try connection.query(taken, [.textArray(most.keys.sorted())]) {
            occupied[try row.string(0), default: []].insert(Int(try row.int(1)))
        }
        return most.reduce(into: [:]) { free, limit in
            let occupied = occupied[limit.key] ?? []
            // Below zero once a limit was lowered: nothing is free until enough have ended.
            let room = min(wanted, max(0, limit.value - occupied.count))
            free[limit.key] = (1...limit.value).lazy.filter { !occupied.contains($0) }.prefix(room).reversed()
        }
    }

    // MARK: Buckets

    private struct Bucket {
        var tokens: Double
        let perSecond: Double
        let burst: Double
    }

    private static func fill(_ buckets: inout [String: Bucket], on connection: isolated PostgresConnection) throws {
        if buckets.isEmpty { return }
        let keys = buckets.keys.sorted()
        try connection.execute(
            makeBuckets, [.textArray(keys), column(keys, buckets, \.perSecond), column(keys, buckets, \.burst)])
        for row in try connection.query(lockBuckets, [.textArray(keys)]) {
            let key = try row.string(0)
            if let bucket = buckets[key] { buckets[key]?.tokens = min(bucket.burst, try row.double(1)) }
        }
    }

    private static func spend(_ buckets: [String: Bucket], on connection: isolated PostgresConnection) throws {
        if buckets.isEmpty { return }
        let keys = buckets.keys.sorted()
        try connection.execute(
            spendTokens,
            [
                .textArray(keys), column(keys, buckets, \.tokens), column(keys, buckets, \.perSecond),
                column(keys, buckets, \.burst),
            ])
    }

    private static func column(
        _ keys: [String], _ buckets: [String: Bucket], _ field: (Bucket) -> Double
    ) -> PostgresValue {
        .doubleArray(keys.map { key in buckets[key].map(field) })
    }
}
