import Foundation
import JobQueue
import Logging
import Scheduler
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing
import Worker

/// A scheduler and a worker as they are, on memory twins of which one call goes wrong: one job with a checkpoint, an
/// effect, a record and a follow-up, and a schedule that fires.
final class FaultyFleet: Sendable {
    static let ways: [FaultWay] = [.refusedBefore, .answerLost, .hangs, .hangsHavingActed]
    /// Calls of each name that are struck: the first ones, since polling goes on for ever.
    static let strikesPerCall = 2

    private let servers: FaultyServers
    private let done = Mutex<[String: Int]>([:])

    init(_ plan: FaultPlan) {
        servers = FaultyServers(ledger: MemoryLedger(clock: { Date() }), broker: MemoryBroker(), plan: plan)
    }

    /// Runs to the end of everything; answers with what contradicts the promises.
    static func problems(_ plan: FaultPlan) async throws -> [String] { try await FaultyFleet(plan).problems() }

    private func problems() async throws -> [String] {
        let specs = FaultyFleet.specs
        _ = try await retried { try await servers.publish(specs) }
        let job = NewJob(request: JobRequest("main"), spec: specs[0])
        _ = try await retried { try await servers.enqueue([job]) }
        var logger = Logger(label: "faults")
        logger.logLevel = .critical
        let handlers: [JobKind: any Handler] = [
            "main": WorkerScene.Closure(body: main), "next": WorkerScene.Closure(body: { _ in self.count("next") }),
            "tick": WorkerScene.Closure(body: { _ in self.count("tick") }),
        ]
        let group = ServiceGroup(
            services: [
                SchedulerProcess(
                    ledger: servers, broker: servers, configuration: FaultyFleet.scheduler, logger: logger),
                WorkerProcess(
                    ledger: servers, broker: servers, handlers: handlers, specs: specs,
                    configuration: FaultyFleet.worker, logger: logger),
            ], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            defer { tasks.cancelAll() }
            try await eventually("everything is done", within: .seconds(60)) {
                let isStruck = servers.plan.fault.map { FaultyFleet.atTheEnd.contains($0.call.name) } ?? isAllSeen
                return await servers.ledger.row(job.id)?.end == .done && done.withLock { $0["next"] ?? 0 > 0 }
                    && done.withLock { $0["tick"] ?? 0 > 0 } && (isStruck || servers.plan.hasStruck)
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        return await contradictions(of: job.id)
    }

    /// A clean run lasts until it has called all that it will: a job that a scan finds first is not claimed from a list.
    private var isAllSeen: Bool {
        FaultyFleet.everyday.subtracting(FaultyFleet.atTheEnd).isSubset(of: servers.plan.calls.map(\.name))
    }

    private func contradictions(of id: JobID) async -> [String] {
        var found = await servers.ledger.contradictions()
        let counts = done.withLock { $0 }
        if counts["effect"] != 1 { found.append("the effect was executed \(counts["effect"] ?? 0) times") }
        if await servers.ledger.record(kind: "kept", key: "main") == nil { found.append("the record is missing") }
        for row in await servers.ledger.rows() {
            if row.end == .dead || row.end == .cancelled {
                found.append("\(row.job.kind) ended \(row.end?.rawValue ?? ""): \(row.reason ?? "")")
            }
            if row.state == .running { found.append("\(row.job.kind) was left running by a worker that stopped") }
        }
        if await servers.ledger.rows().count(where: { $0.job.kind == "next" }) != 1 {
            found.append("the follow-up is not there once")
        }
        return found
    }

    // MARK: Who takes part

    private static let specs = [
        JobSpec(
            kind: "main", timeoutSeconds: 60,
            retries: RetryPolicy(attemptsMax: 5, firstSeconds: 0.01, factor: 1, maxSeconds: 0.02, jitter: 0)),
        JobSpec(kind: "next", timeoutSeconds: 60),
        JobSpec(kind: "tick", schedule: Schedule(.every(seconds: 1), missed: .latest), timeoutSeconds: 60),
    ]

    private static var scheduler: SchedulerConfiguration {
        var configuration = SchedulerConfiguration()
        configuration.leadEvery = .milliseconds(50)
        configuration.feedEvery = .milliseconds(10)
        configuration.reapEvery = .milliseconds(20)
        configuration.tickMax = .milliseconds(20)
        configuration.sweepEvery = .milliseconds(50)
        configuration.liftEvery = .milliseconds(50)
        return configuration
    }

    private static var worker: WorkerConfiguration {
        var configuration = WorkerConfiguration()
        configuration.scanEvery = .milliseconds(60)
        configuration.renewEvery = .milliseconds(30)
        configuration.suspectLookEvery = .milliseconds(50)
        configuration.suspectRoomFor = .milliseconds(20)
        configuration.drainTimeout = .seconds(2)
        return configuration
    }

    /// Calls that come only when the processes stop.
    static let atTheEnd: Set<String> = ["setState", "resign"]

    /// What a run of scheduler and worker calls whenever all is well; the rest comes after troubles
    /// (`hasFinished`, `withdraw`, `extendLeases`) or by somebody's hand (`cancel`, hints).
    static let everyday: Set<String> = [
        "publish", "enqueue", "register", "renew", "setState", "claim", "scan", "hasSuspects", "save", "settle",
        "intend", "complete", "append", "worldTime", "lead", "resign", "reap", "ready", "readyLists", "kinds",
        "timetable", "timetableVersion", "fire", "sweep", "push", "take", "lengths", "plantIncarnation", "hints",
    ]

    private func count(_ what: String) -> Outcome {
        done.withLock { $0[what, default: 0] += 1 }
        return .done
    }

    @Sendable private func main(_ context: HandlerContext) async throws -> Outcome {
        context.log("begins")
        if context.job.checkpoint == nil {
            try await context.save(checkpoint: JSONText(text: #"{"step":1}"#))
            try await context.wait(for: .milliseconds(300))
        }
        let intent = EffectIntent(
            key: "effect/main", step: "act", effectClass: .token, request: .emptyObject, tokenScope: "")
        // The far side drops what comes again under its token.
        _ = try await context.effect(intent) { call in
            done.withLock { done in
                if done[call.token] == nil { done["effect", default: 0] += 1 }
                done[call.token] = 1
            }
            return .emptyObject
        }
        return Outcome(
            records: [Record(kind: "kept", key: "main", value: .emptyObject)], followUps: [JobRequest("next")])
    }

    /// Whoever enqueues or publishes tries again with the same ids.
    private func retried<Value>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch is QueueError { return try await body() }
    }
}

@Suite("A fault in any call of scheduler and worker")
struct ProcessFaultTests {
    @Test("whichever call to ledger or broker fails, is lost or hangs: every job is done, every effect once")
    func converges() async throws {
        let clean = FaultPlan()
        #expect(try await FaultyFleet.problems(clean) == [])
        let calls = clean.calls.filter { $0.number <= FaultyFleet.strikesPerCall }
        let names = Set(calls.map(\.name))
        #expect(names.isSuperset(of: FaultyFleet.everyday), "\(FaultyFleet.everyday.subtracting(names))")
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            for call in calls {
                for way in FaultyFleet.ways {
                    if running >= 16 { try await group.next() }
                    running += 1
                    group.addTask {
                        do {
                            let problems = try await FaultyFleet.problems(FaultPlan((call, way)))
                            #expect(problems == [], "\(call) \(way.rawValue)")
                        } catch {
                            Issue.record("\(call) \(way.rawValue): \(error)")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
