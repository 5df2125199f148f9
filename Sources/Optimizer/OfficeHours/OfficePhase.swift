import Foundation

/// Whether it is office time, since when and until when. Level-triggered: a tick that was missed changes nothing.
public struct OfficePhase: Hashable, Sendable, Codable {
    /// Whether workloads should be awake: within office hours, or within the lead before them.
    public var isAwake: Bool
    /// When this phase began: with the policy and the workload, the identity of what is done in it.
    public var since: Date
    /// When it ends; nil: not within the horizon.
    public var until: Date?
    /// While awake: when the hours themselves begin or began, `since` plus the lead.
    public var opensAt: Date?

    /// How far back and ahead a phase is looked for: longer closures count as without an end, their keys from 1970 on.
    public static let horizon: TimeInterval = 40 * 86_400

    /// Judges an instant.
    /// - Parameters:
    ///   - openings: the office hours of `horizon` back and ahead, in order and apart from each other.
    ///   - lead: seconds before each opening from which workloads are woken. Wake beats sleep: a lead that reaches back
    ///     into the hours before leaves no sleep between them.
    public init(openings: [Range<Date>], lead: TimeInterval, at now: Date) {
        var awake: [(range: Range<Date>, opensAt: Date)] = []
        for opening in openings {
            let woken = opening.lowerBound.addingTimeInterval(-max(0, lead))
            if let last = awake.last, woken <= last.range.upperBound {
                awake[awake.count - 1].range = last.range.lowerBound..<max(last.range.upperBound, opening.upperBound)
            } else {
                awake.append((woken..<opening.upperBound, opening.lowerBound))
            }
        }
        let edge = now.addingTimeInterval(-OfficePhase.horizon)
        let limit = now.addingTimeInterval(OfficePhase.horizon)
        func known(_ instant: Date?) -> Date {
            instant.flatMap { $0 > edge ? $0 : nil } ?? Date(timeIntervalSince1970: 0)
        }
        if let current = awake.first(where: { $0.range.contains(now) }) {
            self.init(
                isAwake: true, since: known(current.range.lowerBound),
                until: current.range.upperBound < limit ? current.range.upperBound : nil,
                opensAt: known(current.opensAt))
        } else {
            let next = awake.first { $0.range.lowerBound > now }?.range.lowerBound
            self.init(
                isAwake: false, since: known(awake.last { $0.range.upperBound <= now }?.range.upperBound),
                until: next.flatMap { $0 < limit ? $0 : nil })
        }
    }

    /// Names a phase.
    public init(isAwake: Bool, since: Date, until: Date? = nil, opensAt: Date? = nil) {
        self.isAwake = isAwake
        self.since = since
        self.until = until
        self.opensAt = opensAt
    }

    /// The most that sleeping can save of node hours: 1 - awake hours / all hours of a week. Ramps and the nodes that
    /// stay are not in it. Monday to Friday from 9 to 18 is 1 - 45 / 168 = 73 %.
    /// - Parameter openings: those of one whole week, in order and apart from each other.
    public static func savingCeiling(openings: [Range<Date>], week: Range<Date>, lead: TimeInterval) -> Double {
        let all = week.upperBound.timeIntervalSince(week.lowerBound)
        guard all > 0 else { return 0 }
        let awake = openings.reduce(0.0) { sum, opening in
            let part = opening.clamped(to: week)
            return sum + part.upperBound.timeIntervalSince(part.lowerBound) + (part.isEmpty ? 0 : lead)
        }
        return max(0, 1 - awake / all)
    }
}
