import ArgumentParser
import Foundation
import HTTPClient
import JobQueue
import Logging
import Postgres
import Simulator

/// `cloudoptim simulate`
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract:
            "A seeded world for demos and tests: clusters that speak the Kubernetes API, and AWS in front of moto.",
        subcommands: [Serve.self, Interrupt.self, State.self, Clock.self], defaultSubcommand: Serve.self)

    struct Serve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Serves the world until it is stopped.",
            discussion: """
                Writes certificates, a kubeconfig per cluster and world.json (how to reach everything) into --directory.
                """)
        @Option(help: "Where moto listens.") var motoURL = "http://127.0.0.1:5000"
        @Option(help: "The same seed gives the same world.") var seed: UInt64 = 1
        @Option(help: "Names of the clusters, separated by commas.") var clusters = "demo"
        @Option(help: "Nodes of each cluster.") var nodes = 8
        @Option(help: "Pods of each cluster, about.") var pods = 80
        @Option(help: "The AWS account of the clusters, 12 digits.") var account = "123456789012"
        @Option(help: "Part of the nodes that are spot instances.") var spotShare = 0.8
        @Option(help: "Who owns the nodes, in turn: ours, auto-scaling-group, managed-node-group, karpenter, unknown.")
        var owners = "ours"
        @Option(help: "Address to listen on.") var host = "127.0.0.1"
        @Option(help: "Port of the Kubernetes API (TLS); 0 takes a free one.") var kubernetesPort = 0
        @Option(help: "Port of AWS and of the control API; 0 takes a free one.") var awsPort = 0
        @Option(help: "Seconds until a launched instance joins: from,to.") var join = "5,10"
        @Option(help: "Where files go.") var directory = ".run/simulator"

        func run() async throws {
            let settings = Settings()
            let logger = try Telemetry.start(settings, role: "simulator").logger
            let files = try SimulatorFiles(directory: directory)
            let seconds = join.split(separator: ",").compactMap { Double($0) }
            guard seconds.count == 2, seconds[0] <= seconds[1], seconds[0] >= 0 else {
                throw QueueError(.invalid, "--join '\(join)': wanted two numbers, such as 5,10")
            }
            let owners = try owners.split(separator: ",").map { text in
                guard let owner = NodeOwner(rawValue: String(text)) else {
                    let known = NodeOwner.allCases.map(\.rawValue).joined(separator: ", ")
                    throw QueueError(.invalid, "--owners '\(text)': wanted some of \(known)")
                }
                return (owner: owner, weight: 1)
            }
            let worlds = clusters.split(separator: ",").map {
                SimulatedCluster(
                    name: String($0), account: account, nodeCount: nodes, podCount: pods, owners: owners,
                    spotShare: spotShare)
            }
            let server = SimulatorServer(
                configuration: SimulatorConfiguration(
                    host: host, kubernetesPort: kubernetesPort, awsPort: awsPort, motoURL: motoURL, seed: seed,
                    clusters: worlds,
                    certificatePath: files.certificatePath, privateKeyPath: files.privateKeyPath,
                    nodeJoinSeconds: seconds[0]...seconds[1], stateDirectory: directory), logger: logger)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run() }
                group.addTask {
                    guard let addresses = await server.addresses() else { return }
                    for world in worlds {
                        for role in SimulatedRole.allCases {
                            try files.writeKubeconfig(
                                cluster: world, role: role, host: host, port: addresses.kubernetesPort)
                        }
                    }
                    Console.print(
                        "kubernetes https://\(host):\(addresses.kubernetesPort)  aws http://\(host):\(addresses.awsPort)"
                    )
                    try "ready\n".write(toFile: "\(directory)/ready", atomically: true, encoding: .utf8)
                }
                try await group.waitForAll()
            }
        }
    }

    /// The control API of a running simulator.
    struct ControlOptions: ParsableArguments {
        @Option(help: "The AWS endpoint of a running simulator; default AWS_ENDPOINT_URL.") var url: String?

        func call(_ method: String, _ path: String, _ body: String? = nil) async throws -> String {
            guard let base = url ?? Settings().environment["AWS_ENDPOINT_URL"] else {
                throw QueueError(.invalid, "give --url, or set AWS_ENDPOINT_URL")
            }
            let response = try await HTTPTransport(connectionsMax: 1).send(
                HTTPRequest(
                    method: method, url: base + "/_control/" + path,
                    headers: [(name: "Content-Type", value: "application/json")], body: body.map { Array($0.utf8) },
                    timeout: .seconds(30)))
            let text = String(decoding: response.body, as: UTF8.self)
            guard response.status < 300 else {
                throw QueueError(.refused, "the simulator answered \(response.status): \(text)")
            }
            return text
        }
    }

    struct Interrupt: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sends a spot warning for nodes; two minutes later their instances end.")
        @Argument(help: "The cluster.") var cluster: String
        @Option(help: "How many nodes.") var count = 1
        @Option(help: "spot, rebalance, state-change, health or asg-lifecycle.") var kind = "spot"
        @OptionGroup var control: ControlOptions

        func run() async throws {
            let body = try JSONText(
                encoding: JSONValue.object([
                    "cluster": .string(cluster), "count": JSONValue(parsing: String(count)), "kind": .string(kind),
                ]))
            Console.print(try await control.call("POST", "interrupt", body.text))
        }
    }

    struct State: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Prints the world as the simulator sees it.")
        @OptionGroup var control: ControlOptions
        func run() async throws { Console.print(try await control.call("GET", "state")) }
    }

    struct Clock: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Moves the world clock forward, in the simulator and in the database.",
            subcommands: [Advance.self])

        struct Advance: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Advances world time; machine time stays.",
                discussion: "Refused for a database that was not made with `migrate --simulation`.")
            @Argument(help: "Seconds.") var seconds: Double
            @OptionGroup var control: ControlOptions

            func validate() throws {
                guard (0...315_360_000).contains(seconds) else {
                    throw ValidationError("\(seconds) seconds: wanted 0 to 315360000, ten years")
                }
            }

            func run() async throws {
                let connection = try await PostgresConnection.connect(try Settings().database)
                let moved = try await connection.execute(
                    "UPDATE world_clock SET shift = shift + make_interval(secs => $1::float8) WHERE is_simulated",
                    [.double(seconds)])
                guard moved == 1 else {
                    throw QueueError(
                        .refused, "this database was not made with `migrate --simulation`: its clock cannot be moved")
                }
                let body = try JSONText(encoding: ["seconds": seconds])
                Console.print(try await control.call("POST", "clock/advance", body.text))
            }
        }
    }
}
