import Foundation
import JobQueue
import Testing

@Suite("Ledger contract: renew, save and settle", .serialized)
struct SettleContractTests {
    @Test("a renewal says what the worker runs, and who wants it cancelled", arguments: LedgerKind.allCases)
    func renew(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            #expect(try await scene.ledger.renew(worker, lease: .seconds(12)) == Renewal(runs: [], isDraining: false))
            let id = try await scene.add()
            let run = try await scene.run(id, by: worker)
            #expect(try await scene.ledger.cancel(id, by: "me") == .asked)
            try await scene.ledger.setState(.draining, of: worker)
            let renewal = try await scene.ledger.renew(worker, lease: .seconds(12))
            #expect(renewal == Renewal(runs: [.init(job: id, fence: run.fence, isCancelAsked: true)], isDraining: true))
        }
    }

    @Test("a lease that ended cannot be renewed", arguments: LedgerKind.allCases)
    func tooLate(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let (kept, lost) = (try await scene.worker(), try await scene.worker())
            try await scene.subject.age(by: 10)
            #expect(try await scene.ledger.renew(kept, lease: .seconds(12)) != nil)
            try await scene.subject.age(by: 4)
            #expect(try await scene.ledger.renew(kept, lease: .seconds(12)) != nil)
            #expect(try await scene.ledger.renew(lost, lease: .seconds(12)) == nil)
            #expect(try await scene.ledger.renew(WorkerID(), lease: .seconds(12)) == nil)
            try await scene.ledger.setState(.gone, of: kept)
            #expect(try await scene.ledger.renew(kept, lease: .seconds(12)) == nil)
        }
    }

    @Test("a checkpoint survives a crash, with its progress and records", arguments: LedgerKind.allCases)
    func checkpoint(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let id = try await scene.add()
            let run = try await scene.run(id, by: worker)
            let record = Record(kind: "note", key: "a", value: .emptyObject)
            #expect(
                try await scene.ledger.save(
                    JSONText(text: #"{"step":3}"#), progress: JobProgress(done: 3, total: 5), records: [record], of: run
                ))
            #expect(try await scene.subject.hasRecord("a"))
            try await scene.die(worker)
            try await scene.subject.age(by: 5)
            let again = try #require(try await scene.claim([id], by: try await scene.worker()).first)
            #expect(try again.checkpoint?.decode([String: Int].self) == ["step": 3])
            #expect(
                try await !scene.ledger.save(
                    .emptyObject, progress: nil, records: [Record(kind: "note", key: "b", value: .emptyObject)], of: run
                ))
            #expect(try await !scene.subject.hasRecord("b"), "records of a fenced checkpoint are not kept (I4)")
        }
    }

    @Test("a checkpoint clears the crashes before it", arguments: LedgerKind.allCases)
    func crashesCleared(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let id = try await scene.add()
            _ = try await scene.run(id, by: worker)
            try await scene.die(worker)
            #expect(try await scene.facts(id).crashes == 1)
            try await scene.subject.age(by: 5)
            let run = try await scene.run(id, by: try await scene.worker())
            #expect(try await scene.ledger.save(.emptyObject, progress: nil, records: [], of: run))
            #expect(try await scene.facts(id).crashes == 0)
        }
    }

    @Test("a run that was asked to cancel saves nothing more", arguments: LedgerKind.allCases)
    func cancelledSave(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let id = try await scene.add()
            let run = try await scene.run(id, by: try await scene.worker())
            _ = try await scene.ledger.cancel(id, by: "me")
            #expect(try await !scene.ledger.save(.emptyObject, progress: nil, records: [], of: run))
        }
    }

    @Test(
        "I4: after a reap and a re-claim the old fence changes nothing", arguments: LedgerKind.allCases,
        Settlement.Verdict.all.map(\.0))
    func oldFence(_ kind: LedgerKind, _ verdict: String) async throws {
        try await scene(kind) { scene in
            let dead = try await scene.worker()
            let id = try await scene.add()
            let zombie = try await scene.run(id, by: dead)
            let chosen = try #require(Settlement.Verdict.all.first { $0.0 == verdict }?.1)
            try await scene.die(dead)
            let queued = try await scene.facts(id)
            #expect(try await !scene.settle(zombie, chosen), "while it is queued")
            #expect(try await scene.facts(id).place == queued.place)
            try await scene.subject.age(by: 5)
            let run = try await scene.run(id, by: try await scene.worker())
            let before = try await scene.facts(id)
            #expect(try await !scene.settle(zombie, chosen), "while another runs it")
            #expect(
                try await !scene.settle(RunID(job: id, fence: run.fence, worker: dead), chosen), "with a stolen fence")
            var after = try await scene.facts(id)
            after.waits = before.waits
            #expect(after == before)
            #expect(try await scene.settle(run, .finished))
        }
    }

    @Test("I3: what has ended stays as it ended", arguments: LedgerKind.allCases, ["done", "dead", "cancelled"])
    func terminal(_ kind: LedgerKind, _ end: String) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let id = try await scene.add()
            let run = try await scene.run(id, by: worker)
            #expect(try await scene.settle(run, try #require(Settlement.Verdict.all.first { $0.0 == end }?.1)))
            let ended = try await scene.facts(id)
            #expect(ended.place == end)
            for (_, verdict) in Settlement.Verdict.all { #expect(try await !scene.settle(run, verdict)) }
            #expect(try await scene.ledger.cancel(id, by: "me") == .ended)
            #expect(try await scene.claim([id], by: worker).isEmpty)
            try await scene.die(worker)
            #expect(try await scene.facts(id) == ended)
        }
    }

    @Test("a batch may hold an id twice: the run that owns it counts", arguments: LedgerKind.allCases)
    func twiceInABatch(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let id = try await scene.add()
            let first = try await scene.run(id, by: worker)
            #expect(try await scene.settle(first, .interrupt))
            let second = try await scene.run(id, by: worker)
            let batch = [first, second].map { Settlement(run: $0, verdict: .finished) }
            #expect(try await scene.ledger.settle(batch) == [false, true])
            #expect(try await scene.facts(id).fence == second.fence)
        }
    }

    @Test("I13: a retry costs an attempt; a snooze, a hand-back and a crash cost none", arguments: LedgerKind.allCases)
    func attempts(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker(lease: .seconds(1000))
            let id = try await scene.add()
            #expect(try await scene.settle(try await scene.run(id, by: worker), .later()))
            #expect(try await scene.facts(id).attempt == 0)
            #expect(try await scene.settle(try await scene.run(id, by: worker), .interrupt))
            #expect(try await scene.facts(id).attempt == 0)
            #expect(try await scene.settle(try await scene.run(id, by: worker), .failed()))
            #expect(try await scene.facts(id).attempt == 1)
            let mortal = try await scene.worker()
            _ = try await scene.run(id, by: mortal)
            #expect(try await scene.facts(id).attempt == 2)
            try await scene.die(mortal)
            let facts = try await scene.facts(id)
            #expect((facts.attempt, facts.interrupts, facts.snoozes, facts.crashes, facts.fence) == (1, 1, 1, 1, 4))
        }
    }

    @Test("a retry and a snooze wait their time, a hand-back runs again at once", arguments: LedgerKind.allCases)
    func waits(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker(lease: .seconds(1000))
            for verdict in [Settlement.Verdict.failed(after: .seconds(30)), .later(.seconds(30))] {
                let id = try await scene.add()
                #expect(try await scene.settle(try await scene.run(id, by: worker), verdict))
                #expect(try await scene.claim([id], by: worker).isEmpty)
                try await scene.subject.age(by: 31)
                #expect(try await scene.claim([id], by: worker).count == 1)
            }
            let id = try await scene.add()
            #expect(try await scene.settle(try await scene.run(id, by: worker), .interrupt))
            #expect(try await scene.claim([id], by: worker).count == 1)
        }
    }

    @Test("an orphan claim is handed back by its worker and costs nothing", arguments: LedgerKind.allCases)
    func orphan(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let id = try await scene.add()
            _ = try await scene.claim([id], by: worker)  // the reply is lost
            let held = try #require(try await scene.ledger.renew(worker, lease: .seconds(12))?.runs.first)
            #expect(try await scene.settle(RunID(job: held.job, fence: held.fence, worker: worker), .interrupt))
            let facts = try await scene.facts(id)
            #expect((facts.place, facts.attempt, facts.crashes) == ("queued", 0, 0))
        }
    }

    @Test("cancel: a queued job ends at once, a running one is asked", arguments: LedgerKind.allCases)
    func cancel(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let queued = try await scene.add()
            #expect(try await scene.ledger.cancel(queued, by: "me") == .cancelled)
            #expect(try await scene.facts(queued).place == "cancelled")
            #expect(try await scene.facts(queued).reason == "cancelled by me")
            #expect(try await scene.ledger.cancel(queued, by: "me") == .ended)
            #expect(try await scene.ledger.cancel(JobID(), by: "me") == .unknown)
            let running = try await scene.add()
            let run = try await scene.run(running, by: try await scene.worker())
            #expect(try await scene.ledger.cancel(running, by: "me") == .asked)
            #expect(try await scene.ledger.cancel(running, by: "you") == .asked)
            #expect(try await scene.settle(run, .cancelled(reason: "cancelled by me")))
            #expect(try await scene.facts(running).place == "cancelled")
        }
    }

    @Test(
        "whoever was asked to cancel is not requeued; what was done stays done", arguments: LedgerKind.allCases,
        Settlement.Verdict.all.map(\.0))
    func cancelWins(_ kind: LedgerKind, _ verdict: String) async throws {
        try await scene(kind) { scene in
            let id = try await scene.add()
            let run = try await scene.run(id, by: try await scene.worker())
            #expect(try await scene.ledger.cancel(id, by: "me") == .asked)
            #expect(try await scene.settle(run, try #require(Settlement.Verdict.all.first { $0.0 == verdict }?.1)))
            let wanted = ["done": "done", "dead": "dead"][verdict] ?? "cancelled"
            #expect(try await scene.facts(id).place == wanted)
        }
    }

    @Test(
        "records and follow-ups are committed with the end, or not at all", arguments: LedgerKind.allCases,
        [true, false])
    func followUps(_ kind: LedgerKind, _ snoozes: Bool) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let id = try await scene.add()
            let run = try await scene.run(id, by: worker)
            let child = NewJob(request: JobRequest("plain"), spec: LedgerScene.plain)
            let records = [Record(kind: "note", key: "end", value: .emptyObject)]
            let verdict: Settlement.Verdict =
                snoozes
                ? .snooze(after: .zero, records: records, followUps: [child])
                : .done(result: JSONText(text: "{}"), records: records, followUps: [child], keepsHistory: true)
            let stranger = RunID(job: id, fence: run.fence + 1, worker: worker)
            #expect(try await !scene.settle(stranger, verdict))
            #expect(try await scene.subject.facts(child.id) == nil)
            #expect(try await !scene.subject.hasRecord("end"))
            #expect(try await scene.settle(run, verdict))
            #expect(try await scene.facts(child.id).place == "queued")
            #expect(try await scene.subject.hasRecord("end"))
        }
    }

    @Test("a follow-up that conflicts undoes the whole end", arguments: LedgerKind.allCases)
    func followUpConflict(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            _ = try await scene.add(LedgerScene.plain, #"{"n":1}"#, key: IdempotencyKey("taken", release: .atEnd))
            let id = try await scene.add()
            let run = try await scene.run(id, by: try await scene.worker())
            let fine = NewJob(request: JobRequest("plain"), spec: LedgerScene.plain)
            let wrong = NewJob(
                request: JobRequest(
                    "plain", parameters: JSONText(text: #"{"n":2}"#), key: IdempotencyKey("taken", release: .atEnd)),
                spec: LedgerScene.plain)
            let error = try await queueError {
                _ = try await scene.settle(
                    run, .done(result: nil, records: [], followUps: [fine, wrong], keepsHistory: true))
            }
            #expect(error.code == .conflict)
            #expect(try await scene.facts(id).place == "running")
            #expect(try await scene.subject.facts(fine.id) == nil)
            #expect(try await scene.settle(run, .finished))
        }
    }

    @Test("a run that found nothing leaves no history", arguments: LedgerKind.allCases)
    func noHistory(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let id = try await scene.add(LedgerScene.once, target: "t")
            let run = try await scene.run(id, by: try await scene.worker())
            #expect(try await scene.settle(run, .done(result: nil, records: [], followUps: [], keepsHistory: false)))
            #expect(try await scene.subject.facts(id) == nil)
            #expect(try await scene.subject.keyHolder("once/t") == nil)
        }
    }

    @Test("a job's log keeps its lines in order", arguments: LedgerKind.allCases)
    func log(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let run = try await scene.run(try await scene.add(), by: try await scene.worker())
            try await scene.ledger.append(log: ["one", "two"], to: run)
            try await scene.ledger.append(log: [String(repeating: "x", count: 1500)], to: run)
            #expect(try await scene.subject.logLines(run.job) == ["one", "two", String(repeating: "x", count: 1000)])
        }
    }
}
