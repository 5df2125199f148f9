import Foundation
import JobQueue
import Logging
import Testing

@testable import Scheduler

@Suite("Feeder", .timeLimit(.minutes(10)))
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

    @Test("a list that is being emptied is looked at again before it is half empty, however long the period is")
    func keepsUp() async throws {
        let (ledger, broker) = (MemoryLedger(clock: { Date() }), MemoryBroker())
        let spec = JobSpec(kind: "work")
        let jobs = (0..<1000).map { _ in NewJob(request: JobRequest("work"), spec: spec) }
        _ = try await ledger.enqueue(jobs)
        var configuration = SchedulerConfiguration()
        configuration.listMax = 100
        configuration.feedEvery = .seconds(36_000)
        configuration.feedEveryWhenBehind = .milliseconds(1)
        let feeder = Feeder(
            ledger: ledger, broker: broker, configuration: configuration, logger: Logger(label: "test"))
        let list = ReadyList(queue: "default", lane: .work)
        var memory = Feeder.Memory()
        var taken = Set<JobID>()
        while taken.count < jobs.count {
            let pause = try await feeder.feed(broker, &memory)
            let held = try await broker.lengths(of: [list])[0]
            #expect(held >= min(50, jobs.count - taken.count) && held <= 100)
            // What is left in the ledger is what no list holds yet.
            if taken.count + held < jobs.count {
                #expect(pause < configuration.feedEvery, "\(held) held, \(taken.count) taken")
            }
            taken.formUnion(try await broker.take(from: [list], atMost: 20, timeout: .milliseconds(1)))
        }
        #expect(taken == Set(jobs.map(\.id)))
    }
}
