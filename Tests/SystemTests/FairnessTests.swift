import Foundation
import JobQueue
import Logging
import Postgres
import Scheduler
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing
import Worker

extension SystemTests {
    /// `make bench-fairness` in small: one tenant's backlog does not make another tenant wait for its end.
    @Suite("Fairness", .fleet())
    struct FairnessTests {
        private static let backlog = 1500
        private static let jobs = 20
        private static let slots = 16
        private static let listMax = 64
        /// Jobs of tenant A that start between two of B's.
        private static let pace = 30
        private static let spec = JobSpec(kind: "sleep", timeoutSeconds: 60)

        private struct Sleep: Handler {
            let started: @Sendable (JobID) -> Void
            func run(_ context: HandlerContext) async throws -> Outcome {
                started(context.job.id)
                try await Task.sleep(for: .milliseconds(20))
                return .done
            }
        }

        private struct Waits {
            var p50: Double
            var p99: Double
            /// Jobs started per second while B enqueued.
            var pace: Double
        }

        @Test(
            "a tenant's job waits for one turn of the fleet, not for another tenant's backlog; first-in-first-out would"
        )
        func turns() async throws {
            let fair = try await measure(isFair: true)
            let plain = try await measure(isFair: false)
            let bound = Double(Self.listMax) / fair.pace + 2 * SchedulerConfiguration().feedEvery.seconds
            #expect(fair.p99 <= bound, "p99 \(fair.p99) s, bound \(bound) s")
            #expect(plain.p50 > 2 * fair.p99, "in order of their coming: p50 \(plain.p50) s, beside \(fair.p99) s")
        }

        private func measure(isFair: Bool) async throws -> Waits {
            let fleet = try Fleet.current
            var configuration = try PostgresConfiguration(url: try Fleet.variable("TEST_DATABASE_URL"))
            configuration.schema = fleet.environment["DB_SCHEMA"]
            let (ledger, broker) = (try await PostgresLedger(configuration), MemoryBroker())
            try await fleet.database.script(
                """
                TRUNCATE job, job_key, job_target, lead, worker, schedule, job_kind;
                INSERT INTO job_target (target, fan_out, tenant)
                    VALUES ('a', 'cluster', 'tenant-a'), ('b', 'cluster', '\(isFair ? "tenant-b" : "tenant-a")')
                """)
            func job(_ target: String) -> NewJob {
                NewJob(request: JobRequest("sleep", target: target), spec: Self.spec)
            }
            _ = try await ledger.publish([Self.spec])
            _ = try await ledger.enqueue((0..<Self.backlog).map { _ in job("a") })
            let starts = Mutex<[JobID: ContinuousClock.Instant]>([:])
            var worker = WorkerConfiguration()
            (worker.slots, worker.inFlightMax) = (Self.slots, 2 * Self.slots)
            var scheduler = SchedulerConfiguration()
            scheduler.listMax = Self.listMax
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let group = ServiceGroup(
                services: [
                    SchedulerProcess(ledger: ledger, broker: broker, configuration: scheduler, logger: logger),
                    WorkerProcess(
                        ledger: ledger, broker: broker,
                        handlers: ["sleep": Sleep { id in starts.withLock { $0[id] = .now } }], specs: [Self.spec],
                        configuration: worker, logger: logger),
                ], logger: logger)
            let shortCut = PushShortCut(isFair ? broker : nil, listMax: Self.listMax)
            let waits = try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                try await eventually("the fleet is busy") { starts.withLock { $0.count } > Self.slots }
                var stored: [JobID: ContinuousClock.Instant] = [:]
                let (begin, before) = (ContinuousClock.now, starts.withLock { $0.count })
                for _ in 0..<Self.jobs {
                    let one = job("b")
                    _ = try await ledger.enqueue([one])
                    stored[one.id] = .now
                    await shortCut.push([one])
                    // One for so many of the other's: about each 50 ms when nothing else goes on.
                    let reached = before + stored.count * Self.pace
                    try await eventually("the fleet goes on") { starts.withLock { $0.count } >= reached }
                }
                let pace = Double(starts.withLock { $0.count } - before) / (ContinuousClock.now - begin).seconds
                try await eventually("all of them have started", within: .seconds(60)) {
                    starts.withLock { found in stored.keys.allSatisfy { found[$0] != nil } }
                }
                let found = starts.withLock { $0 }
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
                let delays = stored.map { id, at in found[id].map { max(0, ($0 - at).seconds) } ?? 60 }.sorted()
                return Waits(p50: delays[delays.count / 2], p99: delays[delays.count * 99 / 100], pace: pace)
            }
            await ledger.close()
            return waits
        }
    }
}
