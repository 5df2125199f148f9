import Foundation
import Infrastructure
import JobQueue
import Postgres
import Sealing

@testable import Stores

/// A schema of its own in the test database.
struct StoreScene {
    let connection: PostgresConnection
    let clusters: ClusterStore
    let interruptions: InterruptionStore
    let policies: PolicyStore
    let prices: PriceStore
    private let schema: String

    struct MissingServer: Error, CustomStringConvertible {
        var description: String { "TEST_DATABASE_URL is not set: run 'make test', which starts a private PostgreSQL" }
    }

    /// Runs a test in a fresh schema and removes it afterwards.
    static func with(_ body: (StoreScene) async throws -> Void) async throws {
        let scene = try await StoreScene()
        do {
            try await body(scene)
        } catch {
            try await scene.remove()
            throw error
        }
        try await scene.remove()
    }

    static let keyring = "k1:" + Data(repeating: 7, count: 32).base64EncodedString()

    private init() async throws {
        guard let url = ProcessInfo.processInfo.environment["TEST_DATABASE_URL"] else { throw MissingServer() }
        var configuration = try PostgresConfiguration(url: url)
        schema = "product_" + UUID().uuidString.lowercased().replacing("-", with: "")
        configuration.schema = schema
        connection = try await PostgresConnection.connect(configuration)
        _ = try await Migrator(try Migration.queue + Migration.product).run(on: connection, schema: schema)
        clusters = ClusterStore(connection, keyring: try SealingKeyring(text: StoreScene.keyring))
        interruptions = InterruptionStore(connection)
        policies = PolicyStore(connection)
        prices = PriceStore(connection)
    }

    private func remove() async throws {
        try await connection.script("DROP SCHEMA \(schema) CASCADE")
        await connection.close()
    }

    /// Writes records as the ledger does.
    func write(_ records: [Record], tenant: String = "acme", job: JobID = JobID()) async throws {
        for (kind, group) in Dictionary(grouping: records, by: \.kind).sorted(by: { $0.key < $1.key }) {
            guard let statement = RecordStatements.all[kind] else { throw QueueError(.invalid, kind) }
            try await connection.execute(
                statement, [.textArray(group.map(\.key)), .jsonArray(group.map(\.value)), .text(tenant), .uuid(job)])
        }
    }

    func count(_ table: String) async throws -> Int64 {
        try await connection.query("SELECT count(*) FROM \(table)").first?.int(0) ?? 0
    }
}
