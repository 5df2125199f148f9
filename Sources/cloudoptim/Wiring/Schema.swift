import JobQueue
import Postgres
import Stores

/// The schema that this program was built for.
enum Schema {
    static var migrator: Migrator { get throws { Migrator(try Migration.queue + Migration.product) } }

    /// Refuses a database whose schema this program must not run against.
    static func verify(_ configuration: PostgresConfiguration) async throws {
        let connection = try await PostgresConnection.connect(configuration)
        try await migrator.verify(on: connection, schema: configuration.schema ?? "cloudoptim")
        await connection.close()
    }
}
