import Foundation
import JobQueue
import Postgres
import Redis

/// Everything that runs: brought up one after the other, ended in the reverse order.
struct Stage: Sendable {
    let settings: DemoSettings
    let children: Children
    let narrator: Narrator

    private var services: String { settings.root + "/tools/services" }
    private var toolLog: String { settings.logs + "/demo.log" }

    /// What the story needs once the stage is set.
    struct Props: Sendable {
        var farSide: FarSide
        var ledger: LedgerWindow
        var redis: RedisConnection
        /// The environment of every `cloudoptim` process.
        var environment: [String: String]
    }

    /// Ends what a crashed or kept run left, and its data.
    func clear() async throws {
        let ended = try await children.endLeftovers()
        let hasServices = FileManager.default.fileExists(atPath: settings.directory + "/pids")
        if hasServices {
            try await Tool.run(services, ["stop", settings.directory], environment: settings.passedOn, log: toolLog)
        }
        if !ended.isEmpty {
            narrator.say(.stage, "an earlier run was still there: ended \(Narrator.list(ended)), removed its data")
        }
        for name in ["simulator", "report.json", "cloudoptim.env", "sealing.key"] {
            let path = "\(settings.directory)/\(name)"
            if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
        }
    }

    /// Private servers, the world, the ledger's tables, the cluster, one scheduler, workers.
    func raise() async throws -> Props {
        try await Tool.run(services, ["start", settings.directory], environment: settings.passedOn, log: toolLog)
        narrator.say(.stage, "PostgreSQL, Redis and moto (a stand-in for AWS) run, private to this demo")
        let addresses = try Self.exports(in: settings.directory + "/env")
        guard let database = addresses["DATABASE_URL"], let redis = addresses["REDIS_URL"],
            let moto = addresses["MOTO_URL"]
        else { throw DemoError("\(settings.directory)/env lacks DATABASE_URL, REDIS_URL or MOTO_URL") }

        var environment = settings.passedOn
        environment["DATABASE_URL"] = database
        environment["REDIS_URL"] = redis
        environment["JOBSPECS_DIR"] = settings.root + "/jobspecs"
        environment["HTTP_PORT"] = "0"
        let farSide = try await simulate(moto: moto, environment)
        environment["AWS_ENDPOINT_URL"] = farSide.address.awsURL
        environment["AWS_REGION"] = farSide.cluster.region
        environment["AWS_ACCESS_KEY_ID"] = "demo"
        environment["AWS_SECRET_ACCESS_KEY"] = "demo"
        environment["EGRESS_ALLOWED_CIDRS"] = "127.0.0.0/8"
        environment["SEALING_KEY_FILE"] = try sealingKey()
        // The copy that is shipped serves: the demo needs nothing from the internet.
        environment["SPOT_ADVISOR_URL"] = "none"

        try await cloudoptim(["migrate", "--simulation"], environment)
        try await register(farSide.cluster, environment)
        try await begin("scheduler", ["scheduler"], environment)
        for number in 1...DemoSettings.workers { try await begin("worker-\(number)", ["worker"], environment) }
        try writeEnvironment(environment)

        var configuration = try PostgresConfiguration(url: database)
        configuration.schema = "cloudoptim"
        configuration.applicationName = "demo"
        let ledger = LedgerWindow(try await PostgresConnection.connect(configuration))
        let connection = RedisConnection(try RedisConfiguration(url: redis))
        try await waitForWorkers(ledger)
        narrator.say(.stage, "one scheduler and \(DemoSettings.workers) workers run, each a process of its own")
        return Props(farSide: farSide, ledger: ledger, redis: connection, environment: environment)
    }

    private func simulate(moto: String, _ environment: [String: String]) async throws -> FarSide {
        try await begin(
            "simulator",
            [
                "simulate", "--moto-url", moto, "--directory", settings.simulator, "--nodes", "\(DemoSettings.nodes)",
                "--pods", "\(DemoSettings.pods)", "--seed", "\(settings.seed)", "--clusters",
                "\(DemoSettings.cluster),\(DemoSettings.lifeCluster)",
            ], environment)
        try await wait("the simulator", seconds: 60) {
            FileManager.default.fileExists(atPath: settings.simulator + "/ready")
        }
        return try FarSide(folder: settings.simulator)
    }

    /// - Parameter more: further options of `clusters add`.
    func register(
        _ cluster: WorldAddress.Cluster, more: [String] = [], _ environment: [String: String]
    ) async throws {
        try await cloudoptim(
            [
                "clusters", "add", cluster.name, "--tenant", DemoSettings.tenant,
                "--kubeconfig", "\(settings.simulator)/\(cluster.name)-act.kubeconfig", "--account", cluster.account,
                "--region", cluster.region, "--queue-url", cluster.queueURL, "--role-arn", cluster.roleARN,
                "--external-id", cluster.externalID, "--mode", "apply", "--launch-template", cluster.launchTemplateID,
            ] + more, environment)
        narrator.say(
            .stage,
            "cluster '\(cluster.name)' of tenant \(DemoSettings.tenant) is registered, mode apply: CloudOptim may act")
    }

    private func waitForWorkers(_ ledger: LedgerWindow) async throws {
        let limit = ContinuousClock.now + .seconds(30)
        while try await ledger.liveWorkers() < DemoSettings.workers {
            try await stumble()
            guard ContinuousClock.now < limit else { throw DemoError("the workers did not register within 30 s") }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    // MARK: Processes

    private func begin(_ name: String, _ arguments: [String], _ environment: [String: String]) async throws {
        var environment = environment
        environment["HOSTNAME"] = name
        try await children.start(
            name, settings.program, arguments, environment: environment, log: "\(settings.logs)/\(name).log")
    }

    /// Runs a `cloudoptim` command to its end.
    @discardableResult
    func cloudoptim(_ arguments: [String], _ environment: [String: String]) async throws -> String {
        try await Tool.run(settings.program, arguments, environment: environment, log: toolLog).output
    }

    /// - Throws: when a process ended that nobody asked to.
    func stumble() async throws {
        guard let (name, status) = await children.fallen() else { return }
        let log = "\(settings.logs)/\(name).log"
        let text = FileManager.default.contents(atPath: log).map { String(decoding: $0.suffix(2_000), as: UTF8.self) }
        let tail = (text ?? "").split(separator: "\n").suffix(5).joined(separator: "\n  ")
        throw DemoError("\(name) ended by itself with \(status); the end of \(settings.short(log)):\n  \(tail)")
    }

    private func wait(_ what: String, seconds: Double, until isTrue: () -> Bool) async throws {
        let limit = ContinuousClock.now + .seconds(seconds)
        while !isTrue() {
            try await stumble()
            guard ContinuousClock.now < limit else { throw DemoError("\(what) is not ready after \(Int(seconds)) s") }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Ends every process and removes their data; the logs stay.
    func strike() async {
        await children.endAll()
        do {
            try await Tool.run(services, ["stop", settings.directory], environment: settings.passedOn, log: toolLog)
        } catch {
            narrator.plain("tools/services stop: \(error)")
        }
        // Addresses and a key of servers that are gone.
        for name in ["cloudoptim.env", "sealing.key"] {
            let path = "\(settings.directory)/\(name)"
            do {
                if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
            } catch {
                narrator.plain("\(settings.short(path)) is left: \(error)")
            }
        }
    }

    // MARK: Files

    private func sealingKey() throws -> String {
        let path = settings.directory + "/sealing.key"
        let bytes = (0..<32).map { _ in UInt8.random(in: 0...255) }
        guard
            FileManager.default.createFile(
                atPath: path, contents: Data("k1:\(Data(bytes).base64EncodedString())\n".utf8),
                attributes: [.posixPermissions: 0o600])
        else { throw DemoError("\(path) cannot be written") }
        return path
    }

    /// So that a person can look around with the same settings: `. .run/demo/cloudoptim.env`.
    private func writeEnvironment(_ environment: [String: String]) throws {
        let names = environment.keys.filter { settings.passedOn[$0] == nil }.sorted()
        var lines = names.map { "export \($0)='\(environment[$0] ?? "")'" }
        lines.append("export KUBECONFIG='\(settings.simulator)/\(DemoSettings.cluster)-admin.kubeconfig'")
        let path = settings.directory + "/cloudoptim.env"
        guard
            FileManager.default.createFile(
                atPath: path, contents: Data((lines.joined(separator: "\n") + "\n").utf8),
                attributes: [.posixPermissions: 0o600])
        else { throw DemoError("\(path) cannot be written") }
    }

    /// `export NAME=value` lines, values escaped by bash's %q.
    static func exports(in path: String) throws -> [String: String] {
        var found: [String: String] = [:]
        for line in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n") {
            let parts = line.dropFirst("export ".count).split(separator: "=", maxSplits: 1)
            guard line.hasPrefix("export "), parts.count == 2 else { continue }
            found[String(parts[0])] = parts[1].filter { $0 != "\\" }
        }
        return found
    }

    /// Whether a process of that name has its pid file and lives.
    func isAlive(_ name: String) -> Bool {
        guard let text = try? String(contentsOfFile: "\(settings.directory)/processes/\(name)", encoding: .utf8),
            let pid = text.split(separator: " ").first.flatMap({ pid_t($0) })
        else { return false }
        return startTime(pid) != nil
    }

    /// Where a process serves its metrics, as its log says.
    func metricsPort(of name: String) -> String? {
        guard let log = FileManager.default.contents(atPath: "\(settings.logs)/\(name).log") else { return nil }
        return String(decoding: log, as: UTF8.self).split(whereSeparator: \.isWhitespace)
            .last { $0.hasPrefix("port=") }.map { String($0.dropFirst("port=".count)) }
    }
}
