import JobQueue
import Testing

@testable import Postgres

@Suite("Releases of the schema")
struct ReleaseTests {
    private func next() throws -> Migration {
        try Migration(name: "V900_next.sql", sql: "ALTER TABLE job ADD COLUMN next_release int DEFAULT 0")
    }

    private func live(_ ledger: PostgresLedger) async throws {
        try await ledger.register(
            WorkerRegistration(
                id: WorkerID(), host: "h", queues: ["default"], kinds: ["k"], slots: 1, inFlightMax: 1, version: "0.1.0"
            ),
            lease: .seconds(60))
    }

    @Test("a program runs against its own release and the next, and refuses any other with what to do")
    func verify() async throws {
        try await withSchema([]) { connection, configuration in
            let schema = try #require(configuration.schema)
            let mine = Migrator(try Migration.queue, release: 3)
            let bare = try await queueError { try await mine.verify(on: connection, schema: schema) }
            #expect(bare.code == .refused && bare.message.contains("run `cloudoptim migrate`"))
            _ = try await mine.run(on: connection, schema: schema)
            try await mine.verify(on: connection, schema: schema)
            let one = Migrator(try Migration.queue + [try next()], release: 4)
            let early = try await queueError { try await one.verify(on: connection, schema: schema) }
            #expect(early.message.contains("V900_next.sql"), "a newer program waits for its schema")
            _ = try await one.run(on: connection, schema: schema)
            try await one.verify(on: connection, schema: schema)
            try await mine.verify(on: connection, schema: schema)
            _ = try await Migrator(try Migration.queue + [try next()], release: 5).run(on: connection, schema: schema)
            let late = try await queueError { try await mine.verify(on: connection, schema: schema) }
            #expect(late.code == .refused)
            #expect(late.message.contains("release 5") && late.message.contains("3 and 4"))
        }
    }

    @Test("two releases at once are refused while workers of the old one live, and done when they are stopped")
    func leap() async throws {
        try await withSchema([]) { connection, configuration in
            let schema = try #require(configuration.schema)
            _ = try await Migrator(try Migration.queue, release: 1).run(on: connection, schema: schema)
            let ledger = try await PostgresLedger(configuration)
            try await live(ledger)
            let leap = Migrator(try Migration.queue + [try next()], release: 3)
            for isDryRun in [true, false] {
                let error = try await queueError {
                    _ = try await leap.run(on: connection, schema: schema, isDryRun: isDryRun)
                }
                #expect(error.code == .refused && error.message.contains("release 2 and roll the processes first"))
            }
            #expect(try await Migrator.release(in: schema, on: connection) == 1)
            _ = try await Migrator(try Migration.queue + [try next()], release: 2).run(on: connection, schema: schema)
            #expect(try await Migrator.release(in: schema, on: connection) == 2)
            try await connection.script("UPDATE worker SET state = 2")
            let far = Migrator(try Migration.queue + [try next()], release: 4)
            _ = try await far.run(on: connection, schema: schema)
            #expect(try await Migrator.release(in: schema, on: connection) == 4)
            await ledger.close()
        }
    }

    @Test("an older program's migration does not take the release back")
    func staysUp() async throws {
        try await withSchema([]) { connection, configuration in
            let schema = try #require(configuration.schema)
            _ = try await Migrator(try Migration.queue, release: 2).run(on: connection, schema: schema)
            _ = try await Migrator(try Migration.queue, release: 1).run(on: connection, schema: schema)
            #expect(try await Migrator.release(in: schema, on: connection) == 2)
        }
    }
}
