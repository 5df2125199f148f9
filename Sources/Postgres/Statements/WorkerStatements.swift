import JobQueue

/// The lease of a worker.
enum WorkerStatements {
    static let register = """
        INSERT INTO worker (id, host, queues, kinds, slots, in_flight_max, version, expires_at)
        VALUES ($1, $2, $3::text[], $4::text[], $5::bigint, $6::bigint, $7, now() + make_interval(secs => $8::float8))
        ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at WHERE worker.state < 2  -- the answer was lost
        """

    /// One HOT write per worker and none per job. The answer is what the ledger says this worker runs.
    static let renew = """
        WITH w AS (
            UPDATE worker SET expires_at = now() + make_interval(secs => $2::float8)
             WHERE id = $1 AND state < 2 AND expires_at > now() RETURNING id, state)
        SELECT w.state, j.id, j.fence, j.cancel_at IS NOT NULL
          FROM w LEFT JOIN job j ON j.worker_id = w.id AND j.state = 1
        """

    static let setState = "UPDATE worker SET state = greatest(state, $2::bigint) WHERE id = $1"

    static func register(
        _ worker: WorkerRegistration, lease: Duration, on connection: isolated PostgresConnection
    ) throws {
        try connection.execute(
            register,
            [
                .uuid(worker.id), .text(worker.host), .textArray(worker.queues),
                .textArray(worker.kinds.map(\.rawValue)), .int(Int64(worker.slots)), .int(Int64(worker.inFlightMax)),
                .text(worker.version), .double(lease.seconds),
            ])
    }

    static func renew(
        _ worker: WorkerID, lease: Duration, on connection: isolated PostgresConnection
    ) throws -> Renewal? {
        let rows = try connection.query(renew, [.uuid(worker), .double(lease.seconds)])
        guard let first = rows.first else { return nil }
        let runs = try rows.compactMap { row in
            try row.uuidIfPresent(1).map { job in
                Renewal.Held(job: job, fence: try row.int(2), isCancelAsked: try row.bool(3))
            }
        }
        return Renewal(runs: runs, isDraining: try first.int(0) == 1)
    }
}
