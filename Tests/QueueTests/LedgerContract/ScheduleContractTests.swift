import Foundation
import Testing

@testable import JobQueue

@Suite("Ledger contract: kinds, schedules and time", .serialized)
struct ScheduleContractTests {
    static func tick(
        _ overlap: Schedule.Overlap = .skip, every seconds: Int = 60, version: Int = 1, fanOut: JobSpec.FanOut = .none
    ) -> JobSpec {
        JobSpec(
            kind: "tick", version: version, schedule: Schedule(.every(seconds: seconds), overlap: overlap),
            fanOut: fanOut)
    }

    /// What a scheduler fires for a row: one slot, the newest, with the key its overlap policy asks for.
    static func due(_ row: ScheduleRow, _ spec: JobSpec, now: Date) throws -> Tick {
        let (slots, next) = row.schedule.due(nextSlot: row.nextSlot, now: now, target: row.target)
        let jobs = slots.map { slot in
            let key =
                row.schedule.overlap == .skip
                ? IdempotencyKey("o:\(row.id)", release: .atEnd)
                : IdempotencyKey("s:\(row.id):\(Int(slot.timeIntervalSince1970))", release: .atEnd)
            return NewJob(
                request: JobRequest(row.kind, parameters: row.parameters, target: row.target, key: key), spec: spec)
        }
        return Tick(row: row, slots: slots, next: try #require(next), jobs: jobs)
    }

    private func row(_ scene: LedgerScene, _ id: String = "tick") async throws -> ScheduleRow {
        try #require(try await scene.ledger.timetable().rows.first { $0.id == id })
    }

    @Test("the higher version of a kind wins, and the older binary is told", arguments: LedgerKind.allCases)
    func publish(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            var spec = LedgerScene.plain
            spec.version = 3
            #expect(try await scene.ledger.publish([spec, LedgerScene.urgent]) == [])
            var older = spec
            older.version = 2
            older.timeoutSeconds = 1
            #expect(try await scene.ledger.publish([older]) == ["plain"])
            let kinds = try await scene.ledger.kinds()
            #expect(kinds.map(\.kind) == ["plain", "urgent"])
            #expect(kinds[0] == spec)
            var newer = spec
            newer.version = 4
            newer.summary = "new"
            #expect(try await scene.ledger.publish([newer]) == [])
            #expect(try await scene.ledger.kinds()[0] == newer)
        }
    }

    @Test(
        "a schedule has one row per target of its fan-out, which comes and goes with it", arguments: LedgerKind.allCases
    )
    func fanOut(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            try await scene.subject.setTarget("c1", tenant: "acme")
            #expect(try await scene.ledger.publish([Self.tick(fanOut: .cluster)]) == [])
            let before = try await scene.ledger.timetable()
            #expect(before.rows.map(\.id) == ["tick/c1"])
            #expect(before.rows.map(\.target) == ["c1"])
            try await scene.subject.setTarget("c2", tenant: "acme")
            let after = try await scene.ledger.timetable()
            #expect(after.rows.map(\.id) == ["tick/c1", "tick/c2"])
            #expect(after.version > before.version)
            #expect(try await scene.ledger.timetableVersion() == after.version)
            try await scene.subject.removeTarget("c1")
            #expect(try await scene.ledger.timetable().rows.map(\.id) == ["tick/c2"])
        }
    }

    @Test(
        "a new schedule begins at once; bulk work that comes seldom begins one to ten minutes later, spread by its id",
        arguments: LedgerKind.allCases)
    func firstSlots(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            var bulk = Self.tick(every: 3600, fanOut: .cluster)
            bulk.lane = .data
            var sample = Self.tick(every: 60)
            (sample.kind, sample.lane) = ("sample", .data)
            var look = Self.tick(every: 3600)
            look.kind = "look"
            for number in 0..<20 { try await scene.subject.setTarget("c\(number)", tenant: "acme") }
            _ = try await scene.ledger.publish([bulk, sample, look])
            let now = try await scene.ledger.worldTime()
            let rows = try await scene.ledger.timetable().rows
            #expect(rows.count == 22)
            for row in rows {
                let delay = row.nextSlot.timeIntervalSince(now)
                let wanted = row.kind == "tick" ? row.schedule.firstDelay(of: row.id, lane: .data) : 0
                #expect(abs(delay - wanted) < 30, "\(row.id): \(delay) s, wanted \(wanted)")
            }
            let delays = Set(rows.filter { $0.kind == "tick" }.map { $0.nextSlot.timeIntervalSince(now).rounded() })
            #expect(delays.count > 10 && delays.allSatisfy { (30...600).contains($0) })
        }
    }

    @Test(
        "I9: of two leaders that fire the same slot one wins, and one job is enqueued", arguments: LedgerKind.allCases)
    func twoLeaders(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let spec = Self.tick(.queue)
            _ = try await scene.ledger.publish([spec])
            let row = try await row(scene)
            let now = try await scene.ledger.worldTime()
            let results = try await withThrowingTaskGroup(of: TickResult.self) { group in
                for _ in 0..<4 {
                    group.addTask { try await scene.ledger.fire([try Self.due(row, spec, now: now)])[0] }
                }
                return try await group.reduce(into: [TickResult]()) { $0.append($1) }
            }
            #expect(results.filter(\.isWon).count == 1)
            #expect(results.flatMap(\.enqueued).count == 1)
            let after = try await self.row(scene)
            #expect(after.nextSlot > row.nextSlot)
            #expect(after.lastSlot >= row.nextSlot)
        }
    }

    @Test(
        "a slot that was disabled, edited or removed in between is not fired", arguments: LedgerKind.allCases,
        ["disabled", "edited", "removed"])
    func changed(_ kind: LedgerKind, _ change: String) async throws {
        try await scene(kind) { scene in
            let spec = Self.tick(fanOut: .cluster)
            try await scene.subject.setTarget("c1", tenant: "acme")
            _ = try await scene.ledger.publish([spec])
            let tick = try Self.due(try await row(scene, "tick/c1"), spec, now: try await scene.ledger.worldTime())
            switch change {
            case "disabled": try await scene.subject.setSchedule("tick/c1", isEnabled: false)
            case "edited": _ = try await scene.ledger.publish([Self.tick(every: 90, version: 2, fanOut: .cluster)])
            default: try await scene.subject.removeTarget("c1")
            }
            #expect(try await scene.ledger.fire([tick]) == [TickResult(isWon: false, enqueued: [])])
            #expect(try await scene.subject.keyHolder("o:tick/c1") == nil)
        }
    }

    @Test(
        "a slot that one leader passed over is not fired by another that read it before", arguments: LedgerKind.allCases
    )
    func passedOver(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let spec = Self.tick(.queue)
            _ = try await scene.ledger.publish([spec])
            let row = try await row(scene)
            let now = try await scene.ledger.worldTime()
            let late = try Self.due(row, spec, now: now)
            let skipped = Tick(row: row, slots: [], next: late.next, jobs: [])
            #expect(try await scene.ledger.fire([skipped]) == [TickResult(isWon: true, enqueued: [])])
            #expect(try await self.row(scene).lastSlot == row.lastSlot, "nothing was fired")
            #expect(try await scene.ledger.fire([late]) == [TickResult(isWon: false, enqueued: [])])
            #expect(try await scene.ledger.fire([skipped]) == [TickResult(isWon: false, enqueued: [])])
        }
    }

    @Test(
        "overlap: skip enqueues nothing, queue enqueues, cancel-old replaces", arguments: LedgerKind.allCases,
        Schedule.Overlap.allCases)
    func overlap(_ kind: LedgerKind, _ overlap: Schedule.Overlap) async throws {
        try await scene(kind) { scene in
            let spec = Self.tick(overlap)
            _ = try await scene.ledger.publish([spec])
            func fire() async throws -> TickResult {
                let tick = try Self.due(try await row(scene), spec, now: try await scene.ledger.worldTime())
                return try await scene.ledger.fire([tick])[0]
            }
            let first = try #require(try await fire().enqueued.first)
            try await scene.subject.age(by: 61)
            let second = try await fire()
            #expect(second.isWon, "the slot is used up either way")
            #expect(second.enqueued.count == (overlap == .skip ? 0 : 1))
            #expect(try await scene.facts(first).place == (overlap == .cancelOld ? "cancelled" : "queued"))
            if overlap == .skip {
                let run = try await scene.run(first, by: try await scene.worker())
                #expect(try await scene.settle(run, .finished))
                try await scene.subject.age(by: 61)
                #expect(try await fire().enqueued.count == 1, "the next slot runs once the last job has ended")
            }
        }
    }

    @Test("world time is machine time and a shift; leases do not see the shift", arguments: LedgerKind.allCases)
    func worldTime(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let waiting = try await scene.add(delay: .seconds(60))
            let before = try await scene.ledger.worldTime()
            try await scene.subject.shiftWorld(by: 3600)
            let shift = try await scene.ledger.worldTime().timeIntervalSince(before)
            #expect(shift >= 3600 && shift < 3660)
            #expect(try await scene.ledger.renew(worker, lease: .seconds(12)) != nil)
            #expect(try await scene.claim([waiting], by: worker).isEmpty)
        }
    }
}
