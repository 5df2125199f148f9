import Foundation
import Infrastructure
import Optimizer

// What workloads and groups of nodes have in common on their way to sleep and back.

extension OfficePhase {
    /// The phase of a policy's hours at an instant.
    /// - Parameter lead: seconds before the hours from which things are woken.
    init(_ hours: OfficeHoursPolicy, lead: TimeInterval, at now: Date) {
        if hours.hours.isAlwaysOpen {
            self.init(isAwake: true, since: Date(timeIntervalSince1970: 0))
        } else {
            let around = hours.hours.openings(around: now, days: -42...42, holidays: hours.holidays)
            self.init(openings: around, lead: lead, at: now)
        }
    }
}

extension SleepStep {
    /// What the ledger shall say once the change is done; nil: what it says.
    func record(after record: SleepRecord?) -> SleepRecord? {
        guard var record else { return nil }
        switch change {
        case .sleep: record.state = .asleep
        case .wake: record.state = .waking
        case .clear, nil: return nil
        }
        return record
    }
}

extension SleepRecord {
    /// What a change that was carried out has brought.
    enum Turn {
        case slept
        case woken
    }

    /// Takes over what the report of a change that is done says of it.
    /// - Returns: nil: it neither fell asleep nor woke.
    mutating func take(_ report: ActionReport) -> Turn? {
        if report.code == ActionSender.loweredCode {
            state = .overridden
            return nil
        }
        switch state {
        case .asleep:
            // The level at the moment it was lowered: an autoscaler may have changed it since it was read.
            if let level = Int(report.code), level > asleepLevel { original = level }
            return .slept
        case .waking: return .woken
        case .intended, .awake, .overridden, .refused: return nil
        }
    }
}
