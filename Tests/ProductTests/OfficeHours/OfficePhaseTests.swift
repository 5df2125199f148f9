import Foundation
import Infrastructure
import Testing

@testable import Optimizer

@Suite("The phase of office hours")
struct OfficePhaseTests {
    static func at(_ text: String) throws -> Date { try Date(text, strategy: .iso8601) }

    static func phase(
        _ windows: [String], lead: TimeInterval = 900, at now: Date, holidays: [String] = []
    ) throws -> OfficePhase {
        let schedule = WeeklySchedule(try windows.map { try #require(WeeklyWindow($0)) })
        let days = try holidays.map { try #require(LocalDay($0)) }
        return OfficePhase(
            openings: schedule.openings(around: now, days: -42...42, holidays: days), lead: lead, at: now)
    }

    @Test("workloads are woken before the hours, and both ends say when the phase began")
    func lead() throws {
        let hours = ["Mon-Fri 09:00-18:00 Europe/Berlin"]
        let night = try Self.phase(hours, at: Self.at("2026-11-24T07:44:59Z"))
        #expect(!night.isAwake)
        #expect(try night.since == Self.at("2026-11-23T17:00:00Z") && night.until == Self.at("2026-11-24T07:45:00Z"))
        let early = try Self.phase(hours, at: Self.at("2026-11-24T07:45:00Z"))
        #expect(early.isAwake)
        #expect(try early.since == Self.at("2026-11-24T07:45:00Z") && early.opensAt == Self.at("2026-11-24T08:00:00Z"))
        #expect(try early.until == Self.at("2026-11-24T17:00:00Z"))
        let friday = try Self.phase(hours, at: Self.at("2026-11-29T12:00:00Z"))
        #expect(try friday.since == Self.at("2026-11-27T17:00:00Z") && friday.until == Self.at("2026-11-30T07:45:00Z"))
    }

    @Test("a lead that reaches back into the hours before leaves no sleep: wake beats sleep")
    func wakeBeatsSleep() throws {
        let windows = ["Mon 08:00-12:00 UTC", "Mon 12:10-16:00 UTC"]
        let noon = try Self.phase(windows, at: Self.at("2026-11-23T12:05:00Z"))
        #expect(try noon.isAwake && noon.since == Self.at("2026-11-23T07:45:00Z"))
        #expect(try !Self.phase(windows, lead: 60, at: Self.at("2026-11-23T12:05:00Z")).isAwake)
    }

    @Test("a closure without an end in sight has one identity, whenever it is looked at")
    func endless() throws {
        let first = try Self.phase([], at: Self.at("2026-11-23T12:05:00Z"))
        let later = try Self.phase([], at: Self.at("2027-11-23T12:05:00Z"))
        #expect(first == later && !first.isAwake && first.until == nil)
        let always = try Self.phase(["daily 00:00-24:00 UTC"], at: Self.at("2026-11-23T12:05:00Z"))
        #expect(try always == Self.phase(["daily 00:00-24:00 UTC"], at: Self.at("2027-01-01T00:00:00Z")))
        #expect(always.isAwake && always.until == nil)
    }

    @Test("holidays are slept through")
    func holidays() throws {
        let hours = ["Mon-Fri 09:00-18:00 Europe/Berlin"]
        let eve = try Self.phase(hours, at: Self.at("2026-12-24T12:00:00Z"), holidays: ["2026-12-24", "2026-12-25"])
        #expect(try eve.since == Self.at("2026-12-23T17:00:00Z") && eve.until == Self.at("2026-12-28T07:45:00Z"))
    }

    @Test("nine to six on weekdays saves at most 73 % of node hours, a lead of 15 minutes less")
    func ceiling() throws {
        let start = try Self.at("2026-11-23T00:00:00Z")
        let week = start..<start.addingTimeInterval(7 * 86_400)
        let schedule = WeeklySchedule([try #require(WeeklyWindow("Mon-Fri 09:00-18:00 UTC"))])
        let openings = schedule.openings(around: start, days: -2...9, holidays: [])
        #expect(abs(OfficePhase.savingCeiling(openings: openings, week: week, lead: 0) - (1 - 45.0 / 168)) < 1e-9)
        #expect(abs(OfficePhase.savingCeiling(openings: openings, week: week, lead: 900) - (1 - 46.25 / 168)) < 1e-9)
    }

    @Test(
        "in every zone and over a year: awake exactly from the lead before the clock says so to when it says so",
        arguments: ["Mon-Fri 09:00-18:00", "daily 22:00-06:00", "Sun-Thu 01:30-03:15"])
    func everyZone(window: String) throws {
        let start = try Self.at("2026-01-01T00:00:00Z")
        let lead: TimeInterval = 900
        var changes = 0
        for name in TimeZone.knownTimeZoneIdentifiers where name.contains("/") {
            let zone = try #require(TimeZone(identifier: name))
            let schedule = WeeklySchedule([try #require(WeeklyWindow("\(window) \(name)"))])
            let year = schedule.openings(around: start, days: -50...420, holidays: [])
            let inside = year.indices.filter { year[$0].lowerBound >= start && $0 >= 45 && $0 < year.count - 45 }
            var offset = zone.secondsFromGMT(for: start)
            for index in inside {
                let opening = year[index]
                let near = Array(year[(index - 2)...(index + 2)])
                func phase(_ instant: Date) -> OfficePhase { OfficePhase(openings: near, lead: lead, at: instant) }
                let wake = opening.lowerBound.addingTimeInterval(-lead)
                let end = opening.upperBound
                let middle = wake.addingTimeInterval(end.timeIntervalSince(wake) / 2)
                let wanted = OfficePhase(isAwake: true, since: wake, until: end, opensAt: opening.lowerBound)
                let isRight =
                    !phase(wake.addingTimeInterval(-1)).isAwake && phase(wake) == wanted && phase(middle) == wanted
                    && phase(end.addingTimeInterval(-1)) == wanted && !phase(end).isAwake && phase(end).since == end
                if !isRight { Issue.record("\(name) \(opening)") }
                let there = zone.secondsFromGMT(for: end)
                changes += there == offset ? 0 : 1
                offset = there
            }
            // Every working day of the year has its opening: none is skipped by a clock change, none doubled.
            let days = Set(inside.map { LocalDay(year[$0].lowerBound, in: zone) })
            #expect(days.count == inside.count, "\(name)")
        }
        #expect(changes > 200, "no clock changes were seen")
    }
}
