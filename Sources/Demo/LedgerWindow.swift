import Foundation
import JobQueue
import Postgres

/// The ledger, read only: which worker runs what, and whether a job was lost.
struct LedgerWindow: Sendable {
    private let connection: PostgresConnection

    init(_ connection: PostgresConnection) { self.connection = connection }

    struct Job: Sendable, Equatable {
        var id: String
        var kind: String
        /// The instance a job of an interruption is about.
        var instance: String?
        /// As the view `job_status` says it.
        var state: String
        var fence: Int
        var worker: String?
        /// Rounds that its checkpoint has behind it; nil: no checkpoint.
        var round: Int?

        var isEnded: Bool { ["done", "cancelled", "dead"].contains(state) }
    }

    /// The jobs that are there to keep the workers busy.
    struct Load: Sendable, Equatable {
        var ended: Int
        var other: Int
    }

    func load() async throws -> Load {
        let rows = try await connection.query(
            """
            SELECT (SELECT count(*) FROM job_history WHERE kind = 'noop' AND outcome = 'done'),
                   (SELECT count(*) FROM job WHERE kind = 'noop')
            """)
        guard let row = rows.first else { return Load(ended: 0, other: 0) }
        return Load(ended: Int(try row.int(0)), other: Int(try row.int(1)))
    }

    /// Every job but those of the load, wherever it is, with the name of its worker.
    func jobs() async throws -> [Job] {
        let rows = try await connection.query(
            """
            SELECT s.id::text, s.kind, coalesce(s.args ->> 'instance', s.args -> 'instances' ->> 0), s.state, s.fence,
                   w.host, (j.checkpoint ->> 'round')::bigint
              FROM job_status s LEFT JOIN worker w ON w.id = s.worker_id LEFT JOIN job j ON j.id = s.id
             WHERE s.kind <> 'noop' ORDER BY s.id
            """)
        return try rows.map { row in
            Job(
                id: try row.string(0), kind: try row.string(1), instance: row.text(2), state: try row.string(3),
                fence: Int(try row.int(4)), worker: row.text(5), round: try row.intIfPresent(6).map { Int($0) })
        }
    }

    /// Jobs that the ledger itself names outside the jobs' own tables and that are in none of these, in one snapshot.
    func unaccounted() async throws -> [String] {
        try await connection.query(
            """
            SELECT n.id::text FROM (
                SELECT k.job_id AS id FROM job_key k UNION SELECT e.job_id FROM effect e
                UNION SELECT i.job_id FROM interruption i UNION SELECT v.job_id FROM event v
                UNION SELECT f.job_id FROM finding f) n
             WHERE NOT EXISTS (SELECT FROM job j WHERE j.id = n.id)
               AND NOT EXISTS (SELECT FROM job_history h WHERE h.id = n.id)
               AND NOT EXISTS (SELECT FROM job_dead d WHERE d.id = n.id)
             ORDER BY n.id
            """
        ).map { try $0.string(0) }
    }

    /// Kinds that a schedule brings: a look that found nothing leaves no history on purpose.
    func scheduledKinds() async throws -> Set<String> {
        Set(try await connection.query("SELECT kind FROM schedule").map { try $0.string(0) })
    }

    /// Schedules whose next slot is overdue by more than so many seconds.
    func lateSchedules(seconds: Double) async throws -> [String] {
        try await connection.query(
            "SELECT id FROM schedule_health WHERE enabled AND late_seconds > $1::float8 ORDER BY id", [.double(seconds)]
        ).map { try $0.string(0) }
    }

    /// Where a schedule stands: its last slot, and whether a job of it is open; nil: there is no such schedule.
    func schedule(_ kind: String, _ target: String) async throws -> (lastSlot: Date, nextSlot: Date, isOpen: Bool)? {
        let rows = try await connection.query(
            """
            SELECT s.last_slot, s.next_slot, (SELECT count(*) FROM job j WHERE j.kind = s.kind AND j.target = s.target)
              FROM schedule s WHERE s.kind = $1 AND s.target = $2
            """, [.text(kind), .text(target)])
        return try rows.first.map { (try $0.date(0), try $0.date(1), try $0.int(2) > 0) }
    }

    /// Whether something critical was told whose code is like that.
    func hasCriticalFinding(like code: String) async throws -> Bool {
        try await !connection.query(
            "SELECT code FROM finding_status WHERE code LIKE $1 AND severity = 'critical'", [.text(code)]
        ).isEmpty
    }

    /// Whether a job of a kind waits or runs for a target.
    func isOpen(kind: String, target: String) async throws -> Bool {
        try await !connection.query(
            "SELECT id FROM job WHERE kind = $1 AND target = $2", [.text(kind), .text(target)]
        ).isEmpty
    }

    /// Whether a job waits or runs.
    func isOpen(_ job: String) async throws -> Bool {
        try await !connection.query("SELECT id FROM job WHERE id = $1::text::uuid", [.text(job)]).isEmpty
    }

    /// How many workers have a living lease.
    func liveWorkers() async throws -> Int {
        try await connection.query("SELECT id FROM worker_health WHERE state = 'live'").count
    }

    /// What an instance's replacement was launched for, as it was written down before the launch; nil: not yet.
    func launchReason(of instance: String) async throws -> String? {
        let rows = try await connection.query(
            """
            SELECT (SELECT l.line FROM job_log l WHERE l.line LIKE 'create-fleet replace/%/' || $1 || '/%'
                     ORDER BY l.n DESC LIMIT 1),
                   (SELECT jsonb_array_length(e.response -> 'fleet' -> 'failures') FROM effect_log e
                     WHERE e.key LIKE 'replace/%/' || $1 || '/%' AND e.state = 'done' ORDER BY e.at DESC LIMIT 1)
            """, [.text(instance)])
        guard let line = rows.first?.text(0) else { return nil }
        let reason = line.split(separator: "; ", maxSplits: 1).last.map(String.init) ?? line
        guard let failures = try rows.first?.intIfPresent(1), failures > 0 else { return reason }
        return reason + "; \(Narrator.count(Int(failures), "pool")) had no capacity"
    }

    /// How the events that concern nobody of ours were settled: instance or account, and the outcome.
    func strayEvents() async throws -> [(key: String, outcome: String)] {
        try await connection.query(
            "SELECT key, outcome FROM event WHERE outcome IN ('foreign', 'unknown-instance') ORDER BY received_at"
        ).map { (key: try $0.string(0), outcome: try $0.string(1)) }
    }

    func close() async { await connection.close() }
}
