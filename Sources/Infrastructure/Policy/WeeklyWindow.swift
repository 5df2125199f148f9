import Foundation

/// A time of some weekdays by the clocks of a place: `Mon-Fri 09:00-18:00 Europe/Berlin`.
///
/// One that ends before it begins runs over midnight and belongs to the day it begins on. A local time that a clock
/// change skips is the first instant after the gap; one that comes twice is the first of the two.
public struct WeeklyWindow: Hashable, Sendable, TextCoded {
    /// The days it begins on, 0 for Monday to 6 for Sunday.
    public let days: Set<Int>
    /// When it opens, minutes since midnight, 0 to 1439.
    public let opens: Int
    /// When it closes, minutes since midnight, 0 to 1440; not more than `opens`: on the next day.
    public let closes: Int
    /// The IANA zone; empty: the cluster's own, and UTC where that is not known.
    public var zone: String

    private static let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

    /// What a window looks like, for messages.
    public static let wanted =
        "days, times and a zone such as 'Mon-Fri 09:00-18:00 Europe/Berlin', 'daily 22:00-06:00' or 'Sat,Sun 00:00-24:00 UTC'"

    /// Reads a window; nil for anything else.
    public init?(_ text: String) {
        let words = text.split(separator: " ").map(String.init)
        guard (2...3).contains(words.count), let days = WeeklyWindow.days(words[0]) else { return nil }
        let times = words[1].split(separator: "-", omittingEmptySubsequences: false)
        guard times.count == 2, let opens = WeeklyWindow.minute(times[0]), let closes = WeeklyWindow.minute(times[1]),
            opens < 1440, opens != closes
        else { return nil }
        let zone = words.count == 3 ? words[2] : ""
        guard zone.isEmpty || WeeklyWindow.isZone(zone) else { return nil }
        self.days = days
        self.opens = opens
        self.closes = closes
        self.zone = zone
    }

    /// Whether a text is the name of an IANA zone that this machine knows.
    public static func isZone(_ text: String) -> Bool {
        (text == "UTC" || text.contains("/")) && TimeZone(identifier: text) != nil
    }

    /// `Mon-Fri`, `Sat,Sun`, `Sun-Thu`, `daily`.
    private static func days(_ text: String) -> Set<Int>? {
        if text == "daily" { return Set(0...6) }
        var days: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map {
                names.firstIndex(of: String($0))
            }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1] else { return nil }
            var day = first
            days.insert(day)
            while day != last {
                day = (day + 1) % 7
                days.insert(day)
            }
        }
        return days
    }

    /// `09:00`, at most `24:00`.
    private static func minute(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [2, 2], text.utf8.allSatisfy({ $0 == 58 || (48...57).contains($0) }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), minute < 60, hour * 60 + minute <= 1440
        else { return nil }
        return hour * 60 + minute
    }

    /// When it is open, if it begins on that local day; nil: it does not, or a clock change leaves nothing of it.
    /// - Parameter zone: `timeZone`, which the caller looked up once.
    func opening(on day: LocalDay, in zone: TimeZone) -> Range<Date>? {
        guard days.contains(day.weekday) else { return nil }
        let start = zone.instant(of: day, minute: opens)
        let end = zone.instant(of: closes > opens ? day : day + 1, minute: closes)
        return start < end ? start..<end : nil
    }

    /// The zone; UTC for none.
    var timeZone: TimeZone { TimeZone(identifier: zone.isEmpty ? "UTC" : zone) ?? .gmt }

    /// The text it is read from.
    public var description: String {
        func clock(_ minute: Int) -> String {
            "\(minute / 60 < 10 ? "0" : "")\(minute / 60):\(minute % 60 < 10 ? "0" : "")\(minute % 60)"
        }
        return "\(dayNames) \(clock(opens))-\(clock(closes))\(zone.isEmpty ? "" : " \(zone)")"
    }

    private var dayNames: String {
        if days.count == 7 { return "daily" }
        // Runs of days that follow each other, also over Sunday.
        let starts = days.filter { !days.contains(($0 + 6) % 7) }.sorted()
        return starts.map { start in
            var end = start
            while days.contains((end + 1) % 7) { end = (end + 1) % 7 }
            return start == end ? WeeklyWindow.names[start] : "\(WeeklyWindow.names[start])-\(WeeklyWindow.names[end])"
        }.joined(separator: ",")
    }
}
