import ArgumentParser
import Foundation
import HTTPClient
import Infrastructure
import JobQueue
import Kubernetes
import Logging
import Postgres
import Stores

extension ClustersCommand {
    struct SetCredential: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set-credential",
            abstract: "Replaces a cluster's token. Workers use the new one within a minute.",
            discussion: """
                Give a kubeconfig, or a file with the token. The new token is tried on the cluster first; when it does not let us \
                in, the old one stays (--offline: it is stored untried).

                  cloudoptim clusters set-credential prod-eu --token-file ./token
                """)
        @Argument(help: "The cluster's id.") var id: String
        @Option(help: "A kubeconfig file.") var kubeconfig: String?
        @Option(help: "The context in it; default its current one.") var context: String?
        @Option(help: "A file with the service account's token.") var tokenFile: String?
        @Flag(help: "Do not ask the cluster whether it answers.") var offline = false
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let settings = Settings()
            let token = try readToken()
            let database = try await PostgresConnection.connect(try settings.database)
            let store = ClusterStore(database, keyring: try settings.keyring)
            guard let registration = try await store.cluster(ClusterID(rawValue: id)) else {
                throw QueueError(.notFound, "no cluster '\(id)'")
            }
            if !offline { try await probe(registration, token, settings) }
            guard
                try await store.setCredential(
                    ClusterCredential(token: token), of: registration.id, for: registration.tenant)
            else { throw QueueError(.notFound, "no cluster '\(id)'") }
            await database.close()
            Console.say(
                "\(id): the token was replaced", ["id": .string(id), "result": .string("replaced")], as: form.output)
        }

        private func readToken() throws -> String {
            let token: String
            switch (kubeconfig, tokenFile) {
            case (let kubeconfig?, nil):
                let folder = URL(fileURLWithPath: kubeconfig).deletingLastPathComponent()
                do {
                    let connection = try Kubeconfig(try InputFile.text(kubeconfig)).connection(context: context) {
                        path in
                        Array(try Data(contentsOf: URL(fileURLWithPath: path, relativeTo: folder)))
                    }
                    guard case .token(let found) = connection.credential else {
                        throw QueueError(
                            .invalid, "the kubeconfig's user has a client certificate; wanted a service account's token"
                        )
                    }
                    token = found
                } catch let error as KubernetesError {
                    throw QueueError(.invalid, error.message)
                }
            case (nil, let tokenFile?):
                token = try InputFile.text(tokenFile).trimmingCharacters(in: .whitespacesAndNewlines)
            default: throw QueueError(.invalid, "give either --kubeconfig or --token-file")
            }
            guard !token.isEmpty else { throw QueueError(.invalid, "the token is empty") }
            return token
        }

        private func probe(_ registration: ClusterRegistration, _ token: String, _ settings: Settings) async throws {
            do {
                let client = KubernetesClient(
                    connection: try ClusterConnection(
                        endpoint: registration.endpoint, authorityPEM: registration.authority,
                        credential: .token(token)),
                    egress: try settings.egress, transport: HTTPTransport(connectionsMax: 2))
                _ = try await RemoteCluster(client, logger: Logger(label: "probe")).nodes()
            } catch let error as QueueError {
                throw error
            } catch {
                throw QueueError(
                    .refused,
                    "the cluster does not let us in with it: \(error) (use --offline to store it all the same)")
            }
        }
    }
}
