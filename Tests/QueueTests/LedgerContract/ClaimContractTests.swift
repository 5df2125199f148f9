import Foundation
import JobQueue
import Testing

@Suite("Ledger contract: claim", .serialized)
struct ClaimContractTests {
    @Test("a claim hands out the job once, with the next fence (I1, I2)", arguments: LedgerKind.allCases)
    func once(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let (first, second) = (try await scene.worker(), try await scene.worker())
            let id = try await scene.add()
            let job = try #require(try await scene.claim([id], by: first).first)
            #expect((job.fence, job.attempt, job.attemptsMax) == (1, 1, 3))
            #expect(try await scene.claim([id], by: second).isEmpty)
            #expect(try await scene.claim([id], by: first).isEmpty)
            #expect(try await scene.settle(RunID(job: id, fence: 1, worker: first), .failed()))
            #expect(try await scene.claim([id], by: second).first?.fence == 2)
        }
    }

    @Test("workers that claim the same ids at once never share one (I1)", arguments: LedgerKind.allCases)
    func race(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            var ids: [JobID] = []
            for _ in 0..<40 { ids.append(try await scene.add()) }
            let all = ids
            let claimed = try await withThrowingTaskGroup(of: [JobID].self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        let worker = try await scene.worker()
                        return try await scene.claim(all, by: worker).map(\.id)
                    }
                }
                return try await group.reduce(into: [JobID]()) { $0 += $1 }
            }
            #expect(claimed.count == Set(claimed).count)
            #expect(Set(claimed) == Set(all))
        }
    }

    @Test(
        "a large batch hands out what a small one would: to each its gate, and to nobody what is paused, later, foreign or refused",
        arguments: LedgerKind.allCases, [1, 40])
    func mixed(_ kind: LedgerKind, _ plainJobs: Int) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            var plain: [JobID] = []
            for _ in 0..<plainJobs { plain.append(try await scene.add()) }
            var limited: [JobID] = []
            for _ in 0..<4 { limited.append(try await scene.add(LedgerScene.limited, target: "c1")) }
            var rated: [JobID] = []
            for _ in 0..<3 { rated.append(try await scene.add(LedgerScene.rated, target: "c1")) }
            let later = try await scene.add(delay: .seconds(60))
            try await scene.subject.pause("kind", "bulk")
            let paused = try await scene.add(LedgerScene.bulk)
            let all = plain + limited + rated + [later, paused, JobID()]
            let claimed = Set(try await scene.claim(all, by: worker).map(\.id))
            #expect(claimed.intersection(plain).count == plainJobs)
            #expect(claimed.intersection(limited).count == 2)
            #expect(claimed.intersection(rated).count == 2)
            #expect(claimed.count == plainJobs + 4)
            #expect(try await scene.claim(plain + limited + [later, paused], by: worker).isEmpty)
        }
    }

    @Test("a worker that is unknown, expired, draining or gone claims nothing", arguments: LedgerKind.allCases)
    func notLive(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let id = try await scene.add()
            #expect(try await scene.claim([id], by: WorkerID()).isEmpty)
            for state in [WorkerState.draining, .gone] {
                let worker = try await scene.worker()
                try await scene.ledger.setState(state, of: worker)
                try await scene.ledger.setState(.live, of: worker)  // no way back
                #expect(try await scene.claim([id], by: worker).isEmpty)
            }
            let expired = try await scene.worker()
            try await scene.subject.age(by: 13)
            #expect(try await scene.claim([id], by: expired).isEmpty)
            #expect(try await scene.claim([id], by: try await scene.worker()).count == 1)
        }
    }

    @Test("a worker is given only kinds it knows", arguments: LedgerKind.allCases)
    func kinds(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let ids = [try await scene.add(), try await scene.add(LedgerScene.urgent)]
            let worker = try await scene.worker()
            #expect(
                try await scene.ledger.claim(ids, by: worker, kinds: ["urgent"], alone: false).map(\.id) == [ids[1]])
        }
    }

    @Test(
        "what is paused is neither claimed, scanned nor fed", arguments: LedgerKind.allCases,
        [("all", ""), ("queue", "default"), ("kind", "plain"), ("tenant", "acme"), ("cluster", "c1")])
    func paused(_ kind: LedgerKind, _ scope: (String, String)) async throws {
        try await scene(kind) { scene in
            try await scene.subject.setTarget("c1", tenant: "acme")
            let id = try await scene.add(target: "c1")
            let worker = try await scene.worker()
            let list = ReadyList(queue: "default", lane: .work)
            try await scene.subject.pause(scope.0, scope.1)
            #expect(try await scene.claim([id], by: worker).isEmpty)
            #expect(
                try await scene.ledger.scan(
                    ["default"], lanes: Lane.allCases, atMost: 5, by: worker, kinds: LedgerScene.kinds, alone: true
                ).isEmpty)
            #expect(try await scene.ledger.ready(in: list, atMost: 5, cursor: .start).ids.isEmpty)
            try await scene.subject.resume(scope.0, scope.1)
            #expect(try await scene.ledger.ready(in: list, atMost: 5, cursor: .start).ids == [id])
            #expect(try await scene.claim([id], by: worker).count == 1)
        }
    }

    @Test("a limit is never exceeded, and its slots belong to (job, fence) (I8)", arguments: LedgerKind.allCases)
    func limit(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            var ids: [JobID] = []
            for _ in 0..<6 { ids.append(try await scene.add(LedgerScene.limited, target: "x")) }
            let other = try await scene.add(LedgerScene.limited, target: "y")
            let all = ids
            let claimed = try await withThrowingTaskGroup(of: [ClaimedJob].self) { group in
                for _ in 0..<4 {
                    group.addTask { try await scene.claim(all, by: try await scene.worker()) }
                }
                return try await group.reduce(into: [ClaimedJob]()) { $0 += $1 }
            }
            let worker = try await scene.worker()
            #expect(claimed.count <= 2)
            let more = try await scene.claim(all, by: worker)  // a lost race for a slot number is made up for here
            #expect(claimed.count + more.count == 2)
            #expect(
                try await scene.subject.slots("limit/x")
                    == Set((claimed + more).map { Held(job: $0.id, fence: $0.fence) }))
            #expect(try await scene.claim([other], by: worker).count == 1)
        }
    }

    @Test(
        "a slot is freed by every end of a run, and by that run only (I8)", arguments: LedgerKind.allCases,
        Settlement.Verdict.all.map(\.0))
    func slotFreed(_ kind: LedgerKind, _ verdict: String) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let spec = JobSpec(kind: "limited", limit: .init(key: "one", max: 1))
            let (first, second) = (try await scene.add(spec), try await scene.add(spec))
            let run = try await scene.run(first, by: worker)
            #expect(try await scene.claim([second], by: worker).isEmpty)
            let chosen = try #require(Settlement.Verdict.all.first { $0.0 == verdict }?.1)
            #expect(try await scene.settle(run, chosen))
            #expect(try await scene.subject.slots("one").isEmpty)
            let next = try await scene.run(second, by: worker)
            // The old run settles again: it must not free the slot that now is another's.
            #expect(try await !scene.settle(run, chosen))
            #expect(try await scene.subject.slots("one") == [Held(job: second, fence: next.fence)])
        }
    }

    @Test("a reaped run's slot is freed, and its zombie frees nothing", arguments: LedgerKind.allCases)
    func slotReaped(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let spec = JobSpec(kind: "limited", limit: .init(key: "one", max: 1))
            let dead = try await scene.worker()
            let id = try await scene.add(spec)
            let zombie = try await scene.run(id, by: dead)
            try await scene.die(dead)
            #expect(try await scene.subject.slots("one").isEmpty)
            try await scene.subject.age(by: 5)
            let run = try await scene.run(id, by: try await scene.worker())
            for (_, verdict) in Settlement.Verdict.all { #expect(try await !scene.settle(zombie, verdict)) }
            #expect(try await scene.subject.slots("one") == [Held(job: id, fence: run.fence)])
        }
    }

    @Test("a rate lets its burst start, and the rest when their tokens are due", arguments: LedgerKind.allCases)
    func rate(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker(lease: .seconds(1000))
            var ids: [JobID] = []
            for _ in 0..<4 { ids.append(try await scene.add(LedgerScene.rated, target: "x")) }
            let first = try await scene.claim(ids, by: worker)
            #expect(first.count == 2)
            #expect(try await scene.claim(ids, by: worker).isEmpty)
            let rest = ids.filter { id in !first.contains { $0.id == id } }
            for id in rest { #expect(try await scene.facts(id).waits ?? 0 > 0) }
            try await scene.subject.age(by: 5)
            #expect(try await scene.claim(ids, by: worker).count == 2)
        }
    }

    @Test("suspects are claimed alone and one at a time", arguments: LedgerKind.allCases)
    func suspects(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let ids = [try await scene.add(), try await scene.add()]
            for _ in 0..<2 {
                let worker = try await scene.worker()
                #expect(try await scene.claim(ids, by: worker).count == 2)
                try await scene.die(worker)
                try await scene.subject.age(by: 90)
            }
            #expect(try await scene.facts(ids[0]).crashes == 2)
            let innocent = try await scene.add()
            let worker = try await scene.worker()
            let list = ReadyList(queue: "default", lane: .work)
            #expect(try await scene.ledger.ready(in: list, atMost: 9, cursor: .start).ids == [innocent])
            #expect(try await scene.claim(ids, by: worker).isEmpty)
            let claimed = try await scene.claim(ids + [innocent], by: worker, alone: true)
            #expect(claimed.count == 1)
            #expect(ids.contains(claimed[0].id))
            let other = try await scene.worker()
            let scanned = try await scene.ledger.scan(
                ["default"], lanes: Lane.allCases, atMost: 9, by: other, kinds: LedgerScene.kinds, alone: true)
            #expect(scanned.count == 1)
            #expect(Set(scanned.map(\.id) + claimed.map(\.id)) == Set(ids))
        }
    }

    @Test("a job past its start-before is claimed as late", arguments: LedgerKind.allCases)
    func late(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker(lease: .seconds(1000))
            let (early, late) = (
                try await scene.add(startBefore: .seconds(30)), try await scene.add(startBefore: .seconds(30))
            )
            #expect(try await scene.claim([early], by: worker).first?.isLate == false)
            try await scene.subject.age(by: 40)
            #expect(try await scene.claim([late], by: worker).first?.isLate == true)
        }
    }

    @Test("every due job can be found without a broker (I5), urgent lanes first", arguments: LedgerKind.allCases)
    func scan(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            var ids: Set<JobID> = []
            for _ in 0..<12 { ids.insert(try await scene.add()) }
            _ = try await scene.add(delay: .seconds(60))
            let urgent = try await scene.add(LedgerScene.urgent)
            func scan(_ atMost: Int) async throws -> [JobID] {
                try await scene.ledger.scan(
                    ["default"], lanes: Lane.allCases, atMost: atMost, by: worker, kinds: LedgerScene.kinds,
                    alone: false
                ).map(\.id)
            }
            #expect(try await scan(1) == [urgent])
            var found: Set<JobID> = []
            for _ in 0..<12 { found.formUnion(try await scan(3)) }
            #expect(found == ids)
            #expect(try await scan(3).isEmpty)
        }
    }
}
