import ArgumentParser
import Foundation
import HTTPClient
import Infrastructure
import JobQueue
import Kubernetes
import Logging
import Postgres
import Stores

/// `cloudoptim clusters`
struct ClustersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clusters", abstract: "Registers clusters, lists and checks them.",
        subcommands: [Add.self, List.self, Check.self, SetMode.self, SetCredential.self, Remove.self],
        defaultSubcommand: List.self)

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Registers a cluster and starts its schedules.",
            discussion: """
                Give a kubeconfig with a service account's token, or --endpoint, --ca-file and --token-file. `exec` and \
                `auth-provider` entries are refused: a kubeconfig is data here, never a program.

                  cloudoptim clusters add prod-eu --tenant acme \\
                    --kubeconfig ./prod.kubeconfig \\
                    --account 123456789012 --region eu-central-1 \\
                    --queue-url https://sqs.eu-central-1.amazonaws.com/123456789012/spot \\
                    --role-arn arn:aws:iam::123456789012:role/cloudoptim \\
                    --external-id 7f3c…

                Roles, queue and service account: docs/onboarding.md. Whether they suffice: `clusters check`. Mode off: nothing \
                is read; observe: everything is decided, nothing changed; propose: a person approves; apply: it is done.
                """)
        @Argument(help: "The cluster's id here: lower-case letters, digits, hyphens.") var id: String
        @Option(help: "The customer it belongs to.") var tenant: String
        @Option(help: "Its name in EKS, by which instances are tagged; default the id.") var name: String?
        @Option(help: "A kubeconfig file.") var kubeconfig: String?
        @Option(help: "The context in it; default its current one.") var context: String?
        @Option(help: "The API server, https://….") var endpoint: String?
        @Option(help: "A PEM file with its certificate authority.") var caFile: String?
        @Option(help: "A file with the service account's token.") var tokenFile: String?
        @Option(help: "The AWS account, 12 digits.") var account: String
        @Option(help: "The AWS region.") var region: String
        @Option(name: .customLong("queue-url"), help: "The SQS queue of interruption events.") var queueURL: String?
        @Option(name: .customLong("role-arn"), help: "The role to assume; default our own credentials.") var roleARN:
            String?
        @Option(name: .customLong("external-id"), help: "The external id in that role's trust policy.") var externalID:
            String?
        @Option(help: "The time zone of its office hours, such as Europe/Berlin.") var timeZone = "UTC"
        @Option(help: "production, staging or development.") var environment = "production"
        @Option(help: "off, observe, propose or apply: how far CloudOptim may go.") var mode: Mode = .observe
        @Option(help: "Launch template for replacements, lt-…; default that of the interrupted instance.")
        var launchTemplate: String?
        @Option(help: "A zone's subnet for replacements, as us-east-1a=subnet-…; repeat it.") var subnet: [String] = []
        @Flag(help: "Do not ask the cluster whether it answers.") var offline = false
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let settings = Settings()
            let connection = try readConnection()
            guard case .token(let token) = connection.credential else {
                throw QueueError(
                    .invalid, "the kubeconfig's user has a client certificate; wanted a service account's token")
            }
            let registration = ClusterRegistration(
                id: ClusterID(rawValue: id), tenant: Tenant(rawValue: tenant), name: name ?? id, account: account,
                region: region, endpoint: connection.endpoint, authority: connection.authorityPEM, queueURL: queueURL,
                roleARN: roleARN, externalID: externalID, timeZone: timeZone, environment: environment, mode: mode,
                launch: try launchSettings())
            guard registration.problems.isEmpty else {
                throw QueueError(.invalid, registration.problems.joined(separator: "\n"))
            }
            if !offline {
                try await probe(connection, settings)
                try await ExternalIDProof.run(registration, settings, logger: Logger(label: "probe"))
            }
            let database = try await PostgresConnection.connect(try settings.database)
            let store = ClusterStore(database, keyring: try settings.keyring)
            try await store.add(registration, credential: ClusterCredential(token: token))
            await database.close()
            switch form.output {
            case .json: Console.print(try JSONText(encoding: registration).text)
            case .table:
                Console.print("registered \(id) of \(tenant), mode \(mode.rawValue): \(mode.meaning)")
            }
        }

        private func readConnection() throws -> ClusterConnection {
            do {
                if let kubeconfig {
                    let folder = URL(fileURLWithPath: kubeconfig).deletingLastPathComponent()
                    return try Kubeconfig(try InputFile.text(kubeconfig)).connection(context: context) { path in
                        Array(try Data(contentsOf: URL(fileURLWithPath: path, relativeTo: folder)))
                    }
                }
                guard let endpoint, let tokenFile else {
                    throw QueueError(.invalid, "give --kubeconfig, or --endpoint and --token-file (and --ca-file)")
                }
                let token = try InputFile.text(tokenFile).trimmingCharacters(in: .whitespacesAndNewlines)
                return try ClusterConnection(
                    endpoint: endpoint, authorityPEM: try caFile.map(InputFile.text), credential: .token(token))
            } catch let error as KubernetesError {
                throw QueueError(.invalid, error.message)
            }
        }

        private func launchSettings() throws -> LaunchSettings? {
            guard let launchTemplate else {
                if subnet.isEmpty { return nil }
                throw QueueError(.invalid, "--subnet goes with --launch-template")
            }
            var subnets: [String: String] = [:]
            for pair in subnet {
                let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2 else { throw QueueError(.invalid, "--subnet '\(pair)': wanted zone=subnet-…") }
                subnets[parts[0]] = parts[1]
            }
            guard launchTemplate.hasPrefix("lt-") else {
                throw QueueError(.invalid, "--launch-template '\(launchTemplate)': wanted the id of a template, lt-…")
            }
            return LaunchSettings(template: LaunchTemplate(id: launchTemplate), subnets: subnets)
        }

        private func probe(_ connection: ClusterConnection, _ settings: Settings) async throws {
            let client = KubernetesClient(
                connection: connection, egress: try settings.egress, transport: HTTPTransport(connectionsMax: 2))
            do {
                _ = try await client.version()
                _ = try await RemoteCluster(client, logger: Logger(label: "probe")).nodes()
            } catch {
                throw QueueError(
                    .refused, "the cluster does not let us in: \(error) (use --offline to register it all the same)")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the registered clusters.")
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let connection = try await PostgresConnection.connect(try Settings().database)
            let rows = try await ClusterStore(connection, keyring: nil).clusters().map { try JSONText(encoding: $0) }
            try Console.show(
                rows, columns: ["id", "tenant", "account", "region", "environment", "mode", "endpoint"],
                as: form.output,
                whenEmpty: "no clusters: see `cloudoptim clusters add --help`")
        }
    }

    struct SetMode: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set-mode", abstract: "Sets how far CloudOptim may go in a cluster.")
        @Argument(help: "The cluster's id.") var id: String
        @Argument(help: "off, observe, propose or apply.") var mode: Mode
        @Option(help: "Only for this feature or kind: a new version of the cluster's policy.") var kind: String?
        @OptionGroup var author: Author
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let connection = try await PostgresConnection.connect(try Settings().database)
            if let kind {
                try await PolicyStore(connection).setMode(mode, of: ClusterID(rawValue: id), kind: kind, by: author.by)
                return Console.say(
                    "\(id): \(kind) \(mode.rawValue): \(mode.meaning)",
                    ["id": .string(id), "kind": .string(kind), "mode": .string(mode.rawValue)], as: form.output)
            }
            guard try await ClusterStore(connection, keyring: nil).setMode(mode, of: ClusterID(rawValue: id)) else {
                throw QueueError(.notFound, "no cluster '\(id)'")
            }
            Console.say(
                "\(id): mode \(mode.rawValue): \(mode.meaning)",
                ["id": .string(id), "mode": .string(mode.rawValue)], as: form.output)
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes a cluster, its schedules and its credential. Running jobs end at their next step.")
        @Argument(help: "The cluster's id.") var id: String
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let connection = try await PostgresConnection.connect(try Settings().database)
            guard try await ClusterStore(connection, keyring: nil).remove(ClusterID(rawValue: id)) else {
                throw QueueError(.notFound, "no cluster '\(id)'")
            }
            Console.say("removed \(id)", ["id": .string(id), "result": .string("removed")], as: form.output)
        }
    }
}

extension Mode: ArgumentParser.ExpressibleByArgument {}

extension Mode {
    /// What a mode means, for people.
    var meaning: String {
        switch self {
        case .off: "nothing is read and nothing is done"
        case .observe: "everything is read and decided, nothing is changed"
        case .propose: "decisions wait as proposals for somebody to approve"
        case .apply: "decisions are carried out"
        }
    }
}
