import JobQueue
import TestSupport
import Testing

@testable import Postgres

/// Two sides meet at every place where a statement could be overtaken. One after the other: each holds eight connections.
@Suite("Interleavings", .serialized)
enum Interleavings {}

/// A ledger in a schema of its own, and connections that a test can hold in the middle of a statement: after its
/// snapshot, before its lock.
struct Interleaving: Sendable {
    let subject: PostgresUnderTest
    let scene: LedgerScene
    /// The side that is held.
    let held: PostgresConnection
    /// As `held`; beyond that `now()` waits for the gate on it, so that a statement that skips locked rows can be held.
    let slow: PostgresConnection
    /// The side that changes something meanwhile.
    let other: PostgresConnection

    var ledger: any Ledger { scene.ledger }

    /// Runs a test's body against a fresh ledger, and looks at the invariants afterwards.
    static func run(_ body: (Interleaving) async throws -> Void) async throws {
        let subject = try await PostgresUnderTest()
        var configuration = try TestServers.database()
        configuration.schema = subject.schema
        func open(_ name: String) async throws -> PostgresConnection {
            try await PostgresConnection.connect(configuration, timeout: .seconds(15), name: "pg-\(name)")
        }
        let stage = Interleaving(
            subject: subject, scene: LedgerScene(subject: subject), held: try await open("held"),
            slow: try await open("slow"), other: try await open("other"))
        try await stage.slow.script(
            """
            CREATE FUNCTION now() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$ BEGIN
                PERFORM pg_advisory_xact_lock_shared(hashtext('\(subject.schema)'));
                RETURN pg_catalog.now();
            END $$;
            SET search_path = \(subject.schema), pg_catalog
            """)
        do {
            try await body(stage)
            try await stage.checkInvariants()
        } catch {
            try await stage.close()
            throw error
        }
        try await stage.close()
    }

    private func close() async throws {
        for connection in [held, slow, other] { await connection.close() }
        try await subject.close()
    }

    /// Starts `call` on a connection and runs `meanwhile` once it waits for a lock. `meanwhile` must let it go.
    func whileHeld<Answer: Sendable>(
        _ connection: PostgresConnection, _ call: @escaping @Sendable (PostgresConnection) async throws -> Answer,
        meanwhile: () async throws -> Void
    ) async throws -> Answer {
        let pid = try await processID(connection)
        async let answer = call(connection)
        try await eventually("the statement under test waits for no lock") { try await isWaiting(pid) }
        try await meanwhile()
        return try await answer
    }

    /// As `whileHeld`, for a call on `slow`: it waits where it reads the time, and `meanwhile` happens before it goes on.
    func whileSlow<Answer: Sendable>(
        _ call: @escaping @Sendable (PostgresConnection) async throws -> Answer,
        meanwhile: () async throws -> Void
    ) async throws -> Answer {
        _ = try await other.query("SELECT pg_advisory_lock(hashtext($1))", [.text(subject.schema)])
        return try await whileHeld(slow, call) {
            try await meanwhile()
            _ = try await other.query("SELECT pg_advisory_unlock(hashtext($1))", [.text(subject.schema)])
        }
    }

    func processID(_ connection: PostgresConnection) async throws -> Int64 {
        try #require(try await connection.query("SELECT pg_backend_pid()").first).int(0)
    }

    func isWaiting(_ pid: Int64) async throws -> Bool {
        let row = try await subject.connection.query("SELECT cardinality(pg_blocking_pids($1::int)) > 0", [.int(pid)])
            .first
        return try #require(row).bool(0)
    }

    /// Makes a job that waits for its time due now.
    func makeDue(_ id: JobID, on connection: PostgresConnection? = nil) async throws {
        try await (connection ?? subject.connection).execute(
            "UPDATE job SET run_at = pg_catalog.now() WHERE id = $1", [.uuid(id)])
    }

    /// Ends the lease of one worker, long ago.
    func expire(_ worker: WorkerID) async throws {
        try await subject.connection.execute(
            "UPDATE worker SET expires_at = pg_catalog.now() - interval '20 s' WHERE id = $1", [.uuid(worker)])
    }

    /// On `other`, in a transaction that stays open: the job is taken back from a dead worker and claimed by a live one.
    func reapAndClaim(_ job: JobID, from dead: WorkerID, by live: WorkerID) async throws {
        try await other.begin()
        let locked = try await other.query(ReapStatements.lock, [.uuidArray([dead]), .int(10)])
        #expect(try locked.map { try $0.uuid(0) } == [job])
        _ = try await other.query(ReapStatements.act, [.uuidArray([dead]), .uuidArray([job])])
        try await makeDue(job, on: other)
        let claimed = try await other.claim([job], live, LedgerScene.kinds, false)
        #expect(claimed.map(\.fence) == [2])
    }

    private static let rules: [(rule: String, violations: String)] = [
        (
            "I14: an id is hot and ended at once",
            """
            SELECT id FROM job WHERE id IN (SELECT id FROM job_history UNION ALL SELECT id FROM job_dead)
            """
        ),
        (
            "I3: an id ended twice",
            """
            SELECT id FROM (SELECT id FROM job_history UNION ALL SELECT id FROM job_dead) e GROUP BY id HAVING count(*) > 1
            """
        ),
        (
            "I8: a slot belongs to no running (job, fence)",
            """
            SELECT s.job_id FROM job_slot s
             WHERE NOT EXISTS (SELECT FROM job j WHERE j.id = s.job_id AND j.fence = s.fence AND j.state = 1)
            """
        ),
        (
            "I8: a limited job runs without a slot",
            """
            SELECT j.id FROM job j WHERE j.state = 1 AND j.limit_key IS NOT NULL
               AND NOT EXISTS (SELECT FROM job_slot s WHERE s.job_id = j.id AND s.fence = j.fence)
            """
        ),
        (
            "I8: a slot's number is over the limit",
            "SELECT j.id FROM job_slot s JOIN job j ON j.id = s.job_id WHERE s.n > j.limit_max"
        ),
        (
            "I11: a key outlives its job",
            "SELECT k.job_id FROM job_key k WHERE k.release = 0 AND NOT EXISTS (SELECT FROM job j WHERE j.id = k.job_id)"
        ),
        (
            "I11: a job has lost its key",
            "SELECT j.id FROM job j WHERE NOT EXISTS (SELECT FROM job_key k WHERE k.job_id = j.id)"
        ),
    ]

    func checkInvariants(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        for (rule, violations) in Self.rules {
            let found = try await subject.connection.query(violations).map { try $0.uuid(0) }
            #expect(found.isEmpty, "\(rule): \(found)", sourceLocation: sourceLocation)
        }
    }
}
