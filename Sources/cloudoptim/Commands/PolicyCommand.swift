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
              cloudoptim policy set prod-eu modes.packing=propose disruption.nodes_per_hour_max=4
              cloudoptim policy set prod-eu 'disruption.windows=["Mon-Fri 22:00-06:00 Europe/Berlin"]'
              cloudoptim policy apply -f prod-eu.yaml prod-eu --by ann --note 'packing at night'
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
        @Option(help: "Who changes it; kept with it.") var by = "operator"
        @Option(help: "Why; kept with it.") var note = ""

        func run() async throws {
            let connection = try await PostgresConnection.connect(try Settings().database)
            let store = PolicyStore(connection)
            let old = try await store.written(of: ClusterID(rawValue: cluster))
            let new = try PolicyFile.changed(old, assignments)
            try await PolicyCommand.keep(new, over: old, cluster, store, by, note)
            await connection.close()
        }
    }

    struct Apply: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes a file the policy; what it does not name has its default.",
            discussion: "A file that names a version is refused when the policy in force is another one.")
        @Option(name: .shortAndLong, help: "The YAML file; - for standard input.") var file: String
        @Argument(help: "The cluster's id.") var cluster: String
        @Option(help: "Who changes it; kept with it.") var by = "operator"
        @Option(help: "Why; kept with it.") var note = ""

        func run() async throws {
            let text: String
            do {
                text =
                    file == "-"
                    ? String(decoding: try FileHandle.standardInput.readToEnd() ?? Data(), as: UTF8.self)
                    : try String(contentsOfFile: file, encoding: .utf8)
            } catch {
                throw QueueError(.invalid, "\(file): cannot be read, wanted a policy in UTF-8", underlying: error)
            }
            var new = try PolicyFile.parse(text, file: file == "-" ? "standard input" : file)
            let connection = try await PostgresConnection.connect(try Settings().database)
            let store = PolicyStore(connection)
            let old = try await store.written(of: ClusterID(rawValue: cluster))
            if new.version == 0 { new.version = old.version }
            try await PolicyCommand.keep(new, over: old, cluster, store, by, note)
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

    private static func keep(
        _ new: ClusterPolicy, over old: ClusterPolicy, _ cluster: String, _ store: PolicyStore, _ who: String,
        _ note: String
    ) async throws {
        let differences = try PolicyFile.differences(from: old, to: new)
        if differences.isEmpty { return Console.print("\(cluster): version \(old.version) says this already") }
        let version = try await store.set(new, of: ClusterID(rawValue: cluster), by: who, note: note)
        for line in differences { Console.print(line) }
        Console.print("\(cluster): version \(version)")
    }
}
