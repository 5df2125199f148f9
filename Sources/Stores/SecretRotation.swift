import Infrastructure
import JobQueue
import Postgres
import Sealing

/// Seals stored secrets anew under the current key, so that an old key can be thrown away.
///
/// Each row is changed by compare-and-set in a statement of its own: it can be stopped and run again at any time, several
/// at once do no harm, and a secret that somebody replaces meanwhile stays as they set it.
public struct SecretRotation: Sendable {
    private let connection: PostgresConnection
    private let keyring: SealingKeyring

    /// What a run did, or would do.
    public struct Report: Sendable, Codable, Equatable {
        /// Rows sealed by an older key that were sealed anew.
        public var resealed = 0
        /// Rows that the current key had sealed before.
        public var current = 0
        /// Rows that somebody changed at the same moment: run it again.
        public var changed = 0
        /// Rows that no key of the ring opens, by cluster, with the reason.
        public var unreadable: [String: String] = [:]
    }

    /// Rotates over a connection.
    public init(_ connection: PostgresConnection, keyring: SealingKeyring) {
        self.connection = connection
        self.keyring = keyring
    }

    static let page = """
        SELECT id, tenant, credential FROM cluster WHERE credential IS NOT NULL AND id > $1 ORDER BY id LIMIT 200
        """
    static let replace = """
        UPDATE cluster SET credential = $3, updated_at = now() WHERE id = $1 AND credential = $2
        """
    /// Rows by the key that sealed them.
    static let keys = """
        SELECT split_part(credential, ':', 2), count(*) FROM cluster WHERE credential IS NOT NULL GROUP BY 1 ORDER BY 1
        """

    /// Seals every row that another key sealed.
    /// - Parameters:
    ///   - isDryRun: opens everything and changes nothing.
    ///   - rowsMax: rows sealed anew at most; the next run goes on.
    public func run(isDryRun: Bool = false, rowsMax: Int = .max) async throws -> Report {
        var report = Report()
        var last = ""
        while true {
            let rows = try await connection.query(Self.page, [.text(last)])
            guard let end = rows.last else { return report }
            for row in rows {
                if report.resealed >= rowsMax { return report }
                try await reseal(
                    ClusterID(rawValue: try row.string(0)), Tenant(rawValue: try row.string(1)), try row.string(2),
                    isDryRun, &report)
            }
            last = try end.string(0)
        }
    }

    private func reseal(
        _ cluster: ClusterID, _ tenant: Tenant, _ text: String, _ isDryRun: Bool, _ report: inout Report
    ) async throws {
        let sealed: SealedBox
        do {
            let box = try SealedBox(text: text)
            let context = ClusterStore.context(cluster, tenant)
            let secret = try keyring.open(box, associatedData: context)
            guard keyring.isOutdated(box) else {
                report.current += 1
                return
            }
            sealed = try keyring.seal(secret, associatedData: context)
        } catch let error as SealingError {
            report.unreadable[cluster.rawValue] = "\(error)"
            return
        }
        if isDryRun {
            report.resealed += 1
            return
        }
        let count = try await connection.execute(
            Self.replace, [.text(cluster.rawValue), .text(text), .text(sealed.text)])
        if count == 1 { report.resealed += 1 } else { report.changed += 1 }
    }

    /// How many rows each key has sealed.
    public static func rowsByKey(on connection: PostgresConnection) async throws -> [String: Int] {
        var found: [String: Int] = [:]
        for row in try await connection.query(keys) { found[try row.string(0)] = Int(try row.int(1)) }
        return found
    }
}
