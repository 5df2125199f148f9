import Foundation
import JobQueue
import Testing

@Suite("Cron expressions")
struct CronTests {
    static func instant(_ text: String) throws -> Date {
        try Date(text, strategy: .iso8601)
    }

    static func zone(_ name: String) throws -> TimeZone { try #require(TimeZone(identifier: name)) }

    struct Row: Sendable, CustomTestStringConvertible {
        let cron: String, zone: String, after: String, wanted: [String]
        init(_ cron: String, _ zone: String, _ after: String, _ wanted: [String]) {
            (self.cron, self.zone, self.after, self.wanted) = (cron, zone, after, wanted)
        }
        var testDescription: String { "\(cron) in \(zone) after \(after)" }
    }

    static let table: [Row] = [
        Row("*/15 * * * *", "UTC", "2026-01-01T00:00:00Z", ["2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z"]),
        Row("0 4 * * mon-fri", "UTC", "2026-01-02T05:00:00Z", ["2026-01-05T04:00:00Z", "2026-01-06T04:00:00Z"]),
        Row("0 0 29 feb *", "UTC", "2026-01-01T00:00:00Z", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        Row("30 6 1,15 * *", "UTC", "2026-01-01T06:30:00Z", ["2026-01-15T06:30:00Z", "2026-02-01T06:30:00Z"]),
        // Both day fields restricted: either does (crontab(5)).
        Row(
            "0 0 13 * fri", "UTC", "2026-02-01T00:00:00Z",
            ["2026-02-06T00:00:00Z", "2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z"]),
        Row("0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", ["2026-01-04T00:00:00Z"]),
        Row(
            "0 0 * * sat-mon", "UTC", "2026-01-01T00:00:00Z",
            ["2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-05T00:00:00Z", "2026-01-10T00:00:00Z"]),
        Row(
            "10-40/15 8 * * *", "UTC", "2026-01-01T00:00:00Z",
            ["2026-01-01T08:10:00Z", "2026-01-01T08:25:00Z", "2026-01-01T08:40:00Z", "2026-01-02T08:10:00Z"]),
        // Berlin, 29 March 2026: 02:00 to 03:00 does not exist. 02:30 fires when the gap ends, once.
        Row("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        Row("0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]),
        Row("30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]),
        // Berlin, 25 October 2026: 02:00 to 03:00 comes twice. 02:30 fires the first time only.
        Row("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        Row("30 2 * * *", "Europe/Berlin", "2026-10-25T01:15:00Z", ["2026-10-26T01:30:00Z"]),
        // With wild hours every real minute that matches fires: both passes of the repeated hour, none in the gap.
        Row(
            "30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z",
            ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"]),
        Row("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"]),
        // New York, 8 March and 1 November 2026.
        Row(
            "15 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", ["2026-03-08T07:00:00Z", "2026-03-09T06:15:00Z"]),
        Row(
            "15 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", ["2026-11-01T05:15:00Z", "2026-11-02T06:15:00Z"]),
        // Lord Howe moves by half an hour: 4 October 2026 02:00 -> 02:30; 5 April 2026 02:00 -> 01:30.
        Row(
            "15 2 * * *", "Australia/Lord_Howe", "2026-10-02T20:00:00Z",
            ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]),
        Row(
            "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z",
            ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]),
        // Apia had no 30 December 2011.
        Row("0 12 30 dec *", "Pacific/Apia", "2011-12-01T00:00:00Z", ["2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z"]),
        Row(
            "0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z",
            ["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"]),
        Row("0 * 30 dec *", "Pacific/Apia", "2011-12-01T00:00:00Z", ["2012-12-29T10:00:00Z"]),
    ]

    @Test("the next instants, also across clock changes", arguments: table)
    func next(_ row: Row) throws {
        let cron = try CronExpression(row.cron)
        let zone = try Self.zone(row.zone)
        var instant = try Self.instant(row.after)
        for text in row.wanted {
            instant = try #require(cron.next(after: instant, in: zone))
            let wanted = try Self.instant(text)
            #expect(instant == wanted, "found \(instant.formatted(.iso8601)), wanted \(text)")
        }
    }

    @Test(
        "an expression that never matches has no next instant", arguments: ["0 0 31 2 *", "0 0 30 feb *", "* * 31 4 *"])
    func never(_ text: String) throws {
        #expect(try CronExpression(text).next(after: Self.instant("2026-01-01T00:00:00Z"), in: .gmt) == nil)
    }

    @Test(
        "a wrong expression names its field and what was found",
        arguments: [
            ("* * * *", "cron '* * * *' has 4 fields, wanted 5: minute hour day month weekday"),
            ("60 * * * *", "cron minute '60' in '60': wanted 0 to 59"),
            ("* 24 * * *", "cron hour '24' in '24': wanted 0 to 23"),
            ("* * 0 * *", "cron day '0' in '0': wanted 1 to 31"),
            ("* * * foo *", "cron month 'foo' in 'foo': wanted 1 to 12"),
            ("* * * * 8", "cron weekday '8' in '8': wanted 0 to 7"),
            ("*/0 * * * *", "cron minute step '0' in '*/0': wanted a number above 0"),
            ("5-1 * * * *", "cron minute range '5-1' runs backwards"),
            ("1,,2 * * * *", "cron minute '' in '1,,2': wanted 0 to 59"),
            ("-1 * * * *", "cron minute '' in '-1': wanted 0 to 59"),
        ])
    func wrong(_ text: String, _ message: String) throws {
        let error = try #require(throws: QueueError.self) { try CronExpression(text) }
        #expect(error.code == .invalid)
        #expect(error.message == message)
    }

    /// A zone's clock around a change, minute by minute.
    struct Clock {
        let start: Double
        let offsets: [Int]
        init(_ zone: TimeZone, from start: Date, days: Int) {
            self.start = start.timeIntervalSince1970
            offsets = (0..<days * 1440).map { zone.secondsFromGMT(for: start.addingTimeInterval(Double($0) * 60)) }
        }
        func local(_ minute: Int) -> Int { (Int(start) + minute * 60 + offsets[minute]) / 60 }
    }

    /// One random expression as text and as sets, made without the parser.
    struct Random {
        var text = ""
        var fields: [Set<Int>] = []
        var isAny: [Bool] = []
        init(using generator: inout SplitMix64) {
            for (range, odds) in [(0...59, 4), (0...23, 2), (1...31, 2), (1...12, 1), (0...6, 2)] {
                let all = Set(range)
                if Int.random(in: 0..<4, using: &generator) >= odds || range == 1...12 {
                    text += "* "
                    fields.append(all)
                    isAny.append(true)
                } else if Int.random(in: 0..<3, using: &generator) == 0 {
                    let step = Int.random(in: 2...9, using: &generator)
                    text += "*/\(step) "
                    fields.append(Set(stride(from: range.lowerBound, through: range.upperBound, by: step)))
                    isAny.append(true)
                } else {
                    let values = Set(
                        (0..<Int.random(in: 1...4, using: &generator)).map { _ in
                            Int.random(in: range, using: &generator)
                        })
                    text += values.sorted().map(String.init).joined(separator: ",") + " "
                    fields.append(values)
                    isAny.append(false)
                }
            }
        }
        static let calendar: Calendar = {
            var calendar = Calendar(identifier: .gregorian)
            calendar.timeZone = .gmt
            return calendar
        }()
        func matches(_ local: Int) -> Bool {
            guard fields[0].contains(local % 60), fields[1].contains(local / 60 % 24) else { return false }
            let date = Date(timeIntervalSince1970: Double(local) * 60)
            let parts = Random.calendar.dateComponents([.month, .day, .weekday], from: date)
            guard let month = parts.month, let day = parts.day, let weekday = parts.weekday, fields[3].contains(month)
            else { return false }
            let (onDay, onWeekday) = (fields[2].contains(day), fields[4].contains(weekday - 1))
            return isAny[2] || isAny[4] ? onDay && onWeekday : onDay || onWeekday
        }
    }

    @Test(
        "random expressions agree with a scan of every minute",
        arguments: [
            ("UTC", "2026-02-27T00:00:00Z"), ("Europe/Berlin", "2026-03-27T00:00:00Z"),
            ("Europe/Berlin", "2026-10-23T00:00:00Z"),
            ("America/New_York", "2026-03-06T00:00:00Z"), ("America/New_York", "2026-10-30T00:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-02T00:00:00Z"), ("Australia/Lord_Howe", "2026-04-03T00:00:00Z"),
            ("Pacific/Apia", "2011-12-28T00:00:00Z"), ("Asia/Kathmandu", "2026-05-01T00:00:00Z"),
        ])
    func bruteForce(_ name: String, _ from: String) throws {
        let seed = UInt64(Date().timeIntervalSince1970 * 1000)
        var generator = SplitMix64(seed)
        let zone = try Self.zone(name)
        let start = try Self.instant(from)
        let days = 4
        let clock = Clock(zone, from: start.addingTimeInterval(-86_400), days: days + 2)
        for _ in 0..<25 {
            let random = Random(using: &generator)
            let cron = try CronExpression(random.text)
            // Expected firings: every matching minute; with fixed hours not the second pass, and the end of a gap for what it skipped.
            var expected: [Int] = []
            let isWild = random.text.split(separator: " ")[1].hasPrefix("*")
            var highest = 0
            for minute in 1..<(days + 1) * 1440 {
                let (local, before) = (clock.local(minute), clock.local(minute - 1))
                defer { highest = max(highest, local) }
                if minute < 1440 { continue }
                var fires = random.matches(local) && (isWild || local > highest)
                if !isWild, local > before + 1, (before + 1..<local).contains(where: random.matches) { fires = true }
                if fires { expected.append(minute) }
            }
            var found: [Int] = []
            var instant = start.addingTimeInterval(-30)
            while let next = cron.next(after: instant, in: zone) {
                #expect(next > instant)
                instant = next
                let minute = Int(next.timeIntervalSince1970 - clock.start) / 60
                if minute >= (days + 1) * 1440 { break }
                found.append(minute)
            }
            #expect(found == expected, "'\(random.text)' in \(name), seed \(seed)")
            if found != expected { return }
        }
    }
}

/// A small random source with a seed, so that a failure can be repeated. Source: Steele, Lea, Flood 2014.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
