import Foundation
import JobQueue

/// Answers what people and programs ask about jobs, from the views of `V002_views.sql`.
public struct StatusReader: Sendable {
    let connection: PostgresConnection

    /// Opens a connection of its own.
    public init(_ configuration: PostgresConfiguration) async throws {
        connection = try await PostgresConnection.connect(configuration, name: "pg-status")
    }

    /// Runs one of this module's statements.
    func reading(_ sql: String) async throws -> [PostgresRow] { try await connection.query(sql) }

    static let jobSQL = """
        SELECT to_jsonb(s) || jsonb_build_object(
            'attempts', (SELECT coalesce(jsonb_agg(to_jsonb(a) ORDER BY a.fence), '[]') FROM attempt_log a WHERE a.job_id = s.id),
            'effects', (SELECT coalesce(jsonb_agg(to_jsonb(e) ORDER BY e.at), '[]') FROM effect_log e WHERE e.job_id = s.id),
            'log', (SELECT coalesce(jsonb_agg(l.line ORDER BY l.n), '[]') FROM job_log l WHERE l.job_id = s.id))
          FROM job_status s WHERE s.id = $1
        """
    static let kindsSQL = """
        SELECT jsonb_build_object('kind', kind, 'version', spec_version, 'lane', spec -> 'lane', 'fan_out', spec ->> 'fan_out',
            'mode_max', spec ->> 'mode_max', 'external', spec -> 'external', 'summary', spec ->> 'summary',
            'schedule', CASE WHEN spec -> 'schedule' ? 'every' THEN 'every ' || (spec -> 'schedule' ->> 'every') || ' s'
                             WHEN spec -> 'schedule' ? 'cron' THEN (spec -> 'schedule' ->> 'cron') || ' ' ||
                                  coalesce(spec -> 'schedule' ->> 'zone', 'UTC') END)
          FROM job_kind ORDER BY kind
        """
    /// Every reason why a queued job does not run now, one row each.
    static let reasonsSQL = """
        WITH j AS (SELECT * FROM job WHERE id = $1 AND state = 0)
        SELECT 'it is paused: ' || p.scope || ' ' || p.name || ', by ' || p.by || ' at ' || p.at
          FROM j, pause p WHERE (p.until IS NULL OR p.until > now())
           AND (p.scope = 'all' OR (p.scope = 'queue' AND p.name = j.queue)
                OR (p.scope = 'kind' AND p.name = j.kind) OR (p.scope = 'cluster' AND p.name = j.target)
                OR (p.scope = 'tenant' AND p.name = j.tenant))
        UNION ALL
        SELECT 'it is not due before ' || run_at || ' (in ' || ceil(extract(epoch FROM run_at - now())) || ' s)'
          FROM j WHERE run_at > now()
        UNION ALL
        SELECT 'its limit "' || limit_key || '" is full: ' || (SELECT string_agg(s.job_id::text, ', ') FROM job_slot s
                WHERE s.limit_key = j.limit_key) || ' hold the ' || limit_max || ' slots'
          FROM j WHERE limit_key IS NOT NULL
           AND (SELECT count(*) FROM job_slot s WHERE s.limit_key = j.limit_key) >= limit_max
        UNION ALL
        SELECT 'its rate "' || rate_key || '" has no token before ' ||
               (b.at + make_interval(secs => (1 - b.tokens) / b.per_second))
          FROM j JOIN rate_bucket b ON b.key = j.rate_key
         WHERE b.tokens + extract(epoch FROM now() - b.at) * b.per_second < 1
        UNION ALL
        SELECT 'no live worker takes queue "' || queue || '" and kind "' || kind || '"'
          FROM j WHERE NOT EXISTS (SELECT FROM worker w WHERE w.state = 0 AND w.expires_at > now()
                                    AND j.queue = ANY (w.queues) AND j.kind = ANY (w.kinds))
        UNION ALL
        SELECT 'it is a suspect (its worker died ' || crashes || ' times) and waits for a worker that has nothing else'
          FROM j WHERE crashes >= 2
        UNION ALL
        SELECT 'it will be cancelled as late: it was to start before ' || late_at FROM j WHERE late_at < now()
        """
    static let aheadSQL = """
        SELECT count(*) FROM (SELECT FROM job o, job j
         WHERE j.id = $1 AND o.state = 0 AND o.queue = j.queue AND o.run_at <= now()
           AND (o.lane < j.lane OR (o.lane = j.lane AND (o.run_at, o.id) < (j.run_at, j.id))) LIMIT 10000) x
        """

    /// One job with its attempts, effects and log.
    /// - Throws: `notFound`.
    public func job(_ id: JobID) async throws -> JSONText {
        guard let row = try await connection.query(Self.jobSQL, [.uuid(id)]).first else {
            throw QueueError(.notFound, "no job \(id)")
        }
        return try row.json(0)
    }

    /// The rows of a status view as JSON objects. The name and the order are the program's own, never a user's.
    public func view(_ name: StaticString, order: StaticString) async throws -> [JSONText] {
        try await connection.query("SELECT to_jsonb(v) FROM \(name) v ORDER BY \(order)").map { try $0.json(0) }
    }

    /// The kinds in force.
    public func kinds() async throws -> [JSONText] {
        try await connection.query(Self.kindsSQL).map { try $0.json(0) }
    }

    /// The life of a job in sentences, and why it is not running now.
    /// - Throws: `notFound`.
    public func explain(_ id: JobID) async throws -> [String] {
        let job = try await self.job(id).decode([String: JSONValue].self)
        func text(_ name: String) -> String {
            switch job[name] {
            case .string(let text)?: text
            case nil, .null?: ""
            case let value?: value.canonical
            }
        }
        var story = [
            "\(text("kind")) \(id)\(text("target").isEmpty ? "" : " about " + text("target")): \(text("state"))"
        ]
        story.append("enqueued at \(text("created_at")), queue \(text("queue")), lane \(text("lane"))")
        if case .array(let attempts)? = job["attempts"] {
            for case .object(let attempt) in attempts {
                let error = attempt["error"].map(\.canonical) ?? ""
                story.append(
                    "run \(attempt["fence"]?.canonical ?? "?") began at \(attempt["started_at"]?.canonical ?? "?") and ended by \(attempt["how"]?.canonical ?? "?") \(error == "null" ? "" : error)"
                )
            }
        }
        if case .array(let effects)? = job["effects"] {
            for case .object(let effect) in effects {
                story.append(
                    "effect \(effect["key"]?.canonical ?? "?") (\(effect["class"]?.canonical ?? "?")): \(effect["state"]?.canonical ?? "?")"
                )
            }
        }
        switch text("state") {
        case "running", "cancelling":
            story.append(
                "runs since \(text("claimed_at")) on worker \(text("worker_id")), attempt \(text("attempt")), until \(text("deadline_at")) at most"
            )
        case "done", "cancelled", "dead":
            story.append("ended at \(text("finished_at"))\(text("reason").isEmpty ? "" : ": " + text("reason"))")
        default:
            let reasons = try await connection.query(Self.reasonsSQL, [.uuid(id)]).map { try $0.string(0) }
            if reasons.isEmpty {
                let ahead = try await connection.query(Self.aheadSQL, [.uuid(id)]).first?.int(0) ?? 0
                story.append("it is due; \(ahead)\(ahead == 10_000 ? " or more" : "") jobs of its queue come before it")
            } else {
                story += reasons.map { "it does not run now because \($0)" }
            }
        }
        return story
    }
}
