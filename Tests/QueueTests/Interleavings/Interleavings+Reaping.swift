import JobQueue
import Testing

@testable import Postgres

extension Interleavings {
    @Suite("the reaper")
    struct Reaping {
        /// What becomes of a job between the reaper's snapshot and its lock.
        enum Change: String, CaseIterable, CustomTestStringConvertible {
            case reapedAndClaimed, failedAndClaimed, interruptedAndClaimed, finished, cancelled
            var testDescription: String { rawValue }
        }

        @Test("a reaper with an old snapshot takes nothing from a live worker", arguments: Change.allCases)
        func oldSnapshot(_ change: Change) async throws {
            try await Interleaving.run { stage in
                let (scene, ledger) = (stage.scene, stage.ledger)
                let dead = try await scene.worker()
                let job = try await scene.add(LedgerScene.limited, target: "t")
                let lost = try await scene.run(job, by: dead)
                try await stage.expire(dead)
                let live = try await scene.worker()
                // A job of a live worker: testing its deadline is what holds the reaper.
                _ = try await scene.run(try await scene.add(), by: live)
                try await stage.slow.execute(
                    "UPDATE worker SET state = 2 WHERE expires_at < pg_catalog.now() - interval '3 s'")
                try await stage.slow.begin()
                let ids = try await stage.whileSlow { slow in
                    try await slow.query(ReapStatements.lock, [.uuidArray([dead]), .int(100)]).map { try $0.uuid(0) }
                } meanwhile: {
                    switch change {
                    case .reapedAndClaimed: #expect(try await ledger.reap(atMost: 100).requeued == 1)
                    case .failedAndClaimed: #expect(try await scene.settle(lost, .failed()))
                    case .interruptedAndClaimed: #expect(try await scene.settle(lost, .interrupt))
                    case .finished: #expect(try await scene.settle(lost, .finished))
                    case .cancelled: #expect(try await ledger.cancel(job, by: "test") == .asked)
                    }
                    guard change != .finished, change != .cancelled else { return }
                    try await stage.makeDue(job)
                    #expect(try await scene.run(job, by: live).fence == 2)
                }
                #expect(ids == (change == .cancelled ? [job] : []))
                // The second statement tests again, whatever it is given.
                let acted = try await stage.slow.query(ReapStatements.act, [.uuidArray([dead]), .uuidArray([job])])
                try await stage.slow.commit()
                let facts = try await scene.facts(job)
                switch change {
                case .finished:
                    #expect(acted.isEmpty)
                    #expect(facts.place == "done")
                case .cancelled:
                    #expect(acted.map { $0.text(0) } == ["cancelled"])
                    #expect(facts.place == "cancelled")
                    #expect(try await stage.subject.slots("limit/t") == [])
                case .reapedAndClaimed, .failedAndClaimed, .interruptedAndClaimed:
                    #expect(acted.isEmpty)
                    #expect(facts.place == "running")
                    #expect(facts.fence == 2)
                    #expect(try await stage.subject.slots("limit/t") == [Held(job: job, fence: 2)])
                    #expect(facts.crashes == (change == .reapedAndClaimed ? 1 : 0))
                }
            }
        }

        @Test("of two reapers at once one takes back a run, and counts one crash")
        func twoReapers() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let dead = try await scene.worker()
                let job = try await scene.add()
                _ = try await scene.run(job, by: dead)
                try await stage.expire(dead)
                try await stage.other.begin()
                let locked = try await stage.other.query(ReapStatements.lock, [.uuidArray([dead]), .int(10)])
                #expect(locked.count == 1)
                _ = try await stage.other.query(ReapStatements.act, [.uuidArray([dead]), .uuidArray([job])])
                let report = try await stage.held.reap(atMost: 10)
                #expect(report == ReapReport(workersLost: 1))
                try await stage.other.commit()
                #expect(try await stage.held.reap(atMost: 10) == ReapReport())
                let facts = try await scene.facts(job)
                #expect(facts.place == "queued")
                #expect(facts.crashes == 1)
                #expect(facts.attempt == 0)
            }
        }

        @Test(
            "I4: what the old worker sends while its run is taken back changes nothing",
            arguments: Settlement.Verdict.all)
        func lateSettlement(_ name: String, _ verdict: Settlement.Verdict) async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let dead = try await scene.worker()
                let job = try await scene.add(LedgerScene.limited, target: "t")
                let lost = try await scene.run(job, by: dead)
                let live = try await scene.worker()
                try await stage.reapAndClaim(job, from: dead, by: live)
                let answers = try await stage.whileHeld(stage.held) { held in
                    try await held.settle([Settlement(run: lost, verdict: verdict)], RecordWriters())
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(answers == [false])
                let facts = try await scene.facts(job)
                #expect(facts.place == "running")
                #expect(facts.fence == 2)
                #expect(facts.attempt == 1)
                #expect(try await stage.subject.slots("limit/t") == [Held(job: job, fence: 2)])
            }
        }

        @Test(
            "I4: a settlement that waits for a reaper which rolls back is the worker's own",
            arguments: Settlement.Verdict.all)
        func reaperRollsBack(_ name: String, _ verdict: Settlement.Verdict) async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let worker = try await scene.worker()
                let job = try await scene.add(LedgerScene.limited, target: "t")
                let run = try await scene.run(job, by: worker)
                try await stage.reapAndClaim(job, from: worker, by: try await scene.worker())
                let answers = try await stage.whileHeld(stage.held) { held in
                    try await held.settle([Settlement(run: run, verdict: verdict)], RecordWriters())
                } meanwhile: {
                    await stage.other.rollback()
                }
                #expect(answers == [true])
                #expect(try await scene.facts(job).place != "running")
            }
        }

        @Test("a checkpoint of a run that is taken back is refused, and its records are not kept")
        func lateCheckpoint() async throws {
            try await Interleaving.run { stage in
                let scene = stage.scene
                let dead = try await scene.worker()
                let job = try await scene.add()
                let lost = try await scene.run(job, by: dead)
                let live = try await scene.worker()
                let writers = RecordWriters([
                    "note":
                        "INSERT INTO kept (key, value, tenant, job) SELECT k, v, $3::text, $4::uuid FROM unnest($1::text[], $2::jsonb[]) AS t(k, v)"
                ])
                try await stage.reapAndClaim(job, from: dead, by: live)
                let saved = try await stage.whileHeld(stage.held) { held in
                    try await held.save(
                        JSONText(text: "{}"), nil, [Record(kind: "note", key: "late", value: JSONText(text: "1"))],
                        lost,
                        writers)
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(!saved)
                #expect(try await !stage.subject.hasRecord("late"))
                let current = RunID(job: job, fence: 2, worker: live)
                #expect(try await stage.held.save(JSONText(text: "{}"), nil, [], current, writers))
            }
        }

        @Test("a worker that is buried while it renews is told that its lease has ended")
        func renewAgainstBurial() async throws {
            try await Interleaving.run { stage in
                let worker = try await stage.scene.worker()
                try await stage.other.begin()
                try await stage.other.execute("UPDATE worker SET state = 2 WHERE id = $1", [.uuid(worker)])
                let renewal = try await stage.whileHeld(stage.held) { held in
                    try await held.renew(worker, lease: .seconds(12))
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(renewal == nil)
            }
        }

        @Test(
            "after a gap of the database that outlasts the lease, extended leases are nobody's crash; later silence is")
        func gap() async throws {
            try await Interleaving.run { stage in
                let (scene, ledger) = (stage.scene, stage.ledger)
                let (alive, silent) = (try await scene.worker(), try await scene.worker())
                let jobs = [try await scene.add(), try await scene.add()]
                _ = try await scene.run(jobs[0], by: alive)
                _ = try await scene.run(jobs[1], by: silent)
                try await stage.subject.age(by: 20)
                // A renewal that was under way when the gap began still holds its row while the leases are extended.
                try await stage.other.begin()
                try await stage.other.execute("SELECT FROM worker WHERE id = $1 FOR UPDATE", [.uuid(alive)])
                try await stage.whileHeld(stage.held) { held in
                    try await held.execute(ReapStatements.extendLeases, [.double(12)])
                    return
                } meanwhile: {
                    try await stage.other.commit()
                }
                #expect(try await ledger.reap(atMost: 10) == ReapReport())
                #expect(try await ledger.renew(alive, lease: .seconds(60))?.runs.map(\.job) == [jobs[0]])
                try await stage.subject.age(by: 16)
                #expect(try await ledger.reap(atMost: 10) == ReapReport(workersLost: 1, requeued: 1))
                #expect(try await scene.facts(jobs[0]).place == "running")
                #expect(try await scene.facts(jobs[1]).crashes == 1)
            }
        }
    }
}
