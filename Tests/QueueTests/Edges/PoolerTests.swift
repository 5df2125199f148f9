import Foundation
import Glibc
import JobQueue
import Logging
import Processes
import Scheduler
import ServiceLifecycle
import TestSupport
import Testing
import Worker

@testable import Postgres

/// A PgBouncer of one test, in transaction mode, with few connections to the server; ended by its id.
final class PrivatePooler: Sendable {
    let port: Int
    private let process: ChildProcess
    private let directory: String

    /// - Parameter server: the database it stands in front of; everybody who comes is that user.
    init(_ server: PostgresConfiguration, connections: Int) throws {
        port = try SilentListener().port  // free a moment ago
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("co-pooler-\(JobID())").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let file = "\(directory)/pgbouncer.ini"
        try """
        [databases]
        \(server.database) = host=\(server.host) port=\(server.port) dbname=\(server.database) user=\(server.user) \
        password=\(server.password ?? "")
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = \(port)
        unix_socket_dir =
        auth_type = any
        pool_mode = transaction
        default_pool_size = \(connections)
        max_client_conn = 200
        """.write(toFile: file, atomically: true, encoding: .utf8)
        // It refuses to run as root.
        let asPostgres = ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        let command = (getuid() == 0 ? asPostgres : []) + ["/usr/sbin/pgbouncer", "--quiet", file]
        process = try ChildProcess(command[0], Array(command.dropFirst()), output: .nothing, errors: .nothing)
    }

    deinit {
        process.send(SIGKILL)
        try? FileManager.default.removeItem(atPath: directory)  // a folder of the machine's temporary folder
    }
}

@Suite("Behind PgBouncer in transaction mode", .timeLimit(.minutes(10)))
struct PoolerTests {
    /// Runs a test's body with a role and a database of its own, and both at the end gone.
    private func withDatabase(_ body: (PostgresConfiguration) async throws -> Void) async throws {
        // To make and to drop a database, the server writes its disk whole.
        let admin = try await TestServers.connect(timeout: .seconds(300))
        let name = "pooled_" + JobID().description.replacing("-", with: "").suffix(16)
        try await admin.script("CREATE ROLE \(name) LOGIN PASSWORD 'sesame'")
        try await admin.script("CREATE DATABASE \(name) OWNER \(name)")
        var own = try TestServers.database()
        own.user = name
        own.password = "sesame"
        own.database = name
        let result: Result<Void, any Error>
        do { result = .success(try await body(own)) } catch { result = .failure(error) }
        try await admin.script("DROP DATABASE \(name) WITH (FORCE)")
        try await admin.script("DROP ROLE \(name)")
        await admin.close()
        try result.get()
    }

    @Test("a fleet with far more connections than the pooler has does every job once; nothing is prepared")
    func fleet() async throws {
        try await withDatabase { server in
            let direct = try await PostgresConnection.connect(server)
            _ = try await Migrator(try Migration.queue).run(on: direct, schema: "fleet")
            #expect(try await PoolerSettings.apply(on: direct, schema: "fleet") == server.user)
            let pooler = try PrivatePooler(server, connections: 3)
            var pooled = server
            pooled.port = pooler.port
            pooled.pooler = .transaction
            pooled.schema = "fleet"
            let configuration = pooled
            let ledger = try await waitForLedger(configuration)
            let spec = JobSpec(kind: "plain", schedule: nil, timeoutSeconds: 60)
            let limited = JobSpec(
                kind: "limited", timeoutSeconds: 60, limit: JobSpec.LimitSpec(key: "one", max: 2))
            _ = try await ledger.publish([spec, limited])
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            var services: [any Service] = [SchedulerProcess(ledger: ledger, broker: nil, logger: logger)]
            let runs = Tally()
            for _ in 0..<3 {
                var worker = WorkerConfiguration()
                worker.scanEvery = .milliseconds(20)
                let own = try await PostgresLedger(configuration)
                services.append(
                    WorkerProcess(
                        ledger: own, broker: nil,
                        handlers: ["plain": Counting(runs: runs), "limited": Counting(runs: runs)],
                        specs: [spec, limited], configuration: worker, logger: logger))
            }
            let group = ServiceGroup(services: services, logger: logger)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                for _ in 0..<10 {
                    _ = try await ledger.enqueue(
                        (0..<30).map {
                            NewJob(
                                request: JobRequest($0 % 3 == 0 ? "limited" : "plain"),
                                spec: $0 % 3 == 0 ? limited : spec)
                        })
                }
                try await eventually("every job is done") {
                    try await direct.query("SELECT count(*) FROM fleet.job_history WHERE outcome = 'done'").first?.int(
                        0) == 300
                }
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
            }
            #expect(runs.value == 300)
            #expect(try await direct.query("SELECT count(*) FROM fleet.job").first?.int(0) == 0)
            let sessions = try await direct.query(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid() "
                    + "AND backend_type = 'client backend'",
                [.text(server.database)])
            #expect(try #require(sessions.first).int(0) <= 3, "the pooler was gone round")
            let report = try await StatusReader(configuration).examine(HealthQuestion.server)
            #expect(report.first { $0.check == "session settings" }?.level == .ok, "\(report)")
            await direct.close()
        }
    }

    @Test("a role without the schema is refused at once, with what to do, and goes on once it has it")
    func wrongSchema() async throws {
        try await withDatabase { server in
            let pooler = try PrivatePooler(server, connections: 1)
            var pooled = server
            pooled.port = pooler.port
            pooled.pooler = .transaction
            let configuration = pooled
            try await eventually("the pooler answers") { (try? await PostgresConnection.connect(configuration)) != nil }
            pooled.schema = "fleet"
            let wanted = pooled
            let error = try await queueError { _ = try await PostgresConnection.connect(wanted) }
            #expect(error.code == .refused)
            #expect(error.message.contains("'public'") && error.message.contains("DB_POOLER=transaction"))
        }
    }

    private func waitForLedger(_ configuration: PostgresConfiguration) async throws -> PostgresLedger {
        try await eventually("the pooler answers") {
            do { return try await PostgresLedger(configuration) } catch let error as QueueError
                where error.code == .unavailable
            { return nil }
        }
    }

    private struct Counting: Handler {
        let runs: Tally
        func run(_ context: HandlerContext) async throws -> Outcome {
            runs.add()
            return .done
        }
    }
}
