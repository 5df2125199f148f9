import Foundation
import Synchronization

@testable import JobQueue
@testable import Worker

/// The one clock of a scene: whoever sleeps by it moves world time and the ledger's machine time, at once. The worker's
/// heartbeat goes on meanwhile, as its renewals do beside a waiting job.
final class SceneClock: Clock, Sendable {
    typealias Duration = Swift.Duration
    typealias Instant = ContinuousClock.Instant

    static let lease = Duration.seconds(12)
    private static let beatEvery = Duration.seconds(4)

    let minimumResolution = Duration.nanoseconds(1)
    private let world: FakeWorld
    private let ledger: MemoryLedger
    private let state = Mutex<(now: Instant, beating: WorkerID?)>((.now, nil))

    init(world: FakeWorld, ledger: MemoryLedger) {
        self.world = world
        self.ledger = ledger
    }

    var now: Instant { state.withLock { $0.now } }

    /// From now on this worker's lease is renewed as time goes by; nil: nobody's.
    func beat(for worker: WorkerID?) { state.withLock { $0.beating = worker } }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws { await advance(deadline - now) }

    func advance(_ duration: Duration) async {
        var left = duration
        while left > .zero {
            let step = min(left, SceneClock.beatEvery)
            left -= step
            let worker = state.withLock { state in
                state.now += step
                return state.beating
            }
            await world.advance(step)
            await ledger.advance(bySeconds: step.seconds)
            if let worker { _ = await ledger.renew(worker, lease: SceneClock.lease) }
        }
    }
}

/// What one life of a worker holds, and how it ends.
final class WorkerHands: Sendable {
    let worker = WorkerID()
    let trust = Trust(until: .now + .seconds(3600))
    let inFlight = InFlight(slots: 16, owned: 32)
    let drain: DrainSignal
    let clock: SceneClock
    private let ledger: MemoryLedger
    private let state = Mutex<(isDead: Bool, hasLease: Bool)>((false, true))

    init(clock: SceneClock, ledger: MemoryLedger, kinds: [JobKind]) async throws {
        self.clock = clock
        self.ledger = ledger
        drain = DrainSignal(clock: clock)
        let registration = WorkerRegistration(
            id: worker, host: "test", queues: ["default"], kinds: kinds, slots: 16, inFlightMax: 32, version: "test")
        try await ledger.register(registration, lease: SceneClock.lease)
        clock.beat(for: worker)
    }

    /// Nothing of this worker reaches the ledger any more.
    var isDead: Bool { state.withLock { $0.isDead } }
    var hasLease: Bool { state.withLock { $0.hasLease } }

    func die() async {
        state.withLock { $0.isDead = true }
        await loseLease()
    }

    /// Time passes without renewals until the scheduler has given the worker's jobs to others.
    func loseLease() async {
        let had = state.withLock { state in
            defer { state.hasLease = false }
            return state.hasLease
        }
        guard had else { return }
        trust.lose()
        clock.beat(for: nil)
        await clock.advance(SceneClock.lease + .seconds(MemoryLedger.burialSeconds + 1))
        _ = await ledger.reap(atMost: 100)
    }
}
