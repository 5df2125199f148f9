import Foundation
import JobQueue
import Testing

@testable import Postgres

/// Every statement of module Postgres by its name, as the sources spell it.
enum AllStatements {
    static let list: [(name: String, sql: String)] = named + upkeep + questions

    private static let upkeep: [(name: String, sql: String)] = [
        ("SweepStatements.keys", SweepStatements.keys), ("SweepStatements.effects", SweepStatements.effects),
        ("SweepStatements.attempts", SweepStatements.attempts), ("SweepStatements.logs", SweepStatements.logs),
        ("SweepStatements.replayed", SweepStatements.replayed), ("SweepStatements.dead", SweepStatements.dead),
        ("SweepStatements.workers", SweepStatements.workers), ("SweepStatements.pauses", SweepStatements.pauses),
        ("SweepStatements.circuits", SweepStatements.circuits),
        ("SweepStatements.rateBuckets", SweepStatements.rateBuckets),
        ("SweepStatements.prunable", SweepStatements.prunable),
        ("SweepStatements.notePruned", SweepStatements.notePruned),
        ("SweepStatements.turnHistory", SweepStatements.turnHistory),
        ("StatusReader.gaugesSQL", StatusReader.gaugesSQL),
    ]

    /// What `cloudoptim doctor` asks.
    private static let questions = (HealthQuestion.server + HealthQuestion.queue).map {
        (name: "HealthQuestion \($0.check)", sql: $0.sql)
    }

    private static let named: [(name: String, sql: String)] = [
        ("EnqueueStatements.enqueue", EnqueueStatements.enqueue),
        ("EnqueueStatements.holders", EnqueueStatements.holders),
        ("EnqueueStatements.markReplayed", EnqueueStatements.markReplayed),
        ("EnqueueStatements.target", EnqueueStatements.target),
        ("FeedStatements.ready", FeedStatements.ready),
        ("FeedStatements.suspects", FeedStatements.suspects),
        ("FeedStatements.readyLists", FeedStatements.readyLists),
        ("ClaimStatements.claim", ClaimStatements.claim), ("ClaimStatements.claimPlain", ClaimStatements.claimPlain),
        ("GateStatements.gated", GateStatements.gated),
        ("GateStatements.lockLimits", GateStatements.lockLimits),
        ("GateStatements.taken", GateStatements.taken),
        ("GateStatements.occupySlots", GateStatements.occupySlots),
        ("GateStatements.makeBuckets", GateStatements.makeBuckets),
        ("GateStatements.lockBuckets", GateStatements.lockBuckets),
        ("GateStatements.spendTokens", GateStatements.spendTokens),
        ("GateStatements.postpone", GateStatements.postpone),
        ("LimitStatements.set", LimitStatements.set),
        ("LimitStatements.clear", LimitStatements.clear),
        ("LimitStatements.depths", LimitStatements.depths), ("LimitStatements.full", LimitStatements.full),
        ("WorkerStatements.register", WorkerStatements.register),
        ("WorkerStatements.renew", WorkerStatements.renew),
        ("WorkerStatements.setState", WorkerStatements.setState),
        ("EffectStatements.intend", EffectStatements.intend),
        ("EffectStatements.read", EffectStatements.read),
        ("EffectStatements.complete", EffectStatements.complete),
        ("EffectStatements.withdraw", EffectStatements.withdraw),
        ("SettleStatements.save", SettleStatements.save),
        ("SettleStatements.finish", SettleStatements.finish),
        ("SettleStatements.conclude", SettleStatements.conclude),
        ("SettleStatements.hasFinished", SettleStatements.hasFinished),
        ("SettleStatements.appendLog", SettleStatements.appendLog),
        ("SettleStatements.trimLog", SettleStatements.trimLog),
        ("SettleStatements.tenantOf", SettleStatements.tenantOf),
        ("CancelStatements.cancel", CancelStatements.cancel),
        ("CancelStatements.ended", CancelStatements.ended),
        ("ControlStatements.pause", ControlStatements.pause),
        ("ControlStatements.resume", ControlStatements.resume),
        ("ControlStatements.snooze", ControlStatements.snooze),
        ("ReapStatements.buryWorkers", ReapStatements.buryWorkers),
        ("ReapStatements.deadWorkers", ReapStatements.deadWorkers),
        ("ReapStatements.lock", ReapStatements.lock),
        ("ReapStatements.act", ReapStatements.act),
        ("ReapStatements.extendLeases", ReapStatements.extendLeases),
        ("ReapStatements.lead", ReapStatements.lead),
        ("ReapStatements.resign", ReapStatements.resign),
        ("ScheduleStatements.publish", ScheduleStatements.publish),
        ("ScheduleStatements.higher", ScheduleStatements.higher),
        ("ScheduleStatements.ledOtherwise", ScheduleStatements.ledOtherwise),
        ("ScheduleStatements.kinds", ScheduleStatements.kinds),
        ("ScheduleStatements.timetable", ScheduleStatements.timetable),
        ("ScheduleStatements.schedules", ScheduleStatements.schedules),
        ("ScheduleStatements.timetableVersion", ScheduleStatements.timetableVersion),
        ("ScheduleStatements.fire", ScheduleStatements.fire),
        ("ScheduleStatements.earlier", ScheduleStatements.earlier),
        ("SelectionStatements.newest", SelectionStatements.newest),
        ("SelectionStatements.count", SelectionStatements.count),
        ("SelectionStatements.page", SelectionStatements.page),
        ("SelectionStatements.dead", SelectionStatements.dead),
        ("SelectionStatements.stop", SelectionStatements.stop),
        ("SelectionStatements.log", SelectionStatements.log),
        ("SelectionStatements.worker", SelectionStatements.worker),
        ("SelectionStatements.exists", SelectionStatements.exists),
        ("StatusReader.jobSQL", StatusReader.jobSQL),
        ("StatusReader.kindsSQL", StatusReader.kindsSQL),
        ("ExplainStatements.explain", ExplainStatements.explain([])),
    ]

    /// Strings that are no statements: fragments, and a command that cannot be prepared.
    static let others: Set = [
        "ClaimStatements.isPaused", "ClaimStatements.columns", "LimitStatements.areThere",
        "EffectStatements.lockTimeout", "ScheduleStatements.isPaused",
        "SelectionStatements.fits", "ExplainStatements.reasons", "ExplainStatements.ahead", "LimitStatements.holds",
        "LimitStatements.isHeld", "LimitStatements.isFull",
    ]
}

@Suite("Statements")
struct StatementTests {
    @Test("every statement prepares against the migrated schema")
    func prepare() async throws {
        try await withSchema { connection, _ in
            for (number, (name, sql)) in AllStatements.list.enumerated() {
                do {
                    try await connection.script("PREPARE statement_\(number) AS \(sql)")
                } catch {
                    Issue.record("\(name): \(error)")
                }
            }
        }
    }

    @Test("the list above has every statement that the sources have")
    func complete() throws {
        let module = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Sources/Postgres")
        let folder = module.appending(path: "Statements")
        let files =
            try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            + [module.appending(path: "StatusReader.swift")]
        var found: Set<String> = []
        for file in files where file.pathExtension == "swift" {
            let type = file.deletingPathExtension().lastPathComponent
            let text = try String(contentsOf: file, encoding: .utf8)
            for match in text.matches(of: /static let (\w+) =\s*"/) { found.insert("\(type).\(match.1)") }
        }
        #expect(found.count > 40)
        let listed = Set(AllStatements.list.map(\.name)).union(AllStatements.others)
        #expect(found.subtracting(listed).sorted() == [])
    }

    @Test("no statement names all columns with a star: a column added by a newer release must not stop this one")
    func stars() {
        // Inside a statement a star may repeat what the statement itself listed.
        let own =
            #/(SELECT|,) *((u|c|t)\.)?\* FROM (u|c|t|unnest|j)\b|SELECT u\.\*, CASE|SELECT c\.\* FROM c|SELECT \* FROM job WHERE id = \$1/#
        for (name, sql) in AllStatements.list {
            let rest = sql.replacing(own, with: "").replacing("count(*)", with: "").replacing(
                #/\) \* [a-z(]/#, with: "")
            #expect(!rest.contains(#/\bSELECT \*|\bRETURNING \*|\w\.\*/#), "\(name)")
        }
    }
}

/// Runs a test's body in a migrated schema of its own.
func withSchema(
    _ migrations: [Migration]? = nil, isSimulation: Bool = false,
    _ body: (PostgresConnection, PostgresConfiguration) async throws -> Void
) async throws {
    var configuration = try TestServers.database()
    let schema = "plans_" + JobID().description.replacing("-", with: "").suffix(16)
    configuration.schema = schema
    let connection = try await PostgresConnection.connect(configuration, timeout: .seconds(60), name: "pg-plans")
    func drop() async throws {
        try await connection.script("SET client_min_messages = warning; DROP SCHEMA IF EXISTS \(schema) CASCADE")
        await connection.close()
    }
    do {
        let steps = try migrations ?? Migration.queue
        if !steps.isEmpty {
            _ = try await Migrator(steps).run(on: connection, schema: schema, isSimulation: isSimulation)
        }
        try await body(connection, configuration)
    } catch {
        await connection.rollback()
        try await drop()
        throw error
    }
    try await drop()
}
