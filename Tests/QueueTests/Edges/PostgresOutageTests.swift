import Foundation
import Glibc
import JobQueue
import Postgres
import TestSupport
import Testing

@Suite("Postgres outages") struct PostgresOutageTests {
    @Test("a session that was ended while idle is replaced without an error, and the generation says so")
    func endedWhileIdle() async throws {
        let connection = try await TestServers.connect()
        let other = try await TestServers.connect()
        let process = try await connection.query("SELECT pg_backend_pid()")[0].int(0)
        #expect(await connection.isUsable)
        try await other.execute("SELECT pg_terminate_backend($1::int, 10000)", [.int(process)])
        try await eventually("the loss is seen") { await !connection.isUsable }
        #expect(try await connection.query("SELECT 1")[0].int(0) == 1)
        #expect(await connection.generation == 2)
    }

    @Test("a session that is ended during a statement gives an error that says what was lost; the next call works")
    func endedWhileBusy() async throws {
        let connection = try await TestServers.connect()
        let other = try await TestServers.connect()
        let process = try await connection.query("SELECT pg_backend_pid()")[0].int(0)
        async let failure = queueError { _ = try await connection.query("SELECT pg_sleep(60)") }
        try await eventually("the statement runs") {
            try await other.query(
                "SELECT 1 FROM pg_stat_activity WHERE pid = $1::int AND wait_event = 'PgSleep'", [.int(process)]
            ).count == 1
        }
        try await other.execute("SELECT pg_terminate_backend($1::int)", [.int(process)])
        #expect(try await failure.code == .unavailable)
        #expect(try await connection.query("SELECT 1")[0].int(0) == 1)
        #expect(await connection.generation == 2)
    }

    @Test("a server that is stopped holds a call for its time limit and no longer")
    func stopped() async throws {
        let connection = try await TestServers.connect()
        let process = pid_t(try await connection.query("SELECT pg_backend_pid()")[0].int(0))
        #expect(kill(process, SIGSTOP) == 0)
        defer { kill(process, SIGCONT) }
        let started = ContinuousClock.now
        let error = try await queueError {
            _ = try await connection.query("SELECT 'was it run?'", timeout: .milliseconds(400))
        }
        #expect(error.code == .unavailable)
        #expect(error.message.contains("no answer in time") && error.message.contains("was it run?"))
        #expect(ContinuousClock.now - started < .seconds(60))
        #expect(try await connection.query("SELECT 1")[0].int(0) == 1)
        #expect(await connection.generation == 2)
    }

    @Test("a large parameter to a stopped server ends in time as well")
    func stoppedWhileSending() async throws {
        let connection = try await TestServers.connect()
        let process = pid_t(try await connection.query("SELECT pg_backend_pid()")[0].int(0))
        #expect(kill(process, SIGSTOP) == 0)
        defer { kill(process, SIGCONT) }
        let error = try await queueError {
            let large = PostgresValue.bytes(Array(repeating: 7, count: 40_000_000))
            try await connection.execute("SELECT length($1)", [large], timeout: .milliseconds(400))
        }
        #expect(error.code == .unavailable)
    }

    @Test(
        "a port where nobody listens is an error with host, port, database and user")
    func nobodyListens() async throws {
        var configuration = try TestServers.database()
        configuration.port = 1
        let error = try await queueError { _ = try await PostgresConnection.connect(configuration) }
        #expect(error.code == .unavailable)
        for part in ["127.0.0.1:1", "'cloudoptim'", "user"] { #expect(error.message.contains(part)) }
    }

    @Test("a port that accepts and says nothing is given up after the connect timeout")
    func silentPort() async throws {
        let listener = try SilentListener()
        var configuration = try TestServers.database()
        configuration.port = listener.port
        configuration.connectTimeout = .milliseconds(300)
        let started = ContinuousClock.now
        let error = try await queueError { _ = try await PostgresConnection.connect(configuration) }
        #expect(error.code == .unavailable && error.message.contains("no answer in time"))
        #expect(ContinuousClock.now - started < .seconds(60))
    }

    @Test("a closed connection says so")
    func closed() async throws {
        let connection = try await TestServers.connect()
        await connection.close()
        let error = try await queueError { _ = try await connection.query("SELECT 1") }
        #expect(error.message.contains("closed"))
    }
}
