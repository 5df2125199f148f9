import Foundation

/// A length of time in whole seconds. In documents a number with its unit: `90s`, `15m`, `24h`, `7d`.
public struct TimeSpan: Hashable, Sendable, Comparable, TextCoded {
    /// The seconds, never negative.
    public let seconds: Int64

    /// The longest span: ten years.
    public static let longest = TimeSpan.days(3653)

    private init(seconds: Int64) { self.seconds = seconds }

    /// Takes seconds.
    public static func seconds(_ count: Int64) -> TimeSpan { TimeSpan(seconds: max(0, count)) }
    /// Takes minutes.
    public static func minutes(_ count: Int64) -> TimeSpan { seconds(count * 60) }
    /// Takes hours.
    public static func hours(_ count: Int64) -> TimeSpan { seconds(count * 3600) }
    /// Takes days of 24 hours.
    public static func days(_ count: Int64) -> TimeSpan { seconds(count * 86_400) }

    private static let units: [(name: Character, seconds: Int64)] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)]

    /// Reads `90s`, `15m`, `24h`, `7d`; nil for anything else and for more than ten years.
    public init?(_ text: String) {
        let digits = text.dropLast()
        guard let unit = TimeSpan.units.first(where: { $0.name == text.last }), (1...9).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let count = Int64(digits),
            count * unit.seconds <= 3653 * 86_400
        else { return nil }
        seconds = count * unit.seconds
    }

    /// The number with the largest unit that leaves it whole.
    public var description: String {
        guard seconds > 0, let unit = TimeSpan.units.first(where: { seconds % $0.seconds == 0 }) else { return "0s" }
        return "\(seconds / unit.seconds)\(unit.name)"
    }

    /// For arithmetic with `Date`.
    public var interval: TimeInterval { TimeInterval(seconds) }
    /// For clocks.
    public var duration: Duration { .seconds(seconds) }

    /// Orders by length.
    public static func < (left: TimeSpan, right: TimeSpan) -> Bool { left.seconds < right.seconds }

    /// The form, for messages.
    public static let wanted = "a time such as 90s, 15m, 24h or 7d"
}
