import Foundation
import Infrastructure

/// An object that can sleep, reduced to a level: the replicas of a Deployment or StatefulSet, the least replicas of an
/// autoscaler, 1 or 0 for a CronJob that runs or is suspended.
public struct SleepCandidate: Hashable, Sendable, Codable {
    /// Its level now.
    public var level: Int
    /// The level it sleeps at.
    public var asleepLevel: Int
    /// How many of its level are ready; nil: it needs no time to get ready.
    public var ready: Int?
    /// Its annotation.
    public var mark: SleepMark?
    /// Why it must not sleep; nil: it may.
    public var objection: String?

    /// Describes an object.
    public init(level: Int, asleepLevel: Int = 0, ready: Int? = nil, mark: SleepMark? = nil, objection: String? = nil) {
        self.level = level
        self.asleepLevel = asleepLevel
        self.ready = ready
        self.mark = mark
        self.objection = objection
    }
}

/// What is done about one object now, what is kept, and what is told. Pure; domain-rules section 6.
public struct SleepStep: Hashable, Sendable, Codable {
    /// What is done to the object.
    public enum Change: Hashable, Sendable, Codable {
        /// Its level is lowered, and its mark set.
        case sleep(from: Int, to: Int, mark: SleepMark)
        /// Its level is raised again; the mark stays until it is ready.
        case wake(from: Int, to: Int)
        /// Its mark is taken off.
        case clear
    }
    /// Something to tell.
    public enum Note: Hashable, Sendable, Codable {
        /// The two places disagree about the level to return to: the larger counts.
        case levelsDiffer(mark: Int, ledger: Int)
        /// Somebody changed it while it slept: it is left alone until the next window.
        case overridden(level: Int)
        /// It was lowered again after we woke it: it is left alone.
        case loweredAfterWake
        /// It was woken in time and is not ready though the hours have begun.
        case notReady(ready: Int, wanted: Int)
    }

    /// What is done; nil: nothing.
    public var change: Change?
    /// What the ledger shall say; nil: what it says.
    public var record: SleepRecord?
    /// What is told.
    public var notes: [Note]

    /// Makes a step.
    public init(_ change: Change? = nil, record: SleepRecord? = nil, notes: [Note] = []) {
        self.change = change
        self.record = record
        self.notes = notes
    }

    /// Decides about one object.
    /// - Parameters:
    ///   - known: what the ledger says of it; nil: nothing.
    ///   - now: world time, for "not ready although the hours have begun".
    public static func decide(
        _ candidate: SleepCandidate, known: SleepRecord?, phase: OfficePhase, now: Date
    ) -> SleepStep {
        // Whoever must not sleep (any more) is awake: an exception made at night wakes what sleeps.
        phase.isAwake || candidate.objection != nil
            ? awake(candidate, known: known, phase: phase, now: now)
            : asleep(candidate, known: known, since: phase.since)
    }

    private static func asleep(_ candidate: SleepCandidate, known: SleepRecord?, since: Date) -> SleepStep {
        let isLow = candidate.level <= candidate.asleepLevel
        func record(_ state: SleepRecord.State, _ original: Int) -> SleepRecord {
            SleepRecord(state: state, original: original, asleepLevel: candidate.asleepLevel, since: since)
        }
        if let known, known.since == since {
            switch known.state {
            case .intended where isLow:
                // Done, and the answer lost; or a person was quicker: without our mark it is theirs.
                return SleepStep(record: record(candidate.mark == nil ? .overridden : .asleep, known.original))
            case .intended:
                return SleepStep(
                    .sleep(
                        from: candidate.level, to: candidate.asleepLevel,
                        mark: SleepMark(original: candidate.level, since: since)),
                    record: known.original == candidate.level ? nil : record(.intended, candidate.level))
            case .asleep where isLow: return SleepStep(notes: differences(candidate, known))
            case .asleep:
                return SleepStep(
                    candidate.mark == nil ? nil : .clear, record: record(.overridden, known.original),
                    notes: [.overridden(level: candidate.level)])
            case .overridden: return SleepStep(candidate.mark == nil ? nil : .clear)
            case .waking, .awake, .refused: break
            }
        }
        if isLow {
            // Asleep since an earlier window, or the ledger was lost: what either place knows counts.
            let originals = [candidate.mark?.original, known.flatMap { $0.isOpen ? $0.original : nil }].compactMap {
                $0
            }
            guard let original = originals.max() else { return SleepStep() }
            return SleepStep(record: record(.asleep, original), notes: differences(candidate, known))
        }
        // A mark of an earlier window on something that is up again: somebody restored it. It sleeps anew.
        return SleepStep(record: record(.intended, candidate.level))
    }

    private static func awake(
        _ candidate: SleepCandidate, known: SleepRecord?, phase: OfficePhase, now: Date
    ) -> SleepStep {
        let open = known.flatMap { $0.isOpen ? $0 : nil }
        let originals = [candidate.mark?.original, open?.original].compactMap { $0 }
        guard let original = originals.max() else { return SleepStep() }
        func record(_ state: SleepRecord.State) -> SleepRecord {
            SleepRecord(
                state: state, original: original, asleepLevel: open?.asleepLevel ?? candidate.asleepLevel,
                since: open?.since ?? candidate.mark?.since ?? phase.since)
        }
        let notes = differences(candidate, open)
        if candidate.level <= (open?.asleepLevel ?? candidate.asleepLevel) {
            if open?.state == .waking {
                return SleepStep(
                    candidate.mark == nil ? nil : .clear, record: record(.overridden), notes: [.loweredAfterWake])
            }
            if open?.state == .intended, candidate.mark == nil {
                // It was never put to sleep by us: somebody else lowered it.
                return SleepStep(record: record(.overridden))
            }
            return SleepStep(
                .wake(from: candidate.level, to: original), record: open == nil ? record(.asleep) : nil, notes: notes)
        }
        let ready = candidate.ready ?? candidate.level
        if ready >= candidate.level {
            return SleepStep(candidate.mark == nil ? nil : .clear, record: open == nil ? nil : record(.awake))
        }
        let isLate = phase.isAwake && phase.opensAt.map { now >= $0 } ?? false
        return SleepStep(
            record: open?.state == .waking ? nil : record(.waking),
            notes: isLate ? [.notReady(ready: ready, wanted: candidate.level)] : [])
    }

    private static func differences(_ candidate: SleepCandidate, _ known: SleepRecord?) -> [Note] {
        guard let mark = candidate.mark?.original, let ledger = known?.original, known?.isOpen == true, mark != ledger
        else { return [] }
        return [.levelsDiffer(mark: mark, ledger: ledger)]
    }
}
