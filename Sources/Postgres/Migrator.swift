import Foundation
import JobQueue

/// One step of a schema, as it is embedded in the binary.
public struct Migration: Sendable, Comparable {
    /// The number in `V012_what.sql`.
    public let version: Int
    /// The file's name.
    public let name: String
    /// The statements, with `@schema@` where the schema's name goes.
    public let sql: String

    /// Reads the version from the name.
    /// - Throws: `invalid` for a name that is not `V<number>_<what>.sql`.
    public init(name: String, sql: String) throws {
        let digits = name.dropFirst().prefix(while: \.isNumber)
        guard name.hasPrefix("V"), let version = Int(digits), name.hasSuffix(".sql") else {
            throw QueueError(.invalid, "migration '\(name)' is not named V<number>_<what>.sql")
        }
        self.version = version
        self.name = name
        self.sql = sql
    }

    /// Orders by version.
    public static func < (left: Migration, right: Migration) -> Bool { left.version < right.version }

    /// The queue's own migrations.
    public static var queue: [Migration] {
        get throws {
            try [
                ("V001_jobs.sql", PackageResources.V001_jobs_sql),
                ("V002_views.sql", PackageResources.V002_views_sql),
                ("V003_enqueue_function.sql", PackageResources.V003_enqueue_function_sql),
                ("V004_roles.sql", PackageResources.V004_roles_sql),
                ("V005_control.sql", PackageResources.V005_control_sql),
                ("V006_limits.sql", PackageResources.V006_limits_sql),
                ("V010_operations.sql", PackageResources.V010_operations_sql),
                ("V011_upkeep.sql", PackageResources.V011_upkeep_sql),
                ("V012_key_indexes.sql", PackageResources.V012_key_indexes_sql),
                ("V013_far_rates.sql", PackageResources.V013_far_rates_sql),
                ("V014_first_slots.sql", PackageResources.V014_first_slots_sql),
                ("V015_enqueue_targets.sql", PackageResources.V015_enqueue_targets_sql),
                ("V016_tracestate.sql", PackageResources.V016_tracestate_sql),
                ("V017_schedule_health.sql", PackageResources.V017_schedule_health_sql),
                ("V020_history_turn.sql", PackageResources.V020_history_turn_sql),
                ("V021_world_now.sql", PackageResources.V021_world_now_sql),
            ].map { try Migration(name: $0.0, sql: String(decoding: $0.1, as: UTF8.self)) }
        }
    }
}

/// Brings a database to the schema that this binary knows.
public struct Migrator: Sendable {
    private let migrations: [Migration]

    /// The release of the schema that this program was built for; raised by one with each release of the program that
    /// changes the schema. A program runs against its own release and the next one, which only adds (expand); what a
    /// release no longer needs is dropped one release later (contract).
    public static let release = 1

    private let release: Int

    /// - Parameters:
    ///   - migrations: the queue's, and those of the product above.
    ///   - release: the release they make; tests give others.
    public init(_ migrations: [Migration], release: Int = Migrator.release) {
        self.migrations = migrations.sorted()
        self.release = release
    }

    /// What a run did or would do.
    public struct Report: Sendable, Equatable {
        /// The versions found.
        public var before: [Int]
        /// The names applied, or to be applied in a dry run.
        public var applied: [String]
    }

    /// Applies what is missing, each step in a transaction, under a lock that lets one migrator work at a time.
    /// - Parameters:
    ///   - isSimulation: makes the world clock movable; refused for a schema that already holds jobs.
    ///   - isDryRun: changes nothing.
    /// - Throws: `refused` when the database is newer than this binary or a step had been edited after it was applied.
    public func run(
        on connection: PostgresConnection, schema: String, isSimulation: Bool = false, isDryRun: Bool = false
    ) async throws -> Report {
        var tries = 0
        while true {
            do {
                return try await runOnce(
                    on: connection, schema: schema, isSimulation: isSimulation, isDryRun: isDryRun)
            } catch let error as QueueError
                where Self.busyStates.contains(error.postgres?.sqlState ?? "") && tries < Self.triesMax
            {
                tries += 1
                try await Task.sleep(for: .milliseconds(100 * tries))
            }
        }
    }

    /// Deadlock, and a lock that was not to be had: the fleet at work holds locks, and none of it waits for a migration.
    private static let busyStates: Set = ["40P01", "55P03"]
    /// With the lock timeout below: about two minutes.
    private static let triesMax = 30

    private func runOnce(
        on connection: PostgresConnection, schema: String, isSimulation: Bool, isDryRun: Bool
    ) async throws -> Report {
        guard schema.wholeMatch(of: /[a-z_][a-z0-9_]{0,62}/) != nil else {
            throw QueueError(.invalid, "schema '\(schema)': wanted lower-case letters, digits and underscores")
        }
        let migrations = self.migrations
        return try await connection.transaction { connection in
            try connection.execute(
                "SELECT pg_advisory_xact_lock(hashtext('cloudoptim.migrate.' || $1))", [.text(schema)])
            // What waits for a table's lock makes everybody behind it wait: so never for long.
            try connection.script("SET LOCAL lock_timeout = '3s'")
            if !isDryRun { try connection.script("CREATE SCHEMA IF NOT EXISTS \(schema)") }
            try connection.script("SET LOCAL search_path = \(schema)")
            if !isDryRun { try connection.script(Self.journal) }
            let known = try Self.applied(in: schema, on: connection)
            if let newest = known.keys.max(), newest > (migrations.last?.version ?? 0) {
                throw QueueError(
                    .refused,
                    "the database is at version \(newest), this binary knows up to \(migrations.last?.version ?? 0): use a newer binary"
                )
            }
            try checkLeap(known, on: connection)
            var report = Report(before: known.keys.sorted(), applied: [])
            for migration in migrations {
                let checksum =
                    try connection.query("SELECT md5($1::text)", [.text(migration.sql)]).first?.string(0) ?? ""
                if let applied = known[migration.version] {
                    guard applied == checksum else {
                        throw QueueError(
                            .refused, "\(migration.name) was edited after it had been applied to this database")
                    }
                    continue
                }
                report.applied.append(migration.name)
                if isDryRun { continue }
                try connection.script(migration.sql.replacing("@schema@", with: schema))
                try connection.execute(
                    "INSERT INTO schema_migration (version, name, checksum) VALUES ($1::bigint, $2, $3)",
                    [.int(Int64(migration.version)), .text(migration.name), .text(checksum)])
            }
            if isSimulation, !isDryRun { try Self.simulate(schema, on: connection) }
            if !isDryRun {
                try noteRelease(on: connection)
                _ = try connection.query(SweepStatements.turnHistory)
            }
            return report
        }
    }

    /// Refuses a database that this program must not run against, and says what to do.
    /// - Throws: `refused`: the schema lacks a step of this program, or is more than one release ahead of it.
    public func verify(on connection: PostgresConnection, schema: String) async throws {
        let (migrations, release) = (migrations, release)
        try await connection.transaction { connection in
            let known = try Self.applied(in: schema, on: connection)
            let missing = migrations.filter { known[$0.version] == nil }.map(\.name)
            guard missing.isEmpty else {
                throw QueueError(
                    .refused,
                    "the schema '\(schema)' lacks \(missing.joined(separator: ", ")): run `cloudoptim migrate` of this version first"
                )
            }
            let found = try Self.release(in: schema, on: connection)
            guard found <= release + 1 else {
                throw QueueError(
                    .refused,
                    "the schema '\(schema)' is of release \(found); this program runs with releases \(release) and \(release + 1): use a newer one"
                )
            }
        }
    }

    /// The release a schema is at; 0: older than releases are counted, or never migrated.
    static func release(in schema: String, on connection: isolated PostgresConnection) throws -> Int {
        let exists = try connection.query("SELECT to_regclass($1) IS NOT NULL", [.text("\(schema).schema_release")])
        guard try exists.first?.bool(0) == true else { return 0 }
        return Int(try connection.query("SELECT release FROM \(schema).schema_release").first?.int(0) ?? 0)
    }

    private func noteRelease(on connection: isolated PostgresConnection) throws {
        let exists = try connection.query("SELECT to_regclass('schema_release') IS NOT NULL").first?.bool(0)
        guard exists == true else { return }  // tests migrate parts of the steps
        try connection.execute(
            """
            INSERT INTO schema_release (release) VALUES ($1::bigint)
            ON CONFLICT (only_row) DO UPDATE SET release = excluded.release, changed_at = now()
             WHERE schema_release.release < excluded.release
            """, [.int(Int64(release))])
    }

    /// Two releases at once would change the schema under programs that do not know the second: so not while any lives.
    private func checkLeap(_ known: [Int: String], on connection: isolated PostgresConnection) throws {
        guard !known.isEmpty else { return }
        let found =
            try connection.query("SELECT to_regclass('schema_release') IS NOT NULL").first?.bool(0) == true
            ? Int(try connection.query("SELECT release FROM schema_release").first?.int(0) ?? 0) : 0
        guard found > 0, release > found + 1 else { return }
        let living = try connection.query(
            "SELECT count(*), min(version) FROM worker WHERE state < 2 AND expires_at > now()")
        guard let row = living.first, try row.int(0) > 0 else { return }
        throw QueueError(
            .refused,
            "the schema is of release \(found) and \(try row.int(0)) workers of version \(row.text(1) ?? "?") run on it; this program makes release \(release): migrate to release \(found + 1) and roll the processes first, or stop them all"
        )
    }

    private static let journal = """
        CREATE TABLE IF NOT EXISTS schema_migration (
            version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now())
        """

    /// Checksums by version; none where nothing was ever migrated, which a dry run may find.
    private static func applied(in schema: String, on connection: isolated PostgresConnection) throws -> [Int: String] {
        let exists = try connection.query("SELECT to_regclass($1) IS NOT NULL", [.text("\(schema).schema_migration")])
            .first
        guard try exists?.bool(0) == true else { return [:] }
        var known: [Int: String] = [:]
        for row in try connection.query("SELECT version, checksum FROM \(schema).schema_migration") {
            known[Int(try row.int(0))] = try row.string(1)
        }
        return known
    }

    /// Makes the world clock movable, in a schema where nothing has happened by real time yet.
    private static func simulate(_ schema: String, on connection: isolated PostgresConnection) throws {
        let changed = try connection.execute(
            """
            UPDATE world_clock SET is_simulated = true
             WHERE NOT is_simulated AND NOT EXISTS (SELECT FROM job) AND NOT EXISTS (SELECT FROM job_history)
               AND NOT EXISTS (SELECT FROM job_dead)
            """)
        if changed == 1 { return }
        guard try connection.query("SELECT is_simulated FROM world_clock").first?.bool(0) == true else {
            throw QueueError(
                .refused, "schema '\(schema)' holds jobs of the real world: use another schema for a simulation")
        }
    }
}
