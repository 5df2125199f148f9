import JobQueue
import TestSupport
import Testing

@testable import Postgres

extension Interleavings {
    @Suite("effects")
    struct Effects {
        static func intent(_ key: String, _ request: String = "{}") -> EffectIntent {
            EffectIntent(
                key: key, step: "step", effectClass: .token, request: JSONText(text: request), tokenScope: "eu-west-1")
        }

        static func wanted(_ key: String, _ run: RunID, _ request: String = "{}") -> EffectStatements.Wanted {
            EffectStatements.Wanted(intent: intent(key, request), run: run)
        }

        @Test("the intent of a run that is taken back and claimed again meanwhile is not committed")
        func intentAgainstReap() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let dead = try await scene.worker()
                let job = try await scene.add()
                let lost = try await scene.run(job, by: dead)
                let live = try await scene.worker()
                try await stage.reapAndClaim(job, from: dead, by: live)
                let entries = try await stage.whileHeld(stage.held) { held in
                    try await held.intend([Self.wanted("replace/1", lost)])
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(entries.map { $0 == nil } == [true])
                #expect(try await stage.subject.effectState("replace/1") == nil)
                let current = RunID(job: job, fence: 2, worker: live)
                #expect(try await stage.ledger.intend(Self.intent("replace/1"), of: current)?.isOfThisRun == true)
            }
        }

        @Test("a reaper passes by a run whose intent is being committed, and takes it at its next look")
        func reapAgainstIntent() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let worker = try await scene.worker()
                let job = try await scene.add()
                let run = try await scene.run(job, by: worker)
                try await stage.expire(worker)
                try await stage.other.begin()
                _ = try await stage.other.query(
                    EffectStatements.intend,
                    [
                        .textArray(["k"]), .uuidArray([job]), .intArray([run.fence]), .textArray(["step"]),
                        .textArray(["A"]),
                        .textArray([""]), .jsonArray([JSONText(text: "{}")]), .uuid(worker),
                    ])
                #expect(try await stage.held.reap(atMost: 10) == ReapReport(workersLost: 1))
                try await stage.other.commit()
                #expect(try await stage.held.reap(atMost: 10).requeued == 1)
                #expect(try await stage.subject.effectState("k") == .intended)
            }
        }

        @Test(
            "a late zombie overwrites no answer, waits for the one that is being stored, and removes no intent of another run"
        )
        func lateZombie() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let dead = try await scene.worker()
                let job = try await scene.add()
                let lost = try await scene.run(job, by: dead)
                #expect(
                    try await stage.ledger.intend(Self.intent("k", #"{"first":true}"#), of: lost)?.isOfThisRun == true)
                let live = try await scene.worker()
                try await stage.reapAndClaim(job, from: dead, by: live)
                try await stage.other.commit()
                let current = RunID(job: job, fence: 2, worker: live)
                let entry = try #require(
                    try await stage.ledger.intend(Self.intent("k", #"{"second":true}"#), of: current))
                #expect(entry.request.text.contains("first"), "the stored request is sent, never a new one")
                #expect(!entry.isOfThisRun)

                try await stage.other.begin()
                _ = try await stage.other.complete([
                    .init(key: "k", state: .done, response: JSONText(text: #"{"by":"new"}"#))
                ])
                _ = try await stage.whileHeld(stage.held) { held in
                    try await held.complete([
                        .init(key: "k", state: .refused, response: JSONText(text: #"{"by":"old"}"#))
                    ])
                } meanwhile: {
                    try await stage.other.commit()
                }
                let after = try #require(try await stage.ledger.intend(Self.intent("k"), of: current))
                #expect(after.state == .done)
                #expect(after.response?.text.contains("new") == true)

                #expect(try await stage.ledger.intend(Self.intent("k2"), of: current) != nil)
                try await stage.ledger.withdraw(effect: "k2", of: lost)
                #expect(try await stage.subject.effectState("k2") == .intended)
            }
        }

        @Test("the intents of two jobs in opposite key order wait for each other in one order")
        func oppositeOrder() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let (one, two) = (try await scene.worker(), try await scene.worker())
                let first = try await scene.run(try await scene.add(), by: one)
                let second = try await scene.run(try await scene.add(), by: two)
                // Whoever has "a" waits for an uncommitted "b"; the other waits for "a", and must not have "c".
                try await stage.other.begin()
                try await stage.other.execute(
                    "INSERT INTO effect (key, job_id, fence, step, class, token, request) VALUES ('b', $1, 1, 's', 'A', repeat('0', 64), '{}')",
                    [.uuid(JobID())])
                let pid = try await stage.processID(stage.slow)
                async let others = stage.slow.intend(["c", "b", "a"].map { Self.wanted($0, second) })
                let entries = try await stage.whileHeld(stage.held) { held in
                    try await held.intend(["a", "b", "c"].map { Self.wanted($0, first) })
                } meanwhile: {
                    try await eventually("the second batch waits for no lock") { try await stage.isWaiting(pid) }
                    await stage.other.rollback()
                }
                let authors = [entries, try await others].map { $0.map { $0?.isOfThisRun } }
                #expect(authors.contains([true, true, true]))
                #expect(authors.contains([false, false, false]))
            }
        }

        @Test("an intent that waits for the handler's own open transaction ends by itself, as unavailable")
        func ownTransaction() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let run = try await scene.run(try await scene.add(), by: try await scene.worker())
                try await stage.other.begin()
                try await stage.other.execute("SELECT FROM job WHERE id = $1 FOR UPDATE", [.uuid(run.job)])
                let error = try await queueError {
                    _ = try await stage.whileHeld(stage.held) { held in
                        try await held.intend([Self.wanted("k", run)])
                    } meanwhile: {
                    }
                }
                #expect(error.code == .unavailable)
                #expect(error.postgres?.sqlState == "55P03")
                try await stage.other.commit()
                #expect(try await stage.held.intend([Self.wanted("k", run)])[0]?.isOfThisRun == true)
            }
        }

        @Test(
            "the same key of two jobs: the second finds the first's entry when that commits, and is first when it rolls back",
            arguments: [true, false])
        func sameKey(_ firstCommits: Bool) async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let worker = try await scene.worker()
                let first = try await scene.run(try await scene.add(), by: worker)
                let second = try await scene.run(try await scene.add(), by: worker)
                try await stage.other.begin()
                _ = try await stage.other.query(
                    EffectStatements.intend,
                    [
                        .textArray(["k"]), .uuidArray([first.job]), .intArray([1]), .textArray(["step"]),
                        .textArray(["A"]),
                        .textArray([""]), .jsonArray([JSONText(text: #"{"by":"first"}"#)]), .uuid(worker),
                    ])
                let entries = try await stage.whileHeld(stage.held) { held in
                    try await held.intend([Self.wanted("k", second, #"{"by":"second"}"#)])
                } meanwhile: {
                    if firstCommits { try await stage.other.commit() } else { await stage.other.rollback() }
                }
                let entry = try #require(entries[0])
                #expect(entry.isOfThisRun == !firstCommits)
                #expect(entry.request.text.contains(firstCommits ? "first" : "second"))
            }
        }
    }
}
