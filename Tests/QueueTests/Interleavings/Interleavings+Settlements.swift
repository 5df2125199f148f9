import JobQueue
import Testing

@testable import Postgres

extension Interleavings {
    @Suite("settlements")
    struct Settlements {
        static func done(_ result: String? = nil, followUps: [NewJob] = []) -> Settlement.Verdict {
            .done(result: result.map(JSONText.init(text:)), records: [], followUps: followUps, keepsHistory: true)
        }

        private func result(_ id: JobID, _ stage: Interleaving) async throws -> [String?] {
            try await stage.subject.connection.query("SELECT result::text FROM job_history WHERE id = $1", [.uuid(id)])
                .map {
                    $0.text(0)
                }
        }

        @Test("a batch that holds a run twice ends it once")
        func sameFenceTwice() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let run = try await scene.run(try await scene.add(), by: try await scene.worker())
                let twice = Settlement(run: run, verdict: Self.done("1"))
                #expect(try await stage.held.settle([twice, twice], RecordWriters()) == [true, true])
                #expect(try await result(run.job, stage) == ["1"])
                let failing = try await scene.run(try await scene.add(), by: run.worker)
                let failed = Settlement(run: failing, verdict: .failed())
                #expect(try await stage.held.settle([failed, failed], RecordWriters()) == [true, true])
                let attempts = try await stage.subject.connection.query(
                    "SELECT 1 FROM job_attempt WHERE job_id = $1", [.uuid(failing.job)])
                #expect(attempts.count == 1)
            }
        }

        @Test(
            "a batch that holds an id under two fences ends the newer run, with the newer result",
            arguments: [false, true])
        func twoFences(_ newerFirst: Bool) async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let worker = try await scene.worker()
                let job = try await scene.add(LedgerScene.limited, target: "t")
                let old = try await scene.run(job, by: worker)
                #expect(try await scene.settle(old, .interrupt))
                let new = try await scene.run(job, by: worker)
                let stale = Settlement(run: old, verdict: Self.done(#""old""#))
                let current = Settlement(run: new, verdict: Self.done(#""new""#))
                let batch = newerFirst ? [current, stale] : [stale, current]
                #expect(
                    try await stage.held.settle(batch, RecordWriters())
                        == (newerFirst ? [true, false] : [false, true]))
                #expect(try await result(job, stage) == [#""new""#])
                #expect(try await stage.subject.slots("limit/t") == [])
            }
        }

        @Test("I4: the old owner of an id and fence that were issued again settles nothing")
        func reissued() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let (one, two) = (try await scene.worker(), try await scene.worker())
                let job = NewJob(request: JobRequest("once", target: "t"), spec: LedgerScene.once)
                #expect(try await scene.ledger.enqueue([job]) == [.enqueued(job.id)])
                let first = try await scene.run(job.id, by: one)
                #expect(
                    try await scene.settle(first, .done(result: nil, records: [], followUps: [], keepsHistory: false)))
                // The same bare id again: its key was freed at the end.
                #expect(try await scene.ledger.enqueue([job]) == [.enqueued(job.id)])
                let second = try await scene.run(job.id, by: two)
                #expect(second.fence == first.fence)
                for (name, verdict) in Settlement.Verdict.all {
                    #expect(try await !scene.settle(first, verdict), "\(name)")
                }
                #expect(try await stage.ledger.intend(Effects.intent("k"), of: first) == nil)
                #expect(try await scene.facts(job.id).place == "running")
            }
        }

        @Test(
            "an enqueue waits for a settlement that frees its keys: they are free when it commits, taken when not",
            arguments: [true, false])
        func finishAgainstEnqueue(_ finishCommits: Bool) async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let worker = try await scene.worker()
                var runs: [RunID] = []
                for target in ["b", "a"] {
                    runs.append(try await scene.run(try await scene.add(LedgerScene.once, target: target), by: worker))
                }
                let settlements = runs.map { Settlement(run: $0, verdict: Self.done()) }
                try await stage.other.begin()
                #expect(try await stage.other.settle(settlements, RecordWriters()) == [true, true])
                let jobs = try ["a", "b"].map {
                    try NewJob(request: JobRequest("once", target: $0), spec: LedgerScene.once).resolved(tenant: "")
                }
                let results = try await stage.whileHeld(stage.held) { held in
                    try await held.transaction { try EnqueueStatements.enqueue(jobs, on: $0) }
                } meanwhile: {
                    if finishCommits { try await stage.other.commit() } else { await stage.other.rollback() }
                }
                #expect(
                    results
                        == (finishCommits
                            ? jobs.map { .enqueued($0.id) }
                            : [.duplicate(of: runs[1].job), .duplicate(of: runs[0].job)]))
            }
        }

        @Test(
            "a settlement with a follow-up and an enqueue that want each other's keys: one is told to try again, and may"
        )
        func deadlock() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let run = try await scene.run(
                    try await scene.add(LedgerScene.once, target: "b"), by: try await scene.worker())
                func job(_ target: String) throws -> ResolvedJob {
                    try NewJob(request: JobRequest("once", target: target), spec: LedgerScene.once).resolved(tenant: "")
                }
                let (followUp, batch) = (try job("a"), [try job("a"), try job("b")])
                try await stage.other.begin()
                #expect(
                    try await stage.other.settle([Settlement(run: run, verdict: Self.done())], RecordWriters()) == [
                        true
                    ])
                let outcome = try await stage.whileHeld(stage.held) { held in
                    await Task { try await held.transaction { try EnqueueStatements.enqueue(batch, on: $0) } }.result
                } meanwhile: {
                    do {
                        _ = try await stage.other.enqueueOne(followUp)
                        try await stage.other.commit()
                    } catch let error as QueueError {
                        #expect(error.code == .unavailable)
                        await stage.other.rollback()
                    }
                }
                switch outcome {
                case .success(let results):
                    // The settlement was the victim: it is settled again, and its follow-up is a duplicate.
                    #expect(results == [.enqueued(batch[0].id), .duplicate(of: run.job)])
                    #expect(try await scene.settle(run, Self.done()))
                case .failure(let error):
                    #expect((error as? QueueError)?.code == .unavailable)
                    let again = try await stage.held.transaction { try EnqueueStatements.enqueue(batch, on: $0) }
                    #expect(again == [.duplicate(of: followUp.id), .enqueued(batch[1].id)])
                }
            }
        }

        @Test("a checkpoint that waits for a cancel is refused, so that the run stops")
        func checkpointAgainstCancel() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let run = try await scene.run(try await scene.add(), by: try await scene.worker())
                try await stage.other.begin()
                #expect(try await stage.other.cancel(run.job, by: "test") == .asked)
                let saved = try await stage.whileHeld(stage.held) { held in
                    try await held.save(JSONText(text: "{}"), nil, [], run, RecordWriters())
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(!saved)
                #expect(try await scene.settle(run, .interrupt))
                #expect(try await scene.facts(run.job).place == "cancelled")
            }
        }
    }
}

extension PostgresConnection {
    func enqueueOne(_ job: ResolvedJob) throws -> EnqueueResult { try EnqueueStatements.enqueue([job], on: self)[0] }
}
