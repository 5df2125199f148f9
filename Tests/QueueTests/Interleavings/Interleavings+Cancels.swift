import JobQueue
import Testing

@testable import Postgres

extension Interleavings {
    @Suite("cancels")
    struct Cancels {
        /// A verdict, what a cancel that waits for it answers, and where the job is then.
        struct Case: Sendable, CustomTestStringConvertible {
            var name: String
            var verdict: Settlement.Verdict
            var answer: CancelResult
            var place: String
            var testDescription: String { name }
        }

        static let settledFirst: [Case] = [
            Case(name: "done", verdict: .finished, answer: .ended, place: "done"),
            Case(name: "snooze", verdict: .later(), answer: .cancelled, place: "cancelled"),
            Case(name: "retry", verdict: .failed(), answer: .cancelled, place: "cancelled"),
            Case(name: "exhausted", verdict: .died, answer: .ended, place: "dead"),
            Case(name: "interrupt", verdict: .interrupt, answer: .cancelled, place: "cancelled"),
            Case(name: "cancelled", verdict: .cancelled(reason: "late"), answer: .ended, place: "cancelled"),
        ]

        @Test("a cancel that waits for a settlement finds the job where that put it", arguments: settledFirst)
        func afterSettlement(_ each: Case) async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let run = try await scene.run(
                    try await scene.add(LedgerScene.limited, target: "t"), by: try await scene.worker())
                try await stage.other.begin()
                #expect(
                    try await stage.other.settle([Settlement(run: run, verdict: each.verdict)], RecordWriters()) == [
                        true
                    ])
                let answer = try await stage.whileHeld(stage.held) {
                    try await $0.cancel(run.job, by: "test")
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(answer == each.answer)
                #expect(try await scene.facts(run.job).place == each.place)
                #expect(try await stage.subject.slots("limit/t") == [])
            }
        }

        @Test("a cancel that waits for a settlement which rolls back asks the worker", arguments: settledFirst)
        func settlementRollsBack(_ each: Case) async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let worker = try await scene.worker()
                let run = try await scene.run(try await scene.add(), by: worker)
                try await stage.other.begin()
                #expect(
                    try await stage.other.settle([Settlement(run: run, verdict: each.verdict)], RecordWriters()) == [
                        true
                    ])
                let answer = try await stage.whileHeld(stage.held) {
                    try await $0.cancel(run.job, by: "test")
                } meanwhile: {
                    await stage.other.rollback()
                }
                #expect(answer == .asked)
                #expect(try await stage.ledger.renew(worker, lease: .seconds(12))?.runs.map(\.isCancelAsked) == [true])
            }
        }

        static let cancelledFirst: [(String, Settlement.Verdict, String)] = [
            ("done", .finished, "done"), ("snooze", .later(), "cancelled"), ("retry", .failed(), "cancelled"),
            ("exhausted", .died, "dead"), ("interrupt", .interrupt, "cancelled"),
            ("cancelled", .cancelled(reason: "late"), "cancelled"),
        ]

        @Test(
            "a settlement that waits for a cancel obeys it, unless the job has ended anyway", arguments: cancelledFirst)
        func afterCancel(_ name: String, _ verdict: Settlement.Verdict, _ place: String) async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let run = try await scene.run(
                    try await scene.add(LedgerScene.limited, target: "t"), by: try await scene.worker())
                try await stage.other.begin()
                #expect(try await stage.other.cancel(run.job, by: "test") == .asked)
                let answers = try await stage.whileHeld(stage.held) { held in
                    try await held.settle([Settlement(run: run, verdict: verdict)], RecordWriters())
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(answers == [true])
                #expect(try await scene.facts(run.job).place == place)
                #expect(try await stage.subject.slots("limit/t") == [])
            }
        }

        @Test(
            "a cancel that waits for a claim asks its worker; the claim that rolls back leaves it to the cancel",
            arguments: [true, false])
        func againstClaim(_ claimCommits: Bool) async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let worker = try await scene.worker()
                let job = try await scene.add()
                try await stage.other.begin()
                #expect(try await stage.other.claim([job], worker, LedgerScene.kinds, false).map(\.id) == [job])
                let answer = try await stage.whileHeld(stage.held) {
                    try await $0.cancel(job, by: "test")
                } meanwhile: {
                    if claimCommits { try await stage.other.commit() } else { await stage.other.rollback() }
                }
                #expect(answer == (claimCommits ? .asked : .cancelled))
                #expect(try await scene.facts(job).place == (claimCommits ? "running" : "cancelled"))
            }
        }

        @Test("a cancel that waits for a reaper finds the job queued again, and ends it")
        func againstReaper() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let dead = try await scene.worker()
                let job = try await scene.add()
                _ = try await scene.run(job, by: dead)
                try await stage.other.begin()
                _ = try await stage.other.query(ReapStatements.lock, [.uuidArray([dead]), .int(10)])
                _ = try await stage.other.query(ReapStatements.act, [.uuidArray([dead]), .uuidArray([job])])
                let answer = try await stage.whileHeld(stage.held) {
                    try await $0.cancel(job, by: "test")
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(answer == .cancelled)
                #expect(try await scene.facts(job).place == "cancelled")
            }
        }

        @Test("two cancels of one job: the second finds it ended")
        func twice() async throws {
            try await Interleaving.run { stage in
                let job = try await stage.scene.add()
                try await stage.other.begin()
                #expect(try await stage.other.cancel(job, by: "one") == .cancelled)
                let answer = try await stage.whileHeld(stage.held) {
                    try await $0.cancel(job, by: "two")
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(answer == .ended)
            }
        }
    }
}
