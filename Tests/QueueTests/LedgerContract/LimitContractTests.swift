import Foundation
import JobQueue
import TestSupport
import Testing

@Suite("Ledger contract: limits of operators", .serialized)
struct LimitContractTests {
    @Test(
        "an operator's limit holds for everything within its scope, whoever claims, and lane 0 is not held (I8)",
        arguments: LedgerKind.allCases, [JobScope.tenant("acme"), .cluster("c1"), .queue("default")])
    func running(_ kind: LedgerKind, _ scope: JobScope) async throws {
        try await scene(kind) { scene in
            try await scene.subject.setTarget("c1", tenant: "acme")
            try await scene.control.setLimit(JobLimit(scope, runningMax: 3), by: "test", reason: "")
            var ids: [JobID] = []
            for _ in 0..<4 { ids.append(try await scene.add(target: "c1")) }
            for _ in 0..<4 { ids.append(try await scene.add(LedgerScene.bulk, target: "c1")) }
            let urgent = try await scene.add(LedgerScene.urgent, target: "c1")
            let all = ids
            let claimed = try await withThrowingTaskGroup(of: [RunID].self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        let worker = try await scene.worker()
                        return try await scene.claim(all, by: worker).map {
                            RunID(job: $0.id, fence: $0.fence, worker: worker)
                        }
                    }
                }
                return try await group.reduce(into: [RunID]()) { $0 += $1 }
            }
            let worker = try await scene.worker()
            let more = try await scene.claim(all, by: worker).map { RunID(job: $0.id, fence: $0.fence, worker: worker) }
            let runs = claimed + more
            #expect(runs.count == 3)
            let list = ReadyList(queue: "default", lane: .work)
            #expect(try await scene.ledger.ready(in: list, atMost: 9, cursor: .start).ids.isEmpty)
            #expect(try await scene.claim([urgent], by: worker).count == 1)
            for (run, end) in zip(runs, [Settlement.Verdict.finished, .failed(after: .seconds(60)), .interrupt]) {
                #expect(try await scene.settle(run, end))
            }
            let again = try await scene.claim(all, by: worker)
            #expect(again.count == 3)
            #expect(try await scene.control.clearLimit(scope))
            #expect(try await scene.claim(all, by: worker).count == 3)
        }
    }

    @Test("a limit that is lowered lets nothing start until enough have ended", arguments: LedgerKind.allCases)
    func lowered(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            var ids: [JobID] = []
            for _ in 0..<6 { ids.append(try await scene.add()) }
            try await scene.control.setLimit(JobLimit(.kind("plain"), runningMax: 4), by: "test", reason: "")
            let runs = try await scene.claim(ids, by: worker).map { RunID(job: $0.id, fence: $0.fence, worker: worker) }
            #expect(runs.count == 4)
            try await scene.control.setLimit(JobLimit(.kind("plain"), runningMax: 2), by: "test", reason: "")
            for run in runs.prefix(2) { #expect(try await scene.settle(run, .finished)) }
            #expect(try await scene.claim(ids, by: worker).isEmpty)
            #expect(try await scene.settle(runs[2], .finished))
            #expect(try await scene.claim(ids, by: worker).count == 1)
        }
    }

    @Test("an operator's rate puts off what finds no token until one is due", arguments: LedgerKind.allCases)
    func rate(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker(lease: .seconds(1000))
            try await scene.subject.setTarget("c1", tenant: "acme")
            try await scene.control.setLimit(
                JobLimit(.tenant("acme"), rate: JobRate(perSecond: 0.1, burst: 2)), by: "test", reason: "")
            var ids: [JobID] = []
            for _ in 0..<4 { ids.append(try await scene.add(target: "c1")) }
            ids.sort()  // the order of a claim; within a millisecond it is not that of their making
            let claimed = try await scene.claim(ids, by: worker).map(\.id)
            #expect(claimed.sorted() == Array(ids.prefix(2)))
            let waits = [try await scene.facts(ids[2]).waits ?? 0, try await scene.facts(ids[3]).waits ?? 0]
            #expect(abs(waits[0] - 10) < 2, "\(waits)")
            #expect(abs(waits[1] - 20) < 2, "\(waits)")
            try await scene.subject.age(by: 11)
            #expect(try await scene.claim(ids, by: worker).map(\.id) == [ids[2]])
            let other = try await scene.add()
            #expect(try await scene.claim([other], by: worker).count == 1)
        }
    }

    @Test("tenants take turns, one of weight 3 three for one", arguments: LedgerKind.allCases)
    func weights(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            try await scene.subject.setTarget("ca", tenant: "a")
            try await scene.subject.setTarget("cb", tenant: "b")
            var tenants: [JobID: String] = [:]
            for _ in 0..<6 { tenants[try await scene.add(target: "ca")] = "a" }
            for _ in 0..<2 { tenants[try await scene.add(target: "cb")] = "b" }
            let list = ReadyList(queue: "default", lane: .work)
            func order() async throws -> String {
                try await scene.ledger.ready(in: list, atMost: 8, cursor: .start).ids.compactMap { tenants[$0] }
                    .joined()
            }
            #expect(try await order() == "ababaaaa")
            try await scene.control.setLimit(JobLimit(.tenant("a"), weight: 3), by: "test", reason: "")
            #expect(try await order() == "aaabaaab")
        }
    }

    @Test(
        "a queue at its depth refuses lanes 2 and 3, never lanes 0 and 1, and takes again when there is room",
        arguments: LedgerKind.allCases)
    func depth(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            try await scene.control.setLimit(JobLimit(.queue("default"), depthMax: 3), by: "test", reason: "")
            let first = try await scene.add()
            _ = try await scene.add(LedgerScene.bulk)
            @Sendable func add(_ spec: JobSpec, _ lane: Lane? = nil, count: Int = 1) async throws {
                let jobs = (0..<count).map { _ in
                    NewJob(request: JobRequest(spec.kind, lane: lane), spec: spec)
                }
                _ = try await scene.ledger.enqueue(jobs)
            }
            let full = await #expect(throws: QueueError.self) { try await add(LedgerScene.plain, count: 2) }
            #expect(full?.code == .queueFull)
            try await add(LedgerScene.plain)
            await #expect(throws: QueueError.self) { try await add(LedgerScene.bulk) }
            try await add(LedgerScene.urgent)
            try await add(LedgerScene.plain, .safety)
            // What a job enqueues itself is not refused: its work would be lost.
            let worker = try await scene.worker()
            let followUp = NewJob(request: JobRequest("plain"), spec: LedgerScene.plain)
            #expect(
                try await scene.settle(
                    try await scene.run(first, by: worker),
                    .done(result: nil, records: [], followUps: [followUp], keepsHistory: true)))
            #expect(try await scene.control.cancel([followUp.id], by: "test") == [followUp.id: .cancelled])
            try await eventually("there is room again") {
                do {
                    try await add(LedgerScene.plain)
                    return true
                } catch let error as QueueError where error.code == .queueFull {
                    return false
                }
            }
        }
    }

    @Test(
        "who waited longer than the age limit rises, one of lane 3 twice, nobody into lane 0",
        arguments: LedgerKind.allCases)
    func ageing(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            try await scene.control.setLimit(JobLimit(.queue("default"), ageSeconds: 100), by: "test", reason: "")
            let (bulk, work) = (try await scene.add(LedgerScene.bulk), try await scene.add())
            let (data, ordinary) = (ReadyList(queue: "default", lane: .data), ReadyList(queue: "default", lane: .work))
            func aged(_ list: ReadyList, _ lanes: Int) async throws -> [JobID] {
                try await scene.ledger.aged(in: list, rising: lanes, atMost: 9, cursor: .start).ids
            }
            #expect(try await aged(data, 1).isEmpty)
            try await scene.subject.age(by: 101)
            #expect(try await aged(data, 1) == [bulk])
            #expect(try await aged(data, 2).isEmpty)
            #expect(try await aged(ordinary, 1) == [work])
            try await scene.subject.age(by: 100)
            #expect(try await aged(data, 2) == [bulk])
            #expect(data.risen(by: 2).lane == .safety)
            #expect(ordinary.risen(by: 1).lane == .safety)
            #expect(ordinary.risen(by: 5).lane == .safety)
            #expect(Ageing.looks(["default"], [.interruption, .safety]).isEmpty)
        }
    }

    @Test("a scan takes who waited long, however much comes in a higher lane", arguments: LedgerKind.allCases)
    func agedScan(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let old = try await scene.add(LedgerScene.bulk)
            try await scene.subject.age(by: 601)  // the standard age
            let young = try await scene.add(LedgerScene.bulk)
            for _ in 0..<20 { _ = try await scene.add() }
            let worker = try await scene.worker()
            let claimed = try await scene.ledger.scan(
                ["default"], lanes: [.safety, .work, .data], atMost: 8, by: worker, kinds: LedgerScene.kinds,
                alone: false)
            #expect(claimed.count == 8)
            #expect(claimed.contains { $0.id == old })
            #expect(!claimed.contains { $0.id == young })
        }
    }

    @Test(
        "a limit that does not fit its scope is refused",
        arguments: [
            JobLimit(.all, runningMax: 1), JobLimit(.schedule("x"), runningMax: 1), JobLimit(.kind("x"), weight: 2),
            JobLimit(.tenant("x"), depthMax: 2), JobLimit(.kind("x"), ageSeconds: 9),
            JobLimit(.kind("x"), runningMax: 0),
            JobLimit(.kind("x"), rate: JobRate(perSecond: 0)),
            JobLimit(.kind("x"), rate: JobRate(perSecond: 1, burst: 0.5)),
            JobLimit(.api("aws")), JobLimit(.api("aws"), runningMax: 1, rate: JobRate(perSecond: 1)),
        ])
    func refused(_ limit: JobLimit) {
        let error = #expect(throws: QueueError.self) { try limit.validated() }
        #expect(error?.code == .invalid)
    }
}
