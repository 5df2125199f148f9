import Infrastructure
import JobQueue

/// A kind whose decision follows from a cluster snapshot and its part of the policy alone: what `cloudoptim plan` can replay.
///
/// The job of the same kind observes by capturing a snapshot, and decides by calling this.
public protocol SnapshotKind: Sendable {
    /// What an operator may set: limits, thresholds, opt-ins. Written as JSON; what a policy leaves out is as in `standard`.
    associatedtype Policy: Codable & Sendable
    /// The kind's name.
    static var kind: JobKind { get }
    /// The policy where nobody said anything.
    static var standard: Policy { get }
    /// Decides: no clock, no random source, no I/O, and nothing that hangs on the order of a dictionary or a set.
    /// World time is `snapshot.capturedAt`. What a person should see as a plan goes into `Decision.result`.
    /// - Throws: `QueueError` for a snapshot that can never be decided about.
    static func decide(_ snapshot: ClusterSnapshot, policy: Policy) throws -> Decision
}

/// A kind that decides from snapshots, by its name.
public struct SnapshotDecider: Sendable {
    /// The kind's name.
    public let kind: JobKind
    /// The policy where nobody said anything, as JSON.
    private let standard: @Sendable () throws -> JSONText
    private let decision: @Sendable (ClusterSnapshot, JSONText) throws -> Decision

    /// Takes a kind.
    public init<Kind: SnapshotKind>(_ type: Kind.Type) {
        kind = Kind.kind
        standard = { try JSONText(encoding: Kind.standard) }
        decision = { try Kind.decide($0, policy: try $1.decode(Kind.Policy.self)) }
    }

    /// Decides as the job of this kind would.
    /// - Parameter policy: a JSON object; what it does not name is as in the kind's standard policy.
    /// - Throws: `QueueError` `invalid` that names the field of the policy which does not fit.
    public func decide(_ snapshot: ClusterSnapshot, policy: JSONText = .emptyObject) throws -> Decision {
        let own = try JSONValue(parsing: standard().text)
        let whole = own.overlaid(with: try JSONValue(parsing: policy.text))
        return try decision(snapshot, JSONText(text: whole.canonical)).validated()
    }
}

/// The kinds that decide from snapshots. A new one is one line here.
public enum SnapshotKinds {
    /// All of them.
    public static let all: [SnapshotDecider] = []

    /// The kind of that name.
    /// - Throws: `QueueError` `notFound` for a kind that does not decide from snapshots.
    public static func named(_ kind: JobKind) throws -> SnapshotDecider {
        guard let found = all.first(where: { $0.kind == kind }) else {
            let names = all.map(\.kind.rawValue).sorted().joined(separator: ", ")
            throw QueueError(.notFound, "'\(kind)' does not decide from snapshots; those that do: \(names)")
        }
        return found
    }
}
