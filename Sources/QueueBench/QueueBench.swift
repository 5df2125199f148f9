import Foundation
import JobQueue
import Logging
import Postgres
import Redis
import Scheduler
import ServiceLifecycle
import Worker

/// Measures the queue on the servers it is given: `queue-bench <drain|pickup|enqueue|fairness> …`. See docs/performance.md.
@main
struct QueueBench {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        let environment = ProcessInfo.processInfo.environment
        guard let databaseURL = environment["DATABASE_URL"], let command = arguments.first else {
            print(
                "usage: DATABASE_URL=… REDIS_URL=… queue-bench drain|drain-limited [jobs] [workers] [slots] | pickup [jobs] | enqueue [jobs] | fairness [backlog] [jobs] [slots] | scale REPORT"
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
        try await bench.prepare()
        switch command {
        case "drain": try await bench.drain(jobs: number(1, 100_000), workers: number(2, 1), slots: number(3, 1000))
        case "drain-limited":
            try await bench.limit()
            try await bench.drain(jobs: number(1, 100_000), workers: number(2, 1), slots: number(3, 1000))
        case "pickup": try await bench.pickup(jobs: number(1, 1000))
        case "enqueue": try await bench.enqueue(jobs: number(1, 100_000))
        case "fairness":
            let fairness = Fairness(
                bench: bench, backlog: number(1, 1_000_000), jobs: number(2, 100), slots: number(3, 96))
            if try await !fairness.run() { exit(1) }
        default:
            print("unknown measurement '\(command)'")
            exit(64)
        }
    }
}

/// A handler that does nothing, or sleeps as long as its job says.
struct NoopHandler: Handler {
    func run(_ context: HandlerContext) async throws -> Outcome { .done }
}

/// Notes when each job was started and settled.
struct StampHandler: Handler {
    let started: @Sendable (JobID) -> Void
    func run(_ context: HandlerContext) async throws -> Outcome {
        started(context.job.id)
        return .done
    }
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

    func broker() async throws -> (any Broker)? {
        guard let redisURL else { return nil }
        return RedisBroker(try RedisConfiguration(url: redisURL), prefix: "bench-\(UUID().uuidString.prefix(8))")
    }

    func fill(_ ledger: PostgresLedger, jobs: Int) async throws -> Double {
        let start = ContinuousClock.now
        let batches = (jobs + 999) / 1000
        for batch in 0..<batches {
            let count = min(1000, jobs - batch * 1000)
            _ = try await ledger.enqueue((0..<count).map { _ in NewJob(request: JobRequest("noop"), spec: Self.spec) })
        }
        return (ContinuousClock.now - start).seconds
    }

    func enqueue(jobs: Int) async throws {
        let ledger = try await ledger()
        let seconds = try await fill(ledger, jobs: jobs)
        print("enqueue in batches of 1000: \(Int(Double(jobs) / seconds)) jobs/s")
        let singles = 2000
        let start = ContinuousClock.now
        for _ in 0..<singles {
            _ = try await ledger.enqueue([NewJob(request: JobRequest("noop"), spec: Self.spec)])
        }
        print("enqueue one by one: \(Int(Double(singles) / (ContinuousClock.now - start).seconds)) jobs/s")
    }

    func drain(jobs: Int, workers: Int, slots: Int) async throws {
        let ledger = try await ledger()
        let broker = try await broker()
        _ = try await ledger.publish([Self.spec])
        let filled = try await fill(ledger, jobs: jobs)
        print("enqueue: \(Int(Double(jobs) / filled)) jobs/s")
        var schedulerConfiguration = SchedulerConfiguration()
        schedulerConfiguration.listMax = 4 * workers * slots
        var services: [any Service] = [
            SchedulerProcess(
                ledger: try await self.ledger(), broker: broker, configuration: schedulerConfiguration, logger: logger)
        ]
        for _ in 0..<workers {
            var workerConfiguration = WorkerConfiguration()
            workerConfiguration.slots = slots
            workerConfiguration.inFlightMax = slots
            services.append(
                WorkerProcess(
                    ledger: try await self.ledger(), broker: broker,
                    handlers: ["noop": NoopHandler()],
                    specs: [Self.spec], configuration: workerConfiguration, logger: logger))
        }
        let group = ServiceGroup(services: services, logger: logger)
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let reader = try await PostgresConnection.connect(configuration)
            while true {
                let left = try await reader.query("SELECT count(*) FROM job").first?.int(0) ?? 0
                if left == 0 { break }
                try await Task.sleep(for: .milliseconds(50))
            }
            let seconds = (ContinuousClock.now - start).seconds
            let history = try await reader.query("SELECT count(*) FROM job_history").first?.int(0) ?? 0
            print(
                "drain: \(Int(Double(jobs) / seconds)) jobs/s (\(workers) workers x \(slots) slots, history \(history), \(seconds) s)"
            )
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    func pickup(jobs: Int) async throws {
        let ledger = try await ledger()
        let broker = try await broker()
        let (stream, continuation) = AsyncStream<(JobID, ContinuousClock.Instant)>.makeStream()
        let handler = StampHandler { continuation.yield(($0, .now)) }
        let worker = WorkerProcess(
            ledger: try await self.ledger(), broker: broker, handlers: ["noop": handler], specs: [Self.spec],
            logger: logger)
        let group = ServiceGroup(services: [worker], logger: logger)
        let shortCut = PushShortCut(broker)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await Task.sleep(for: .milliseconds(500))
            var delays: [Double] = []
            var pushDelays: [Double] = []
            var iterator = stream.makeAsyncIterator()
            for _ in 0..<jobs {
                let job = NewJob(request: JobRequest("noop"), spec: Self.spec)
                let start = ContinuousClock.now
                _ = try await ledger.enqueue([job])
                let stored = ContinuousClock.now
                await shortCut.push([job])
                if let (_, at) = await iterator.next() {
                    delays.append((at - start).seconds * 1000)
                    pushDelays.append((at - stored).seconds * 1000)
                }
            }
            for (name, list) in [("submit to start", delays), ("push to start", pushDelays)] {
                let sorted = list.sorted()
                print("\(name): p50 \(sorted[sorted.count / 2]) ms, p99 \(sorted[sorted.count * 99 / 100]) ms")
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }
}
