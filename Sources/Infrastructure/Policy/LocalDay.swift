import Foundation

/// A day of the calendar in some place: `2026-12-24`.
public struct LocalDay: Hashable, Sendable, Comparable, TextCoded {
    /// Days since 1970-01-01.
    public let number: Int

    /// Takes days since 1970-01-01.
    public init(number: Int) { self.number = number }

    /// Reads `2026-12-24`; nil for anything else, and for days there are not.
    public init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [4, 2, 2],
            text.utf8.allSatisfy({ $0 == 45 || (48...57).contains($0) }),
            let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]), (1...12).contains(month)
        else { return nil }
        // Howard Hinnant, "chrono-compatible low-level date algorithms": years begin in March.
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let ofEra = shifted - era * 400
        let ofYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        number = era * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719_468
        guard description == text else { return nil }
    }

    /// The day that it is at an instant in a zone.
    public init(_ instant: Date, in zone: TimeZone) {
        let local = instant.timeIntervalSince1970 + Double(zone.secondsFromGMT(for: instant))
        number = Int((local / 86_400).rounded(.down))
    }

    /// 0 for Monday to 6 for Sunday.
    public var weekday: Int { ((number + 3) % 7 + 7) % 7 }

    /// So many days later.
    public static func + (day: LocalDay, count: Int) -> LocalDay { LocalDay(number: day.number + count) }

    /// `2026-12-24`.
    public var description: String {
        let shifted = number + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let ofEra = shifted - era * 146_097
        let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * ofYear + 2) / 153
        let day = ofYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        func padded(_ value: Int, _ width: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    }

    /// Orders by time.
    public static func < (left: LocalDay, right: LocalDay) -> Bool { left.number < right.number }

    /// The form, for messages.
    public static let wanted = "a day such as 2026-12-24"
}

extension TimeZone {
    /// The instant at which clocks in this zone show a time of a day. One that a clock change skips is the first
    /// instant after the gap; one that comes twice is the first of the two.
    /// - Parameter minute: since midnight by the clock, 0 to 1440.
    func instant(of day: LocalDay, minute: Int) -> Date {
        let clock = Double(day.number) * 86_400 + Double(minute) * 60
        func offset(_ seconds: Double) -> Double {
            Double(secondsFromGMT(for: Date(timeIntervalSince1970: seconds)))
        }
        // Offsets are less than a day; two changes within two days have not been seen in any zone since 1970.
        let before = offset(clock - 86_400)
        let after = offset(clock + 86_400)
        let fitting = [before, after].filter { offset(clock - $0) == $0 }.map { clock - $0 }
        if let first = fitting.min() { return Date(timeIntervalSince1970: first) }
        var low = clock - 86_400
        var high = clock + 86_400
        while high - low > 1 {
            let middle = ((low + high) / 2).rounded(.down)
            if offset(middle) == before { low = middle } else { high = middle }
        }
        return Date(timeIntervalSince1970: high)
    }
}
