import Foundation
import Infrastructure
import JobQueue
import Logging
import TestSupport

@testable import Jobs
@testable import Worker

/// Runs the jobs of one kind to their end, by the product's own execution over the memory ledger, while one far call
/// goes wrong as planned.
struct FaultRig {
    let scenario: FaultScenario
    let plan: FaultPlan
    private let scene: Scene
    private let ledger = MemoryLedger()
    private let broker = MemoryBroker()
    private let clock: SceneClock
    private let specs: [JobKind: JobSpec]
    private let mutant: FaultMutant?

    /// Turns after which a run is taken to go on for ever.
    private static let turnsMax = 300

    struct Endless: Error, CustomStringConvertible {
        let description: String
    }

    /// What a run left behind, and the far calls that it made.
    static func run(
        _ scenario: FaultScenario, _ specs: [JobKind: JobSpec], fault: (call: CountedCall, way: FaultWay)? = nil,
        mutant: FaultMutant? = nil
    ) async throws -> (end: [String], plan: FaultPlan) {
        let rig = try await FaultRig(scenario, specs, FaultPlan(fault), mutant)
        try await rig.converge()
        return (try await rig.end(), rig.plan)
    }

    private init(
        _ scenario: FaultScenario, _ specs: [JobKind: JobSpec], _ plan: FaultPlan, _ mutant: FaultMutant?
    ) async throws {
        self.mutant = mutant
        self.scenario = scenario
        self.specs = specs
        self.plan = plan
        scene = await Scene(pods: scenario.pods)
        clock = SceneClock(world: scene.world, ledger: ledger)
        try await ledger.setTarget("prod", tenant: "acme")
        try await ledger.setTarget(Scene.queue, fanOut: .queue, tenant: "acme")
        try await ledger.setTarget(AccountScene.account.description, fanOut: .account, tenant: "acme")
        try await scenario.prepare(scene)
        // What the scene's own jobs took of world time.
        let passed = await scene.world.now.timeIntervalSince(ledger.now)
        await ledger.advance(bySeconds: passed)
    }

    /// Enqueues the kind's job, again as often as its schedule would, and works until nothing of it is left.
    private func converge() async throws {
        guard let spec = specs[scenario.kind] else { throw Endless(description: "no jobspec for \(scenario.kind)") }
        var hands = try await WorkerHands(clock: clock, ledger: ledger, kinds: [scenario.kind])
        for number in 0..<scenario.runs {
            if number > 0 { await clock.advance(scenario.every) }
            _ = try await ledger.enqueue([NewJob(request: scenario.request(scene), spec: spec)])
            var turns = 0
            while let row = await left().first {
                turns += 1
                guard turns < FaultRig.turnsMax else {
                    throw Endless(description: "\(scenario) goes on for ever: \(row)")
                }
                if !hands.hasLease {
                    hands = try await WorkerHands(clock: clock, ledger: ledger, kinds: [scenario.kind])
                }
                try await turn(row, hands)
            }
        }
    }

    private func left() async -> [MemoryLedger.Row] {
        await ledger.rows().filter { $0.state != nil && $0.job.kind == scenario.kind }.sorted { $0.runAt < $1.runAt }
    }

    /// One claim and one run.
    private func turn(_ row: MemoryLedger.Row, _ hands: WorkerHands) async throws {
        if row.state == .running {  // nobody runs it any more, and its worker believes it has ended
            return await hands.loseLease()
        }
        let wait = row.runAt.timeIntervalSince(await ledger.now)
        if wait > 0 { await clock.advance(.seconds(wait + 0.001)) }
        let point = FaultPoint(plan: plan, hands: hands, mutant: mutant)
        let faulty = FaultyLedger(real: ledger, stores: scene.stores, point: point)
        let claimed: [ClaimedJob]
        do {
            claimed = try await faulty.claim(
                [row.job.id], by: hands.worker, kinds: [scenario.kind], alone: row.crashes >= 2)
        } catch is QueueError {
            return try await handBackOrphans(hands)
        } catch is FaultPoint.WorkerDied {
            return
        }
        var logger = Logger(label: "faults")
        logger.logLevel = .critical
        let execution = Execution(
            ledger: faulty,
            handlers: [scenario.kind: scene.runner(FaultyFarSides(real: scene.farSides, point: point), logger)],
            specs: specs, inFlight: hands.inFlight, shortCut: PushShortCut(FaultyBroker(real: broker, point: point)),
            logger: logger)
        for job in claimed {
            // Its deadline is one of real time, which a loaded machine may spend waiting: far ahead, so that only faults end it.
            let run = ActiveRun(
                job, worker: hands.worker, claimedAt: .now + .seconds(3600), ledger: faulty, inFlight: hands.inFlight,
                trust: hands.trust, drain: hands.drain)
            guard hands.inFlight.admit(run, isAlone: false) else { continue }
            await execution.run(run)
        }
    }

    /// What a worker does with claims whose answer it never saw, after two renewals.
    private func handBackOrphans(_ hands: WorkerHands) async throws {
        var orphans = Set<RunID>()
        for _ in 0..<2 {
            guard let renewal = await ledger.renew(hands.worker, lease: SceneClock.lease) else { return }
            let plan = Reconciliation(
                held: renewal.runs, known: [], inHand: hands.inFlight.runs, worker: hands.worker,
                orphansBefore: orphans)
            orphans = plan.orphans
            _ = try await ledger.settle(plan.handBack.map { Settlement(run: $0, verdict: .interrupt) })
        }
    }

    /// Everything that a run leaves behind, one thing a line; times left out, since a fault takes time.
    private func end() async throws -> [String] {
        await clock.advance(.seconds(900))  // grace periods of pods
        var lines = await scene.world.summary()
        lines += await scene.stores.summary(without: scenario.recordsLeftOut)
        for (key, count) in await scene.farSides.posted.executions { lines.append("posted \(key) \(count)x") }
        for row in await ledger.rows() {
            if row.job.kind == scenario.kind {
                // A scheduled run that came too late is the next slot's to make up for.
                if row.end == .cancelled, row.lateAt != nil { continue }
                if row.end != .done {
                    lines.append("job \(row.job.kind) \(row.end?.rawValue ?? "?"): \(row.reason ?? "")")
                }
            } else {
                lines.append("follow-up \(row.job.kind) \(row.job.target) \(row.job.parameters)")
            }
        }
        lines += await ledger.contradictions().map { "ledger: \($0)" }
        return lines.sorted()
    }
}
