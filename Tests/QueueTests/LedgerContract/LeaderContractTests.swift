import Foundation
import JobQueue
import Testing

@Suite("Ledger contract: reap, lead and feed", .serialized)
struct LeaderContractTests {
    @Test("I7: a dead worker's runs come back, a live worker's do not", arguments: LedgerKind.allCases)
    func reap(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let (dead, live) = (try await scene.worker(), try await scene.worker(lease: .seconds(40)))
            let (lost, kept) = (try await scene.add(), try await scene.add())
            _ = try await scene.run(lost, by: dead)
            let run = try await scene.run(kept, by: live)
            try await scene.subject.age(by: 12.1)
            #expect(
                try await scene.ledger.reap(atMost: 10) == ReapReport(),
                "a lease that just ended is given three seconds")
            try await scene.subject.age(by: 4)
            #expect(try await scene.ledger.reap(atMost: 10) == ReapReport(workersLost: 1, requeued: 1))
            let facts = try await scene.facts(lost)
            #expect((facts.place, facts.attempt, facts.crashes) == ("queued", 0, 1))
            #expect(try await scene.facts(kept).place == "running")
            #expect(try await scene.ledger.renew(dead, lease: .seconds(12)) == nil)
            #expect(try await scene.ledger.reap(atMost: 10) == ReapReport(), "a second leader finds nothing")
            #expect(try await scene.settle(run, .finished))
        }
    }

    @Test("a job that started in time is not late after its worker died", arguments: LedgerKind.allCases)
    func notLate(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let (dead, next) = (try await scene.worker(), try await scene.worker(lease: .seconds(10_000)))
            let spec = JobSpec(kind: "plain", timeoutSeconds: 600, startBeforeSeconds: 5)
            let id = try await scene.add(spec)
            _ = try await scene.run(id, by: dead)
            try await scene.subject.age(by: 20)
            #expect(try await scene.ledger.reap(atMost: 10).requeued == 1)
            try await scene.subject.age(by: 20)
            let claimed = try await scene.claim([id], by: next)
            #expect(claimed.map(\.isLate) == [false])
        }
    }

    @Test("a worker that says it is gone is reaped at once", arguments: LedgerKind.allCases)
    func gone(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            _ = try await scene.run(try await scene.add(), by: worker)
            try await scene.ledger.setState(.gone, of: worker)
            #expect(try await scene.ledger.reap(atMost: 10).requeued == 1)
        }
    }

    @Test("a passed deadline costs an attempt, and the last one kills", arguments: LedgerKind.allCases)
    func deadline(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker(lease: .seconds(10_000))
            let id = try await scene.add()
            for attempt in 1...3 {
                let run = try await scene.run(id, by: worker)
                try await scene.subject.age(by: 65)
                #expect(
                    try await scene.ledger.reap(atMost: 10) == ReapReport(), "the worker itself is given ten seconds")
                try await scene.subject.age(by: 6)
                let report = try await scene.ledger.reap(atMost: 10)
                #expect(report == (attempt < 3 ? ReapReport(requeued: 1) : ReapReport(dead: 1)))
                #expect(try await scene.facts(id).attempt == attempt)
                #expect(try await !scene.settle(run, .finished))
                try await scene.subject.age(by: 200)
            }
            #expect(try await scene.facts(id).place == "dead")
        }
    }

    @Test("a reaped job that was asked to cancel is cancelled", arguments: LedgerKind.allCases)
    func reapCancelled(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let id = try await scene.add()
            _ = try await scene.run(id, by: worker)
            _ = try await scene.ledger.cancel(id, by: "me")
            #expect(try await scene.die(worker) == ReapReport(workersLost: 1, cancelled: 1))
            #expect(try await scene.facts(id).place == "cancelled")
        }
    }

    @Test(
        "a job whose worker dies three times while it runs alone is poison; its neighbours never are (I15)",
        arguments: LedgerKind.allCases)
    func poison(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let (poison, innocent) = (try await scene.add(), try await scene.add())
            for _ in 0..<2 {
                let worker = try await scene.worker()
                #expect(try await scene.claim([poison, innocent], by: worker).count == 2)
                try await scene.die(worker)
                try await scene.subject.age(by: 100)
            }
            for solo in 1...3 {
                let worker = try await scene.worker()
                _ = try await scene.run(poison, by: worker, alone: true)
                let report = try await scene.die(worker)
                #expect(
                    report
                        == (solo < 3
                            ? ReapReport(workersLost: 1, requeued: 1) : ReapReport(workersLost: 1, poisoned: 1)))
                try await scene.subject.age(by: 100)
            }
            #expect(try await scene.facts(poison).place == "dead")
            #expect(try await scene.facts(poison).reason?.hasPrefix("poison") == true)
            let attempt = try await scene.facts(poison).attempt
            #expect(attempt <= 1, "crashes cost no attempts (I13)")
            let run = try await scene.run(innocent, by: try await scene.worker(), alone: true)
            #expect(try await scene.settle(run, .finished))
        }
    }

    @Test("after a gap of the ledger every lease is extended before anything is reaped", arguments: LedgerKind.allCases)
    func extend(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let run = try await scene.run(try await scene.add(), by: worker)
            try await scene.subject.age(by: 18)
            try await scene.ledger.extendLeases(by: .seconds(12))
            #expect(try await scene.ledger.reap(atMost: 10) == ReapReport())
            #expect(try await scene.ledger.renew(worker, lease: .seconds(12))?.runs.count == 1)
            #expect(try await scene.settle(run, .finished))
            try await scene.die(worker)
            try await scene.ledger.extendLeases(by: .seconds(12))
            #expect(try await scene.ledger.renew(worker, lease: .seconds(12)) == nil, "a buried worker stays buried")
        }
    }

    @Test("a reap takes at most what it is asked to", arguments: LedgerKind.allCases)
    func bounded(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            for _ in 0..<5 { _ = try await scene.run(try await scene.add(), by: worker) }
            try await scene.subject.age(by: 16)
            #expect(try await scene.ledger.reap(atMost: 2).requeued == 2)
            #expect(try await scene.ledger.reap(atMost: 9).requeued == 3)
        }
    }

    @Test("one leader at a time, each change a new term", arguments: LedgerKind.allCases)
    func lead(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let (first, second) = (WorkerID(), WorkerID())
            func lead(_ holder: WorkerID) async throws -> Int64? {
                try await scene.ledger.lead("scheduler", holder: holder, lease: .seconds(10))
            }
            #expect(try await lead(first) == 1)
            #expect(try await lead(first) == 1)
            #expect(try await lead(second) == nil)
            #expect(try await scene.ledger.lead("other", holder: second, lease: .seconds(10)) == 1)
            try await scene.subject.age(by: 11)
            #expect(try await lead(second) == 2)
            #expect(try await lead(first) == nil)
            try await scene.ledger.resign("scheduler", holder: first, term: 1)
            try await scene.ledger.resign("scheduler", holder: second, term: 1)
            #expect(try await lead(first) == nil, "only the exact term can be resigned")
            try await scene.ledger.resign("scheduler", holder: second, term: 2)
            #expect(try await lead(first) == 3)
            try await scene.subject.age(by: 11)
            #expect(try await lead(first) == 4, "a term that ended is not continued")
        }
    }

    // MARK: Feed

    @Test("tenants take turns, however long one's line is", arguments: LedgerKind.allCases)
    func fair(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            for tenant in ["a", "b", "c"] { try await scene.subject.setTarget("of-\(tenant)", tenant: tenant) }
            for _ in 0..<20 { _ = try await scene.add(target: "of-a") }
            let others: Set = [try await scene.add(target: "of-b"), try await scene.add(target: "of-c")]
            let feed = try await scene.ledger.ready(
                in: ReadyList(queue: "default", lane: .work), atMost: 6, cursor: .start)
            #expect(feed.ids.count == 6)
            #expect(others.isSubset(of: feed.ids))
        }
    }

    @Test("a look goes on where the last ended, and a full look sees everything again", arguments: LedgerKind.allCases)
    func cursor(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            var ids: Set<JobID> = []
            for _ in 0..<10 { ids.insert(try await scene.add()) }
            let list = ReadyList(queue: "default", lane: .work)
            var cursor = FeedCursor.start
            var seen: [JobID] = []
            for _ in 0..<8 where seen.count < 10 {
                let feed = try await scene.ledger.ready(in: list, atMost: 4, cursor: cursor)
                cursor = feed.cursor
                seen += feed.ids
            }
            #expect(seen.count == 10)
            #expect(Set(seen) == ids)
            #expect(try await Set(scene.ledger.ready(in: list, atMost: 20, cursor: .start).ids) == ids)
        }
    }

    @Test("what cannot start is not fed: delayed, of a full key, without a token", arguments: LedgerKind.allCases)
    func unfit(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker(lease: .seconds(1000))
            let list = ReadyList(queue: "default", lane: .work)
            _ = try await scene.add(delay: .seconds(60))
            let spec = JobSpec(kind: "limited", limit: .init(key: "one", max: 1))
            let (holder, waiting) = (try await scene.add(spec), try await scene.add(spec))
            let run = try await scene.run(holder, by: worker)
            let slow = JobSpec(kind: "rated", rate: .init(key: "slow", perSecond: 0.01, burst: 1))
            _ = try await scene.run(try await scene.add(slow), by: worker)
            _ = try await scene.add(slow)
            let free = try await scene.add()
            #expect(try await scene.ledger.ready(in: list, atMost: 9, cursor: .start).ids == [free])
            #expect(try await scene.settle(run, .finished))
            #expect(try await Set(scene.ledger.ready(in: list, atMost: 9, cursor: .start).ids) == [free, waiting])
        }
    }

    @Test("the lists with queued jobs are named, the urgent first", arguments: LedgerKind.allCases)
    func lists(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            #expect(try await scene.ledger.readyLists().isEmpty)
            _ = try await scene.add()
            _ = try await scene.add(LedgerScene.urgent)
            _ = try await scene.add(JobSpec(kind: "plain", queue: "bulk", lane: .work))
            #expect(
                try await scene.ledger.readyLists() == [
                    ReadyList(queue: "default", lane: .interruption), ReadyList(queue: "bulk", lane: .work),
                    ReadyList(queue: "default", lane: .work),
                ])
        }
    }
}
