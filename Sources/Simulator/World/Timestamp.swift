import Foundation

/// RFC 3339 in UTC, as Kubernetes (whole seconds) and AWS (milliseconds) write time.
enum Timestamp {
    static func seconds(_ date: Date) -> String {
        let total = Int(date.timeIntervalSince1970.rounded(.down))
        return calendar(total) + "Z"
    }

    static func milliseconds(_ date: Date) -> String {
        let total = Int((date.timeIntervalSince1970 * 1000).rounded(.down))
        return calendar(Int((Double(total) / 1000).rounded(.down))) + "." + padded(total - total / 1000 * 1000, 3) + "Z"
    }

    static func microseconds(_ date: Date) -> String {
        let whole = date.timeIntervalSince1970.rounded(.down)
        return calendar(Int(whole)) + "." + padded(Int((date.timeIntervalSince1970 - whole) * 1_000_000), 6) + "Z"
    }

    /// Reads `2026-01-02T03:04:05[.fraction]Z` (also `+00:00`); nil for anything else.
    static func parse(_ text: String) -> Date? {
        let parts = text.split(whereSeparator: { "-T:Z+ ".contains($0) })
        guard parts.count >= 6, let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]),
            let hour = Int(parts[3]), let minute = Int(parts[4]), let second = Double(parts[5])
        else { return nil }
        let days = daysFromCivil(year: year, month: month, day: day)
        return Date(timeIntervalSince1970: Double(days * 86400 + hour * 3600 + minute * 60) + second)
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// Days to calendar date and back: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    private static func calendar(_ total: Int) -> String {
        let days = Int((Double(total) / 86400).rounded(.down))
        let rest = total - days * 86400
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return padded(year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2) + "T" + padded(rest / 3600, 2) + ":"
            + padded(rest / 60 % 60, 2) + ":" + padded(rest % 60, 2)
    }

    private static func daysFromCivil(year: Int, month: Int, day: Int) -> Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
