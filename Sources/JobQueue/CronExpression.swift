import Foundation

/// A five-field cron expression: minute, hour, day of month, month, day of week.
///
/// Fields take `*`, numbers, names (`jan`, `mon`), ranges, lists and steps. As in Vixie cron a day matches when either
/// day field does, if both are restricted. Source: crontab(5).
///
/// Time zones: with fixed hours, a local time that a clock change skips fires at the first instant after the gap, and
/// one that comes twice fires the first time only. With `*` or `*/n` hours every real minute that matches fires.
public struct CronExpression: Sendable, Equatable {
    /// The expression as it was written.
    public let text: String
    private let minutes: [Int]
    private let hours: [Int]
    private let days: Set<Int>
    private let months: Set<Int>
    private let weekdays: Set<Int>
    private let dayIsAny: Bool
    private let weekdayIsAny: Bool
    private let hourIsWild: Bool

    /// Parses an expression.
    /// - Throws: `QueueError` code `invalid`, naming the field and the text found.
    public init(_ text: String) throws {
        self.text = text
        let fields = text.split(whereSeparator: \.isWhitespace).map { $0.lowercased() }
        guard fields.count == 5 else {
            throw QueueError(
                .invalid, "cron '\(text)' has \(fields.count) fields, wanted 5: minute hour day month weekday")
        }
        minutes = try CronExpression.parse(fields[0], "minute", 0...59).sorted()
        hours = try CronExpression.parse(fields[1], "hour", 0...23).sorted()
        days = try CronExpression.parse(fields[2], "day", 1...31)
        months = try CronExpression.parse(
            fields[3], "month", 1...12,
            names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], firstName: 1)
        let week = try CronExpression.parse(
            fields[4], "weekday", 0...7, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"], firstName: 0)
        weekdays = Set(week.map { $0 % 7 })
        dayIsAny = fields[2].hasPrefix("*")
        weekdayIsAny = fields[4].hasPrefix("*")
        hourIsWild = fields[1].hasPrefix("*")
    }

    private static func parse(
        _ field: String, _ name: String, _ range: ClosedRange<Int>, names: [String] = [], firstName: Int = 0
    ) throws -> Set<Int> {
        func number(_ part: Substring) throws -> Int {
            if let index = names.firstIndex(of: String(part)) { return index + firstName }
            guard let value = Int(part), range.contains(value) else {
                throw QueueError(
                    .invalid, "cron \(name) '\(part)' in '\(field)': wanted \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        var result: Set<Int> = []
        for item in field.split(separator: ",", omittingEmptySubsequences: false) {
            let halves = item.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            var step = 1
            if halves.count == 2 {
                guard let value = Int(halves[1]), value > 0 else {
                    throw QueueError(
                        .invalid, "cron \(name) step '\(halves[1])' in '\(field)': wanted a number above 0")
                }
                step = value
            }
            let span = halves.first ?? ""
            let ends = span.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
            let low: Int
            var high: Int
            if span == "*" {
                (low, high) = (range.lowerBound, range.upperBound)
            } else if ends.count == 2 {
                (low, high) = (try number(ends[0]), try number(ends[1]))
            } else {
                low = try number(span)
                high = halves.count == 2 ? range.upperBound : low
            }
            if name == "weekday", high < low { high += 7 }
            guard low <= high else {
                throw QueueError(.invalid, "cron \(name) range '\(span)' runs backwards")
            }
            for value in stride(from: low, through: high, by: step) {
                result.insert(name == "weekday" ? value % 7 : value)
            }
        }
        return result
    }

    /// The first matching instant strictly after `instant`; nil when none comes within eight years.
    public func next(after instant: Date, in zone: TimeZone) -> Date? {
        hourIsWild ? nextMinute(after: instant, in: zone) : nextFixed(after: instant, in: zone)
    }

    private func nextFixed(after instant: Date, in zone: TimeZone) -> Date? {
        let local = instant.timeIntervalSince1970 + Double(zone.secondsFromGMT(for: instant))
        let firstDay = Int((local / 86_400).rounded(.down)) - 1
        for day in firstDay..<(firstDay + CronExpression.daysMax) where matches(day: day) {
            for hour in hours {
                for minute in minutes {
                    let wanted = Double(day) * 86_400 + Double(hour * 3600 + minute * 60)
                    let found = CronExpression.firstInstant(local: wanted, in: zone)
                    if found > instant { return found }
                }
            }
        }
        return nil
    }

    private func nextMinute(after instant: Date, in zone: TimeZone) -> Date? {
        var time = (instant.timeIntervalSince1970 / 60).rounded(.down) * 60 + 60
        let end = time + Double(CronExpression.daysMax) * 86_400
        while time < end {
            let local = Int(time) + zone.secondsFromGMT(for: Date(timeIntervalSince1970: time))
            let day = Int((Double(local) / 86_400).rounded(.down))
            let second = local - day * 86_400
            if !matches(day: day) {
                time += Double(max(60, min(86_400 - second, 3600)) / 60 * 60)
            } else if hours.contains(second / 3600), minutes.contains(second % 3600 / 60) {
                return Date(timeIntervalSince1970: time)
            } else {
                time += 60
            }
        }
        return nil
    }

    private static let daysMax = 8 * 366

    private func matches(day: Int) -> Bool {
        let (month, dayOfMonth) = CronExpression.civil(day)
        guard months.contains(month) else { return false }
        let weekday = ((day + 4) % 7 + 7) % 7
        if dayIsAny || weekdayIsAny { return days.contains(dayOfMonth) && weekdays.contains(weekday) }
        return days.contains(dayOfMonth) || weekdays.contains(weekday)
    }

    /// Month and day of month of a count of days since 1970. Source: Howard Hinnant, "chrono-compatible low-level date
    /// algorithms", civil_from_days.
    static func civil(_ day: Int) -> (month: Int, day: Int) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        return (shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    /// The first instant at which the zone's clocks show the local time (seconds since 1970 as if it were UTC), or, when
    /// they skip it, the first instant after the gap.
    public static func firstInstant(local: Double, in zone: TimeZone) -> Date {
        func offset(_ time: Double) -> Double { Double(zone.secondsFromGMT(for: Date(timeIntervalSince1970: time))) }
        let before = offset(local - 93_600)
        let after = offset(local + 93_600)
        let valid = [local - before, local - after].filter { $0 + offset($0) == local }
        if let first = valid.min() { return Date(timeIntervalSince1970: first) }
        var low = local - max(before, after) - 7200
        var high = local - min(before, after) + 7200
        while high - low > 1 {
            let middle = ((low + high) / 2).rounded(.down)
            if middle + offset(middle) >= local { high = middle } else { low = middle }
        }
        return Date(timeIntervalSince1970: high)
    }
}
