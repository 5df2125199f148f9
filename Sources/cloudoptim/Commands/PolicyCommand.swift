import ArgumentParser
import Foundation
import Infrastructure
import JobQueue
import Jobs
import Postgres
import Stores

/// `cloudoptim policy`
struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "What may be done in a cluster: shows, changes and applies policies.",
        discussion: """
            docs/policy.md names every field. Every version is kept with who made it.

              cloudoptim policy show prod-eu > prod-eu.yaml
              cloudoptim policy set prod-eu modes.packing=propose
              cloudoptim policy set prod-eu \\
                'disruption.windows=["Mon-Fri 22:00-06:00 Europe/Berlin"]'
              cloudoptim policy apply -f prod-eu.yaml prod-eu --note 'packing at night'
            """,
        subcommands: [Show.self, Set.self, Apply.self, History.self])

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints the policy in force, as YAML that `apply` reads.")
        @Argument(help: "The cluster's id.") var cluster: String
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let connection = try await PostgresConnection.connect(try Settings().database)
            let policy = try await PolicyStore(connection).written(of: ClusterID(rawValue: cluster))
            Console.print(form.output == .json ? try policy.document() : try PolicyFile.text(policy))
            await connection.close()
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes fields, each section.field=value; the value is YAML.")
        @Argument(help: "The cluster's id.") var cluster: String
        @Argument(help: "section.field=value") var assignments: [String]
        @Option(help: "Why; kept with it.") var note = ""
        @OptionGroup var author: Author
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let connection = try await PostgresConnection.connect(try Settings().database)
            let store = PolicyStore(connection)
            let old = try await store.written(of: ClusterID(rawValue: cluster))
            let new = try PolicyFile.changed(old, assignments)
            let change = PolicyCommand.Change(cluster: cluster, old: old, new: new, by: author.by, note: note)
            try await change.keep(in: store, as: form.output)
            await connection.close()
        }
    }

    struct Apply: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a file the policy; what it does not name has its default.",
            discussion: "A file that names a version is refused when the policy in force is another one.")
        @Option(name: .shortAndLong, help: "The YAML file; - for standard input.") var file: String
        @Argument(help: "The cluster's id.") var cluster: String
        @Option(help: "Why; kept with it.") var note = ""
        @OptionGroup var author: Author
        @OptionGroup var form: OutputOptions

        func run() async throws {
            var new = try InputFile.policy(file)
            let connection = try await PostgresConnection.connect(try Settings().database)
            let store = PolicyStore(connection)
            let old = try await store.written(of: ClusterID(rawValue: cluster))
            if new.version == 0 { new.version = old.version }
            let change = PolicyCommand.Change(cluster: cluster, old: old, new: new, by: author.by, note: note)
            try await change.keep(in: store, as: form.output)
            await connection.close()
        }
    }

    struct History: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists the versions, the newest first, and what each changed.")
        @Argument(help: "The cluster's id.") var cluster: String
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let connection = try await PostgresConnection.connect(try Settings().database)
            let changes = try await PolicyStore(connection).history(of: ClusterID(rawValue: cluster))
            let rows = try changes.enumerated().map { index, change in
                let before = index + 1 < changes.count ? changes[index + 1].policy : ClusterPolicy()
                let differences = try PolicyFile.differences(from: before, to: change.policy)
                return JSONText(
                    text: JSONValue.object([
                        "version": .number("\(change.policy.version)"), "by": .string(change.by),
                        "at": .string(change.at.formatted(.iso8601)), "note": .string(change.note),
                        "changed": .string(differences.joined(separator: "; ")),
                    ]).canonical)
            }
            try Console.show(
                rows, columns: ["version", "at", "by", "note", "changed"], as: form.output,
                whenEmpty: "the defaults: nothing was ever set")
            await connection.close()
        }
    }

    /// A change of a cluster's policy.
    private struct Change {
        let cluster: String
        let old: ClusterPolicy
        let new: ClusterPolicy
        let by: String
        let note: String

        /// Makes it the newest version, unless it says what that says already.
        func keep(in store: PolicyStore, as form: OutputForm) async throws {
            let differences = try PolicyFile.differences(from: old, to: new)
            guard !differences.isEmpty else {
                return tell(["\(cluster): version \(old.version) says this already"], old.version, [], form)
            }
            let version = try await store.set(new, of: ClusterID(rawValue: cluster), by: by, note: note)
            tell(differences + ["\(cluster): version \(version)"], version, differences, form)
        }

        private func tell(_ lines: [String], _ version: Int, _ differences: [String], _ form: OutputForm) {
            Console.say(
                lines.joined(separator: "\n"),
                [
                    "cluster": .string(cluster), "version": .number("\(version)"),
                    "changed": .array(differences.map(JSONValue.string)),
                ], as: form)
        }
    }
}
