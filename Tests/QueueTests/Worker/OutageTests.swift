import Foundation
import JobQueue
import Testing

@testable import Worker

@Suite("A ledger that is away")
struct OutageTests {
    @Test("for longer than the lease costs the job no attempt: its run is fenced and given back")
    func longerThanTheLease() async throws {
        let trust = Trust(until: .now + .seconds(3600))
        let run = try await run(trust: trust, timeLeft: .seconds(3600), outage: { trust.lose() })
        let error = await #expect(throws: QueueError.self) {
            try await run.save(checkpoint: .emptyObject, records: [], progress: nil)
        }
        #expect(error?.code == .fenced)
        #expect(run.stopReason == .fenced)
    }

    @Test("until the run's own deadline is told as it is: the lease holds, and the run is not fenced")
    func untilTheDeadline() async throws {
        let run = try await run(trust: Trust(until: .now + .seconds(3600)), timeLeft: .zero, outage: {})
        let error = await #expect(throws: QueueError.self) {
            try await run.save(checkpoint: .emptyObject, records: [], progress: nil)
        }
        #expect(error?.code == .unavailable)
        #expect(run.stopReason == nil)
    }

    /// A run whose checkpoints the ledger does not take.
    private func run(trust: Trust, timeLeft: Duration, outage: @escaping @Sendable () -> Void) async throws -> ActiveRun
    {
        let scene = WorkerScene()
        let (id, worker) = (try await scene.enqueue(), WorkerID())
        try await scene.ledger.register(
            WorkerRegistration(
                id: worker, host: "here", queues: ["default"], kinds: ["job"], slots: 1, inFlightMax: 1, version: "test"
            ),
            lease: .seconds(60))
        let job = try #require(await scene.ledger.claim([id], by: worker, kinds: ["job"], alone: false).first)
        return ActiveRun(
            job, worker: worker, claimedAt: .now - job.timeLeft + timeLeft,
            ledger: LosingLedger(scene.ledger, outage: outage), inFlight: InFlight(slots: 1, owned: 1), trust: trust,
            drain: DrainSignal())
    }
}
