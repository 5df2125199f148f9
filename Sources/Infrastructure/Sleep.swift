import Foundation

/// What a sleeping object bears in its annotation `cloudoptim.io/asleep`: `3@2026-11-23T18:00:00Z`, the level to return to
/// and the phase in which it was put to sleep. A group of nodes bears it as a tag, with its least size: `3/1@…`. The first of
/// two places that know it; the other is the ledger.
public struct SleepMark: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The annotation.
    public static let annotation = "cloudoptim.io/asleep"
    /// An object whose annotation of this name is `never` is not put to sleep, and is woken if it sleeps.
    public static let optOutAnnotation = "cloudoptim.io/office-hours"
    /// How many replicas stay, by the wish of the workload's owner; absent: none.
    public static let keepAnnotation = "cloudoptim.io/asleep-replicas"

    /// The level to return to: replicas, the least replicas of an autoscaler, 1 for a CronJob that was not suspended.
    public var original: Int
    /// When the phase began in which it was put to sleep.
    public var since: Date
    /// Of a group of nodes: the fewest that its owner keeps when it is awake; nil: it is no group.
    public var minSize: Int?

    /// Makes a mark.
    public init(original: Int, since: Date, minSize: Int? = nil) {
        self.original = original
        self.since = since
        self.minSize = minSize
    }

    /// Reads a mark; nil for what we did not write.
    public init?(parsing text: String) {
        let parts = text.split(separator: "@")
        let sizes = parts.first?.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) } ?? []
        guard parts.count == 2, (1...2).contains(sizes.count), let original = sizes[0], original > 0,
            sizes.allSatisfy({ $0.map { $0 >= 0 } ?? false }),
            // Another's text is no mark of ours: there is nothing to report.
            let since = try? Date(String(parts[1]), strategy: .iso8601)
        else { return nil }
        self.init(original: original, since: since, minSize: sizes.count == 2 ? sizes[1] : nil)
    }

    /// The annotation's value.
    public var description: String {
        "\(original)\(minSize.map { "/\($0)" } ?? "")@\(since.formatted(.iso8601))"
    }
}

/// What the ledger knows of one object's sleep.
public struct SleepRecord: Hashable, Sendable, Codable {
    /// How far it is.
    public enum State: String, Hashable, Sendable, Codable, CaseIterable {
        /// It is about to be put to sleep; written before anything is done.
        case intended
        /// It sleeps.
        case asleep
        /// It was woken, and is not ready yet.
        case waking
        /// It is awake.
        case awake
        /// A person changed it while it slept: it is theirs until the next window.
        case overridden
        /// It must not sleep, and that was told.
        case refused
    }

    /// How far it is.
    public var state: State
    /// The level to return to.
    public var original: Int
    /// The level it sleeps at.
    public var asleepLevel: Int
    /// When the phase began in which it was put to sleep.
    public var since: Date

    /// Makes a record.
    public init(state: State, original: Int, asleepLevel: Int, since: Date) {
        self.state = state
        self.original = original
        self.asleepLevel = asleepLevel
        self.since = since
    }

    /// Whether it still has to be woken, as far as the ledger knows.
    public var isOpen: Bool { state == .intended || state == .asleep || state == .waking }
}

/// An object that sleeps or slept, as the ledger keeps it: one row for each object.
public struct Sleeper: Hashable, Sendable, Codable {
    /// The cluster.
    public var cluster: ClusterID
    /// The object.
    public var object: ObjectReference
    /// What is known of its sleep.
    public var record: SleepRecord
    /// When that was seen, in world time: an older word does not replace a newer one.
    public var at: Date

    /// Makes one.
    public init(cluster: ClusterID, object: ObjectReference, record: SleepRecord, at: Date) {
        self.cluster = cluster
        self.object = object
        self.record = record
        self.at = at
    }
}

/// The objects that sleep.
public protocol Sleepers: Sendable {
    /// Every row of a cluster, closed ones included, as far as they are kept.
    func sleepers(in cluster: ClusterID) async throws -> [Sleeper]
    /// Every row about groups of a cluster's nodes, closed ones included, as far as they are kept.
    func nodeGroups(in cluster: ClusterID) async throws -> [NodeGroupSleep]
}
