import JobQueue
import TestSupport
import Testing

@testable import Postgres

extension Interleavings {
    @Suite("claims")
    struct Claims {
        private static func claim(_ ids: [JobID], _ worker: WorkerID)
            -> @Sendable (PostgresConnection) async throws -> [ClaimedJob]
        {
            { try await $0.claim(ids, worker, LedgerScene.kinds, false) }
        }

        /// What happens to a queued job between a claim's snapshot and its lock, and the fence the claim then gets, if any.
        enum Change: String, CaseIterable, CustomTestStringConvertible {
            case claimed, claimedAndFailed, claimedAndInterrupted, claimedAndPutOff, claimedAndFinished, cancelled,
                suspect
            var testDescription: String { rawValue }
            var fence: Int64? {
                switch self {
                case .claimedAndFailed, .claimedAndInterrupted: 2
                case .claimed, .claimedAndPutOff, .claimedAndFinished, .cancelled, .suspect: nil
                }
            }
        }

        @Test(
            "I1, I2: a claim with an old snapshot takes a job as it is now, or leaves it", arguments: Change.allCases,
            [LedgerScene.plain, LedgerScene.limited])
        func oldSnapshot(_ change: Change, _ spec: JobSpec) async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let (one, two) = (try await scene.worker(), try await scene.worker())
                let job = try await scene.add(spec, target: "t")
                let claimed = try await stage.whileSlow(Self.claim([job], one)) {
                    switch change {
                    case .cancelled: #expect(try await scene.ledger.cancel(job, by: "test") == .cancelled)
                    case .suspect:
                        try await stage.subject.connection.execute(
                            "UPDATE job SET crashes = 2 WHERE id = $1", [.uuid(job)])
                    case .claimed: _ = try await scene.run(job, by: two)
                    case .claimedAndFailed:
                        #expect(try await scene.settle(try await scene.run(job, by: two), .failed()))
                    case .claimedAndInterrupted:
                        #expect(try await scene.settle(try await scene.run(job, by: two), .interrupt))
                    case .claimedAndPutOff:
                        #expect(try await scene.settle(try await scene.run(job, by: two), .later(.seconds(60))))
                    case .claimedAndFinished:
                        #expect(try await scene.settle(try await scene.run(job, by: two), .finished))
                    }
                    // What was put off to "now" is later than the held transaction's own time.
                    if change.fence != nil {
                        try await stage.subject.connection.execute(
                            "UPDATE job SET run_at = run_at - interval '1 minute' WHERE id = $1", [.uuid(job)])
                    }
                }
                #expect(claimed.map(\.fence) == (change.fence.map { [$0] } ?? []))
                let facts = try await scene.facts(job)
                #expect(facts.fence == (change.fence ?? (change == .cancelled || change == .suspect ? 0 : 1)))
                guard spec.limit != nil else { return }
                let slots = try await stage.subject.slots("limit/t")
                switch change {
                case .claimed: #expect(slots == [Held(job: job, fence: 1)])
                case .claimedAndFailed, .claimedAndInterrupted: #expect(slots == [Held(job: job, fence: 2)])
                case .claimedAndPutOff, .claimedAndFinished, .cancelled, .suspect: #expect(slots == [])
                }
            }
        }

        @Test(
            "a pause that commits while a claim holds its snapshot stops the next claim, and harms nothing",
            arguments: ["all", "queue", "kind", "tenant", "cluster"])
        func pause(_ scope: String) async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                try await stage.subject.setTarget("c1", tenant: "acme")
                let worker = try await scene.worker()
                let (first, second) = (
                    try await scene.add(LedgerScene.limited, target: "c1"),
                    try await scene.add(LedgerScene.limited, target: "c1")
                )
                let name = ["queue": "default", "kind": "limited", "tenant": "acme", "cluster": "c1"][scope] ?? ""
                let claimed = try await stage.whileSlow(Self.claim([first], worker)) {
                    try await stage.subject.pause(scope, name)
                }
                #expect(claimed.map(\.id) == [first])
                #expect(try await scene.claim([second], by: worker).isEmpty)
                #expect(try await scene.settle(RunID(job: first, fence: 1, worker: worker), .failed()))
                #expect(try await scene.claim([first], by: worker).isEmpty)
                #expect(
                    try await scene.ledger.ready(
                        in: ReadyList(queue: "default", lane: .work), atMost: 10, cursor: .start
                    ).ids == [])
                try await stage.subject.resume(scope, name)
                #expect(try await scene.claim([first, second], by: worker).count == 2)
            }
        }

        @Test(
            "I7: a claim by a worker that is buried meanwhile may commit; the next reap frees it, without blame on an attempt"
        )
        func buriedWorker() async throws {
            try await Interleaving.run { stage in
                let (scene, ledger) = (stage.scene, stage.ledger)
                let worker = try await scene.worker()
                let job = try await scene.add(LedgerScene.limited, target: "t")
                let claimed = try await stage.whileSlow(Self.claim([job], worker)) {
                    try await stage.expire(worker)
                    #expect(try await ledger.reap(atMost: 10) == ReapReport(workersLost: 1))
                }
                #expect(claimed.map(\.id) == [job])
                #expect(try await ledger.renew(worker, lease: .seconds(12)) == nil)
                #expect(try await ledger.reap(atMost: 10) == ReapReport(requeued: 1))
                let facts = try await scene.facts(job)
                #expect(facts.place == "queued")
                #expect(facts.attempt == 0)
                #expect(try await stage.subject.slots("limit/t") == [])
            }
        }

        @Test("two claims whose jobs have the same limit keys in opposite order take slots in one order")
        func oppositeSlots() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let (one, two) = (try await scene.worker(), try await scene.worker())
                // By id the first three ask for x, y, z, the others for z, y, x.
                let ids = (0..<6).map { _ in JobID() }.sorted()
                for (id, target) in zip(ids, ["x", "y", "z", "z", "y", "x"]) {
                    let request = JobRequest("limited", target: target)
                    var job = NewJob(request: request, spec: LedgerScene.limited)
                    job.id = id
                    #expect(try await scene.ledger.enqueue([job]) == [.enqueued(id)])
                }
                // An uncommitted slot 1 of y holds the claim that has x; the other then waits for x, and must not have z.
                try await stage.other.begin()
                try await stage.other.execute(
                    "INSERT INTO job_slot (limit_key, n, job_id, fence) VALUES ('limit/y', 1, $1, 1)", [.uuid(JobID())])
                let pid = try await stage.processID(stage.slow)
                let (left, right) = (Array(ids[..<3]), Array(ids[3...]))
                async let others = stage.slow.claim(right, two, LedgerScene.kinds, false)
                let claimed = try await stage.whileHeld(stage.held, Self.claim(left, one)) {
                    try await eventually("the second claim waits for no lock") { try await stage.isWaiting(pid) }
                    await stage.other.rollback()
                }
                // Each key has two slots, and both claims chose the first: who comes second leaves its job for later.
                let won = [Set(claimed.map(\.id)), Set(try await others.map(\.id))]
                #expect(won.map(\.count).sorted() == [0, 3])
                try await stage.checkInvariants()
                let rest = won[0].isEmpty ? left : right
                #expect(try await scene.claim(rest, by: one).count == 3)
            }
        }

        @Test("a free slot is taken while other slots of the key are held, up to the limit, one claim after the other")
        func slotsOneByOne() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let worker = try await scene.worker()
                var ids: [JobID] = []
                for _ in 0..<3 { ids.append(try await scene.add(LedgerScene.limited, target: "t")) }
                let first = try await scene.run(ids[0], by: worker)
                let second = try await scene.run(ids[1], by: worker)
                #expect(try await scene.claim([ids[2]], by: worker).isEmpty)
                #expect(try await scene.settle(first, .finished))
                let third = try await scene.run(ids[2], by: worker)
                let slots = Set([second, third].map { Held(job: $0.job, fence: 1) })
                #expect(try await stage.subject.slots("limit/t") == slots)
            }
        }

        @Test("a limit holds when claims that read the same free slots meet")
        func staleSlots() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let (one, two) = (try await scene.worker(), try await scene.worker())
                var ids: [JobID] = []
                for _ in 0..<4 { ids.append(try await scene.add(LedgerScene.limited, target: "t")) }
                let (mine, theirs) = (Array(ids[..<2]), Array(ids[2...]))
                let claimed = try await stage.whileSlow(Self.claim(mine, one)) {
                    let taken = try await scene.claim(theirs, by: two)
                    #expect(taken.count == 2)
                }
                #expect(claimed.isEmpty)
                #expect(try await stage.subject.slots("limit/t") == Set(theirs.map { Held(job: $0, fence: 1) }))
            }
        }

        @Test("two claims of one rate: the second waits for the bucket, and finds the token spent")
        func rate() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let (one, two) = (try await scene.worker(), try await scene.worker())
                let (first, second) = (
                    try await scene.add(LedgerScene.rated, target: "t"),
                    try await scene.add(LedgerScene.rated, target: "t")
                )
                try await stage.subject.connection.execute(
                    "INSERT INTO rate_bucket (key, tokens, per_second, burst, at) VALUES ('rate/t', 1, 0.001, 2, now())"
                )
                try await stage.other.begin()
                try await stage.other.execute("SELECT FROM rate_bucket FOR UPDATE")
                let pid = try await stage.processID(stage.slow)
                async let others = stage.slow.claim([second], two, LedgerScene.kinds, false)
                let claimed = try await stage.whileHeld(stage.held, Self.claim([first], one)) {
                    try await eventually("the second claim waits for no lock") { try await stage.isWaiting(pid) }
                    try await stage.other.commit()
                }
                let all = claimed + (try await others)
                #expect(all.count == 1)
                let waiting = all.first?.id == first ? second : first
                let facts = try await scene.facts(waiting)
                #expect(facts.place == "queued")
                #expect(try #require(facts.waits) > 0.5)
            }
        }
    }
}
