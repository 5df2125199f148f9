import Infrastructure
import JobQueue
import Postgres
import Sealing

/// The registered clusters and their sealed credentials.
public struct ClusterStore: ClusterRegistry, Credentials {
    private let connection: PostgresConnection
    private let keyring: SealingKeyring?

    /// Reads and writes over a connection.
    /// - Parameter keyring: nil: credentials cannot be opened or sealed here.
    public init(_ connection: PostgresConnection, keyring: SealingKeyring?) {
        self.connection = connection
        self.keyring = keyring
    }

    static let columns = """
        id, tenant, name, account, region, endpoint, authority, queue_url, role_arn, external_id, time_zone, environment,
        mode, launch, created_at
        """
    static let one = "SELECT \(columns) FROM cluster WHERE id = $1"
    static let onQueue = "SELECT \(columns) FROM cluster WHERE queue_url = $1 AND tenant = $2 ORDER BY id"
    static let inAccount = """
        SELECT \(columns) FROM cluster WHERE tenant = $1 AND account = $2 AND region = $3 ORDER BY id
        """
    static let inRegion = "SELECT \(columns) FROM cluster WHERE region = $1 ORDER BY id"
    static let regions = "SELECT DISTINCT region FROM cluster ORDER BY region"
    static let every = "SELECT \(columns) FROM cluster ORDER BY id"
    static let sealed = "SELECT credential FROM cluster WHERE id = $1 AND tenant = $2"
    static let insertTenant = "INSERT INTO tenant (name) VALUES ($1) ON CONFLICT (name) DO NOTHING"
    static let insertQueue = """
        INSERT INTO interruption_queue (url, tenant) VALUES ($1, $2) ON CONFLICT (url) DO NOTHING
        """
    static let insert = """
        INSERT INTO cluster (id, tenant, name, account, region, endpoint, authority, queue_url, role_arn, external_id,
                             time_zone, environment, mode, launch, credential)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::jsonb, $15)
        ON CONFLICT (id) DO NOTHING
        """
    static let delete = "DELETE FROM cluster WHERE id = $1"
    static let deleteQueues = """
        DELETE FROM interruption_queue q WHERE NOT EXISTS (SELECT FROM cluster c WHERE c.queue_url = q.url)
        """
    static let setMode = "UPDATE cluster SET mode = $2, updated_at = now() WHERE id = $1"
    static let setCredential = """
        UPDATE cluster SET credential = $3, updated_at = now() WHERE id = $1 AND tenant = $2
        """
    static let syncTargets = "SELECT sync_targets()"

    /// One cluster; nil: there is none of that id.
    public func cluster(_ id: ClusterID) async throws -> ClusterRegistration? {
        try await connection.query(ClusterStore.one, [.text(id.rawValue)]).first.map(ClusterStore.registration)
    }

    /// The tenant's clusters that name this queue.
    public func clusters(onQueue url: String, of tenant: Tenant) async throws -> [ClusterRegistration] {
        try await connection.query(ClusterStore.onQueue, [.text(url), .text(tenant.rawValue)])
            .map(ClusterStore.registration)
    }

    /// The tenant's clusters in this account and region, by id.
    public func clusters(in account: AccountTarget) async throws -> [ClusterRegistration] {
        try await connection.query(
            ClusterStore.inAccount,
            [.text(account.tenant.rawValue), .text(account.account), .text(account.region)]
        ).map(ClusterStore.registration)
    }

    /// Every tenant's clusters of a region.
    public func clusters(inRegion region: String) async throws -> [ClusterRegistration] {
        try await connection.query(ClusterStore.inRegion, [.text(region)]).map(ClusterStore.registration)
    }

    /// The regions that have clusters.
    public func regions() async throws -> [String] {
        try await connection.query(ClusterStore.regions).map { try $0.string(0) }
    }

    /// Every cluster, by id.
    public func clusters() async throws -> [ClusterRegistration] {
        try await connection.query(ClusterStore.every).map(ClusterStore.registration)
    }

    /// Opens a cluster's credential, for a job of the same tenant only.
    /// - Throws: `FarSideError` `badConfiguration`.
    public func credential(of cluster: ClusterID, for tenant: Tenant) async throws -> ClusterCredential {
        let rows = try await connection.query(ClusterStore.sealed, [.text(cluster.rawValue), .text(tenant.rawValue)])
        guard let text = rows.first?.text(0) else {
            throw FarSideError(.badConfiguration, "the cluster '\(cluster)' has no credential for this tenant")
        }
        guard let keyring else {
            throw FarSideError(.badConfiguration, "credentials cannot be opened here: no sealing key is configured")
        }
        do {
            let bytes = try keyring.open(
                try SealedBox(text: text), associatedData: ClusterStore.context(cluster, tenant))
            return ClusterCredential(token: String(decoding: bytes, as: UTF8.self))
        } catch let error as SealingError {
            throw FarSideError(.badConfiguration, "the credential of '\(cluster)' does not open: \(error)")
        }
    }

    /// Adds a cluster, what its jobs and schedules are derived from, and whatever `along` does, in one transaction.
    /// - Parameter along: runs after the cluster's rows were written; what it throws undoes everything.
    /// - Throws: `QueueError`: `invalid` naming the field, `conflict` when the id, the queue, the role or the name is taken.
    public func add(
        _ registration: ClusterRegistration, credential: ClusterCredential?,
        along: @escaping @Sendable (isolated PostgresConnection) throws -> Void = { _ in }
    ) async throws {
        let problems = registration.problems
        guard problems.isEmpty else { throw QueueError(.invalid, problems.joined(separator: "; ")) }
        let sealed = try credential.map { try seal($0, registration.id, registration.tenant).text }
        let launch = try registration.launch.map { try JSONText(encoding: $0).text }
        let values: [PostgresValue] = [
            .text(registration.id.rawValue), .text(registration.tenant.rawValue), .text(registration.name),
            .text(registration.account), .text(registration.region), .text(registration.endpoint),
            .optional(registration.authority), .optional(registration.queueURL), .optional(registration.roleARN),
            .optional(registration.externalID), .text(registration.timeZone), .text(registration.environment),
            .text(registration.mode.rawValue), .optional(launch), .optional(sealed),
        ]
        do {
            try await connection.transaction { connection in
                try connection.execute(ClusterStore.insertTenant, [.text(registration.tenant.rawValue)])
                if let queue = registration.queueURL {
                    try connection.execute(
                        ClusterStore.insertQueue, [.text(queue), .text(registration.tenant.rawValue)])
                }
                guard try connection.execute(ClusterStore.insert, values) == 1 else {
                    throw QueueError(.conflict, "a cluster '\(registration.id)' is registered already")
                }
                _ = try connection.query(ClusterStore.syncTargets)
                try along(connection)
            }
        } catch let error as QueueError where error.postgres?.sqlState == "23503" {
            throw QueueError(.conflict, "the queue '\(registration.queueURL ?? "")' belongs to another tenant")
        } catch let error as QueueError where error.postgres?.sqlState == "23P01" {
            throw QueueError(.conflict, "the role '\(registration.roleARN ?? "")' belongs to another tenant")
        } catch let error as QueueError where error.postgres?.sqlState == "23505" {
            throw QueueError(
                .conflict,
                "the tenant has a cluster '\(registration.name)' in \(registration.account)/\(registration.region) already"
            )
        }
    }

    /// Removes a cluster, its schedules and everything kept about it. False: there was none.
    public func remove(_ id: ClusterID) async throws -> Bool {
        try await connection.transaction { connection in
            let count = try connection.execute(ClusterStore.delete, [.text(id.rawValue)])
            try connection.execute(ClusterStore.deleteQueues)
            _ = try connection.query(ClusterStore.syncTargets)
            return count > 0
        }
    }

    /// Sets how far CloudOptim may go in a cluster. False: there is none.
    public func setMode(_ mode: Mode, of id: ClusterID) async throws -> Bool {
        try await connection.execute(ClusterStore.setMode, [.text(id.rawValue), .text(mode.rawValue)]) > 0
    }

    /// Replaces a cluster's credential. False: the tenant has no such cluster.
    public func setCredential(
        _ credential: ClusterCredential, of id: ClusterID, for tenant: Tenant
    ) async throws -> Bool {
        let sealed = try seal(credential, id, tenant).text
        return try await connection.execute(
            ClusterStore.setCredential, [.text(id.rawValue), .text(tenant.rawValue), .text(sealed)]) > 0
    }

    private func seal(_ credential: ClusterCredential, _ id: ClusterID, _ tenant: Tenant) throws -> SealedBox {
        guard let keyring else {
            throw QueueError(.invalid, "a credential cannot be stored: no sealing key is configured (SEALING_KEY)")
        }
        return try keyring.seal(Array(credential.token.utf8), associatedData: ClusterStore.context(id, tenant))
    }

    static func context(_ id: ClusterID, _ tenant: Tenant) -> SealContext {
        SealContext(tenant: tenant.rawValue, cluster: id.rawValue, field: "token")
    }

    private static func registration(_ row: PostgresRow) throws -> ClusterRegistration {
        try ClusterRegistration(
            id: ClusterID(rawValue: row.string(0)), tenant: Tenant(rawValue: row.string(1)), name: row.string(2),
            account: row.string(3), region: row.string(4), endpoint: row.string(5), authority: row.text(6),
            queueURL: row.text(7), roleARN: row.text(8), externalID: row.text(9), timeZone: row.string(10),
            environment: row.string(11), mode: Mode(rawValue: row.string(12)) ?? .off,
            launch: row.jsonIfPresent(13)?.decode(LaunchSettings.self), createdAt: row.date(14))
    }
}

extension PostgresValue {
    /// Text, or NULL.
    static func optional(_ text: String?) -> PostgresValue { text.map(PostgresValue.text) ?? .null }
}
