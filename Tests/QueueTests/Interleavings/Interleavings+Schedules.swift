import Foundation
import JobQueue
import TestSupport
import Testing

@testable import Postgres

extension Interleavings {
    @Suite("schedules")
    struct Schedules {
        /// The timetable's only row, due, and the tick a leader makes of it.
        private func dueTick(_ stage: Interleaving, _ overlap: Schedule.Overlap) async throws -> Tick {
            let spec = ScheduleContractTests.tick(overlap)
            _ = try await stage.ledger.publish([spec])
            try await stage.subject.shiftWorld(by: 300)
            let row = try #require(try await stage.ledger.timetable().rows.first)
            return try ScheduleContractTests.due(row, spec, now: try await stage.ledger.worldTime())
        }

        private func jobs(_ stage: Interleaving) async throws -> Set<JobID> {
            Set(try await stage.subject.connection.query("SELECT id FROM job").map { try $0.uuid(0) })
        }

        @Test(
            "I9: of two leaders one fires a slot; the other waits, and wins it only when the first rolls back",
            arguments: [true, false])
        func twoLeaders(_ firstCommits: Bool) async throws {
            try await Interleaving.run { stage in
                let tick = try await dueTick(stage, .queue)
                try await stage.other.begin()
                try await stage.other.execute(
                    "UPDATE schedule SET last_slot = $1, next_slot = $2",
                    [.date(try #require(tick.slots.last)), .date(tick.next)])
                let results = try await stage.whileHeld(stage.held) {
                    try await $0.fire([tick])
                } meanwhile: {
                    if firstCommits { try await stage.other.commit() } else { await stage.other.rollback() }
                }
                #expect(results.map(\.isWon) == [!firstCommits])
                #expect(try await jobs(stage) == (firstCommits ? [] : Set(tick.jobs.map(\.id))))
                #expect(try await stage.ledger.fire([tick]).map(\.isWon) == [false])
            }
        }

        @Test("I9: two leaders that reach for a slot at the same moment enqueue it once")
        func sameMoment() async throws {
            try await Interleaving.run { stage in
                let tick = try await dueTick(stage, .queue)
                var second = tick
                second.jobs = tick.jobs.map { NewJob(request: $0.request, spec: ScheduleContractTests.tick(.queue)) }
                let rival = second
                try await stage.other.begin()
                try await stage.other.execute("SELECT FROM schedule FOR UPDATE")
                let pid = try await stage.processID(stage.slow)
                async let others = stage.slow.fire([rival])
                let results = try await stage.whileHeld(stage.held) {
                    try await $0.fire([tick])
                } meanwhile: {
                    try await eventually("the second leader waits for no lock") { try await stage.isWaiting(pid) }
                    try await stage.other.commit()
                }
                let all = results + (try await others)
                #expect(all.count(where: \.isWon) == 1)
                #expect(try await jobs(stage) == Set(all.flatMap(\.enqueued)))
                #expect(all.flatMap(\.enqueued).count == tick.slots.count)
            }
        }

        @Test(
            "a slot whose row was disabled, edited or removed between the leader's look and its lock is not fired",
            arguments: [
                "UPDATE schedule SET enabled = false", "UPDATE schedule SET spec = spec || '{\"every\": 5}'",
                "DELETE FROM schedule",
                "UPDATE schedule SET next_slot = next_slot + interval '1 s'",
            ])
        func changed(_ change: String) async throws {
            try await Interleaving.run { stage in
                let tick = try await dueTick(stage, .queue)
                try await stage.other.begin()
                try await stage.other.execute(change)
                let results = try await stage.whileHeld(stage.held) {
                    try await $0.fire([tick])
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(results == [TickResult(isWon: false, enqueued: [])])
                #expect(try await jobs(stage) == [])
            }
        }

        @Test(
            "overlap skip: a tick waits for the previous run that is ending, runs after it, and is skipped when that did not end",
            arguments: [true, false])
        func previousRunEnds(_ finishCommits: Bool) async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let tick = try await dueTick(stage, .skip)
                #expect(try await stage.ledger.fire([tick]).map(\.isWon) == [true])
                let first = try #require(tick.jobs.last?.id)
                let run = try await scene.run(first, by: try await scene.worker())
                let next = try await dueTick(stage, .skip)
                try await stage.other.begin()
                #expect(
                    try await stage.other.settle([Settlement(run: run, verdict: .finished)], RecordWriters()) == [true])
                let results = try await stage.whileHeld(stage.held) {
                    try await $0.fire([next])
                } meanwhile: {
                    if finishCommits { try await stage.other.commit() } else { await stage.other.rollback() }
                }
                #expect(results.map(\.isWon) == [true])
                #expect(results[0].enqueued.count == (finishCommits ? 1 : 0))
                #expect(try await jobs(stage) == (finishCommits ? Set(results[0].enqueued) : [first]))
            }
        }

        @Test(
            "overlap cancel-old: a tick that waits for the old run's settlement starts the new run, and the old one ends once",
            arguments: Cancels.settledFirst)
        func cancelOld(_ each: Cancels.Case) async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let tick = try await dueTick(stage, .cancelOld)
                #expect(try await stage.ledger.fire([tick]).map(\.isWon) == [true])
                let old = try #require(tick.jobs.last?.id)
                let run = try await scene.run(old, by: try await scene.worker())
                let next = try await dueTick(stage, .cancelOld)
                try await stage.other.begin()
                #expect(
                    try await stage.other.settle([Settlement(run: run, verdict: each.verdict)], RecordWriters()) == [
                        true
                    ])
                let results = try await stage.whileHeld(stage.held) {
                    try await $0.fire([next])
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(results.map(\.isWon) == [true])
                #expect(try await jobs(stage) == Set(results[0].enqueued))
                #expect(results[0].enqueued.count == next.slots.count)
                #expect(try await scene.facts(old).place == each.place)
            }
        }

        @Test("the lead: a rival that waits for a renewal gets nothing, and a term that ended is not resigned again")
        func lead() async throws {
            try await Interleaving.run { stage in
                let (one, two) = (WorkerID(), WorkerID())
                let ledger = stage.ledger
                #expect(try await ledger.lead("scheduler", holder: one, lease: .seconds(8)) == 1)
                try await stage.subject.age(by: 9)
                try await stage.other.begin()
                _ = try await stage.other.query(ReapStatements.lead, [.text("scheduler"), .uuid(one), .double(8)])
                let term = try await stage.whileHeld(stage.held) { held in
                    try await held.query(ReapStatements.lead, [.text("scheduler"), .uuid(two), .double(8)]).first?.int(
                        0)
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(term == nil)
                try await ledger.resign("scheduler", holder: one, term: 1)
                #expect(try await ledger.lead("scheduler", holder: two, lease: .seconds(8)) == nil)
                try await ledger.resign("scheduler", holder: one, term: 2)
                #expect(try await ledger.lead("scheduler", holder: two, lease: .seconds(8)) == 3)
            }
        }
    }
}
