import Foundation
import JobQueue
import Logging
import Scheduler
import ServiceLifecycle
import TestSupport
import Testing

@Suite("Ageing")
struct LiftTests {
    @Test("the scheduler hands out a lane higher who waited too long, and does not pile up what is not taken")
    func lift() async throws {
        let (ledger, broker) = (MemoryLedger(clock: { Date() }), MemoryBroker())
        let bulk = JobSpec(kind: "bulk", lane: .data)
        let old = NewJob(request: JobRequest("bulk"), spec: bulk)
        _ = try await ledger.enqueue([old])
        await ledger.advance(bySeconds: 700)
        let young = NewJob(request: JobRequest("bulk"), spec: bulk)
        _ = try await ledger.enqueue([young])
        var configuration = SchedulerConfiguration()
        let listMax = 8
        configuration.listMax = listMax
        configuration.liftEvery = .milliseconds(5)
        configuration.feedEvery = .milliseconds(5)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let scheduler = SchedulerProcess(
            ledger: ledger, broker: broker, configuration: configuration, logger: logger)
        let group = ServiceGroup(services: [scheduler], logger: logger)
        let higher = ReadyList(queue: "default", lane: .work)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let length = try await eventually("it is handed out again and again until the list is half full") {
                let length = try await broker.lengths(of: [higher])[0]
                return length >= listMax / 2 ? length : nil
            }
            #expect(length < listMax)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        let ids = try await broker.take(from: [higher], atMost: 100, timeout: .zero)
        #expect(Set(ids) == [old.id])
        #expect(ids.count < listMax)
    }
}
