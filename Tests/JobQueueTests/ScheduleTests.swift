import Foundation
import JobQueue
import Testing

@Suite("Schedules")
struct ScheduleTests {
    static func at(_ seconds: Double) -> Date { Date(timeIntervalSince1970: 1_767_225_600 + seconds) }

    @Test("interval slots lie on the period's grid, in the target's phase, the same every time")
    func grid() {
        let schedule = Schedule(.every(seconds: 300))
        let plain = schedule.next(after: Self.at(1), target: "")
        #expect(plain == Self.at(300))
        for target in ["c1", "c2", "another"] {
            let first = schedule.next(after: Self.at(0), target: target)
            let second = first.flatMap { schedule.next(after: $0, target: target) }
            #expect(second?.timeIntervalSince(first ?? .distantPast) == 300)
            #expect(first == schedule.next(after: Self.at(0), target: target))
        }
    }

    @Test("the phases of many targets spread over the period")
    func spread() {
        let schedule = Schedule(.every(seconds: 100))
        var buckets = [Int](repeating: 0, count: 10)
        for index in 0..<1000 {
            guard let slot = schedule.next(after: Self.at(0), target: "cluster-\(index)") else { continue }
            buckets[min(9, Int(slot.timeIntervalSince(Self.at(0)) / 10))] += 1
        }
        for count in buckets { #expect((50...150).contains(count), "\(buckets)") }
    }

    @Test("nothing is due before its slot")
    func notDue() {
        let schedule = Schedule(.every(seconds: 60))
        let due = schedule.due(nextSlot: Self.at(60), now: Self.at(59), target: "")
        #expect(due.fire.isEmpty)
        #expect(due.next == Self.at(60))
    }

    @Test(
        "missed slots: the newest, all up to a bound, or none",
        arguments: [
            (Schedule.Missed.latest, 1, [600.0]), (.all, 3, [480, 540, 600]),
            (.all, 100, [60, 120, 180, 240, 300, 360, 420, 480, 540, 600]),
            (.skip, 1, [600]),
        ])
    func missed(_ missed: Schedule.Missed, _ most: Int, _ wanted: [Double]) {
        let schedule = Schedule(.every(seconds: 60), missed: missed, missedMax: most)
        let due = schedule.due(nextSlot: Self.at(60), now: Self.at(610), target: "")
        #expect(due.fire == wanted.map(Self.at))
        #expect(due.next == Self.at(660))
    }

    @Test("missed: skip forgets a slot that is over a minute old")
    func skip() throws {
        let daily = Schedule(.cron(try CronExpression("0 4 * * *"), zone: "UTC"), missed: .skip)
        let slot = Self.at(4 * 3600)
        #expect(daily.due(nextSlot: slot, now: slot.addingTimeInterval(59), target: "").fire == [slot])
        let late = daily.due(nextSlot: slot, now: slot.addingTimeInterval(61), target: "")
        #expect(late.fire.isEmpty)
        #expect(late.next == slot.addingTimeInterval(86_400))
    }

    @Test("the newest of missed cron slots is fired")
    func cronLatest() throws {
        let daily = Schedule(.cron(try CronExpression("0 4 * * *"), zone: "Europe/Berlin"))
        let due = daily.due(nextSlot: Self.at(3 * 3600), now: Self.at(86_400 * 5), target: "")
        #expect(due.fire == [Self.at(86_400 * 4 + 3 * 3600)])
        #expect(due.next == Self.at(86_400 * 5 + 3 * 3600))
    }

    @Test("a schedule survives JSON, and a wrong one says which field")
    func json() throws {
        for schedule in [
            Schedule(.every(seconds: 5), missed: .all, missedMax: 7, overlap: .cancelOld),
            Schedule(.cron(try CronExpression("30 2 * * mon"), zone: "Europe/Berlin"), missed: .skip, overlap: .queue),
        ] {
            #expect(try JSONText(encoding: schedule).decode(Schedule.self) == schedule)
        }
        let error = try #require(throws: QueueError.self) {
            try JSONText(text: #"{"cron":"x"}"#).decode(Schedule.self)
        }
        #expect(error.message.contains("'cron'") && error.message.contains("has 1 fields"))
        #expect(throws: QueueError.self) { try JSONText(text: #"{"every":0}"#).decode(Schedule.self) }
    }
}

@Suite("Retries")
struct RetryTests {
    @Test(
        "delays grow by the factor up to the bound",
        arguments: [(1, 1.0), (2, 3), (3, 9), (4, 27), (7, 600), (1000, 600)])
    func delays(_ attempt: Int, _ seconds: Double) {
        let policy = RetryPolicy(firstSeconds: 1, factor: 3, maxSeconds: 600, jitter: 0)
        #expect(policy.delay(afterAttempt: attempt, random: 0.9) == .seconds(seconds))
    }

    @Test("jitter spreads a delay around its middle")
    func jitter() {
        let policy = RetryPolicy(firstSeconds: 100, jitter: 0.25)
        #expect(policy.delay(afterAttempt: 1, random: 0) == .seconds(75))
        #expect(policy.delay(afterAttempt: 1, random: 0.5) == .seconds(100))
        #expect(policy.delay(afterAttempt: 1, random: 1) == .seconds(125))
    }

    @Test("the code of an error decides whether it is tried again")
    func verdicts() {
        let policy = RetryPolicy(firstSeconds: 1, jitter: 0)
        func verdict(_ code: QueueError.Code, attempt: Int = 1) -> RetryPolicy.Verdict {
            policy.verdict(on: QueueError(code, "x"), attempt: attempt, attemptsMax: 3, random: 0.5)
        }
        for code in [QueueError.Code.transient, .timeout, .unavailable] {
            #expect(verdict(code) == .retry(after: .seconds(1)))
        }
        for code in [QueueError.Code.invalid, .refused, .notFound, .conflict] {
            #expect(verdict(code) == .dead(reason: "permanent error: \(code.rawValue)"))
        }
        #expect(verdict(.outcomeUnknown) == .dead(reason: "outcome unknown"))
        #expect(verdict(.transient, attempt: 3) == .dead(reason: "attempts exhausted"))
        struct Other: Error {}
        #expect(policy.verdict(on: Other(), attempt: 1, attemptsMax: 3, random: 0.5) == .retry(after: .seconds(1)))
    }
}
