import Foundation
import HTTPClient
import JobQueue
import Postgres
import Processes
import Redis
import Synchronization
import TestSupport
import Testing

/// One fleet: a schema and a key prefix of its own, a simulated world, and the processes that a test starts in it.
final class Fleet: Sendable {
    /// The schema, the prefix, and the first part of its clusters' names.
    let name: String
    /// Where its files are.
    let directory: String
    /// What every process of it is told.
    let environment: [String: String]
    let database: PostgresConnection
    private let simulator: World?
    private let children = Mutex<[Child]>([])
    private let count = Mutex(0)

    @TaskLocal static var running: Fleet?

    /// The fleet of the suite that runs.
    static var current: Fleet {
        get throws { try #require(running, "the suite has no FleetScope") }
    }

    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    /// The program, beside the test bundle.
    static let program: String = {
        let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent("cloudoptim").path
    }()

    static func variable(_ name: String) throws -> String {
        try #require(
            ProcessInfo.processInfo.environment[name],
            "\(name) is not set: run `make test`, or `tools/services start .run/test` and source .run/test/env")
    }

    private init(
        name: String, directory: String, environment: [String: String], database: PostgresConnection, simulator: World?,
        children: [Child]
    ) {
        self.name = name
        self.directory = directory
        self.environment = environment
        self.database = database
        self.simulator = simulator
        self.children.withLock { $0 = children }
    }

    var world: World { get throws { try #require(simulator, "this fleet has no world") } }

    // MARK: Making and ending

    /// Migrates a new schema and starts a simulator.
    static func make(_ plan: FleetPlan) async throws -> Fleet {
        let name = "sys-\(String(UInt32.random(in: 0...UInt32.max), radix: 36))"
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("co-\(name)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        var environment = ProcessInfo.processInfo.environment.filter { key, _ in
            !["AWS_", "DB_", "REDIS_", "DATABASE_", "TEST_", "WORKER_", "SCHEDULER_", "SQS_"].contains {
                key.hasPrefix($0)
            }
        }
        let own = [
            "DATABASE_URL": try variable("TEST_DATABASE_URL"), "DB_SCHEMA": name.replacing("-", with: "_"),
            "REDIS_URL": try variable("TEST_REDIS_URL"), "REDIS_PREFIX": name, "JOBSPECS_DIR": "\(root)/jobspecs",
            "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "EGRESS_ALLOWED_CIDRS": "127.0.0.0/8", "SPOT_ADVISOR_URL": "none", "HTTP_PORT": "0", "HOSTNAME": "test",
            "SEALING_KEY": "k1:" + Data((0..<32).map { _ in UInt8.random(in: 0...255) }).base64EncodedString(),
        ]
        environment.merge(own.merging(plan.environment) { $1 }) { $1 }
        var configuration = try PostgresConfiguration(url: try variable("TEST_DATABASE_URL"))
        configuration.schema = own["DB_SCHEMA"]
        var children: [Child] = []
        do {
            var world: World?
            if !plan.clusters.isEmpty {
                let simulator = try start(plan, name: name, environment: environment, directory: directory)
                children.append(simulator)
                let files = "\(directory)/world"
                try await eventually("the simulator is ready: \(simulator.errors.suffix(500))") {
                    FileManager.default.fileExists(atPath: "\(files)/ready") || !simulator.isRunning
                }
                let json = try String(contentsOfFile: "\(files)/world.json", encoding: .utf8)
                let file: WorldFile = try JSONText(text: json).decode()
                world = World(file: file, directory: files)
                environment["AWS_ENDPOINT_URL"] = file.awsURL
            }
            let database = try await PostgresConnection.connect(configuration, name: "pg-system")
            let fleet = Fleet(
                name: name, directory: directory, environment: environment, database: database, simulator: world,
                children: children)
            try await fleet.succeed(["migrate", "--simulation"])
            return fleet
        } catch {
            for child in children { child.kill() }
            throw error
        }
    }

    private static func start(
        _ plan: FleetPlan, name: String, environment: [String: String], directory: String
    ) throws -> Child {
        let clusters = plan.clusters.map { "\(name)-\($0)" }.joined(separator: ",")
        let arguments = [
            "simulate", "--moto-url", try variable("TEST_MOTO_URL"), "--directory", "\(directory)/world", "--clusters",
            clusters, "--nodes", "\(plan.nodes)", "--pods", "\(plan.pods)", "--join", "1,2", "--spot-share",
            plan.isSpot ? "1" : "0", "--account", plan.account, "--owners", plan.owners,
        ]
        return try Child(
            program, arguments, environment: environment, directory: directory, name: "simulator")
    }

    /// Ends its processes and forgets its rows and files.
    func end() async {
        for child in children.withLock({ $0 }) { child.kill() }
        try? await database.script("DROP SCHEMA IF EXISTS \(environment["DB_SCHEMA"] ?? "") CASCADE")
        await database.close()
        try? FileManager.default.removeItem(atPath: directory)
    }

    // MARK: Processes

    /// Runs a command to its end.
    func run(
        _ arguments: [String], environment extra: [String: String] = [:], within limit: Duration = .seconds(60)
    ) async throws -> Answer {
        try await start(arguments, environment: extra).answer(within: limit)
    }

    /// Runs a command that must succeed.
    @discardableResult
    func succeed(
        _ arguments: [String], environment extra: [String: String] = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Answer {
        let answer = try await run(arguments, environment: extra)
        try #require(answer.status == 0, "\(arguments): \(answer)", sourceLocation: sourceLocation)
        return answer
    }

    /// Starts a command; it ends with the fleet at the latest.
    func start(_ arguments: [String], environment extra: [String: String] = [:]) throws -> Child {
        let number = count.withLock { number in
            number += 1
            return number
        }
        let child = try Child(
            Fleet.program, arguments, environment: environment.merging(extra) { $1 }, directory: directory,
            name: "\(number)-\(arguments.first ?? "")")
        children.withLock { $0.append(child) }
        return child
    }

    /// What the ledger says of this fleet, for a failure's message: jobs that live or ended badly, the last ones of all, and
    /// the rows that stories wait for.
    var books: String {
        let statements = [
            "SELECT kind, state, attempt, run_at, left(last_error::text, 300) FROM job_status WHERE state <> 'done' LIMIT 12",
            "SELECT kind, state, claimed_at, finished_at, left(result::text, 200) FROM job_status ORDER BY created_at DESC LIMIT 12",
            "SELECT kind, last_slot, next_slot, world_now() FROM schedule_health WHERE late_seconds > 0 LIMIT 12",
            "SELECT * FROM sleeper_status WHERE state <> 'awake' LIMIT 6",
            "SELECT * FROM node_group_status WHERE state <> 'awake' LIMIT 6",
        ]
        let command =
            [
                "psql", environment["DATABASE_URL"] ?? "", "--no-psqlrc", "-A", "-c",
                "SET search_path = \(environment["DB_SCHEMA"] ?? "")",
            ]
            + statements.flatMap { ["-c", $0] }
        do { return String(decoding: try ChildProcess.run(command).output, as: UTF8.self) } catch { return "\(error)" }
    }

    /// Everything that its processes have written so far.
    var everythingWritten: String {
        children.withLock { $0 }.map { $0.output + $0.errors }.joined()
    }

    /// Starts a scheduler and workers and waits until they answer.
    @discardableResult
    func startRoles(workers: Int = 1) async throws -> [Child] {
        let roles = try [start(["scheduler"])] + (0..<workers).map { _ in try start(["worker"]) }
        for role in roles { _ = try await Fleet.port(of: role) }
        return roles
    }

    /// The port on which a role serves its health and metrics: its log says it.
    static func port(of role: Child) async throws -> Int {
        try await eventually("a role says its port: \(role.errors.suffix(500))") {
            role.errors.firstMatch(of: /health and metrics are served port=([0-9]+)/).flatMap { Int($0.1) }
        }
    }

    // MARK: Clusters

    /// The full name of one of its clusters.
    func cluster(_ short: String) -> String { "\(name)-\(short)" }

    /// Registers a cluster of the world.
    @discardableResult
    func add(
        _ short: String, tenant: String, mode: String = "apply", kubeconfig: String? = nil, account: String? = nil,
        environment extra: [String: String] = [:], more: [String] = []
    ) async throws -> Answer {
        let world = try world
        let cluster = try world.cluster(cluster(short))
        return try await run(
            [
                "clusters", "add", cluster.name, "--tenant", tenant, "--kubeconfig",
                kubeconfig ?? world.kubeconfig(cluster.name), "--account", account ?? cluster.account, "--region",
                cluster.region, "--queue-url", cluster.queueURL, "--role-arn", cluster.roleARN, "--external-id",
                cluster.externalID, "--mode", mode, "--launch-template", cluster.launchTemplateID,
            ] + more, environment: extra)
    }

    // MARK: The ledger

    func rows(_ sql: String, _ values: [PostgresValue] = []) async throws -> [PostgresRow] {
        try await database.query(sql, values)
    }

    /// The first column of the only row.
    func number(_ sql: String, _ values: [PostgresValue] = []) async throws -> Int {
        Int(try #require(try await rows(sql, values).first).int(0))
    }

    /// The first column of the first row; nil: no row, or NULL.
    func text(_ sql: String, _ values: [PostgresValue] = []) async throws -> String? {
        try await rows(sql, values).first?.text(0)
    }

    func state(of job: String) async throws -> String? {
        try await text("SELECT state FROM job_status WHERE id = $1::uuid", [.text(job)])
    }

    /// Enqueues a job and gives its id.
    @discardableResult
    func enqueue(_ kind: String, _ more: [String] = []) async throws -> String {
        try await succeed(["enqueue", kind] + more).output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func broker() throws -> RedisBroker {
        RedisBroker(try RedisConfiguration(url: try Fleet.variable("TEST_REDIS_URL")), prefix: name)
    }

    /// Waits until the index says which instance is which node.
    func awaitIndex(_ short: String, nodes: Int) async throws {
        try await eventually("every node of \(short) is in the index") {
            try await number("SELECT count(*) FROM instance_index WHERE cluster_id = $1", [.text(cluster(short))])
                >= nodes
        }
    }
}

/// What a fleet is made of.
struct FleetPlan: Sendable {
    /// Short names; none: no simulator.
    var clusters: [String] = []
    var nodes = 4
    var pods = 20
    var environment: [String: String] = [:]
    /// moto is shared: what looks at a whole account has one of its own.
    var account = "123456789012"
    /// Whether its nodes are spot instances; else they are paid on demand.
    var isSpot = true
    /// Who owns the nodes, in turn.
    var owners = "ours"

    /// Polls often and gives up early, so that what goes wrong on purpose is told soon.
    static let impatient = ["K8S_API_RETRY_ATTEMPTS": "1", "SQS_POLL_INTERVAL_SECONDS": "2"]
}

/// One fleet for a whole suite.
struct FleetScope: SuiteTrait, TestScoping {
    var plan: FleetPlan

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let fleet = try await Fleet.make(plan)
        let result: Result<Void, any Error>
        Evidence.set {
            String(Fleet.running?.everythingWritten.suffix(3000) ?? "") + "\n" + (Fleet.running?.books ?? "")
        }
        do { result = .success(try await Fleet.$running.withValue(fleet) { try await function() }) } catch {
            result = .failure(error)
        }
        await fleet.end()
        try result.get()
    }
}

extension Trait where Self == FleetScope {
    /// A fleet of the suite's own.
    static func fleet(
        clusters: [String] = [], nodes: Int = 4, pods: Int = 20, environment: [String: String] = [:],
        account: String = "123456789012", isSpot: Bool = true, owners: String = "ours"
    ) -> FleetScope {
        FleetScope(
            plan: FleetPlan(
                clusters: clusters, nodes: nodes, pods: pods, environment: environment, account: account,
                isSpot: isSpot, owners: owners))
    }
}

/// Real processes on real servers, one suite after the other: they measure time, and this machine may be small.
@Suite(.serialized) enum SystemTests {}

extension Fleet {
    /// Whether a job has ended; one that had nothing to do leaves no row.
    func isOver(_ job: String) async throws -> Bool {
        let state = try await state(of: job)
        return state == nil || state == "done"
    }
}
