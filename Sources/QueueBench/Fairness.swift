import Foundation
import JobQueue
import Logging
import Postgres
import Scheduler
import ServiceLifecycle
import Synchronization
import Worker

/// Tenant A has a long backlog of jobs that take 20 ms; tenant B enqueues one job each 50 ms. How long do B's jobs wait
/// for their start, with tenants taking turns, and in plain first-in-first-out order?
struct Fairness: Sendable {
    let bench: Bench
    let backlog: Int
    let jobs: Int
    let slots: Int
    /// `fair` or `fifo`: that order alone; nil: both.
    let only: String?

    static let runTime = Duration.milliseconds(20)
    static let pause = Duration.milliseconds(50)
    static let kind: JobKind = "sleep"

    struct Waits: Encodable {
        var startDelayP50Seconds: Double
        var startDelayP99Seconds: Double
        var startDelayMaxSeconds: Double
        var backlogJobsPerSecond: Double
    }

    struct Report: Encodable {
        var verdict: String
        var backlogJobs: Int
        var slots: Int
        var idsBuffered: Int
        /// Ids buffered x 20 ms / slots, and two feeder periods.
        var boundSeconds: Double
        var fair: Waits?
        var firstInFirstOut: Waits?
    }

    private var configuration: SchedulerConfiguration {
        var configuration = SchedulerConfiguration()
        configuration.listMax = 4 * slots
        return configuration
    }

    /// What one worker lets lanes 1 to 3 use: a quarter is kept for lane 0.
    private var usableSlots: Int { slots - slots / 4 }

    /// Measures both orders and prints a report. False: B waited longer than the bound.
    func run() async throws -> Bool {
        let fair = only == "fifo" ? nil : try await measure(isFair: true)
        let plain = only == "fair" ? nil : try await measure(isFair: false)
        let turn = Double(configuration.listMax) * Self.runTime.seconds / Double(usableSlots)
        let bound = turn + 2 * configuration.feedEvery.seconds
        let holds = fair.map { $0.startDelayP99Seconds <= bound } ?? true
        let report = Report(
            verdict: holds ? "pass" : "fail", backlogJobs: backlog, slots: usableSlots,
            idsBuffered: configuration.listMax,
            boundSeconds: bound, fair: fair, firstInFirstOut: plain)
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        print(String(decoding: try encoder.encode(report), as: UTF8.self))
        return holds
    }

    private struct SleepHandler: Handler {
        let started: @Sendable (JobID) -> Void
        func run(_ context: HandlerContext) async throws -> Outcome {
            started(context.job.id)
            try await Task.sleep(for: Fairness.runTime)
            return .done
        }
    }

    /// - Parameter isFair: false: both belong to one tenant, and nobody pushes ids past the line.
    private func measure(isFair: Bool) async throws -> Waits {
        try await bench.prepare()
        let spec = JobSpec(kind: Self.kind, timeoutSeconds: 60)
        let reader = try await PostgresConnection.connect(bench.configuration)
        try await reader.execute(
            "INSERT INTO job_target (target, fan_out, tenant) VALUES ('a', 'cluster', 'tenant-a'), ('b', 'cluster', $1)",
            [.text(isFair ? "tenant-b" : "tenant-a")])
        let ledger = try await bench.ledger()
        _ = try await ledger.publish([spec])
        func job(_ target: String) -> NewJob {
            NewJob(request: JobRequest(Self.kind, target: target), spec: spec)
        }
        for start in stride(from: 0, to: backlog, by: 1000) {
            _ = try await ledger.enqueue((start..<min(start + 1000, backlog)).map { _ in job("a") })
        }
        // A table that grew over hours is not fresh from its inserts.
        for table in ["job", "job_key"] { try await reader.script("VACUUM (ANALYZE) \(table)") }
        let starts = Mutex<[JobID: ContinuousClock.Instant]>([:])
        let count = Mutex(0)
        let handler = SleepHandler { id in
            starts.withLock { $0[id] = .now }
            count.withLock { $0 += 1 }
        }
        let broker = try bench.broker()
        var worker = WorkerConfiguration()
        worker.slots = slots
        worker.inFlightMax = 2 * slots
        let group = ServiceGroup(
            services: [
                SchedulerProcess(
                    ledger: try await bench.ledger(), broker: broker, configuration: configuration, logger: bench.logger
                ),
                WorkerProcess(
                    ledger: try await bench.ledger(), broker: broker, handlers: [Self.kind: handler], specs: [spec],
                    configuration: worker, logger: bench.logger),
            ], logger: bench.logger)
        let shortCut = PushShortCut(isFair ? broker : nil, listMax: configuration.listMax)
        var stored: [JobID: ContinuousClock.Instant] = [:]
        let begin = ContinuousClock.now
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            while count.withLock({ $0 }) < 20 * slots { try await Task.sleep(for: .milliseconds(50)) }
            for _ in 0..<jobs {
                let one = job("b")
                _ = try await ledger.enqueue([one])
                stored[one.id] = .now
                await shortCut.push([one])
                try await Task.sleep(for: Self.pause)
            }
            while starts.withLock({ starts in stored.keys.contains { starts[$0] == nil } }) {
                try await Task.sleep(for: .milliseconds(50))
            }
            let seconds = (ContinuousClock.now - begin).seconds
            let ended = count.withLock { $0 }
            let found = starts.withLock { $0 }
            let waits = stored.compactMap { id, at in found[id].map { max(0, ($0 - at).seconds) } }.sorted()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            await ledger.close()
            await reader.close()
            return Waits(
                startDelayP50Seconds: waits[waits.count / 2],
                startDelayP99Seconds: waits[(waits.count * 99 + 99) / 100 - 1],
                startDelayMaxSeconds: waits[waits.count - 1], backlogJobsPerSecond: Double(ended) / seconds)
        }
    }
}
