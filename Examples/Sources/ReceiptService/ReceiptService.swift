import Foundation
import JobQueue
import Logging
import Postgres
import Redis
import Scheduler
import ServiceLifecycle
import Worker

/// A shop's background jobs in one process: a scheduler and a worker. Run as many as you like; one leads, all work.
///
///     DATABASE_URL=postgresql://… REDIS_URL=redis://… swift run --package-path Examples ReceiptService
@main
struct ReceiptService {
    static func main() async throws {
        let environment = ProcessInfo.processInfo.environment
        guard let url = environment["DATABASE_URL"] else { throw QueueError(.invalid, "DATABASE_URL is not set") }
        var logger = Logger(label: "shop")
        logger.logLevel = .warning

        // The ledger: a schema of its own in your database. Migrating is safe at any time, from several places at once.
        var database = try PostgresConfiguration(url: url)
        database.schema = "receipt_service"
        let connection = try await PostgresConnection.connect(database)
        if environment["EXAMPLE_FRESH"] != nil {
            try await connection.script("DROP SCHEMA IF EXISTS receipt_service CASCADE")
        }
        _ = try await Migrator(try Migration.queue).run(on: connection, schema: "receipt_service")
        let ledger = try await PostgresLedger(database)
        _ = try await ledger.publish(Kinds.all)

        // Redis carries the next ids and nothing else; without it (nil) everything works, slower.
        let broker = try environment["REDIS_URL"].map {
            RedisBroker(try RedisConfiguration(url: $0), prefix: "receipts")
        }

        let (mail, beats) = (MailServer(), Beats())
        let scheduler = SchedulerProcess(ledger: ledger, broker: broker, logger: logger)
        let worker = WorkerProcess(
            ledger: ledger, broker: broker,
            handlers: [
                "send-receipt": SendReceipt(mail: mail), "count-orders": CountOrders(),
                "heartbeat": Heartbeat(beats: beats),
            ],
            specs: Kinds.all, logger: logger)
        let group = ServiceGroup(
            services: [scheduler, worker], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)

        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await enqueue(ledger, broker)
            try await waitForReceipts(connection, beats)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        let sent = await mail.sent.sorted()
        print("mailed \(sent.count) receipts, \(Set(sent).count) orders; \(await beats.count) heartbeats")
        guard sent == Array(1...orders) else {
            throw QueueError(.invalid, "orders 1 to \(orders) should each have one mail")
        }
    }

    static let orders = 20

    /// Each order is asked for twice: it is one job.
    private static func enqueue(_ ledger: PostgresLedger, _ broker: RedisBroker?) async throws {
        let shortCut = PushShortCut(broker)
        for _ in 0..<2 {
            let jobs = try (1...orders).map { order in
                NewJob(
                    request: JobRequest("send-receipt", parameters: try JSONText(encoding: ["order": order])),
                    spec: Kinds.receipt)
            }
            let results = try await ledger.enqueue(jobs)
            let stored = zip(jobs, results).filter { $1 == .enqueued($0.id) }.map(\.0)
            await shortCut.push(stored)
            print("asked for \(jobs.count) receipts, \(stored.count) are new")
        }
        _ = try await ledger.enqueue([NewJob(request: JobRequest("count-orders"), spec: Kinds.count)])
    }

    /// Ends when every job has: what is known about jobs is in SQL views.
    private static func waitForReceipts(_ connection: PostgresConnection, _ beats: Beats) async throws {
        let end = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < end {
            let done = try await connection.query(
                "SELECT count(*) FROM job_status WHERE state = 'done' AND kind <> 'heartbeat'"
            ).first?.int(0)
            if done == Int64(orders + 1), await beats.count > 0 { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw QueueError(.timeout, "not every job was done within a minute")
    }
}
