import JobQueue
import TestSupport
import Testing

@testable import Postgres

@Suite("Migrations", .serialized)
struct MigrationTests {
    private func step(_ version: Int, _ sql: String) throws -> Migration {
        try Migration(name: "V\(version)_step.sql", sql: sql)
    }

    private func tables(_ connection: PostgresConnection, _ schema: String) async throws -> [String] {
        try await connection.query(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace($1) ORDER BY 1", [.text(schema)]
        )
        .map { try $0.string(0) }
    }

    @Test("run again, a migration does nothing")
    func twice() async throws {
        try await withSchema([]) { connection, configuration in
            let schema = try #require(configuration.schema)
            let migrator = Migrator(try Migration.queue)
            let names = try Migration.queue.map(\.name)
            let first = try await migrator.run(on: connection, schema: schema)
            #expect(first == Migrator.Report(before: [], applied: names))
            let before = try await tables(connection, schema)
            let second = try await migrator.run(on: connection, schema: schema)
            #expect(second == Migrator.Report(before: try Migration.queue.map(\.version), applied: []))
            #expect(try await tables(connection, schema) == before)
        }
    }

    @Test("a step that was edited after it had been applied is refused, and changes nothing")
    func edited() async throws {
        try await withSchema { connection, configuration in
            let schema = try #require(configuration.schema)
            var steps = try Migration.queue
            steps[1] = try Migration(name: steps[1].name, sql: steps[1].sql + "\n-- later\n")
            steps.append(try step(900, "CREATE TABLE later (id int)"))
            let edited = Migrator(steps)
            let error = try await queueError { _ = try await edited.run(on: connection, schema: schema) }
            #expect(error.code == .refused)
            #expect(error.message.contains("V002_views.sql"))
            #expect(try await !tables(connection, schema).contains("later"))
            let sound = try await Migrator(try Migration.queue).run(on: connection, schema: schema)
            #expect(sound.applied == [])
        }
    }

    @Test("a database that is newer than the binary is refused")
    func newer() async throws {
        try await withSchema { connection, configuration in
            let schema = try #require(configuration.schema)
            let newer = Migrator(try Migration.queue + [try step(900, "CREATE TABLE later (id int)")])
            let report = try await newer.run(on: connection, schema: schema)
            #expect(report.applied == ["V900_step.sql"])
            let older = Migrator(try Migration.queue)
            for isDryRun in [false, true] {
                let error = try await queueError {
                    _ = try await older.run(on: connection, schema: schema, isDryRun: isDryRun)
                }
                #expect(error.code == .refused)
                #expect(error.message.contains("900"))
            }
        }
    }

    @Test("a dry run names the steps and changes nothing")
    func dryRun() async throws {
        try await withSchema([]) { connection, configuration in
            let schema = try #require(configuration.schema)
            let migrator = Migrator(try Migration.queue)
            let report = try await migrator.run(on: connection, schema: schema, isSimulation: true, isDryRun: true)
            #expect(report == Migrator.Report(before: [], applied: try Migration.queue.map(\.name)))
            let exists = try await connection.query("SELECT to_regnamespace($1) IS NOT NULL", [.text(schema)]).first?
                .bool(0)
            #expect(exists == false, "the schema was created")
        }
    }

    @Test("a step that fails leaves nothing of itself, nor of the steps before it in the run")
    func failing() async throws {
        try await withSchema { connection, configuration in
            let schema = try #require(configuration.schema)
            let steps = try Migration.queue
            let broken = Migrator(
                steps + [try step(900, "CREATE TABLE good (id int)"), try step(901, "CREATE TABLE bad (id nonsense)")])
            let error = try await queueError { _ = try await broken.run(on: connection, schema: schema) }
            #expect(error.postgres?.sqlState == "42704")
            #expect(try await !tables(connection, schema).contains("good"))
            let repaired = Migrator(steps + [try step(900, "CREATE TABLE good (id int)")])
            #expect(try await repaired.run(on: connection, schema: schema).applied == ["V900_step.sql"])
        }
    }

    @Test("of two migrators at once one works and one waits, and then finds nothing to do")
    func atOnce() async throws {
        try await withSchema([]) { connection, configuration in
            let schema = try #require(configuration.schema)
            let one = try await PostgresConnection.connect(configuration, name: "pg-one")
            let two = try await PostgresConnection.connect(configuration, name: "pg-two")
            let pids = [try await pid(one), try await pid(two)]
            let migrator = Migrator(try Migration.queue)
            // A third holds the migrators' lock, so that both are there before either begins.
            _ = try await connection.query(
                "SELECT pg_advisory_lock(hashtext('cloudoptim.migrate.' || $1))", [.text(schema)])
            async let first = migrator.run(on: one, schema: schema)
            async let second = migrator.run(on: two, schema: schema)
            try await eventually("the migrators do not wait for each other") {
                let row = try await connection.query(
                    "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1) AND wait_event_type = 'Lock'",
                    [.intArray(pids)]
                ).first
                return try row?.int(0) == 2
            }
            _ = try await connection.query(
                "SELECT pg_advisory_unlock(hashtext('cloudoptim.migrate.' || $1))", [.text(schema)])
            let applied = [try await first.applied.count, try await second.applied.count]
            #expect(applied.sorted() == [0, try Migration.queue.count])
            await one.close()
            await two.close()
        }
    }

    private func pid(_ connection: PostgresConnection) async throws -> Int64 {
        try #require(try await connection.query("SELECT pg_backend_pid()").first).int(0)
    }

    @Test("migrating a schema that holds jobs keeps them, and open sessions go on")
    func keepsJobs() async throws {
        try await withSchema { connection, configuration in
            let schema = try #require(configuration.schema)
            let ledger = try await PostgresLedger(configuration)
            let worker = WorkerID()
            try await ledger.register(
                WorkerRegistration(
                    id: worker, host: "test", queues: ["default"], kinds: ["plain"], slots: 4, inFlightMax: 4,
                    version: "1"),
                lease: .seconds(60))
            let jobs = (0..<4).map { _ in NewJob(request: JobRequest("plain"), spec: LedgerScene.plain) }
            _ = try await ledger.enqueue(jobs)
            let ids = jobs.map(\.id)
            let claimed = try await ledger.claim(Array(ids[..<2]), by: worker, kinds: ["plain"], alone: false)
            #expect(claimed.count == 2)
            let runs = ids.map { RunID(job: $0, fence: 1, worker: worker) }
            #expect(try await ledger.settle([Settlement(run: runs[0], verdict: .finished)]) == [true])
            // Expand: the next release adds columns to tables whose statements this one has prepared.
            let columns = "ALTER TABLE job ADD COLUMN extra int DEFAULT 0; ALTER TABLE job_history ADD COLUMN extra int"
            let next = try Migration.queue + [try step(900, columns)]
            #expect(try await Migrator(next).run(on: connection, schema: schema).applied == ["V900_step.sql"])
            let states = try await connection.query("SELECT state FROM job_status ORDER BY state").map {
                try $0.string(0)
            }
            #expect(states == ["done", "queued", "queued", "running"])
            #expect(try await ledger.settle([Settlement(run: runs[1], verdict: .finished)]) == [true])
            #expect(try await ledger.claim(Array(ids[2...]), by: worker, kinds: ["plain"], alone: false).count == 2)
            #expect(try await ledger.settle([Settlement(run: runs[2], verdict: .failed())]) == [true])
            _ = try await ledger.reap(atMost: 10)
            _ = try await ledger.sweep()
            await ledger.close()
        }
    }

    @Test("a simulation's clock can be moved only where the migration said so, and never in a schema that holds jobs")
    func simulation() async throws {
        try await withSchema { connection, configuration in
            let schema = try #require(configuration.schema)
            let error = try await queueError { try await connection.execute("UPDATE world_clock SET shift = '1 hour'") }
            #expect(error.postgres?.constraint == "world_clock_check")
            let ledger = try await PostgresLedger(configuration)
            _ = try await ledger.enqueue([NewJob(request: JobRequest("plain"), spec: LedgerScene.plain)])
            await ledger.close()
            let refused = try await queueError {
                _ = try await Migrator(try Migration.queue).run(on: connection, schema: schema, isSimulation: true)
            }
            #expect(refused.code == .refused)
            let isSimulated = try await connection.query("SELECT is_simulated FROM world_clock").first?.bool(0)
            #expect(isSimulated == false)
        }
    }

    @Test("a schema's name that could be SQL is refused", arguments: ["a b", "A", "x; DROP TABLE job", "", "1a"])
    func badName(_ schema: String) async throws {
        let connection = try await TestServers.connect()
        let migrator = Migrator(try Migration.queue)
        let error = try await queueError { _ = try await migrator.run(on: connection, schema: schema) }
        #expect(error.code == .invalid)
        await connection.close()
    }

    @Test("a migration's name has its version", arguments: ["V1_a.txt", "001_a.sql", "V_a.sql", "Vx_a.sql"])
    func badFileName(_ name: String) {
        #expect(throws: QueueError.self) { try Migration(name: name, sql: "") }
    }
}
