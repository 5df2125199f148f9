import JobQueue

/// Step 3 of 7: which ids come next, fair between tenants, at a cost that does not grow with the backlog.
enum FeedStatements {
    /// `$1` queue, `$2` lane, `$3` start after this tenant, `$4` or from the first, `$5` tenants at most, `$6` rows looked
    /// at per tenant, `$7`-`$9` remembered positions; `$10` NULL, or how many lanes those rise that are looked for: who
    /// waited that many times the queue's age limit, or else `$11` seconds.
    ///
    /// A loose index scan: one probe of `job_due` per tenant, then at most `$6` rows of it. `state = 0` is literal: a
    /// parameter would miss the partial index. What cannot run now is skipped, but counts as looked at, so a full key
    /// at the head of the line blocks nobody behind it for longer than one look.
    ///
    /// The row comparison with `$3` is a condition of the index in every plan; `tenant > $3 OR $4` is a filter in a
    /// generic plan, which reads the backlog of all tenants before.
    static let ready = """
        WITH RECURSIVE tenants AS (
            (SELECT tenant, 1 AS n FROM job
              WHERE state = 0 AND queue = $1 AND lane = $2::smallint
                AND (tenant, run_at) > ($3, CASE WHEN $4 THEN timestamptz '-infinity' ELSE timestamptz 'infinity' END)
              ORDER BY tenant LIMIT 1)
            UNION ALL
            SELECT (SELECT j.tenant FROM job j
                     WHERE j.state = 0 AND j.queue = $1 AND j.lane = $2::smallint AND j.tenant > t.tenant
                     ORDER BY j.tenant LIMIT 1), t.n + 1
              FROM tenants t WHERE t.tenant IS NOT NULL AND t.n < $5),
        p AS (SELECT * FROM unnest($7::text[], $8::bigint[], $9::uuid[]) AS p(tenant, run_at, id)),
        full_limit AS MATERIALIZED (\(LimitStatements.full))
        SELECT t.tenant, x.id, us(x.run_at), x.may_run,
               row_number() OVER (PARTITION BY t.tenant ORDER BY x.run_at, x.id) AS turn,
               (row_number() OVER (PARTITION BY t.tenant ORDER BY x.run_at, x.id) - 1) / coalesce(w.weight, 1) AS round
          FROM tenants t LEFT JOIN p ON p.tenant = t.tenant
               LEFT JOIN job_limit w ON w.scope = 'tenant' AND w.name = t.tenant,
               LATERAL (
                   SELECT j.id, j.run_at,
                          j.cancel_at IS NULL AND j.crashes < 2 AND NOT \(ClaimStatements.isPaused)
                          AND (j.limit_key IS NULL OR
                               (SELECT count(*) FROM job_slot s WHERE s.limit_key = j.limit_key) < j.limit_max)
                          AND (j.rate_key IS NULL OR NOT EXISTS (
                               SELECT FROM rate_bucket b WHERE b.key = j.rate_key
                                  AND b.tokens + extract(epoch FROM now() - b.at) * b.per_second < 1))
                          AND NOT \(LimitStatements.isFull) AS may_run
                     FROM job j
                    WHERE j.state = 0 AND j.queue = $1 AND j.lane = $2::smallint AND j.tenant = t.tenant
                      AND j.run_at <= now() - make_interval(secs => coalesce($10::float8, 0) * coalesce(
                            (SELECT l.age_seconds FROM job_limit l WHERE l.scope = 'queue' AND l.name = $1)::float8, $11::float8))
                      AND (j.run_at, j.id) > (coalesce(at_us(p.run_at), '-infinity'),
                                              coalesce(p.id, '00000000-0000-0000-0000-000000000000'))
                    ORDER BY j.run_at, j.id LIMIT $6) x
         WHERE t.tenant IS NOT NULL
         ORDER BY round, t.tenant, turn
        """

    static let suspects = """
        SELECT j.id FROM job j
         WHERE j.state = 0 AND j.crashes >= 2 AND j.run_at <= now() AND j.queue = ANY ($1) AND j.kind = ANY ($2)
           AND j.cancel_at IS NULL AND NOT \(ClaimStatements.isPaused)
         ORDER BY j.run_at LIMIT 4
        """

    /// The queues and lanes that have queued jobs: one probe each.
    static let readyLists = """
        WITH RECURSIVE lists AS (
            (SELECT queue, lane, 1 AS n FROM job WHERE state = 0 ORDER BY queue, lane LIMIT 1)
            UNION ALL
            SELECT x.queue, x.lane, l.n + 1
              FROM lists l, LATERAL (SELECT j.queue, j.lane FROM job j
                                      WHERE j.state = 0 AND (j.queue, j.lane) > (l.queue, l.lane)
                                      ORDER BY j.queue, j.lane LIMIT 1) x
             WHERE l.n < 1000)
        SELECT queue, lane FROM lists ORDER BY lane, queue
        """

    /// Tenants looked at in one look.
    static let tenantsMax = 256

    static func ready(
        in list: ReadyList, atMost: Int, cursor: FeedCursor, rising lanes: Int? = nil,
        on connection: isolated PostgresConnection
    ) throws -> Feed {
        if atMost <= 0 { return Feed(ids: [], cursor: cursor) }
        let fromStart = cursor.tenant.isEmpty
        let rowsPerTenant = max(64, atMost)
        let tenantsWanted = min(tenantsMax, max(1, atMost))
        let positions = cursor.positions.sorted { $0.key < $1.key }
        let rows = try connection.query(
            ready,
            [
                .text(list.queue), .int(Int64(list.lane.rawValue)), .text(cursor.tenant), .bool(fromStart),
                .int(Int64(tenantsWanted)), .int(Int64(rowsPerTenant)), .textArray(positions.map(\.key)),
                .intArray(positions.map(\.value.runAt)), .uuidArray(positions.map(\.value.id)),
                lanes.map { .double(Double($0)) } ?? .null, .double(Double(JobLimit.ageSecondsStandard)),
            ])
        var ids: [JobID] = []
        var next = cursor
        var lastTenant = ""
        for row in rows {
            let tenant = try row.string(0)
            if lastTenant.utf8.lexicographicallyPrecedes(tenant.utf8) { lastTenant = tenant }
            guard ids.count < atMost else { continue }
            let id = try row.uuid(1)
            next.positions[tenant] = FeedCursor.Position(runAt: try row.int(2), id: id)
            if try row.bool(3) { ids.append(id) }
        }
        let counts = Dictionary(grouping: try rows.map { try $0.string(0) }, by: { $0 }).mapValues(\.count)
        let sawEveryTenant = counts.count < tenantsWanted
        next.tenant = sawEveryTenant ? "" : lastTenant
        let isAtEnd = sawEveryTenant && ids.count < atMost && counts.values.allSatisfy { $0 < rowsPerTenant }
        return Feed(ids: ids, cursor: next, isAtEnd: isAtEnd)
    }

    static func readyLists(on connection: isolated PostgresConnection) throws -> [ReadyList] {
        try connection.query(readyLists).map { row in
            ReadyList(queue: try row.string(0), lane: Lane(rawValue: Int16(try row.int(1))) ?? .work)
        }
    }
}
