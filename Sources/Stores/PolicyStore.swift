import Infrastructure
import Postgres

/// How far CloudOptim may go.
public struct PolicyStore: Policies {
    private let connection: PostgresConnection

    /// Reads and writes over a connection.
    public init(_ connection: PostgresConnection) { self.connection = connection }

    static let read = """
        SELECT k.is_on, c.mode, m.mode FROM kill_switch k
          LEFT JOIN cluster c ON c.id = $1
          LEFT JOIN cluster_mode m ON m.cluster_id = c.id AND m.kind = $2
        """
    static let setKillSwitch = "UPDATE kill_switch SET is_on = $1, changed_by = $2, changed_at = now()"
    static let setMode = """
        INSERT INTO cluster_mode (cluster_id, kind, mode) VALUES ($1, $2, $3)
        ON CONFLICT (cluster_id, kind) DO UPDATE SET mode = excluded.mode
        """

    /// The least of the kill switch, the cluster's mode and its mode for the kind. A cluster that is not registered
    /// (any more) is off.
    public func mode(of cluster: ClusterID?, kind: String) async throws -> Mode {
        let id: PostgresValue = cluster.map { .text($0.rawValue) } ?? .null
        guard let row = try await connection.query(PolicyStore.read, [id, .text(kind)]).first else { return .off }
        let switched: Mode = try row.bool(0) ? .observe : .apply
        guard cluster != nil else { return switched }
        guard let own = row.text(1).flatMap(Mode.init(rawValue:)) else { return .off }
        return min(switched, own, row.text(2).flatMap(Mode.init(rawValue:)) ?? .apply)
    }

    /// Stops every action of every job, before the next one; or lets them go on.
    public func setKillSwitch(_ isOn: Bool, by who: String) async throws {
        try await connection.execute(PolicyStore.setKillSwitch, [.bool(isOn), .text(who)])
    }

    /// Limits one kind of job in one cluster.
    public func setMode(_ mode: Mode, of cluster: ClusterID, kind: String) async throws {
        try await connection.execute(
            PolicyStore.setMode, [.text(cluster.rawValue), .text(kind), .text(mode.rawValue)])
    }
}
