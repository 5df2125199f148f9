import Foundation

/// What operators may do to the queue. Each is one statement, and safe to repeat.
public protocol ControlLedger: Sendable {
    /// Stops claims (or, for a schedule, slots) within a scope; what runs goes on. A second pause replaces the first.
    /// - Parameter duration: how long; nil: until it is resumed.
    func pause(_ scope: JobScope, by who: String, reason: String, for duration: Duration?) async throws
    /// Lifts a pause. False: there was none.
    func resume(_ scope: JobScope) async throws -> Bool
    /// Cancels jobs, each as `EnqueueLedger.cancel` does, in one transaction.
    func cancel(_ ids: [JobID], by who: String) async throws -> [JobID: CancelResult]
    /// Makes queued jobs run no earlier than after `duration` (zero: now), and answers with those that it moved.
    func snooze(_ ids: [JobID], for duration: Duration) async throws -> [JobID]
    /// Sets what is allowed within a scope; a second limit of it replaces the first.
    /// - Throws: `invalid`, naming the field.
    func setLimit(_ limit: JobLimit, by who: String, reason: String) async throws
    /// Takes the limit of a scope away. False: there was none.
    func clearLimit(_ scope: JobScope) async throws -> Bool
}

/// What operators name when they pause or limit something.
public enum JobScope: Hashable, Sendable {
    /// Everything.
    case all
    /// A queue.
    case queue(String)
    /// A kind.
    case kind(JobKind)
    /// A tenant's jobs.
    case tenant(String)
    /// The jobs about a target.
    case cluster(String)
    /// The slots of one schedule row, by its id.
    case schedule(String)
    /// A far API, everywhere (`kubernetes`) or of one target (`kubernetes/prod-eu`). It has rates, and is not paused.
    case api(String)

    /// The scopes' names, as people write them.
    public static let words = ["queue", "kind", "cluster", "tenant", "schedule", "api", "all"]

    /// Reads a scope from its word and name; nil for another word, for a name with `all` and for none with the others.
    public init?(_ word: String, _ name: String) {
        guard name.isEmpty == (word == "all") else { return nil }
        switch word {
        case "all": self = .all
        case "queue": self = .queue(name)
        case "kind": self = .kind(JobKind(rawValue: name))
        case "tenant": self = .tenant(name)
        case "cluster": self = .cluster(name)
        case "schedule": self = .schedule(name)
        case "api": self = .api(name)
        default: return nil
        }
    }

    /// The scope's word: `kind`.
    public var word: String {
        switch self {
        case .all: "all"
        case .queue: "queue"
        case .kind: "kind"
        case .tenant: "tenant"
        case .cluster: "cluster"
        case .schedule: "schedule"
        case .api: "api"
        }
    }

    /// What within it: `drain-node`; empty for `all`.
    public var name: String {
        switch self {
        case .all: ""
        case .kind(let kind): kind.rawValue
        case .queue(let name), .tenant(let name), .cluster(let name), .schedule(let name), .api(let name): name
        }
    }
}

/// How much a job may write about itself.
public enum JobLog {
    /// Lines of one run; more are dropped, and the last says so.
    public static let linesPerRunMax = 200
    /// Lines kept of one job, the newest, however often it runs.
    public static let linesMax = 1000
}

extension ScheduleRow {
    /// The parameter that, where a spec declares it as a string, tells a job which slot it is for.
    public static let slotParameter = "slot"

    /// The request for one slot.
    /// - Parameter key: nil: with overlap `skip` the schedule's own, freed when its job ends; otherwise the slot's.
    public func request(for slot: Date, spec: JobSpec, key: IdempotencyKey? = nil) throws -> JobRequest {
        var parameters = parameters
        if spec.parameters[Self.slotParameter]?.type == .string {
            guard case .object(var fields) = try JSONValue(parsing: parameters.text) else {
                throw QueueError(.invalid, "schedule '\(id)': its parameters are no object")
            }
            fields[Self.slotParameter] = .string(slot.formatted(Self.slotFormat))
            parameters = JSONText(text: JSONValue.object(fields).canonical)
        }
        return JobRequest(kind, parameters: parameters, target: target, key: key ?? self.key(of: slot))
    }

    private func key(of slot: Date) -> IdempotencyKey {
        switch schedule.overlap {
        case .skip: IdempotencyKey("o:\(id)", release: .atEnd)
        case .queue, .cancelOld: IdempotencyKey("s:\(id):\(slot.formatted(Self.slotFormat))", release: .atEnd)
        }
    }

    /// How slots are written: UTC, with milliseconds.
    public static var slotFormat: Date.ISO8601FormatStyle { Date.ISO8601FormatStyle(includingFractionalSeconds: true) }
}
