import Foundation
import JobQueue
import Logging
import Scheduler
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing
import Worker

/// A worker over memory twins, and what a test needs to drive it.
struct WorkerScene: Sendable {
    let ledger = MemoryLedger(clock: { Date() })
    let broker = MemoryBroker()
    var configuration = WorkerConfiguration()

    init() {
        configuration.slots = 8
        configuration.inFlightMax = 16
        configuration.scanEvery = .milliseconds(20)
        configuration.renewEvery = .milliseconds(100)
        configuration.drainTimeout = .milliseconds(400)
    }

    /// A handler from a closure.
    struct Closure: Handler {
        let body: @Sendable (HandlerContext) async throws -> Outcome
        func run(_ context: HandlerContext) async throws -> Outcome { try await body(context) }
    }

    static func spec(_ kind: JobKind = "job", lane: Lane = .work, retries: RetryPolicy? = nil, timeout: Int = 60)
        -> JobSpec
    {
        JobSpec(
            kind: kind, lane: lane, timeoutSeconds: timeout,
            retries: retries ?? RetryPolicy(attemptsMax: 3, firstSeconds: 0.01, factor: 1, maxSeconds: 0.02, jitter: 0))
    }

    func enqueue(_ spec: JobSpec = spec(), _ request: JobRequest? = nil) async throws -> JobID {
        let job = NewJob(request: request ?? JobRequest(spec.kind), spec: spec)
        return try #require(try await ledger.enqueue([job])[0].id)
    }

    /// Runs a worker while `body` runs, then stops it gracefully and waits for it.
    func withWorker(
        _ specs: [JobSpec] = [spec()], handlers: [JobKind: @Sendable (HandlerContext) async throws -> Outcome],
        ledger other: (any WorkerLedger)? = nil, during body: @Sendable (ServiceGroup) async throws -> Void
    ) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let worker = WorkerProcess(
            ledger: other ?? ledger, broker: broker, handlers: handlers.mapValues { Closure(body: $0) }, specs: specs,
            configuration: configuration, logger: logger)
        let group = ServiceGroup(services: [worker], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            do {
                try await body(group)
            } catch {
                await group.triggerGracefulShutdown()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// Waits until the job has ended.
    func end(of id: JobID) async throws -> MemoryLedger.Row {
        try await eventually("job ends") {
            let row = await ledger.row(id)
            return row?.end != nil ? row : nil
        }
    }
}

/// Counts, from any task.
final class Tally: Sendable {
    private let number = Mutex(0)
    var value: Int { number.withLock { $0 } }
    @discardableResult func add() -> Int {
        number.withLock { number in
            number += 1
            return number
        }
    }
}
