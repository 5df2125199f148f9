import JobQueue
import Postgres
import Testing

@Suite("Postgres transactions") struct PostgresTransactionTests {
    @Test("what a body did is there after it returns, and gone after it throws")
    func commitAndRollback() async throws {
        let connection = try await prepared()
        let count = try await connection.transaction { connection in
            try connection.execute("INSERT INTO t VALUES (1)")
            return try connection.query("SELECT count(*) FROM t")[0].int(0)
        }
        #expect(count == 1)
        struct Stop: Error {}
        await #expect(throws: Stop.self) {
            try await connection.transaction { connection in
                try connection.execute("INSERT INTO t VALUES (2)")
                throw Stop()
            }
        }
        #expect(try await rows(connection) == [1])
    }

    @Test("a refused statement rolls everything back, also when the body hides the error")
    func hiddenError() async throws {
        let connection = try await prepared()
        let error = try await queueError {
            try await connection.transaction { connection in
                try connection.execute("INSERT INTO t VALUES (1)")
                _ = try? connection.query("SELECT 1 / 0")
            }
        }
        #expect(error.message.contains("rolled back"))
        #expect(try await rows(connection).isEmpty)
    }

    @Test("calls from many tasks never slip into a transaction")
    func noInterleaving() async throws {
        let connection = try await prepared()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<50 {
                group.addTask {
                    try await connection.transaction { connection in
                        let before = try connection.query("SELECT count(*) FROM t")[0].int(0)
                        try connection.execute("INSERT INTO t VALUES ($1)", [.int(Int64(number))])
                        let after = try connection.query("SELECT count(*) FROM t")[0].int(0)
                        #expect(after == before + 1)
                    }
                }
                group.addTask { _ = try await connection.query("SELECT count(*) FROM t") }
            }
            try await group.waitForAll()
        }
        #expect(try await rows(connection).count == 50)
    }

    @Test(
        "the isolation that is asked for is in force", arguments: ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
    func isolation(_ name: String) async throws {
        let isolation = try #require(PostgresConnection.Isolation(rawValue: name))
        let connection = try await TestServers.connect()
        let found = try await connection.transaction(isolation) {
            try $0.query("SHOW transaction_isolation")[0].string(0)
        }
        #expect(found == name.lowercased())
    }

    @Test("transactions do not nest, and a script cannot leave one open")
    func misuse() async throws {
        let connection = try await prepared()
        let nested = try await queueError { try await connection.transaction { try $0.begin() } }
        #expect(nested.code == .invalid)
        let open = try await queueError { try await connection.script("BEGIN; SELECT 1") }
        #expect(open.code == .invalid && open.message.contains("transaction open"))
        #expect(try await connection.query("SELECT 1").count == 1)
        let none = try await queueError { try await connection.commit() }
        #expect(none.code == .invalid)
    }

    @Test("a session lost inside a transaction ends the transaction; nothing runs outside it by mistake")
    func lostInside() async throws {
        let connection = try await prepared(temporary: false)
        let other = try await TestServers.connect()
        let process = try await connection.query("SELECT pg_backend_pid()")[0].int(0)
        try await connection.begin()
        try await connection.execute("INSERT INTO lost_inside VALUES (1)")
        try await other.execute("SELECT pg_terminate_backend($1::int, 10000)", [.int(process)])
        for _ in 0..<3 {
            let error = try await queueError { try await connection.execute("INSERT INTO lost_inside VALUES (2)") }
            #expect(error.code == .unavailable)
        }
        await connection.rollback()
        #expect(try await connection.query("SELECT a FROM lost_inside").isEmpty)
        #expect(await connection.generation == 2)
        try await connection.script("DROP TABLE lost_inside")
    }

    private func prepared(temporary: Bool = true) async throws -> PostgresConnection {
        let connection = try await TestServers.connect()
        try await connection.script(
            temporary
                ? "CREATE TEMP TABLE t (a int)" : "DROP TABLE IF EXISTS lost_inside; CREATE TABLE lost_inside (a int)")
        return connection
    }

    private func rows(_ connection: PostgresConnection) async throws -> [Int64] {
        try await connection.query("SELECT a FROM t ORDER BY a").map { try $0.int(0) }
    }
}
