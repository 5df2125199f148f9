import Foundation
import JobQueue
import Logging
import Postgres
import Processes
import Redis
import ServiceLifecycle
import Synchronization
import Worker

/// What one size came to: a row of the report.
struct ScaleResult: Codable, Sendable {
    var clusters: Int
    var schedules: Int
    /// Until the first slots of all, which are due together, were fired and nothing was late any more.
    var first_slots_seconds: Double
    var seconds: Double
    /// Slots fired per second.
    var ticks_per_second: Double
    /// From the slot to the commit of its job, in milliseconds.
    var late_p50_ms: Double
    var late_p99_ms: Double
    var late_max_ms: Double
    /// Of the scheduler's process: 100 is one core.
    var cpu_percent: Double
    var resident_mb: Double
    /// Runs that the workers ended, per second.
    var runs_per_second: Double
    /// Jobs that were due and waited when the time was over.
    var due_at_end: Int
}

/// "One scheduler, 10,000 clusters": every cluster has a queue of its own and the default schedules of jobspecs/. The far
/// sides are handlers that answer at once; PostgreSQL, Redis, the scheduler's process and the workers are real.
struct ScaleBench: Sendable {
    let configuration: PostgresConfiguration
    let redisURL: String?
    let specs: [JobSpec]
    let logger: Logger

    /// p99 of the lateness that is aimed for.
    static let aimMilliseconds = 250.0

    func run(sizes: [Int], seconds: Int, report: String) async throws {
        var results: [ScaleResult] = []
        for clusters in sizes {
            let result = try await measure(clusters, seconds: seconds)
            results.append(result)
            print(
                String(
                    format:
                        "%6d clusters, %6d schedules, their first slots in %.0f s: %6.0f slots/s, late p50 %.1f ms, p99 %.1f ms, max %.0f ms; scheduler %.0f %% of a core, %.0f MB; %.0f runs/s, %d due at the end",
                    result.clusters, result.schedules, result.first_slots_seconds, result.ticks_per_second,
                    result.late_p50_ms, result.late_p99_ms,
                    result.late_max_ms, result.cpu_percent, result.resident_mb, result.runs_per_second,
                    result.due_at_end))
        }
        let last = results.last
        let isAimMet = (last?.late_p99_ms ?? .infinity) < Self.aimMilliseconds
        // Whoever reads it decides on the aim; the run itself fails when slots were not fired or work piled up.
        let isSound = results.allSatisfy { $0.ticks_per_second > 0 && Double($0.due_at_end) < 5 * $0.ticks_per_second }
        struct Report: Encodable {
            var verdict: String
            var aim_p99_ms: Double
            var aim_met: Bool
            var cores: Int
            var results: [ScaleResult]
        }
        let text = try JSONText(
            encoding: Report(
                verdict: isSound ? "pass" : "fail", aim_p99_ms: Self.aimMilliseconds, aim_met: isAimMet,
                cores: ProcessInfo.processInfo.activeProcessorCount, results: results))
        try text.text.write(toFile: report, atomically: true, encoding: .utf8)
        print(
            "p99 under \(Int(Self.aimMilliseconds)) ms with \(last?.clusters ?? 0) clusters: \(isAimMet ? "yes" : "no")"
        )
        if !isSound { exit(1) }
    }

    private func measure(_ clusters: Int, seconds: Int) async throws -> ScaleResult {
        let connection = try await PostgresConnection.connect(configuration, timeout: .seconds(120))
        let schema = configuration.schema ?? ""
        try await connection.script("DROP SCHEMA IF EXISTS \(schema) CASCADE")
        _ = try await Migrator(Migration.queue).run(on: connection, schema: schema)
        try await register(clusters, on: connection)
        let prefix = "scale-\(UUID().uuidString.prefix(8))"
        let ledger = try await PostgresLedger(configuration)
        _ = try await ledger.publish(specs)
        let schedules = try await connection.query("SELECT count(*) FROM schedule").first?.int(0) ?? 0
        let ended = Mutex(0)
        let handler = EmptyHandler { ended.withLock { $0 += 1 } }
        let worker = WorkerProcess(
            ledger: ledger, broker: try broker(prefix),
            handlers: Dictionary(specs.map { ($0.kind, handler) }) { $1 }, specs: specs, configuration: worker(),
            logger: logger)
        let group = ServiceGroup(services: [worker], logger: logger)
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let child = try SchedulerChild(seconds: seconds, prefix: prefix)
            let before = ended.withLock { $0 }
            let start = ContinuousClock.now
            var result = try await child.result()
            let took = (ContinuousClock.now - start).seconds
            result.clusters = clusters
            result.schedules = Int(schedules)
            result.runs_per_second = Double(ended.withLock { $0 } - before) / took
            result.due_at_end = Int(
                try await connection.query("SELECT count(*) FROM job WHERE state = 0 AND run_at <= now()").first?.int(0)
                    ?? 0)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            await ledger.close()
            await connection.close()
            return result
        }
    }

    /// A hundred tenants, each with ten accounts; a queue for each cluster, ten regions.
    private func register(_ clusters: Int, on connection: PostgresConnection) async throws {
        try await connection.script(
            """
            INSERT INTO job_target (target, fan_out, tenant)
            SELECT 'cluster-' || n, 'cluster', 'tenant-' || n % 100 FROM generate_series(1, \(clusters)) AS n
            UNION ALL SELECT 'https://sqs.us-east-1.amazonaws.com/123456789012/queue-' || n, 'queue', 'tenant-' || n % 100
              FROM generate_series(1, \(clusters)) AS n
            UNION ALL SELECT DISTINCT 'account/tenant-' || n % 100 || '/' || n % 1000 || '/us-east-1', 'account', 'tenant-' || n % 100
              FROM generate_series(1, \(clusters)) AS n
            UNION ALL SELECT DISTINCT 'region/region-' || n % 10, 'region', '' FROM generate_series(1, \(clusters)) AS n
            """)
    }

    private func broker(_ prefix: String) throws -> (any Broker)? {
        try redisURL.map { RedisBroker(try RedisConfiguration(url: $0), prefix: prefix) }
    }

    private func worker() -> WorkerConfiguration {
        var configuration = WorkerConfiguration()
        configuration.slots = 500
        configuration.inFlightMax = 1000
        return configuration
    }
}

/// A far side that answers at once and found nothing.
struct EmptyHandler: Handler {
    let note: @Sendable () -> Void
    func run(_ context: HandlerContext) async throws -> Outcome {
        note()
        return Outcome(isEmpty: true)
    }
}

/// The scheduler in a process of its own, so that its CPU and memory are its own.
struct SchedulerChild {
    private let process: ChildProcess

    init(seconds: Int, prefix: String) throws {
        process = try ChildProcess(
            "/proc/self/exe", ["scale-scheduler", String(seconds), prefix], output: .pipe)
    }

    /// What it measured: its last line.
    func result() async throws -> ScaleResult {
        let process = process
        let text = await withCheckedContinuation { continuation in
            // A thread of its own: reading to the end blocks.
            Thread {
                let bytes = process.output?.readDataToEndOfFile() ?? Data()
                continuation.resume(returning: String(decoding: bytes, as: UTF8.self))
            }.start()
        }
        guard let line = text.split(separator: "\n").last else {
            throw QueueError(.transient, "the scheduler's process said nothing")
        }
        return try JSONText(text: String(line)).decode()
    }
}
