import Infrastructure
import JobQueue

/// A kind whose decision follows from a cluster snapshot and the cluster's policy alone: what `cloudoptim plan` can replay.
///
/// The job of the same kind observes by capturing a snapshot, and decides by calling this.
public protocol SnapshotKind: Sendable {
    /// The kind's name.
    static var kind: JobKind { get }
    /// Decides: no clock, no random source, no I/O, and nothing that hangs on the order of a dictionary or a set.
    /// World time is `snapshot.capturedAt`. What a person should see as a plan goes into `Decision.result`.
    /// - Throws: `QueueError` for a snapshot that can never be decided about.
    static func decide(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) throws -> Decision
}

/// The kinds that decide from snapshots. A new one is one line here.
public enum SnapshotKinds {
    /// All of them.
    public static let all: [any SnapshotKind.Type] = [
        Defrag.self, RightsizeNodes.self, SpotArbitrage.self, RightsizeWorkloads.self, OfficeHours.self,
        OfficeHoursNodes.self, ZombieVolumes.self, GhostScan.self, RemediateOOM.self, AnalyseNetwork.self,
    ]

    /// The kind of that name.
    /// - Throws: `QueueError` `notFound` for a kind that does not decide from snapshots.
    public static func named(_ kind: JobKind) throws -> any SnapshotKind.Type {
        guard let found = all.first(where: { $0.kind == kind }) else {
            // A key path through a metatype makes the compiler (6.3.1) crash: a closure.
            let names = all.map { $0.kind.rawValue }.sorted().joined(separator: ", ")
            throw QueueError(.notFound, "'\(kind)' does not decide from snapshots; those that do: \(names)")
        }
        return found
    }
}
