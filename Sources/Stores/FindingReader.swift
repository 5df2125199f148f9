import Foundation
import JobQueue
import Postgres

/// What people ask first: what should I see, and what became of the interruptions. Rows as JSON objects.
public struct FindingReader: Sendable {
    private let connection: PostgresConnection

    /// Reads over a connection.
    public init(_ connection: PostgresConnection) { self.connection = connection }

    static let findings = """
        SELECT to_jsonb(f) FROM finding_status f
         WHERE ($1::text IS NULL OR f.cluster_id = $1) AND ($2::text IS NULL OR f.code = $2)
           AND f.severity = ANY($3::text[]) AND ($4::timestamptz IS NULL OR f.last_at >= $4)
         ORDER BY array_position(ARRAY['critical', 'warning', 'info'], f.severity), f.last_at DESC, f.key LIMIT $5
        """
    static let interruptions = """
        SELECT to_jsonb(i) || jsonb_build_object(
                 'seconds_to_cordon', round(i.seconds_to_cordon, 1), 'seconds_to_drain', round(i.seconds_to_drain, 1),
                 'state', CASE WHEN i.closed_at IS NOT NULL THEN 'over' WHEN i.drained_at IS NOT NULL THEN 'empty'
                               WHEN i.cordoned_at IS NOT NULL THEN 'drains' ELSE 'opened' END)
          FROM interruption_status i
         WHERE ($1::text IS NULL OR i.cluster_id = $1) AND (NOT $2::boolean OR i.closed_at IS NULL)
         ORDER BY i.event_at DESC, i.instance_id LIMIT $3
        """

    /// Findings, the worst first, of one severity the newest first.
    /// - Parameter severities: only these.
    public func findings(
        cluster: String?, code: String?, severities: [String], since: Date?, limit: Int
    ) async throws -> [JSONText] {
        try await connection.query(
            Self.findings,
            [
                cluster.map(PostgresValue.text) ?? .null, code.map(PostgresValue.text) ?? .null,
                .textArray(severities), since.map(PostgresValue.date) ?? .null, .int(Int64(limit)),
            ]
        ).map { try $0.json(0) }
    }

    /// Interruptions, the newest first.
    public func interruptions(cluster: String?, onlyOpen: Bool, limit: Int) async throws -> [JSONText] {
        try await connection.query(
            Self.interruptions, [cluster.map(PostgresValue.text) ?? .null, .bool(onlyOpen), .int(Int64(limit))]
        ).map { try $0.json(0) }
    }
}
