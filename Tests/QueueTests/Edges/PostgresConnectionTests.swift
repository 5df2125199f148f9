import Foundation
import JobQueue
import Postgres
import Testing

@Suite("Postgres connection") struct PostgresConnectionTests {
    @Test("a statement is prepared once per session, also when a parameter is NULL for once")
    func preparedOnce() async throws {
        let connection = try await TestServers.connect()
        for number in 0..<20 {
            let value: PostgresValue = number % 3 == 1 ? .null : .int(Int64(number))
            _ = try await connection.query("SELECT $1 AS kept", [value])
        }
        let rows = try await connection.query("SELECT name FROM pg_prepared_statements WHERE statement LIKE '%kept'")
        #expect(rows.count == 1)
    }

    @Test("the same text with values of another type is another statement")
    func preparedPerType() async throws {
        let connection = try await TestServers.connect()
        #expect(try await connection.query("SELECT $1", [.null])[0].isNull(0))
        #expect(try await connection.query("SELECT $1", [.int(7)])[0].int(0) == 7)
        #expect(try await connection.query("SELECT $1", [.bool(true)])[0].bool(0))
    }

    @Test("a session keeps a bounded number of statements and goes on beyond it")
    func preparedBound() async throws {
        let connection = try await TestServers.connect()
        for number in 0..<1000 { _ = try await connection.query("SELECT \(number)") }
        let kept = try await connection.query("SELECT count(*) FROM pg_prepared_statements")[0].int(0)
        #expect(kept <= 401)
    }

    @Test("a migration beside a prepared statement does not break it")
    func stalePlan() async throws {
        let connection = try await TestServers.connect()
        try await connection.script("CREATE TEMP TABLE t (a int); INSERT INTO t VALUES (1)")
        let star = "SELECT * FROM t"
        #expect(try await connection.query(star)[0].count == 1)
        try await connection.script("ALTER TABLE t ADD COLUMN b int")
        #expect(try await connection.query(star)[0].count == 2)
        try await connection.script("DEALLOCATE ALL")
        #expect(try await connection.query(star).count == 1)
    }

    @Test("behind a transaction pooler nothing is prepared")
    func pooler() async throws {
        var configuration = try TestServers.database()
        configuration.pooler = .transaction
        let connection = try await PostgresConnection.connect(configuration)
        #expect(try await connection.query("SELECT $1", [.int(5)])[0].int(0) == 5)
        #expect(try await connection.query("SELECT 1 FROM pg_prepared_statements").isEmpty)
        configuration.schema = "s"
        let error = try await queueError { _ = try await PostgresConnection.connect(configuration) }
        #expect(error.code == .refused && error.message.contains("ALTER ROLE"))
    }

    @Test("execute counts the rows it touched")
    func affected() async throws {
        let connection = try await TestServers.connect()
        try await connection.script("CREATE TEMP TABLE t (a int)")
        #expect(try await connection.execute("INSERT INTO t SELECT generate_series(1, 25)") == 25)
        #expect(try await connection.execute("DELETE FROM t WHERE a > $1", [.int(20)]) == 5)
        #expect(try await connection.execute("CREATE TEMP TABLE u (a int)") == 0)
    }

    @Test(
        "a refused statement names state and constraint, and the session goes on",
        arguments: [
            ("INSERT INTO t VALUES (1), (1)", "23505", QueueError.Code.invalid),
            ("INSERT INTO t VALUES (-1)", "23514", .invalid),
            ("SELECT 1 / (a - a) FROM t", "22012", .invalid),
            ("SELEC", "42601", .invalid),
            ("SELECT * FROM no_such_table", "42P01", .invalid),
            ("SELECT pg_sleep(5)", "57014", .unavailable),
        ])
    func refused(_ sql: String, _ state: String, _ code: QueueError.Code) async throws {
        var configuration = try TestServers.database()
        configuration.statementTimeout = .milliseconds(300)
        let connection = try await PostgresConnection.connect(configuration)
        try await connection.script(
            "CREATE TEMP TABLE t (a int CONSTRAINT positive CHECK (a > 0) CONSTRAINT once UNIQUE)")
        try await connection.script("INSERT INTO t VALUES (9)")
        let error = try await queueError { _ = try await connection.query(sql) }
        #expect(error.postgres?.sqlState == state)
        #expect(error.code == code)
        if state == "23505" { #expect(error.postgres?.constraint == "once" && error.postgres?.detail != nil) }
        if state == "23514" { #expect(error.postgres?.constraint == "positive" && error.postgres?.table == "t") }
        #expect(try await connection.query("SELECT a FROM t")[0].int(0) == 9)
        #expect(await connection.generation == 1)
    }

    @Test("two transactions that wait for each other: one is told to try again")
    func deadlock() async throws {
        let schema = "deadlock_\(UInt32.random(in: 0 ... .max))"
        var configuration = try TestServers.database()
        let setup = try await PostgresConnection.connect(configuration)
        try await setup.script("CREATE SCHEMA \(schema)")
        configuration.schema = schema
        let first = try await PostgresConnection.connect(configuration)
        let second = try await PostgresConnection.connect(configuration)
        try await first.script("CREATE TABLE t (a int PRIMARY KEY, b int); INSERT INTO t VALUES (1), (2)")
        try await first.begin()
        try await second.begin()
        try await first.execute("UPDATE t SET b = 1 WHERE a = 1")
        try await second.execute("UPDATE t SET b = 2 WHERE a = 2")
        async let left = Self.outcome { try await first.execute("UPDATE t SET b = 1 WHERE a = 2") }
        async let right = Self.outcome { try await second.execute("UPDATE t SET b = 2 WHERE a = 1") }
        let results = await [left, right]
        let errors = results.compactMap { $0 as? QueueError }
        #expect(errors.count == 1)
        #expect(errors.first?.postgres?.sqlState == "40P01")
        #expect(errors.first?.code == .unavailable)
        await first.rollback()
        await second.rollback()
        try await setup.script("DROP SCHEMA \(schema) CASCADE")
    }

    private static func outcome(_ body: () async throws -> Int) async -> (any Error)? {
        do {
            _ = try await body()
            return nil
        } catch { return error }
    }
}
