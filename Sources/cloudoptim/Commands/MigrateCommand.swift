import ArgumentParser
import JobQueue
import Postgres
import Stores

/// `cloudoptim migrate`
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Makes the schema, or brings it to this version; then publishes the jobspecs.",
        discussion: "Safe to run at any time and from several places at once: one works, the others wait.")

    @Flag(help: "Only say what would be applied.")
    var dryRun = false
    @Flag(help: "Make the world clock movable, for demos and tests. Never for production.")
    var simulation = false
    @OptionGroup var form: OutputOptions

    func run() async throws {
        let settings = Settings()
        let configuration = try settings.database
        let schema = configuration.schema ?? "cloudoptim"
        // Behind a pooler the role's schema is set here: there is none to check yet.
        var bare = configuration
        if bare.pooler == .transaction { bare.schema = nil }
        let connection = try await PostgresConnection.connect(bare)
        let report = try await Schema.migrator.run(
            on: connection, schema: schema, isSimulation: simulation, isDryRun: dryRun)
        if form.output == .table { Console.print(Self.sentence(report, schema, isDryRun: dryRun)) }
        var answer: [String: JSONValue] = [
            "schema": .string(schema), "dry_run": .boolean(dryRun),
            "applied": .array(report.applied.map(JSONValue.string)),
        ]
        guard !dryRun else { return tell(answer) }
        if configuration.pooler == .transaction {
            let role = try await PoolerSettings.apply(on: connection, schema: schema)
            if form.output == .table {
                Console.print(
                    "set the schema and our session settings on the role \(role), for the pooler: RECONNECT it")
            }
        }
        let ledger = try await PostgresLedger(configuration)
        let specs = try Specs.load(settings)
        for kind in try await ledger.publish(specs) {
            Console.error("kind \(kind) has a higher version in the database: it is left as it is")
        }
        if form.output == .table { Console.print("published \(specs.count) job kinds from \(settings.jobspecs)") }
        answer["kinds"] = .array(specs.map { .string($0.kind.rawValue) })
        tell(answer)
        await ledger.close()
        await connection.close()
    }

    private func tell(_ answer: [String: JSONValue]) {
        if form.output == .json { Console.print(JSONValue.object(answer).canonical) }
    }

    private static func sentence(_ report: Migrator.Report, _ schema: String, isDryRun: Bool) -> String {
        report.applied.isEmpty
            ? "schema \(schema) is up to date (version \(report.before.last ?? 0))"
            : "\(isDryRun ? "would apply" : "applied") to schema \(schema): \(report.applied.joined(separator: ", "))"
    }
}
