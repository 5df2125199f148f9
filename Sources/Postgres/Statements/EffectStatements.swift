import JobQueue

/// Step 6 of 7: effects, each an entry that is committed before anything is sent.
enum EffectStatements {
    /// `$1` keys, `$2` jobs, `$3` fences, `$4` steps, `$5` classes, `$6` token scopes, `$7` requests, `$8` worker.
    ///
    /// The token is the SHA-256 of key and scope: 64 hexadecimal characters, the limit of an EC2 client token.
    /// The job's row is locked: an EXISTS locks nothing, and a zombie's intent would commit after a reap and a
    /// re-claim.
    static let intend = """
        WITH t AS (
            SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
                AS t(key, job_id, fence, step, class, scope, request)),
        d AS (SELECT DISTINCT job_id, fence FROM t),
        own AS (
            SELECT j.id, j.fence FROM job j JOIN d ON d.job_id = j.id
             WHERE j.fence = d.fence AND j.worker_id = $8 AND (j.state + 0) = 1 ORDER BY j.id FOR NO KEY UPDATE OF j),
        i AS (
            INSERT INTO effect (key, job_id, fence, step, class, token, request)
            SELECT t.key, t.job_id, t.fence, t.step, t.class::"char",
                   encode(sha256(convert_to(t.key || E'\n' || t.scope, 'UTF8')), 'hex'), t.request
              FROM t JOIN own ON own.id = t.job_id AND own.fence = t.fence ORDER BY t.key
            ON CONFLICT (key) DO NOTHING)
        SELECT t.key, t.job_id, own.id IS NOT NULL
          FROM t LEFT JOIN own ON own.id = t.job_id AND own.fence = t.fence
        """

    static let read =
        "SELECT key, state, token, request, response, class, job_id, fence FROM effect WHERE key = ANY ($1)"

    /// Guarded by the state: a late zombie overwrites nothing.
    static let complete = """
        UPDATE effect e SET state = t.state, response = t.response, completed_at = now()
          FROM unnest($1::text[], $2::bigint[], $3::jsonb[]) AS t(key, state, response)
         WHERE e.key = t.key AND e.state = 0
        """

    /// Only what this run wrote and did not send, and only while it owns its job: by now another run may stand on it.
    static let withdraw = """
        WITH own AS (
            SELECT j.id FROM job j
             WHERE j.id = $2 AND j.fence = $3 AND j.worker_id = $4 AND j.state = 1 FOR NO KEY UPDATE)
        DELETE FROM effect e USING own WHERE e.key = $1 AND e.state = 0 AND e.job_id = own.id AND e.fence = $3
        """

    /// Waiting for another transaction's key has an end: that transaction may wait for us where no detector sees it.
    static let lockTimeout = "SET LOCAL lock_timeout = '2s'"

    struct Wanted: Sendable {
        let intent: EffectIntent
        let run: RunID
    }

    struct Completion: Sendable {
        let key: String
        let state: EffectEntry.State
        let response: JSONText
    }

    /// Commits intents, or finds the entries that exist; nil where the run is fenced.
    static func intend(_ wanted: [Wanted], on connection: isolated PostgresConnection) throws -> [EffectEntry?] {
        var answers = [EffectEntry?](repeating: nil, count: wanted.count)
        for (worker, indices) in Dictionary(grouping: wanted.indices, by: { wanted[$0].run.worker }) {
            let group = indices.map { wanted[$0] }
            let rows = try connection.transaction { connection in
                try connection.execute(lockTimeout)
                return try connection.query(
                    intend,
                    [
                        .textArray(group.map(\.intent.key)), .uuidArray(group.map(\.run.job)),
                        .intArray(group.map(\.run.fence)), .textArray(group.map(\.intent.step)),
                        .textArray(group.map(\.intent.effectClass.rawValue)),
                        .textArray(group.map(\.intent.tokenScope)),
                        .jsonArray(group.map(\.intent.request)), .uuid(worker),
                    ])
            }
            var owned = Set<String>()
            for row in rows {
                if try row.bool(2) { owned.insert("\(try row.string(0)) \(try row.uuid(1))") }
            }
            var found: [String: (entry: EffectEntry, run: RunID)] = [:]
            for row in try connection.query(read, [.textArray(group.map(\.intent.key))]) {
                let key = try row.string(0)
                let entry = EffectEntry(
                    key: key, state: EffectEntry.State(rawValue: Int16(try row.int(1))) ?? .intended,
                    token: try row.string(2), request: try row.json(3), response: try row.jsonIfPresent(4),
                    effectClass: EffectClass(rawValue: try row.string(5)) ?? .once, isOfThisRun: false)
                found[key] = (entry, RunID(job: try row.uuid(6), fence: try row.int(7), worker: worker))
            }
            for index in indices {
                let one = wanted[index]
                guard owned.contains("\(one.intent.key) \(one.run.job)") else { continue }
                guard let (stored, author) = found[one.intent.key] else {
                    throw QueueError(.unavailable, "effect '\(one.intent.key)' vanished while it was read")
                }
                var entry = stored
                entry.isOfThisRun = author == one.run
                answers[index] = entry
            }
        }
        return answers
    }

    static func complete(_ completions: [Completion], on connection: isolated PostgresConnection) throws {
        try connection.execute(
            complete,
            [
                .textArray(completions.map(\.key)), .intArray(completions.map { Int64($0.state.rawValue) }),
                .jsonArray(completions.map(\.response)),
            ])
    }
}
