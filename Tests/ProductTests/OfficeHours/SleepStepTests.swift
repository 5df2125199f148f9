import Foundation
import Infrastructure
import Testing

@testable import Optimizer

@Suite("One object's sleep")
struct SleepStepTests {
    static let night = OfficePhase(isAwake: false, since: Date(timeIntervalSince1970: 1_000_000))
    static let day = OfficePhase(
        isAwake: true, since: Date(timeIntervalSince1970: 1_050_000), opensAt: Date(timeIntervalSince1970: 1_050_900))
    static let now = Date(timeIntervalSince1970: 1_051_000)

    static func record(_ state: SleepRecord.State, _ original: Int = 3, since: Date = night.since) -> SleepRecord {
        SleepRecord(state: state, original: original, asleepLevel: 0, since: since)
    }

    static func decide(
        _ level: Int, ready: Int? = nil, mark: Int? = nil, known: SleepRecord? = nil, objection: String? = nil,
        _ phase: OfficePhase
    ) -> SleepStep {
        SleepStep.decide(
            SleepCandidate(
                level: level, ready: ready, mark: mark.map { SleepMark(original: $0, since: night.since) },
                objection: objection), known: known, phase: phase, now: now)
    }

    @Test("the ledger says what is intended before anything is done")
    func intends() {
        let first = Self.decide(3, Self.night)
        #expect(first.change == nil && first.record == Self.record(.intended))
        let second = Self.decide(3, known: first.record, Self.night)
        #expect(second.change == .sleep(from: 3, to: 0, mark: SleepMark(original: 3, since: Self.night.since)))
        // What nobody runs is not put to sleep, and not woken.
        #expect(Self.decide(0, Self.night) == SleepStep() && Self.decide(0, Self.day) == SleepStep())
    }

    @Test("whoever raises it at night keeps it until the next window")
    func human() {
        let raised = Self.decide(2, mark: 3, known: Self.record(.asleep), Self.night)
        #expect(raised.change == .clear && raised.record?.state == .overridden)
        #expect(raised.notes == [.overridden(level: 2)])
        #expect(Self.decide(2, known: raised.record, Self.night) == SleepStep())
        #expect(Self.decide(2, known: raised.record, Self.day) == SleepStep())
        let later = OfficePhase(isAwake: false, since: Self.now)
        #expect(Self.decide(2, known: raised.record, later).record == Self.record(.intended, 2, since: Self.now))
    }

    @Test("the larger of two levels is restored, and the difference told", arguments: [(5, 3), (3, 5)])
    func larger(mark: Int, ledger: Int) {
        let step = Self.decide(0, mark: mark, known: Self.record(.asleep, ledger), Self.day)
        #expect(step.change == .wake(from: 0, to: 5))
        #expect(step.notes == [.levelsDiffer(mark: mark, ledger: ledger)])
    }

    @Test("either place alone is enough to wake it")
    func eitherPlace() {
        #expect(Self.decide(0, mark: 3, Self.day).change == .wake(from: 0, to: 3))
        #expect(Self.decide(0, known: Self.record(.asleep), Self.day).change == .wake(from: 0, to: 3))
        #expect(Self.decide(0, mark: 3, Self.night).record == Self.record(.asleep))
    }

    @Test("the mark stays until it is ready, and a workload that does not get ready in time is told")
    func untilReady() {
        let waking = Self.decide(3, ready: 1, mark: 3, known: Self.record(.waking), Self.day)
        #expect(waking.change == nil && waking.notes == [.notReady(ready: 1, wanted: 3)])
        let early = OfficePhase(isAwake: true, since: Self.day.since, opensAt: Self.now.addingTimeInterval(60))
        #expect(Self.decide(3, ready: 1, mark: 3, known: Self.record(.waking), early).notes.isEmpty)
        let ready = Self.decide(3, ready: 3, mark: 3, known: Self.record(.waking), Self.day)
        #expect(ready.change == .clear && ready.record?.state == .awake)
    }

    @Test("what is lowered again after it was woken is left alone")
    func lowered() {
        let step = Self.decide(0, mark: 3, known: Self.record(.waking), Self.day)
        #expect(step.change == .clear && step.record?.state == .overridden && step.notes == [.loweredAfterWake])
    }

    @Test("an exception made at night wakes what sleeps; nothing else is touched for it")
    func exception() {
        #expect(
            Self.decide(0, mark: 3, known: Self.record(.asleep), objection: "never", Self.night).change
                == .wake(from: 0, to: 3))
        #expect(Self.decide(3, objection: "never", Self.night) == SleepStep())
    }

    @Test("a mark of an earlier window on something that is up again is stale: it sleeps anew, at its new level")
    func stale() {
        let old = SleepMark(original: 3, since: Self.night.since.addingTimeInterval(-86_400))
        let step = SleepStep.decide(
            SleepCandidate(level: 4, mark: old), known: Self.record(.asleep, since: old.since), phase: Self.night,
            now: Self.now)
        #expect(step.record == Self.record(.intended, 4))
    }

    @Test("marks are read as they are written, and nothing else is one")
    func marks() {
        let mark = SleepMark(original: 12, since: Self.night.since)
        #expect(SleepMark(parsing: mark.description) == mark)
        for text in ["", "3", "0@2026-01-01T00:00:00Z", "x@2026-01-01T00:00:00Z", "3@yesterday", "-1@1@2"] {
            #expect(SleepMark(parsing: text) == nil)
        }
    }
}

/// A year of one object, looked at whenever the fleet happens to look.
@Suite("A year of sleep")
struct SleepYearTests {
    /// SplitMix64.
    struct Chance: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    struct Thing {
        var level = 3
        var mark: SleepMark?
        var record: SleepRecord?

        /// One run of the job: rounds until nothing is left to do. `dies` loses what comes after the first action.
        mutating func run(_ phase: OfficePhase, now: Date, dies: Bool) {
            for _ in 0..<6 {
                let step = SleepStep.decide(
                    SleepCandidate(level: level, ready: level, mark: mark), known: record, phase: phase, now: now)
                if let new = step.record { record = new }
                guard let change = step.change else {
                    if step.record?.state != .intended { return }
                    continue
                }
                switch change {
                case .sleep(_, let to, let new):
                    mark = SleepMark(original: level, since: new.since)
                    level = to
                    if dies { return }
                    record?.state = .asleep
                case .wake(_, let to):
                    level = to
                    if dies { return }
                    record?.state = .waking
                case .clear: mark = nil
                }
            }
        }
    }

    @Test(
        "asleep out of hours, awake within, at the level it had; people win; no missed tick or crash or lost place matters",
        arguments: ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata"])
    func year(zone: String) throws {
        let schedule = WeeklySchedule([try #require(WeeklyWindow("Mon-Fri 09:00-18:00 \(zone)"))])
        let start = try OfficePhaseTests.at("2026-01-01T00:00:00Z")
        let openings = schedule.openings(around: start, days: -45...420, holidays: [])
        for seed in UInt64(1)...20 {
            var chance = Chance(state: seed)
            var thing = Thing()
            var level = 3
            var isTheirs: Date?
            var now = start
            while now < start.addingTimeInterval(365 * 86_400) {
                let near = openings.filter { abs($0.lowerBound.timeIntervalSince(now)) < 41 * 86_400 }
                let phase = OfficePhase(openings: near, lead: 900, at: now)
                if isTheirs != phase.since { isTheirs = nil }
                switch Int.random(in: 0..<12, using: &chance) {
                case 0 where thing.level > 0:
                    // A person gives it another size while it is awake.
                    thing.level = Int.random(in: 1...9, using: &chance)
                case 1
                where thing.level == 0 && !phase.isAwake && thing.record?.state == .asleep
                    && thing.record?.since == phase.since:
                    // At night, in a window that was looked at already: before, nobody could tell it from the day.
                    thing.level = Int.random(in: 1...9, using: &chance)
                    isTheirs = phase.since
                // One of the two places is lost, never both.
                case 2 where thing.mark != nil: thing.record = nil
                case 3 where thing.mark != nil && thing.record?.isOpen == true: thing.mark = nil
                default: break
                }
                if thing.level > 0 { level = thing.level }
                let lost = thing.record == nil
                thing.run(phase, now: now, dies: Int.random(in: 0..<4, using: &chance) == 0)
                thing.run(phase, now: now, dies: false)
                if phase.isAwake {
                    #expect(thing.level == level, "seed \(seed), \(now): \(thing)")
                } else if isTheirs == nil {
                    #expect(thing.level == 0, "seed \(seed), \(now): \(thing)")
                } else if !lost {
                    #expect(thing.level == level, "seed \(seed), \(now): theirs until the next window")
                } else {
                    isTheirs = nil
                }
                now.addTimeInterval(Double.random(in: 60...40_000, using: &chance))
            }
        }
    }
}
