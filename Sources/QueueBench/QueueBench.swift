import Foundation
import JobQueue
import Logging
import Postgres
import Redis
import Scheduler
import ServiceLifecycle
import Worker

/// Measures the queue on the servers it is given; tools/benchmarks combines its commands.
@main
struct QueueBench {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        let environment = ProcessInfo.processInfo.environment
        guard let databaseURL = environment["DATABASE_URL"], let command = arguments.first else {
            print(
                "usage: DATABASE_URL=… REDIS_URL=… QueueBench prepare | limit | fill JOBS [QUEUES] [CALLERS] | singles JOBS [CALLERS] | scheduler [IDS] | worker [SLOTS] [QUEUES] [MS] [FILE] | pickup JOBS [LOAD] | fairness [BACKLOG] [JOBS] [SLOTS] | scale REPORT"
            )
            exit(64)
        }
        func number(_ index: Int, _ standard: Int) -> Int {
            arguments.count > index ? Int(arguments[index]) ?? standard : standard
        }
        var configuration = try PostgresConfiguration(url: databaseURL)
        configuration.schema = environment["DB_SCHEMA"] ?? "queue_bench"
        let bench = Bench(configuration: configuration, redisURL: environment["REDIS_URL"])
        if command == "scale-scheduler" {
            return try await ScaleScheduler(
                configuration: configuration, redisURL: bench.redisURL, prefix: arguments.last ?? "",
                logger: bench.logger
            ).run(seconds: number(1, 60))
        }
        if command == "scale" {
            let sizes = (environment["CLUSTERS"] ?? "100,1000,10000").split(separator: ",").compactMap { Int($0) }
            return try await ScaleBench(
                configuration: configuration, redisURL: bench.redisURL,
                specs: try JobSpecFile.load(directory: "jobspecs").map(\.spec), logger: bench.logger
            ).run(
                sizes: sizes, seconds: Int(environment["SECONDS_EACH"] ?? "") ?? 60,
                report: arguments.dropFirst().first ?? "report.json")
        }
        let roles = Roles(bench: bench, prefix: environment["BENCH_PREFIX"] ?? "bench")
        switch command {
        case "prepare": try await roles.prepare()
        case "limit": try await bench.limit()
        case "fill": try await roles.fill(jobs: number(1, 100_000), queues: number(2, 1), callers: number(3, 1))
        case "singles": try await roles.singles(jobs: number(1, 2000), callers: number(2, 1))
        case "scheduler": try await roles.scheduler(listMax: number(1, 4000))
        case "worker":
            try await roles.worker(
                slots: number(1, 1000), queues: number(2, 1), sleep: .milliseconds(number(3, 0)),
                executions: arguments.count > 4 ? arguments[4] : nil)
        case "pickup": try await Pickup(bench: bench, jobs: number(1, 1000), load: number(2, 0)).run()
        case "fairness":
            try await bench.prepare()
            let fairness = Fairness(
                bench: bench, backlog: number(1, 1_000_000), jobs: number(2, 100), slots: number(3, 96),
                only: environment["ONLY"])
            if try await !fairness.run() { exit(1) }
        default:
            print("unknown measurement '\(command)'")
            exit(64)
        }
    }
}

/// A handler that does nothing.
struct NoopHandler: Handler {
    func run(_ context: HandlerContext) async throws -> Outcome { .done }
}

struct Bench: Sendable {
    let configuration: PostgresConfiguration
    let redisURL: String?

    static let spec = JobSpec(kind: "noop", timeoutSeconds: 60)
    var logger: Logger {
        var logger = Logger(label: "bench")
        logger.logLevel = .warning
        return logger
    }

    func prepare() async throws {
        let connection = try await PostgresConnection.connect(configuration)
        try await connection.script("DROP SCHEMA IF EXISTS \(configuration.schema ?? "") CASCADE")
        _ = try await Migrator(Migration.queue).run(on: connection, schema: configuration.schema ?? "")
        await connection.close()
    }

    /// An operator's limits that hold nobody back: each claim still has to take a slot and a token, under their locks.
    func limit() async throws {
        let ledger = try await ledger()
        let limit = JobLimit(
            .kind(Self.spec.kind), runningMax: 10_000, rate: JobRate(perSecond: 100_000, burst: 100_000))
        try await ledger.setLimit(limit.validated(), by: "bench", reason: "")
        await ledger.close()
    }

    func ledger() async throws -> PostgresLedger { try await PostgresLedger(configuration) }

    func broker() throws -> (any Broker)? { try broker("bench-\(UUID().uuidString.prefix(8))") }

    func broker(_ prefix: String) throws -> (any Broker)? {
        try redisURL.map { RedisBroker(try RedisConfiguration(url: $0), prefix: prefix) }
    }
}
