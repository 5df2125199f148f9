import Foundation
import JobQueue

/// Answers what people and programs ask about jobs, from the views of `V002_views.sql`.
public struct StatusReader: Sendable {
    let connection: PostgresConnection

    /// Opens a connection of its own.
    public init(_ configuration: PostgresConfiguration) async throws {
        connection = try await PostgresConnection.connect(configuration, name: "pg-status")
    }

    /// Reads over a connection, inside its transaction if it has one.
    public init(on connection: PostgresConnection) { self.connection = connection }

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
}
