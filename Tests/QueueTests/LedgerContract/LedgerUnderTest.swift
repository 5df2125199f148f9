import Foundation
import JobQueue
import Postgres
import Testing

/// A ledger, and what a contract test needs beside the protocol: to move time, to set the scene, to look inside.
protocol LedgerUnderTest: Sendable {
    var ledger: any Ledger { get }
    var control: any ControlLedger { get }
    /// Moves machine time forward, and world time with it.
    func age(by seconds: Double) async throws
    /// Moves world time alone.
    func shiftWorld(by seconds: Double) async throws
    func facts(_ id: JobID) async throws -> JobFacts?
    /// `(job, fence)` of every slot of a limit key.
    func slots(_ key: String) async throws -> Set<Held>
    func keyHolder(_ key: String) async throws -> JobID?
    func setTarget(_ name: String, tenant: String) async throws
    func removeTarget(_ name: String) async throws
    func setSchedule(_ id: String, isEnabled: Bool) async throws
    func effectState(_ key: String) async throws -> EffectEntry.State?
    func hasRecord(_ key: String) async throws -> Bool
    func logLines(_ id: JobID) async throws -> [String]
    func replayedBy(_ id: JobID) async throws -> JobID?
    func close() async throws
}

extension LedgerUnderTest {
    func pause(_ scope: String, _ name: String, for duration: Duration? = nil) async throws {
        try await control.pause(try #require(JobScope(scope, name)), by: "test", reason: "", for: duration)
    }
    @discardableResult
    func resume(_ scope: String, _ name: String) async throws -> Bool {
        try await control.resume(try #require(JobScope(scope, name)))
    }
}

struct Held: Hashable {
    var job: JobID
    var fence: Int64
}

/// What both ledgers can tell about a job.
struct JobFacts: Equatable {
    /// queued, running, done, cancelled or dead.
    var place: String
    var reason: String?
    var fence: Int64
    var attempt: Int
    var crashes: Int
    var interrupts: Int
    var snoozes: Int
    var tenant: String
    /// Only while hot: seconds until it may run.
    var waits: Double?
}

enum LedgerKind: String, CaseIterable, CustomTestStringConvertible {
    case memory, postgres

    var testDescription: String { rawValue }

    func make() async throws -> any LedgerUnderTest {
        switch self {
        case .memory: MemoryUnderTest()
        case .postgres: try await PostgresUnderTest()
        }
    }
}

struct MemoryUnderTest: LedgerUnderTest {
    let memory = MemoryLedger()
    var ledger: any Ledger { memory }
    var control: any ControlLedger { memory }

    func age(by seconds: Double) async throws { await memory.advance(bySeconds: seconds) }
    func shiftWorld(by seconds: Double) async throws { await memory.shiftWorld(bySeconds: seconds) }
    func facts(_ id: JobID) async throws -> JobFacts? {
        guard let row = await memory.row(id) else { return nil }
        let place = row.state.map { $0 == .queued ? "queued" : "running" } ?? row.end?.rawValue ?? "lost"
        let now = await memory.now
        return JobFacts(
            place: place, reason: row.reason, fence: row.fence, attempt: row.attempt, crashes: row.crashes,
            interrupts: row.interrupts, snoozes: row.snoozes, tenant: row.tenant,
            waits: row.state == nil ? nil : row.runAt.timeIntervalSince(now))
    }
    func slots(_ key: String) async throws -> Set<Held> {
        Set(await memory.holders(ofLimit: key).map { Held(job: $0.job, fence: $0.fence) })
    }
    func keyHolder(_ key: String) async throws -> JobID? { await memory.holder(ofKey: key) }
    func setTarget(_ name: String, tenant: String) async throws { try await memory.setTarget(name, tenant: tenant) }
    func removeTarget(_ name: String) async throws { try await memory.removeTarget(name) }
    func setSchedule(_ id: String, isEnabled: Bool) async throws { await memory.setSchedule(id, isEnabled: isEnabled) }
    func effectState(_ key: String) async throws -> EffectEntry.State? { await memory.effect(key)?.state }
    func hasRecord(_ key: String) async throws -> Bool { await memory.record(kind: "note", key: key) != nil }
    func logLines(_ id: JobID) async throws -> [String] { await memory.log(of: id) }
    func replayedBy(_ id: JobID) async throws -> JobID? { await memory.row(id)?.replayedBy }
    func close() async throws {}
}

/// The Postgres ledger in a schema of its own. Time moves by editing the rows' instants.
struct PostgresUnderTest: LedgerUnderTest {
    let postgres: PostgresLedger
    let connection: PostgresConnection
    let schema: String
    var ledger: any Ledger { postgres }
    var control: any ControlLedger { postgres }

    init() async throws {
        schema = "contract_" + JobID().description.replacing("-", with: "").suffix(16)
        var configuration = try TestServers.database()
        configuration.schema = schema
        connection = try await PostgresConnection.connect(configuration, name: "pg-contract")
        _ = try await Migrator(Migration.queue).run(on: connection, schema: schema, isSimulation: true)
        try await connection.script("CREATE TABLE kept (key text PRIMARY KEY, value jsonb, tenant text, job uuid)")
        let writers = RecordWriters([
            "note": """
            INSERT INTO kept (key, value, tenant, job) SELECT k, v, $3::text, $4::uuid FROM unnest($1::text[], $2::jsonb[]) AS t(k, v)
            ON CONFLICT (key) DO UPDATE SET value = excluded.value
            """
        ])
        postgres = try await PostgresLedger(configuration, writers: writers)
    }

    func age(by seconds: Double) async throws {
        let shifts = [
            "UPDATE job SET run_at = run_at - $1::interval, late_at = late_at - $1::interval, claimed_at = claimed_at - $1::interval, deadline_at = deadline_at - $1::interval, created_at = created_at - $1::interval, cancel_at = cancel_at - $1::interval",
            "UPDATE worker SET expires_at = expires_at - $1::interval",
            "UPDATE job_key SET expires_at = expires_at - $1::interval",
            "UPDATE rate_bucket SET at = at - $1::interval",
            "UPDATE lead SET expires_at = expires_at - $1::interval",
            "UPDATE effect SET at = at - $1::interval",
            "UPDATE pause SET at = at - $1::interval, until = until - $1::interval",
            "UPDATE job_dead SET died_at = died_at - $1::interval",
            "UPDATE world_clock SET shift = shift + $1::interval",
        ]
        try await connection.transaction { connection in
            for shift in shifts { try connection.execute(shift, [.text("\(seconds) s")]) }
        }
    }
    func shiftWorld(by seconds: Double) async throws {
        try await connection.execute("UPDATE world_clock SET shift = shift + $1::interval", [.text("\(seconds) s")])
    }
    func facts(_ id: JobID) async throws -> JobFacts? {
        let row = try await connection.query(
            """
            SELECT CASE state WHEN 0 THEN 'queued' ELSE 'running' END, NULL::text, fence, attempt, crashes, interrupts, snoozes,
                   tenant, extract(epoch FROM run_at - now())::float8 FROM job WHERE id = $1
            UNION ALL
            SELECT outcome, reason, fence, attempt, crashes, interrupts, snoozes, tenant, NULL FROM job_history WHERE id = $1
            UNION ALL
            SELECT 'dead', reason, fence, attempt, crashes, interrupts, snoozes, tenant, NULL FROM job_dead WHERE id = $1
            """, [.uuid(id)])
        // I14: no id in history and hot at once.
        guard row.count <= 1 else { throw QueueError(.invalid, "job \(id) stands in \(row.count) places") }
        guard let row = row.first else { return nil }
        return JobFacts(
            place: try row.string(0), reason: row.text(1), fence: try row.int(2), attempt: Int(try row.int(3)),
            crashes: Int(try row.int(4)), interrupts: Int(try row.int(5)), snoozes: Int(try row.int(6)),
            tenant: try row.string(7), waits: try row.doubleIfPresent(8))
    }
    func slots(_ key: String) async throws -> Set<Held> {
        Set(
            try await connection.query("SELECT job_id, fence FROM job_slot WHERE limit_key = $1", [.text(key)]).map {
                Held(job: try $0.uuid(0), fence: try $0.int(1))
            })
    }
    func keyHolder(_ key: String) async throws -> JobID? {
        try await connection.query("SELECT job_id FROM job_key WHERE key = $1", [.text(key)]).first?.uuid(0)
    }
    func setTarget(_ name: String, tenant: String) async throws {
        try await connection.execute(
            "INSERT INTO job_target (target, fan_out, tenant) VALUES ($1, 'cluster', $2)", [.text(name), .text(tenant)])
        _ = try await connection.query("SELECT sync_schedules()")
    }
    func removeTarget(_ name: String) async throws {
        try await connection.execute("DELETE FROM job_target WHERE target = $1", [.text(name)])
        _ = try await connection.query("SELECT sync_schedules()")
    }
    func setSchedule(_ id: String, isEnabled: Bool) async throws {
        try await connection.execute("UPDATE schedule SET enabled = $2 WHERE id = $1", [.text(id), .bool(isEnabled)])
    }
    func effectState(_ key: String) async throws -> EffectEntry.State? {
        let row = try await connection.query("SELECT state FROM effect WHERE key = $1", [.text(key)]).first
        return try row.flatMap { EffectEntry.State(rawValue: Int16(try $0.int(0))) }
    }
    func hasRecord(_ key: String) async throws -> Bool {
        try await !connection.query("SELECT 1 FROM kept WHERE key = $1", [.text(key)]).isEmpty
    }
    func logLines(_ id: JobID) async throws -> [String] {
        try await connection.query("SELECT line FROM job_log WHERE job_id = $1 ORDER BY n", [.uuid(id)]).map {
            try $0.string(0)
        }
    }
    func replayedBy(_ id: JobID) async throws -> JobID? {
        try await connection.query("SELECT replayed_by FROM job_dead WHERE id = $1", [.uuid(id)]).first?.uuidIfPresent(
            0)
    }
    func close() async throws {
        await postgres.close()
        try await connection.script("SET client_min_messages = warning; DROP SCHEMA \(schema) CASCADE")
        await connection.close()
    }
}
