/// The name of a kind of job, in kebab-case: `poll-sqs`, `drain-node`.
public struct JobKind: RawRepresentable, Hashable, Sendable, Comparable, Codable, ExpressibleByStringLiteral,
    CustomStringConvertible
{
    /// The name as it stands in jobspecs, rows and logs.
    public let rawValue: String

    /// Takes any text; `JobSpec.validated` checks its form.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// Takes a literal.
    public init(stringLiteral value: String) { rawValue = value }

    /// The name itself.
    public var description: String { rawValue }

    /// Orders by name.
    public static func < (left: JobKind, right: JobKind) -> Bool { left.rawValue < right.rawValue }
}

/// How urgent a job is. A lower lane is always looked at first; a quarter of every worker is kept for lane 0.
public enum Lane: Int16, Hashable, Sendable, Comparable, Codable, CaseIterable {
    /// Work with a deadline in seconds, such as a spot interruption.
    case interruption = 0
    /// Work that keeps customers safe, such as undoing a half-done plan.
    case safety = 1
    /// Ordinary work.
    case work = 2
    /// Bulk data and views; may wait for hours.
    case data = 3

    /// Orders the most urgent first.
    public static func < (left: Lane, right: Lane) -> Bool { left.rawValue < right.rawValue }
}

/// The states of a job, as stored. Everything else people call a state (delayed, retrying, paused …) is derived.
public enum JobState: Int16, Hashable, Sendable, Codable {
    /// In the ledger, to be run at `run_at` or later.
    case queued = 0
    /// Claimed by a worker, under its lease.
    case running = 1
}

/// How a job ended.
public enum JobEnd: String, Hashable, Sendable, Codable {
    /// The handler returned.
    case done
    /// Somebody cancelled it, or it was too late to start.
    case cancelled
    /// It failed for good, or its effect's outcome is unknown; kept for a person, and for replay.
    case dead
}
