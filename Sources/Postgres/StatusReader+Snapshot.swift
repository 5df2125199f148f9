import JobQueue

extension StatusReader {
    /// The whole fleet at one moment, as one JSON object: leader, queues, workers, running, failures, schedules, pauses,
    /// circuits and totals, with the columns of their views.
    /// - Parameter more: further fields of the program above: a name, and a statement of one value.
    public func snapshot(also more: [(name: String, sql: String)] = []) async throws -> JSONText {
        guard let row = try await connection.query(SnapshotStatements.snapshot(more)).first else {
            throw QueueError(.unavailable, "the database gave no snapshot")
        }
        return try row.json(0)
    }
}
