import Foundation
import JobQueue
import Testing

@Suite("Ledger contract: enqueue and keys", .serialized)
struct EnqueueContractTests {
    @Test("an enqueue that is sent twice is one job", arguments: LedgerKind.allCases)
    func repeated(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let job = NewJob(request: JobRequest("plain"), spec: LedgerScene.plain)
            #expect(try await scene.ledger.enqueue([job]) == [.enqueued(job.id)])
            #expect(try await scene.ledger.enqueue([job]) == [.enqueued(job.id)])
            let run = try await scene.run(job.id, by: try await scene.worker())
            #expect(try await scene.settle(run, .finished))
            // Its own key outlives it: the third sending does not run it again.
            #expect(try await scene.ledger.enqueue([job]) == [.enqueued(job.id)])
            #expect(try await scene.facts(job.id).place == "done")
        }
    }

    @Test("two requests without a key are two jobs", arguments: LedgerKind.allCases)
    func keyless(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let (first, second) = (try await scene.add(), try await scene.add())
            #expect(first != second)
            #expect(try await scene.facts(second).place == "queued")
        }
    }

    @Test(
        "the same key and arguments give the first job's id, other arguments a conflict", arguments: LedgerKind.allCases
    )
    func duplicateAndConflict(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let key = IdempotencyKey("order/7", release: .after(.seconds(100)))
            let first = try await scene.add(LedgerScene.plain, #"{"n":1,"who":"a"}"#, key: key)
            func again(_ parameters: String) -> NewJob {
                NewJob(
                    request: JobRequest("plain", parameters: JSONText(text: parameters), key: key),
                    spec: LedgerScene.plain)
            }
            let (same, other) = (again(#"{"who": "a"}"#), again(#"{"n":2,"who":"a"}"#))
            let fresh = NewJob(request: JobRequest("plain"), spec: LedgerScene.plain)
            #expect(
                try await scene.ledger.enqueue([same, other, fresh])
                    == [.duplicate(of: first), .conflict(with: first), .enqueued(fresh.id)])
            #expect(try await scene.subject.facts(other.id) == nil)
            #expect(try await scene.subject.facts(same.id) == nil)
        }
    }

    @Test("equal keys within one batch are one job", arguments: LedgerKind.allCases)
    func batch(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let key = IdempotencyKey("both", release: .atEnd)
            let jobs = (0..<2).map { _ in NewJob(request: JobRequest("plain", key: key), spec: LedgerScene.plain) }
            let results = try await scene.ledger.enqueue(jobs)
            let stored = try #require(try await scene.subject.keyHolder("both"))
            #expect(Set(results.compactMap(\.id)) == [stored])
            #expect(results.contains(.enqueued(stored)) && results.contains(.duplicate(of: stored)))
        }
    }

    @Test(
        "I11: a key of release 'at end' is held while its job lives and freed by every end",
        arguments: LedgerKind.allCases,
        ["done", "dead", "cancelled", "cancelled while queued", "cancelled and reaped", "exhausted"])
    func release(_ kind: LedgerKind, _ end: String) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker(lease: .seconds(1000))
            let id = try await scene.add(LedgerScene.once, target: "t")
            #expect(try await scene.subject.keyHolder("once/t") == id)
            switch end {
            case "cancelled while queued": #expect(try await scene.ledger.cancel(id, by: "me") == .cancelled)
            case "cancelled and reaped":
                _ = try await scene.run(id, by: worker)
                #expect(try await scene.ledger.cancel(id, by: "me") == .asked)
                try await scene.subject.age(by: 1004)
                #expect(try await scene.ledger.reap(atMost: 10).cancelled == 1)
            case "exhausted":
                for _ in 0..<LedgerScene.once.retries.attemptsMax {
                    _ = try await scene.run(id, by: worker)
                    #expect(try await scene.subject.keyHolder("once/t") == id)
                    try await scene.subject.age(by: 71)
                    _ = try await scene.ledger.reap(atMost: 10)
                    try await scene.subject.age(by: 90)
                }
            default:
                let run = try await scene.run(id, by: worker)
                #expect(try await scene.settle(run, .failed()))
                #expect(try await scene.subject.keyHolder("once/t") == id, "a job keeps its key through retries")
                let again = try await scene.run(id, by: worker)
                let verdict: Settlement.Verdict =
                    end == "done" ? .finished : end == "dead" ? .died : .cancelled(reason: "late")
                #expect(try await scene.settle(again, verdict))
            }
            #expect(["done", "dead", "cancelled"].contains(try await scene.facts(id).place))
            #expect(try await scene.subject.keyHolder("once/t") == nil)
            _ = try await scene.add(LedgerScene.once, target: "t")
        }
    }

    @Test(
        "a key with a time outlives its job, is not taken over, and goes with the sweeper",
        arguments: LedgerKind.allCases)
    func timed(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let id = try await scene.add(LedgerScene.hourly, target: "t")
            let run = try await scene.run(id, by: try await scene.worker())
            #expect(try await scene.settle(run, .finished))
            let second = NewJob(request: JobRequest("hourly", target: "t"), spec: LedgerScene.hourly)
            #expect(try await scene.ledger.enqueue([second]) == [.duplicate(of: id)])
            _ = try await scene.ledger.sweep()
            #expect(try await scene.subject.keyHolder("hourly/t") == id)
            try await scene.subject.age(by: 3700)
            #expect(try await scene.ledger.enqueue([second]) == [.duplicate(of: id)])
            #expect(try await scene.ledger.sweep().removed["job_key"] == 1)
            #expect(try await scene.ledger.enqueue([second]) == [.enqueued(second.id)])
        }
    }

    @Test("a request that does not fit its spec is refused, and its batch with it", arguments: LedgerKind.allCases)
    func invalid(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let good = NewJob(request: JobRequest("plain"), spec: LedgerScene.plain)
            let bad = NewJob(
                request: JobRequest("plain", parameters: JSONText(text: #"{"n":"x"}"#)), spec: LedgerScene.plain)
            let error = try await queueError { _ = try await scene.ledger.enqueue([good, bad]) }
            #expect(error.code == .invalid)
            #expect(error.message == #"plain: parameter 'n': found "x", wanted an integer"#)
            #expect(try await scene.subject.facts(good.id) == nil)
        }
    }

    @Test("parameters are stored with their defaults", arguments: LedgerKind.allCases)
    func defaults(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let id = try await scene.add(LedgerScene.plain, #"{"who":"ä"}"#)
            let claimed = try await scene.claim([id], by: try await scene.worker())
            struct Parameters: Decodable, Equatable {
                var n: Int
                var who: String
            }
            #expect(try claimed.first?.parameters.decode(Parameters.self) == Parameters(n: 1, who: "ä"))
        }
    }

    @Test("the tenant comes from the target, also in keys", arguments: LedgerKind.allCases)
    func tenant(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            try await scene.subject.setTarget("cluster-1", tenant: "acme")
            let spec = JobSpec(kind: "once", key: .init(template: "k/${tenant}/${target}"))
            let id = try await scene.add(spec, target: "cluster-1")
            #expect(try await scene.facts(id).tenant == "acme")
            #expect(try await scene.subject.keyHolder("k/acme/cluster-1") == id)
            let other = try await scene.add(LedgerScene.plain, target: "nobody's")
            #expect(try await scene.facts(other).tenant == "")
            let parent = try await scene.run(other, by: try await scene.worker())
            let child = NewJob(
                request: JobRequest("hourly", target: "cluster-1"),
                spec: JobSpec(kind: "hourly", key: .init(template: "f/${tenant}")))
            #expect(
                try await scene.settle(parent, .done(result: nil, records: [], followUps: [child], keepsHistory: true)))
            #expect(try await scene.subject.keyHolder("f/acme") == child.id, "follow-ups have their target's tenant")
        }
    }

    @Test("a delayed job waits", arguments: LedgerKind.allCases)
    func delayed(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker(lease: .seconds(1000))
            let id = try await scene.add(delay: .seconds(30))
            #expect(try await scene.claim([id], by: worker).isEmpty)
            try await scene.subject.age(by: 31)
            #expect(try await scene.claim([id], by: worker).count == 1)
        }
    }

    @Test("a replay is a new job, and the dead one stays dead (I3)", arguments: LedgerKind.allCases)
    func replay(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let id = try await scene.add()
            #expect(try await scene.settle(try await scene.run(id, by: worker), .died))
            let new = NewJob(request: JobRequest("plain", replayOf: id), spec: LedgerScene.plain)
            #expect(try await scene.ledger.enqueue([new]) == [.enqueued(new.id)])
            #expect(try await scene.facts(id).place == "dead")
            #expect(try await scene.claim([id, new.id], by: worker).map(\.id) == [new.id])
        }
    }
}
