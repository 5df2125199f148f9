import JobQueue

/// Limits that operators set.
enum LimitStatements {
    static let set = """
        INSERT INTO job_limit (scope, name, running_max, per_second, burst, weight, depth_max, age_seconds, by, reason)
        VALUES ($1, $2, $3::bigint, $4::float8, $5::float8, $6::bigint, $7::bigint, $8::bigint, $9, $10)
        ON CONFLICT (scope, name) DO UPDATE SET
            running_max = excluded.running_max, per_second = excluded.per_second, burst = excluded.burst,
            weight = excluded.weight, depth_max = excluded.depth_max, age_seconds = excluded.age_seconds,
            by = excluded.by, reason = excluded.reason, at = now()
        """
    static let clear = "DELETE FROM job_limit WHERE scope = $1 AND name = $2"

    /// The limits `l` that hold for job `j`. `job_limit` is small; lane 0 has none.
    static let holds = """
        j.lane > 0 AND ((l.scope = 'queue' AND l.name = j.queue) OR (l.scope = 'kind' AND l.name = j.kind)
                         OR (l.scope = 'tenant' AND l.name = j.tenant) OR (l.scope = 'cluster' AND l.name = j.target))
        """

    /// Whether there is any limit to running: seen once a statement, so that without one a row costs nothing.
    static let areThere = """
        EXISTS (SELECT FROM job_limit l WHERE l.running_max IS NOT NULL OR l.per_second IS NOT NULL)
        """

    /// Whether a claim of `j` has to take an operator's slot or token.
    static let isHeld = """
        (\(areThere) AND EXISTS (
            SELECT FROM job_limit l WHERE (l.running_max IS NOT NULL OR l.per_second IS NOT NULL) AND \(holds)))
        """

    /// Those that have no slot or no token left, as far as this snapshot knows: found once for a statement, as
    /// `full_limit`, and not for each of its rows.
    static let full = """
        SELECT l.scope, l.name FROM job_limit l
         WHERE l.running_max <= (SELECT count(*) FROM job_slot s
                                  WHERE s.limit_key = 'operator/' || l.scope || ':' || l.name)
            OR EXISTS (SELECT FROM rate_bucket b
                        WHERE l.per_second IS NOT NULL AND b.key = 'operator/' || l.scope || ':' || l.name
                          AND b.tokens + extract(epoch FROM now() - b.at) * b.per_second < 1)
        """
    /// Whether one of them holds back `j`.
    static let isFull = "EXISTS (SELECT FROM full_limit l WHERE \(holds))"

    /// How full queues with a `depth_max` are: at most that many rows are counted. `$1` queues.
    static let depths = """
        SELECT l.name, l.depth_max, (SELECT count(*) FROM (
                   SELECT FROM job j WHERE j.state = 0 AND j.queue = l.name AND j.lane IN (2, 3) LIMIT l.depth_max) x)
          FROM job_limit l WHERE l.scope = 'queue' AND l.depth_max IS NOT NULL AND l.name = ANY ($1)
        """

    static func set(
        _ limit: JobLimit, by who: String, reason: String, on connection: isolated PostgresConnection
    ) throws {
        func number(_ value: Int?) -> PostgresValue { value.map { .int(Int64($0)) } ?? .null }
        try connection.execute(
            set,
            [
                .text(limit.scope.word), .text(limit.scope.name), number(limit.runningMax),
                limit.rate.map { .double($0.perSecond) } ?? .null, limit.rate.map { .double($0.burst) } ?? .null,
                number(limit.weight), number(limit.depthMax), number(limit.ageSeconds), .text(who), .text(reason),
            ])
    }
}
