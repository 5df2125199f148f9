import JobQueue

/// Step 2 of 7: a row is written, once per request.
enum EnqueueStatements {
    /// Equal keys of two batches wait for each other in key order; `DO NOTHING` locks no row it does not insert.
    static let enqueue = """
        WITH u AS (
            SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::jsonb[], $7::text[],
                                 $8::float8[], $9::float8[], $10::float8[], $11::bigint[], $12::bigint[], $13::text[],
                                 $14::bigint[], $15::text[], $16::float8[], $17::float8[], $18::text[], $19::text[], $20::uuid[])
                AS u(id, kind, queue, lane, target, args, key, release_seconds, delay_seconds, late_seconds,
                     timeout_seconds, max_attempts, limit_key, limit_max, rate_key, rate_per_second, rate_burst,
                     traceparent, tracestate, replay_of)),
        t AS (
            SELECT u.*, CASE WHEN u.target = '' THEN '' ELSE coalesce(
                (SELECT g.tenant FROM job_target g WHERE g.target = u.target ORDER BY g.fan_out LIMIT 1), '') END AS tenant
              FROM u),
        k AS (
            INSERT INTO job_key (key, job_id, args_hash, release, expires_at)
            SELECT replace(key, '${tenant}', tenant), id, sha256(convert_to(kind || E'\\n' || target || E'\\n' || args::text, 'UTF8')),
                   CASE WHEN release_seconds IS NULL THEN 0 ELSE 2 END, now() + make_interval(secs => release_seconds)
              FROM t ORDER BY 1
            ON CONFLICT (key) DO NOTHING RETURNING job_id)
        INSERT INTO job (id, queue, kind, tenant, target, lane, run_at, late_at, timeout_seconds, max_attempts, limit_key,
                         limit_max, rate_key, rate_per_second, rate_burst, args, traceparent, tracestate, replay_of)
        SELECT id, queue, kind, tenant, target, lane, now() + make_interval(secs => delay_seconds),
               now() + make_interval(secs => delay_seconds + late_seconds), timeout_seconds, max_attempts,
               replace(limit_key, '${tenant}', tenant), limit_max, replace(rate_key, '${tenant}', tenant),
               rate_per_second, rate_burst, args, traceparent, tracestate, replay_of
          FROM t WHERE id IN (SELECT job_id FROM k) ORDER BY id
        ON CONFLICT (id) DO NOTHING RETURNING id
        """

    /// Who holds the keys of requests that were not stored, and with the same arguments or not.
    static let holders = """
        WITH t AS (
            SELECT u.*, CASE WHEN u.target = '' THEN '' ELSE coalesce(
                (SELECT g.tenant FROM job_target g WHERE g.target = u.target ORDER BY g.fan_out LIMIT 1), '') END AS tenant
              FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[]) AS u(id, key, target, args, kind))
        SELECT t.id, k.job_id, k.args_hash = sha256(convert_to(t.kind || E'\\n' || t.target || E'\\n' || t.args::text, 'UTF8'))
          FROM t JOIN job_key k ON k.key = replace(t.key, '${tenant}', t.tenant)
        """

    /// Whether there is such a cluster, account, region or queue: `$1` its name, `$2` what it is.
    static let target = "SELECT EXISTS (SELECT FROM job_target WHERE target = $1 AND fan_out = $2)"

    /// `$1` the dead jobs, `$2` those that run them again.
    static let markReplayed = """
        UPDATE job_dead d SET replayed_by = t.new FROM unnest($1::uuid[], $2::uuid[]) AS t(old, new) WHERE d.id = t.old
        """

    /// Inserts a batch and answers for each job, in order. Inside the caller's transaction or as its own.
    static func enqueue(_ jobs: [ResolvedJob], on connection: isolated PostgresConnection) throws -> [EnqueueResult] {
        var results = try insert(jobs, on: connection)
        let vanished = jobs.indices.filter { results[$0] == nil }
        if !vanished.isEmpty {  // a key that was freed between the two statements: once more
            let again = try insert(vanished.map { jobs[$0] }, on: connection)
            for (index, result) in zip(vanished, again) { results[index] = result }
        }
        return try zip(jobs, results).map { job, result in
            guard let result else {
                throw QueueError(
                    .unavailable, "the key of job \(job.id) was freed and taken twice while it was enqueued; try again")
            }
            return result
        }
    }

    private static func insert(
        _ jobs: [ResolvedJob], on connection: isolated PostgresConnection
    ) throws -> [EnqueueResult?] {
        let rows = try connection.query(enqueue, parameters(jobs))
        var stored = Set<JobID>(minimumCapacity: rows.count)
        for row in rows { stored.insert(try row.uuid(0)) }
        let replays = jobs.filter { $0.replayOf != nil && stored.contains($0.id) }
        if !replays.isEmpty {
            try connection.execute(
                markReplayed, [.uuidArray(replays.compactMap(\.replayOf)), .uuidArray(replays.map(\.id))])
        }
        var results: [EnqueueResult?] = jobs.map { stored.contains($0.id) ? .enqueued($0.id) : nil }
        let rest = jobs.filter { !stored.contains($0.id) }
        if rest.isEmpty { return results }
        var holder: [JobID: EnqueueResult] = [:]
        for row in try connection.query(
            holders,
            [
                .uuidArray(rest.map(\.id)), .textArray(rest.map(\.key.text)), .textArray(rest.map(\.target)),
                .jsonArray(rest.map(\.parameters)), .textArray(rest.map(\.kind.rawValue)),
            ])
        {
            let (id, first, isSame) = (try row.uuid(0), try row.uuid(1), try row.bool(2))
            holder[id] = first == id ? .enqueued(id) : isSame ? .duplicate(of: first) : .conflict(with: first)
        }
        for (index, job) in jobs.enumerated() where results[index] == nil { results[index] = holder[job.id] }
        return results
    }

    private static func parameters(_ jobs: [ResolvedJob]) -> [PostgresValue] {
        [
            .uuidArray(jobs.map(\.id)),
            .textArray(jobs.map(\.kind.rawValue)),
            .textArray(jobs.map(\.queue)),
            .intArray(jobs.map { Int64($0.lane.rawValue) }),
            .textArray(jobs.map(\.target)),
            .jsonArray(jobs.map(\.parameters)),
            .textArray(jobs.map(\.key.text)),
            .doubleArray(
                jobs.map {
                    guard case .after(let duration) = $0.key.release else { return nil }
                    return duration.seconds
                }),
            .doubleArray(jobs.map { $0.delay.seconds }),
            .doubleArray(jobs.map { $0.startBefore?.seconds }),
            .intArray(jobs.map { Int64($0.timeoutSeconds) }),
            .intArray(jobs.map { Int64($0.attemptsMax) }),
            .textArray(jobs.map(\.limitKey)),
            .intArray(jobs.map { $0.limitMax.map(Int64.init) }),
            .textArray(jobs.map(\.rateKey)),
            .doubleArray(jobs.map { $0.rate?.perSecond }),
            .doubleArray(jobs.map { $0.rate?.burst }),
            .textArray(jobs.map(\.traceparent)),
            .textArray(jobs.map(\.tracestate)),
            .optionalUUIDArray(jobs.map(\.replayOf)),
        ]
    }
}
