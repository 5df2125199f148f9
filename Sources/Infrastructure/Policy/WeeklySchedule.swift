import Foundation

/// Windows of the week, open where any of them is. Without windows it is always open. Pure: the instant is a parameter.
public struct WeeklySchedule: Hashable, Sendable, Codable {
    /// The windows.
    public var windows: [WeeklyWindow]

    /// How far ahead an opening is looked for: holidays may fill months, and no schedule sleeps longer than a year.
    static let daysAheadMax = 400

    /// Takes windows.
    public init(_ windows: [WeeklyWindow] = []) { self.windows = windows }

    /// Monday to Friday from 9 to 18, in the cluster's own zone: 45 of the 168 hours of a week.
    public static let officeHours = WeeklySchedule([WeeklyWindow("Mon-Fri 09:00-18:00")].compactMap { $0 })

    /// Whether it has no windows, and so is always open.
    public var isAlwaysOpen: Bool { windows.isEmpty }

    /// Whether any window is open.
    /// - Parameter holidays: local days on which no window begins.
    public func isOpen(at instant: Date, holidays: [LocalDay] = []) -> Bool {
        isAlwaysOpen || opening(at: instant, holidays: holidays) != nil
    }

    /// The opening that holds an instant, from its first second to the first second after it; nil: closed, or always
    /// open. Windows that touch are one opening, as far as they reach a week to either side.
    public func opening(at instant: Date, holidays: [LocalDay] = []) -> Range<Date>? {
        openings(around: instant, days: -8...8, holidays: holidays).first { $0.contains(instant) }
    }

    /// The opening that holds an instant, or the next one after it; nil: none within 400 days, or always open.
    public func nextOpening(from instant: Date, holidays: [LocalDay] = []) -> Range<Date>? {
        var ahead = 0
        while ahead < WeeklySchedule.daysAheadMax, !isAlwaysOpen {
            let found = openings(around: instant, days: (ahead - 8)...(ahead + 8), holidays: holidays)
            if let next = found.first(where: { $0.upperBound > instant }) { return next }
            ahead += 8
        }
        return nil
    }

    /// Every opening that has a part between two instants, whole, in order; those that touch are one.
    public func openings(from start: Date, to end: Date, holidays: [LocalDay] = []) -> [Range<Date>] {
        guard start < end else { return [] }
        let days = Int((end.timeIntervalSince(start) / 86_400).rounded(.up)) + 8
        return openings(around: start, days: -8...days, holidays: holidays)
            .filter { $0.lowerBound < end && $0.upperBound > start }
    }

    /// The same windows, with this zone where they name none.
    public func inZone(_ zone: String) -> WeeklySchedule {
        WeeklySchedule(
            windows.map { window in
                var copy = window
                if copy.zone.isEmpty { copy.zone = zone }
                return copy
            })
    }

    /// Openings that begin on these days, relative to the local day of an instant; merged, in order.
    public func openings(around instant: Date, days: ClosedRange<Int>, holidays: [LocalDay]) -> [Range<Date>] {
        let found = windows.flatMap { window in
            let zone = window.timeZone
            let today = LocalDay(instant, in: zone)
            return days.compactMap { ahead in
                holidays.contains(today + ahead) ? nil : window.opening(on: today + ahead, in: zone)
            }
        }
        var merged: [Range<Date>] = []
        for opening in found.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, opening.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, opening.upperBound)
            } else {
                merged.append(opening)
            }
        }
        return merged
    }

    /// Encodes the windows' texts.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(windows)
    }

    /// Decodes the windows' texts.
    public init(from decoder: any Decoder) throws {
        windows = try decoder.singleValueContainer().decode([WeeklyWindow].self)
    }
}
