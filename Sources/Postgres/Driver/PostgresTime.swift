import Foundation
import JobQueue

/// Instants as Postgres writes them.
enum PostgresTime {
    /// Seconds from 1970 to 2000, where Postgres begins to count.
    private static let epochOffset = 946_684_800.0

    /// Microseconds since 2000, the binary form of a timestamptz.
    static func microseconds(_ date: Date) throws -> Int64 {
        let value = ((date.timeIntervalSince1970 - epochOffset) * 1e6).rounded()
        // Postgres itself ends in the year 294276.
        guard let number = Int64(exactly: value), abs(number) < 9_000_000_000_000_000_000 else {
            throw QueueError(
                .invalid, "the instant \(date.timeIntervalSince1970) s since 1970 does not fit a timestamptz")
        }
        return number
    }

    /// Reads ISO style, `2026-03-01 09:08:07.123456+00` or `…+05:30:15`; nil for anything else (also ` BC` and infinity).
    static func date(_ text: some Collection<UInt8>) -> Date? {
        var rest = text[...]
        guard let year = number(&rest, digits: 4...6), skip(&rest, "-"), let month = number(&rest, digits: 2...2),
            skip(&rest, "-"), let day = number(&rest, digits: 2...2), skip(&rest, " "),
            let hour = number(&rest, digits: 2...2), skip(&rest, ":"), let minute = number(&rest, digits: 2...2),
            skip(&rest, ":"), let second = number(&rest, digits: 2...2)
        else { return nil }
        var microseconds = 0
        if skip(&rest, ".") {
            let before = rest.count
            guard let fraction = number(&rest, digits: 1...6) else { return nil }
            microseconds = fraction
            for _ in (before - rest.count)..<6 { microseconds *= 10 }
        }
        var offset = 0
        if let sign = rest.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
            rest = rest.dropFirst()
            guard let hours = number(&rest, digits: 2...2) else { return nil }
            offset = hours * 3600
            if skip(&rest, ":"), let minutes = number(&rest, digits: 2...2) { offset += minutes * 60 }
            if skip(&rest, ":"), let seconds = number(&rest, digits: 2...2) { offset += seconds }
            if sign == UInt8(ascii: "-") { offset = -offset }
        }
        guard rest.isEmpty else { return nil }
        let seconds =
            daysSince1970(year: year, month: month, day: day) * 86400 + hour * 3600 + minute * 60 + second - offset
        return Date(timeIntervalSince1970: Double(seconds) + Double(microseconds) / 1e6)
    }

    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    private static func daysSince1970(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func number<Bytes: Collection<UInt8>>(
        _ rest: inout Bytes, digits: ClosedRange<Int>
    ) -> Int? where Bytes.SubSequence == Bytes {
        var value = 0
        var count = 0
        while count < digits.upperBound, let byte = rest.first, (48...57).contains(byte) {
            value = value * 10 + Int(byte - 48)
            count += 1
            rest = rest.dropFirst()
        }
        return count < digits.lowerBound ? nil : value
    }

    private static func skip<Bytes: Collection<UInt8>>(
        _ rest: inout Bytes, _ character: Unicode.Scalar
    ) -> Bool where Bytes.SubSequence == Bytes {
        guard let byte = rest.first, byte == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
    }
}
