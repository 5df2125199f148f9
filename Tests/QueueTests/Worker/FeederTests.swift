import Foundation
import JobQueue
import Logging
import ServiceLifecycle
import TestSupport
import Testing

@testable import Scheduler

@Suite("Feeder", .timeLimit(.minutes(1)))
struct FeederTests {
    @Test(
        "when a list will be half empty follows from how fast it is being emptied",
        arguments: [
            // Held, then, after so many milliseconds, holds; the mark is 500.
            (1000, 900, 10, 40), (1000, 600, 200, 50), (1000, 999, 100, 49_900), (1000, 500, 10, 0),
            // Nothing was taken, or others pushed: as long again.
            (1000, 1000, 20, 20), (800, 900, 70, 70),
        ])
    func halfEmpty(_ held: Int, _ holds: Int, _ milliseconds: Int, _ wanted: Int) {
        let begin = ContinuousClock.now
        let time = ListLevel(length: held, at: begin)
            .time(from: holds, to: 500, at: begin + .milliseconds(milliseconds))
        #expect(abs(time.seconds - Double(wanted) / 1000) < 1e-6, "\(time)")
    }

    @Test("a list that is emptied faster than the feeder's period is filled again before it is empty")
    func keepsUp() async throws {
        let (ledger, broker) = (MemoryLedger(clock: { Date() }), MemoryBroker())
        let spec = JobSpec(kind: "work")
        let jobs = (0..<2000).map { _ in NewJob(request: JobRequest("work"), spec: spec) }
        _ = try await ledger.enqueue(jobs)
        var configuration = SchedulerConfiguration()
        configuration.listMax = 100
        // One list a period would take 200 s.
        configuration.feedEvery = .seconds(10)
        configuration.feedEveryWhenBehind = .milliseconds(1)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let scheduler = SchedulerProcess(
            ledger: ledger, broker: broker, configuration: configuration, logger: logger)
        let group = ServiceGroup(services: [scheduler], logger: logger)
        let list = ReadyList(queue: "default", lane: .work)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            var taken = Set<JobID>()
            var longest = 0
            try await eventually("every id is handed out") {
                longest = max(longest, try await broker.lengths(of: [list])[0])
                taken.formUnion(try await broker.take(from: [list], atMost: 20, timeout: .milliseconds(1)))
                return taken.count == jobs.count
            }
            #expect(longest <= configuration.listMax)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }
}
