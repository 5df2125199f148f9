import Foundation
import Glibc
import JobQueue
import Logging
import Postgres
import Scheduler
import ServiceLifecycle
import UnixSignals
import Worker

/// The processes that tools/benchmarks starts, kills and measures: each role is one process, as in a fleet.
struct Roles: Sendable {
    let bench: Bench
    /// What the processes of one measurement share in Redis.
    let prefix: String

    /// Makes an empty schema, and publishes the kind that is measured.
    func prepare() async throws {
        try await bench.prepare()
        let ledger = try await bench.ledger()
        _ = try await ledger.publish([Bench.spec])
        await ledger.close()
    }

    /// Enqueues jobs in batches of a thousand, over so many queues (`default`, or `q0`, `q1`, …), by so many callers, each
    /// with connections of its own. Prints jobs per second.
    func fill(jobs: Int, queues: Int, callers: Int) async throws {
        var ledgers: [PostgresLedger] = []
        for _ in 0..<callers { ledgers.append(try await bench.ledger()) }
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, ledger) in ledgers.enumerated() {
                group.addTask {
                    var next = number * 1000
                    while next < jobs {
                        let batch = (next..<min(next + 1000, jobs)).map { index in
                            NewJob(
                                request: JobRequest("noop", queue: queues > 1 ? "q\(index % queues)" : nil),
                                spec: Bench.spec)
                        }
                        _ = try await ledger.enqueue(batch)
                        next += 1000 * callers
                    }
                }
            }
            try await group.waitForAll()
        }
        print(Double(jobs) / (ContinuousClock.now - start).seconds)
    }

    /// Enqueues one job a call, by so many callers that share one ledger. Prints jobs per second.
    func singles(jobs: Int, callers: Int) async throws {
        let ledger = try await bench.ledger()
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<callers {
                group.addTask {
                    for _ in 0..<(jobs / callers) {
                        _ = try await ledger.enqueue([NewJob(request: JobRequest("noop"), spec: Bench.spec)])
                    }
                }
            }
            try await group.waitForAll()
        }
        print(Double(jobs / callers * callers) / (ContinuousClock.now - start).seconds)
    }

    func scheduler(listMax: Int) async throws {
        var configuration = SchedulerConfiguration()
        configuration.listMax = listMax
        try await serve(
            SchedulerProcess(
                ledger: try await bench.ledger(), broker: try bench.broker(prefix), configuration: configuration,
                logger: bench.logger))
    }

    /// - Parameters:
    ///   - sleep: what each job takes.
    ///   - executions: a file that gets the id of each job that ran to its end; nil: none.
    func worker(slots: Int, queues: Int, sleep: Duration, executions: String?) async throws {
        var configuration = WorkerConfiguration()
        configuration.slots = slots
        configuration.inFlightMax = max(slots, 256)
        if queues > 1 { configuration.queues = (0..<queues).map { "q\($0)" } }
        let handler: any Handler =
            if let executions {
                NotingHandler(sleep: sleep, descriptor: unsafe open(executions, O_WRONLY | O_CREAT | O_APPEND, 0o644))
            } else {
                NoopHandler()
            }
        try await serve(
            WorkerProcess(
                ledger: try await bench.ledger(), broker: try bench.broker(prefix), handlers: ["noop": handler],
                specs: [Bench.spec], configuration: configuration, logger: bench.logger))
    }

    private func serve(_ service: any Service) async throws {
        try await ServiceGroup(
            services: [service], gracefulShutdownSignals: [.sigterm], logger: bench.logger
        ).run()
    }
}

/// Sleeps, then notes that it ran: one line in a file, which a killed process leaves behind.
struct NotingHandler: Handler {
    let sleep: Duration
    let descriptor: Int32

    func run(_ context: HandlerContext) async throws -> Outcome {
        try await Task.sleep(for: sleep)
        let line = Array("\(context.job.id)\n".utf8)
        let written = unsafe line.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
        guard written == line.count else { throw QueueError(.transient, "cannot note that job \(context.job.id) ran") }
        return .done
    }
}
