import Foundation
import Infrastructure
import JobQueue
import Postgres

/// How far CloudOptim may go: the policies of clusters, every version kept, and the kill switches.
public struct PolicyStore: Policies {
    private let connection: PostgresConnection

    /// Reads and writes over a connection.
    public init(_ connection: PostgresConnection) { self.connection = connection }

    static let mode = """
        SELECT k.is_on, c.mode, coalesce(s.is_on, false), p.modes FROM kill_switch k
          LEFT JOIN cluster c ON c.id = $1
          LEFT JOIN cluster_kill_switch s ON s.cluster_id = c.id
          LEFT JOIN LATERAL (SELECT document->'modes' AS modes FROM cluster_policy
                              WHERE cluster_id = c.id ORDER BY version DESC LIMIT 1) p ON true
        """
    static let current = """
        SELECT c.time_zone, coalesce(p.version, 0), p.document FROM cluster c
          LEFT JOIN LATERAL (SELECT version, document FROM cluster_policy
                              WHERE cluster_id = c.id ORDER BY version DESC LIMIT 1) p ON true
         WHERE c.id = $1
        """
    static let history = """
        SELECT version, document, changed_by, note, changed_at FROM cluster_policy
         WHERE cluster_id = $1 ORDER BY version DESC LIMIT $2
        """
    /// Two who write at once: the second finds its version taken.
    static let insert = """
        INSERT INTO cluster_policy (cluster_id, version, document, changed_by, note)
        SELECT c.id, $2::int + 1, $3::jsonb, $4, $5 FROM cluster c
         WHERE c.id = $1 AND $2::int = coalesce((SELECT max(version) FROM cluster_policy WHERE cluster_id = $1), 0)
        ON CONFLICT (cluster_id, version) DO NOTHING
        """
    static let take = "SELECT take_disturbance($1, $2, $3, $4, $5::int)"
    static let taken = "SELECT count(*) FROM disturbance WHERE cluster_id = $1 AND what = $2 AND at > $3"
    static let setKillSwitch = "UPDATE kill_switch SET is_on = $1, changed_by = $2, changed_at = now()"
    static let setClusterKillSwitch = """
        INSERT INTO cluster_kill_switch (cluster_id, is_on, changed_by)
        SELECT id, $2, $3 FROM cluster WHERE id = $1
        ON CONFLICT (cluster_id) DO UPDATE
           SET is_on = excluded.is_on, changed_by = excluded.changed_by, changed_at = now()
        """

    /// The least of the kill switches, the cluster's mode and its policy's for the kind. A cluster that is not
    /// registered (any more) is off.
    public func mode(of cluster: ClusterID?, kind: String) async throws -> Mode {
        let id: PostgresValue = cluster.map { .text($0.rawValue) } ?? .null
        guard let row = try await connection.query(PolicyStore.mode, [id]).first else { return .off }
        let isStopped = try row.bool(0) || row.bool(2)
        let switched: Mode = isStopped ? .observe : .apply
        guard cluster != nil else { return switched }
        guard let own = row.text(1).flatMap(Mode.init(rawValue:)) else { return .off }
        var policy = ClusterPolicy()
        policy.modes = try row.jsonIfPresent(3)?.decode([String: Mode].self) ?? [:]
        return min(switched, own, policy.mode(of: kind))
    }

    /// The cluster's policy in its current version, every window with its zone.
    /// - Throws: `QueueError` `notFound` for a cluster that is not registered.
    public func policy(of cluster: ClusterID) async throws -> ClusterPolicy {
        guard let row = try await connection.query(PolicyStore.current, [.text(cluster.rawValue)]).first else {
            throw QueueError(.notFound, "no cluster '\(cluster)' is registered")
        }
        var policy = try row.jsonIfPresent(2).map { try ClusterPolicy(document: $0.text) } ?? ClusterPolicy()
        policy.version = Int(try row.int(1))
        return policy.inZone(try row.string(0))
    }

    /// The policy as it was written: windows without a zone have none. The defaults where none was ever set.
    /// - Throws: `QueueError` `notFound` for a cluster that is not registered.
    public func written(of cluster: ClusterID) async throws -> ClusterPolicy {
        if let newest = try await history(of: cluster, limit: 1).first { return newest.policy }
        _ = try await policy(of: cluster)
        return ClusterPolicy()
    }

    /// Takes one from the cluster's budget of the last hour, if any is left; the same key again takes nothing more.
    public func take(
        _ disturbance: Disturbance, key: String, of cluster: ClusterID, at now: Date, atMost max: Int
    ) async throws -> Bool {
        try await connection.query(
            PolicyStore.take,
            [.text(cluster.rawValue), .text(disturbance.rawValue), .text(key), .date(now), .int(Int64(max))]
        ).first?.bool(0) ?? false
    }

    /// How many were taken since then.
    public func taken(_ disturbance: Disturbance, of cluster: ClusterID, since: Date) async throws -> Int {
        let rows = try await connection.query(
            PolicyStore.taken, [.text(cluster.rawValue), .text(disturbance.rawValue), .date(since)])
        return Int(try rows.first?.int(0) ?? 0)
    }

    /// A version of a policy, and who made it when.
    public struct Change: Sendable {
        /// The policy, as it was written: windows without a zone have none.
        public var policy: ClusterPolicy
        /// Who.
        public var by: String
        /// Why, in their words.
        public var note: String
        /// When, machine time.
        public var at: Date
    }

    /// The newest versions, newest first.
    public func history(of cluster: ClusterID, limit: Int = 100) async throws -> [Change] {
        try await connection.query(PolicyStore.history, [.text(cluster.rawValue), .int(Int64(limit))]).map { row in
            var policy = try ClusterPolicy(document: row.json(1).text)
            policy.version = Int(try row.int(0))
            return try Change(policy: policy, by: row.string(2), note: row.string(3), at: row.date(4))
        }
    }

    /// Stores a policy as the version after its own `version`.
    /// - Returns: the new version.
    /// - Throws: `QueueError` `invalid` when it is out of range, `conflict` when somebody else changed it meanwhile.
    public func set(_ policy: ClusterPolicy, of cluster: ClusterID, by who: String, note: String) async throws -> Int {
        let problems = policy.problems
        guard problems.isEmpty else {
            throw QueueError(
                .invalid,
                problems.map { "\($0.field): found \($0.found), wanted \($0.wanted)" }.joined(separator: "\n"))
        }
        var next = policy
        next.version += 1
        let changed = try await connection.execute(
            PolicyStore.insert,
            [
                .text(cluster.rawValue), .int(Int64(policy.version)), .json(JSONText(text: try next.document())),
                .text(who), .text(note),
            ])
        guard changed == 1 else {
            let now = try await self.policy(of: cluster).version
            throw QueueError(
                .conflict, "the policy of '\(cluster)' is at version \(now), this was made from \(policy.version)")
        }
        return next.version
    }

    /// Stops every action of every job, before the next one; or lets them go on.
    public func setKillSwitch(_ isOn: Bool, by who: String) async throws {
        try await connection.execute(PolicyStore.setKillSwitch, [.bool(isOn), .text(who)])
    }

    /// Stops every action in one cluster, before the next one; or lets them go on. False: there is no such cluster.
    public func setKillSwitch(_ isOn: Bool, of cluster: ClusterID, by who: String) async throws -> Bool {
        try await connection.execute(
            PolicyStore.setClusterKillSwitch, [.text(cluster.rawValue), .bool(isOn), .text(who)]) > 0
    }

    /// Limits one feature or kind of job in one cluster: a new version of its policy.
    public func setMode(_ mode: Mode, of cluster: ClusterID, kind: String, by who: String) async throws {
        var policy = try await written(of: cluster)
        policy.modes[kind] = mode
        _ = try await set(policy, of: cluster, by: who, note: "\(kind): \(mode.rawValue)")
    }
}
