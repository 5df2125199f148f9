import Foundation
import JobQueue
import Testing

@Suite("Ledger contract: control", .serialized)
struct ControlContractTests {
    @Test("a pause ends by itself after its time; a second one replaces the first", arguments: LedgerKind.allCases)
    func pauseEnds(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let id = try await scene.add()
            let worker = try await scene.worker(lease: .seconds(1000))
            try await scene.subject.pause("kind", "plain", for: .seconds(30))
            #expect(try await scene.claim([id], by: worker).isEmpty)
            try await scene.subject.pause("kind", "plain", for: .seconds(100))
            try await scene.subject.age(by: 50)
            #expect(try await scene.claim([id], by: worker).isEmpty)
            try await scene.subject.age(by: 60)
            #expect(try await scene.claim([id], by: worker).count == 1)
            #expect(try await scene.ledger.sweep().removed["pause"] == 1)
            #expect(try await scene.subject.resume("kind", "plain") == false)
        }
    }

    @Test(
        "a paused schedule leaves the timetable and fires nothing until it is resumed", arguments: LedgerKind.allCases)
    func pausedSchedule(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let spec = JobSpec(kind: "tick", schedule: Schedule(.every(seconds: 60)))
            _ = try await scene.ledger.publish([spec])
            let before = try await scene.ledger.timetable()
            let row = try #require(before.rows.first)
            let now = try await scene.ledger.worldTime()
            let (slots, next) = row.schedule.due(nextSlot: row.nextSlot, now: now, target: row.target)
            let tick = Tick(
                row: row, slots: slots, next: try #require(next),
                jobs: try slots.map { NewJob(request: try row.request(for: $0, spec: spec), spec: spec) })
            try await scene.subject.pause("schedule", "tick")
            #expect(try await scene.ledger.timetableVersion() > before.version)
            #expect(try await scene.ledger.timetable().rows.isEmpty)
            #expect(try await scene.ledger.fire([tick]) == [TickResult(isWon: false, enqueued: [])])
            #expect(try await scene.subject.resume("schedule", "tick"))
            #expect(try await scene.ledger.timetable().rows.map(\.id) == ["tick"])
            #expect(try await scene.ledger.fire([tick])[0].enqueued.count == 1)
        }
    }

    @Test("a schedule's pause that ends by itself changes the timetable's version", arguments: LedgerKind.allCases)
    func pausedScheduleEnds(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            _ = try await scene.ledger.publish([JobSpec(kind: "tick", schedule: Schedule(.every(seconds: 60)))])
            try await scene.subject.pause("schedule", "tick", for: .seconds(30))
            let paused = try await scene.ledger.timetable()
            #expect(paused.rows.isEmpty)
            try await scene.subject.age(by: 31)
            #expect(try await scene.ledger.timetableVersion() != paused.version)
            #expect(try await scene.ledger.timetable().rows.map(\.id) == ["tick"])
        }
    }

    @Test(
        "a snooze moves what is queued and its 'start before' with it; zero means now", arguments: LedgerKind.allCases)
    func snooze(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker(lease: .seconds(1000))
            let (id, running) = (try await scene.add(startBefore: .seconds(20)), try await scene.add())
            _ = try await scene.run(running, by: worker)
            #expect(try await scene.control.snooze([id, running, JobID()], for: .seconds(60)) == [id])
            #expect(try await scene.claim([id], by: worker).isEmpty)
            #expect(abs((try await scene.facts(id).waits ?? 0) - 60) < 5)
            try await scene.subject.age(by: 61)
            #expect(try await scene.claim([id], by: worker).map(\.isLate) == [false])
            let later = try await scene.add(delay: .seconds(500))
            #expect(try await scene.control.snooze([later], for: .zero) == [later])
            #expect(try await scene.claim([later], by: worker).count == 1)
        }
    }

    @Test("many are cancelled in one transaction, each as it stands", arguments: LedgerKind.allCases)
    func cancelMany(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let (queued, running, ended) = (
                try await scene.add(), try await scene.add(), try await scene.add()
            )
            let run = try await scene.run(running, by: worker)
            #expect(try await scene.settle(try await scene.run(ended, by: worker), .finished))
            let stranger = JobID()
            #expect(
                try await scene.control.cancel([queued, running, ended, stranger], by: "anna")
                    == [queued: .cancelled, running: .asked, ended: .ended, stranger: .unknown])
            #expect(try await scene.facts(queued).reason == "cancelled by anna")
            #expect(try await scene.settle(run, .failed()))
            #expect(try await scene.facts(running).place == "cancelled")
        }
    }

    @Test("a replay is a new job in the queue that was asked for", arguments: LedgerKind.allCases)
    func replay(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let worker = try await scene.worker()
            let dead = try await scene.add()
            #expect(try await scene.settle(try await scene.run(dead, by: worker), .died))
            let again = NewJob(
                request: JobRequest(
                    "plain", key: IdempotencyKey("replay/\(dead)", release: .atEnd), queue: "debug", replayOf: dead),
                spec: LedgerScene.plain)
            #expect(try await scene.ledger.enqueue([again]) == [.enqueued(again.id)])
            #expect(try await scene.ledger.readyLists() == [ReadyList(queue: "debug", lane: .work)])
            #expect(try await scene.subject.replayedBy(dead) == again.id)
            #expect(throws: QueueError.self) {
                try NewJob(request: JobRequest("plain", queue: "No Queue"), spec: LedgerScene.plain).resolved()
            }
        }
    }

    @Test("of a job that logs for ever the newest lines are kept", arguments: LedgerKind.allCases)
    func boundedLog(_ kind: LedgerKind) async throws {
        try await scene(kind) { scene in
            let run = try await scene.run(try await scene.add(), by: try await scene.worker())
            for round in 0..<6 {
                try await scene.ledger.append(log: (0..<200).map { "\(round * 200 + $0)" }, to: run)
            }
            let lines = try await scene.subject.logLines(run.job)
            #expect(lines.count == JobLog.linesMax)
            #expect(lines.first == "200")
            #expect(lines.last == "1199")
        }
    }
}

@Suite("Schedules by hand")
struct ScheduleRequestTests {
    @Test("a kind that declares a slot is told it; others are not")
    func slotParameter() throws {
        let slot = Date(timeIntervalSince1970: 1_800_000_000)
        func row(_ overlap: Schedule.Overlap) throws -> ScheduleRow {
            let schedule = Schedule(.every(seconds: 60), overlap: overlap)
            return ScheduleRow(
                id: "tick/c1", kind: "tick", target: "c1", parameters: JSONText(text: #"{"n":1}"#), schedule: schedule,
                storedSpec: try JSONText(encoding: schedule), lastSlot: slot, nextSlot: slot)
        }
        let told = JobSpec(kind: "tick", parameters: ["n": .init(type: .integer), "slot": .init(type: .string)])
        let request = try row(.skip).request(for: slot, spec: told)
        #expect(request.parameters.text == #"{"n":1,"slot":"2027-01-15T08:00:00.000Z"}"#)
        #expect(request.key == IdempotencyKey("o:tick/c1", release: .atEnd))
        let plain = try row(.queue).request(for: slot, spec: JobSpec(kind: "tick"))
        #expect(plain.parameters.text == #"{"n":1}"#)
        #expect(plain.key == IdempotencyKey("s:tick/c1:2027-01-15T08:00:00.000Z", release: .atEnd))
    }
}
