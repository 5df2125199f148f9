import Foundation
import Testing

@testable import Infrastructure

@Suite("Weekly windows")
struct WeeklyScheduleTests {
    private func schedule(_ texts: String...) throws -> WeeklySchedule {
        WeeklySchedule(try texts.map { try #require(WeeklyWindow($0)) })
    }

    private func at(_ text: String) throws -> Date {
        try Date(text, strategy: .iso8601)
    }

    @Test(
        "what is read is written the same",
        arguments: [
            "Mon-Fri 09:00-18:00 Europe/Berlin", "daily 22:00-06:00", "Sat-Sun 00:00-24:00 UTC",
            "Mon,Wed,Fri 01:30-02:30 America/New_York", "Sun-Thu 08:00-17:00 Asia/Riyadh", "Sat-Mon 20:00-20:30 UTC",
        ])
    func roundTrip(text: String) throws { #expect(try #require(WeeklyWindow(text)).description == text) }

    @Test(
        "anything else is refused",
        arguments: [
            "", "Mon-Fri", "Mon-Fri 9-18", "Mon-Fri 09:00-18:00 Berlin", "Mon-Fri 09:00-09:00", "Foo 09:00-18:00",
            "Mon- 09:00-18:00", "Mon-Fri 25:00-26:00", "Mon-Fri 24:00-06:00", "mon-fri 09:00-18:00",
            "Mon-Fri 09:00-18:00 Europe/Berlin extra", "Mon-Fri 09:60-18:00",
        ])
    func refused(text: String) { #expect(WeeklyWindow(text) == nil) }

    @Test("days are counted as the calendar counts them")
    func days() throws {
        var utc = Calendar(identifier: .gregorian)
        utc.timeZone = .gmt
        for number in stride(from: -800, to: 60_000, by: 7) {
            let date = Date(timeIntervalSince1970: Double(number) * 86_400)
            let day = LocalDay(number: number)
            #expect(day.description == date.formatted(.iso8601.year().month().day()))
            #expect(LocalDay(day.description) == day)
            #expect(day.weekday == (utc.component(.weekday, from: date) + 5) % 7)
        }
        for text in ["2026-02-29", "2026-13-01", "2026-1-1", "2026-00-10", "26-01-01", "x"] {
            #expect(LocalDay(text) == nil)
        }
    }

    @Test("a window over midnight belongs to the day it begins on")
    func midnight() throws {
        let night = try schedule("Fri 22:00-06:00 UTC")
        #expect(try night.isOpen(at: at("2026-11-27T23:00:00Z")))
        #expect(try night.isOpen(at: at("2026-11-28T05:59:59Z")))
        #expect(try !night.isOpen(at: at("2026-11-28T06:00:00Z")))
        #expect(try !night.isOpen(at: at("2026-11-27T05:00:00Z")))
        #expect(try !night.isOpen(at: at("2026-11-28T22:30:00Z")))
        let next = try #require(try night.nextOpening(from: at("2026-11-28T06:00:00Z")))
        #expect(try next == at("2026-12-04T22:00:00Z")..<at("2026-12-05T06:00:00Z"))
    }

    @Test("clock changes: a skipped time is the first instant after the gap, a doubled one the first of the two")
    func clockChanges() throws {
        // Berlin, 2026-03-29: 02:00 becomes 03:00 at 01:00 UTC. 2026-10-25: 03:00 becomes 02:00 at 01:00 UTC.
        let spring = try #require(
            try schedule("Sun 02:30-05:00 Europe/Berlin").nextOpening(from: at("2026-03-28T12:00:00Z")))
        #expect(try spring == at("2026-03-29T01:00:00Z")..<at("2026-03-29T03:00:00Z"))
        let autumn = try #require(
            try schedule("Sun 02:30-05:00 Europe/Berlin").nextOpening(from: at("2026-10-24T12:00:00Z")))
        #expect(try autumn == at("2026-10-25T00:30:00Z")..<at("2026-10-25T04:00:00Z"))
        // Nothing is left of a window within the gap.
        let gone = try #require(
            try schedule("Sun 02:10-02:40 Europe/Berlin").nextOpening(from: at("2026-03-28T12:00:00Z")))
        #expect(try gone.lowerBound == at("2026-04-05T00:10:00Z"))
        // Office hours are the same by the clock on both sides.
        let hours = try schedule("Mon-Fri 09:00-18:00 Europe/Berlin")
        #expect(try hours.nextOpening(from: at("2026-03-27T20:00:00Z"))?.lowerBound == at("2026-03-30T07:00:00Z"))
        #expect(try hours.nextOpening(from: at("2026-10-23T20:00:00Z"))?.lowerBound == at("2026-10-26T08:00:00Z"))
    }

    @Test("holidays close the windows that begin on them, and no others")
    func holidays() throws {
        let hours = try schedule("Mon-Fri 09:00-18:00 Europe/Berlin", "Thu 22:00-02:00 Europe/Berlin")
        let christmas = [try #require(LocalDay("2026-12-24")), try #require(LocalDay("2026-12-25"))]
        #expect(try hours.isOpen(at: at("2026-12-24T12:00:00Z")))
        #expect(try !hours.isOpen(at: at("2026-12-24T12:00:00Z"), holidays: christmas))
        #expect(try !hours.isOpen(at: at("2026-12-24T23:30:00Z"), holidays: christmas))
        #expect(
            try hours.nextOpening(from: at("2026-12-23T18:00:00Z"), holidays: christmas)?.lowerBound
                == at("2026-12-28T08:00:00Z"))
    }

    @Test("without windows it is always open; touching windows are one opening; a far opening is found")
    func edges() throws {
        #expect(try WeeklySchedule().isOpen(at: at("2026-01-01T00:00:00Z")))
        #expect(try WeeklySchedule().nextOpening(from: at("2026-01-01T00:00:00Z")) == nil)
        let both = try schedule("Mon 08:00-12:00 UTC", "Mon 12:00-16:00 UTC")
        #expect(
            try both.opening(at: at("2026-11-23T11:00:00Z")) == at("2026-11-23T08:00:00Z")..<at("2026-11-23T16:00:00Z"))
        let start = try #require(LocalDay("2026-01-01"))
        let year = (0..<200).map { start + $0 }
        let far = try #require(
            try schedule("daily 10:00-11:00 UTC").nextOpening(from: at("2026-01-01T00:00:00Z"), holidays: year))
        #expect(try far.lowerBound == at("2026-07-20T10:00:00Z"))
    }

    @Test("in every zone and over a year: an opening is where clocks say so, and openings are found in order")
    func everyZone() throws {
        let start = try at("2026-01-01T00:00:00Z")
        for (number, name) in TimeZone.knownTimeZoneIdentifiers.filter({ $0.contains("/") }).enumerated() {
            let zone = try #require(TimeZone(identifier: name))
            let text = ["Mon-Fri 09:00-18:00", "daily 22:00-06:00", "Sat,Sun 01:30-03:15"][number % 3]
            let schedule = try schedule("\(text) \(name)")
            let window = schedule.windows[0]
            var cursor = start
            var count = 0
            while cursor < start.addingTimeInterval(366 * 86_400) {
                let next = try #require(schedule.nextOpening(from: cursor), "\(name)")
                #expect(next.upperBound > cursor, "\(name)")
                #expect(
                    schedule.isOpen(at: next.lowerBound) && !schedule.isOpen(at: next.upperBound), "\(name) \(next)")
                #expect(!schedule.isOpen(at: next.lowerBound.addingTimeInterval(-1)), "\(name) \(next)")
                // By the clock it begins when it should, or at the end of a gap in which that time was skipped.
                let clock = clockMinute(next.lowerBound, zone)
                let isGap =
                    zone.secondsFromGMT(for: next.lowerBound.addingTimeInterval(-1))
                    < zone.secondsFromGMT(for: next.lowerBound)
                #expect(clock == window.opens || isGap, "\(name) \(next)")
                #expect(window.days.contains(LocalDay(next.lowerBound, in: zone).weekday) || isGap, "\(name) \(next)")
                cursor = next.upperBound
                count += 1
            }
            let wanted = ["Mon-Fri": 261, "daily": 366, "Sat,Sun": 104][text.prefix { $0 != " " }.description] ?? 0
            #expect(abs(count - wanted) <= 2, "\(name): \(count) openings of \(wanted)")
        }
    }

    private func clockMinute(_ date: Date, _ zone: TimeZone) -> Int {
        let local = Int(date.timeIntervalSince1970) + zone.secondsFromGMT(for: date)
        return ((local % 86_400) + 86_400) % 86_400 / 60
    }
}
