import Foundation
import JobQueue
import Postgres
import Redis
import Synchronization

/// What the watching tasks of a round share.
private final class Watch: Sendable {
    private let state = Mutex((found: Set<[String]>(), limits: [String: LimitUse](), hasEnded: false))
    var found: Set<[String]> { state.withLock { $0.found } }
    var hasEnded: Bool { state.withLock { $0.hasEnded } }
    var limits: [String: LimitUse] { state.withLock { $0.limits } }
    func note(_ violations: Set<[String]>) { state.withLock { $0.found.formUnion(violations) } }
    func note(_ key: String, isFull: Bool) {
        state.withLock { state in
            state.limits[key, default: LimitUse()].waiting += 1
            if isFull { state.limits[key, default: LimitUse()].full += 1 }
        }
    }
    func end() { state.withLock { $0.hasEnded = true } }
}

/// Conducts one round: servers, processes, load, faults, quiet, verdict.
struct Conductor: Sendable {
    private let settings: ChaosSettings

    init(_ settings: ChaosSettings) { self.settings = settings }

    /// Runs a round and prints and stores its report. True: every promise held.
    func runAndReport() async throws -> Bool {
        tell("SEED \(settings.seed)")
        tell("duration \(settings.seconds) s, faults \(settings.faults.map(\.rawValue).joined(separator: ","))")
        let servers = try Servers.start("\(settings.directory)/servers")
        let report = try await round(servers, name: "run")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(report).write(to: URL(fileURLWithPath: "\(settings.directory)/report.json"))
        tell(report.table)
        for (name, count) in report.violations { tell("BROKEN \(name): \(count)") }
        tell(report.violations.isEmpty ? "every promise held" : "promises were broken")
        tell("SEED \(settings.seed)")
        return report.violations.isEmpty
    }

    /// One round in a schema of its own.
    func round(_ servers: Servers, name: String) async throws -> Report {
        let directory = "\(settings.directory)/\(name)"
        try FileManager.default.createDirectory(atPath: "\(directory)/logs", withIntermediateDirectories: true)
        let schema = "chaos_" + name.replacing("-", with: "_")
        let checker = try await PostgresConnection.connect(
            try RoleProcess.database(url: servers.databaseURL, schema: schema, application: "checker"),
            timeout: .seconds(60))
        try await checker.script("DROP SCHEMA IF EXISTS \(schema) CASCADE", timeout: .seconds(60))
        _ = try await Migrator(Migration.queue).run(on: checker, schema: schema)
        try await checker.script(Audit.schema)

        let (far, database, redis) = (try TCP.freePort(), try TCP.freePort(), try TCP.freePort())
        let databaseURL = try Servers.through(database, servers.databaseURL)
        let redisURL = try Servers.through(redis, servers.redisURL)
        var environment = [
            "CHAOS_DATABASE_URL": databaseURL, "CHAOS_REDIS_URL": redisURL, "CHAOS_SCHEMA": schema,
            "CHAOS_FAR_PORT": String(far), "CHAOS_LEASE": String(settings.leaseSeconds),
            "CHAOS_RENEW": String(settings.renewSeconds), "CHAOS_TRUST_MARGIN": String(settings.trustMarginSeconds),
        ]
        environment["CHAOS_MUTANT"] = settings.mutant?.rawValue
        let fleet = Fleet(logs: "\(directory)/logs", environment: environment)
        let farLog = "\(directory)/far.log"
        try await fleet.start(
            "farside", ["farside", "\(far)", farLog, "\(settings.seed)", settings.farSide.rawValue],
            respawns: false)
        try await fleet.start(
            "proxy-postgres", ["proxy", "\(database)", "\(Servers.port(of: servers.databaseURL))"], respawns: false)
        try await fleet.start(
            "proxy-redis", ["proxy", "\(redis)", "\(Servers.port(of: servers.redisURL))"], respawns: false)
        for port in [far, database, redis] { try await Self.awaitListener(port) }

        do {
            let evidence = try await attack(fleet, servers, checker, databaseURL, redisURL, schema)
            try await fleet.end()
            let report = try await Checker(connection: checker, farLog: farLog, settings: settings).check(evidence)
            await checker.close()
            return report
        } catch {
            try await fleet.end()
            throw error
        }
    }

    private func attack(
        _ fleet: Fleet, _ servers: Servers, _ checker: PostgresConnection, _ databaseURL: String, _ redisURL: String,
        _ schema: String
    ) async throws -> Checker.Evidence {
        let ledger = try await PostgresLedger(
            try RoleProcess.database(url: databaseURL, schema: schema, application: "producer"))
        let broker = RedisBroker(try RedisConfiguration(url: redisURL), prefix: schema)
        _ = try await ledger.publish(LoadKinds.all)
        let producer = Producer(ledger, broker, settings: settings)
        for index in 1...settings.schedulers { try await fleet.start("s\(index)", ["scheduler"], respawns: true) }
        for index in 1...settings.workers { try await fleet.start("w\(index)", ["worker"], respawns: true) }

        let began = ContinuousClock.now
        let end = began + .seconds(settings.seconds)
        let isQuiet = settings.isQuiet
        let nemesis = Nemesis(settings, fleet, servers, producer) { text in
            let seconds = Int((ContinuousClock.now - began).seconds)
            if !isQuiet { tell("  \(seconds) s  \(text)") }
        }
        let watch = Watch()
        var converged = Duration.zero
        var hasConverged = false
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while !watch.hasEnded {
                    try await fleet.tend()
                    try await Task.sleep(for: .seconds(1))
                }
            }
            group.addTask {
                while !watch.hasEnded {
                    await Self.look(checker, watch)
                    try await Task.sleep(for: .milliseconds(150))
                }
            }
            defer { watch.end() }
            async let faults: Void = nemesis.run(until: end)
            try await producer.run(until: end)
            try await faults
            await fleet.wakeAll()
            for proxy in ["proxy-postgres", "proxy-redis"] {
                for command in ["refuse 0", "delay 0", "drop 0"] { try await fleet.command(proxy, command) }
            }
            let quietSince = ContinuousClock.now
            _ = try await retrying { try await checker.execute("UPDATE schedule SET enabled = false") }
            let limit = quietSince + .seconds(settings.convergeSeconds)
            while ContinuousClock.now < limit, !hasConverged {
                try await Task.sleep(for: .milliseconds(200))
                hasConverged =
                    try await retrying { try await checker.query("SELECT count(*) FROM job").first?.int(0) } == 0
            }
            converged = ContinuousClock.now - quietSince
        }
        await ledger.close()
        return Checker.Evidence(
            accepted: await producer.accepted, poison: await producer.poisonAccepted, events: await nemesis.events,
            snapshots: watch.found, limits: watch.limits, crashes: await fleet.crashes,
            convergedSeconds: converged.seconds,
            hasConverged: hasConverged)
    }

    /// One snapshot; nothing is seen while the database is away.
    private static func look(_ checker: PostgresConnection, _ watch: Watch) async {
        do {
            watch.note(Set(try await checker.query(Audit.snapshot).map { [try $0.string(0), $0.text(1) ?? ""] }))
            for row in try await checker.query(Audit.limitUse) {
                watch.note(try row.string(0), isFull: try row.bool(1))
            }
        } catch {
            return  // the next look is 150 ms away
        }
    }

    private func retrying<Value>(_ body: () async throws -> Value) async throws -> Value {
        var tries = 0
        while true {
            do {
                return try await body()
            } catch let error as QueueError where error.code == .unavailable && tries < 100 {
                tries += 1
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }

    private static func awaitListener(_ port: UInt16) async throws {
        for _ in 0..<100 {
            if let descriptor = TCP.connect(port: port) {
                TCP.end(descriptor)
                close(descriptor)
                return
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw QueueError(.unavailable, "nobody listens on port \(port)")
    }
}
