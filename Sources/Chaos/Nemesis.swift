import Foundation
import Glibc
import JobQueue
import Postgres

/// What was done, when.
struct FaultEvent: Sendable {
    let fault: Fault
    let at: Date
    /// The host it was done to, if it was one.
    var host: String?
    /// When it was over.
    var until: Date
}

/// Chooses and does the faults, one after the other; some last while the next begins.
actor Nemesis {
    private let settings: ChaosSettings
    private let fleet: Fleet
    private let servers: Servers
    private let producer: Producer
    private let say: @Sendable (String) -> Void
    private var generator: SeededGenerator
    private var poisons = 0
    private let poisonUntil: ContinuousClock.Instant
    private(set) var events: [FaultEvent] = []

    init(
        _ settings: ChaosSettings, _ fleet: Fleet, _ servers: Servers, _ producer: Producer,
        say: @escaping @Sendable (String) -> Void
    ) {
        self.settings = settings
        self.fleet = fleet
        self.servers = servers
        self.producer = producer
        self.say = say
        poisonUntil = .now + .seconds(Double(settings.seconds) / 2)
        generator = SeededGenerator(seed: settings.seed)
    }

    func run(until end: ContinuousClock.Instant) async throws {
        if settings.faults.isEmpty { return }
        try await prelude()
        try await withThrowingTaskGroup(of: Void.self) { tails in
            while true {
                let pause = Double.random(in: settings.pause, using: &generator)
                try await Task.sleep(for: .seconds(pause))
                guard ContinuousClock.now < end, let fault = settings.faults.randomElement(using: &generator) else {
                    break
                }
                let length = Double.random(in: 0..<1, using: &generator)
                let choice = UInt64.random(in: 0..<UInt64.max, using: &generator)
                if let tail = try await commit(fault, length, choice) {
                    tails.addTask { try await tail() }
                }
            }
            try await tails.waitForAll()
        }
    }

    /// Deaths with nothing else broken, to measure recovery: two workers; then the leading scheduler and a worker.
    private func prelude() async throws {
        guard settings.hasPrelude else { return }
        try await Task.sleep(for: .seconds(4))
        if settings.faults.contains(.killWorker) {
            for name in await fleet.awake("w").shuffled(using: &generator).prefix(2) { await kill(.killWorker, name) }
            try await Task.sleep(for: .seconds(Self.recoveryWindowSeconds))
        }
        if settings.faults.contains(.killLeaderAndWorker) {
            _ = try await commit(.killLeaderAndWorker, 0, UInt64.random(in: 0..<UInt64.max, using: &generator))
            try await Task.sleep(for: .seconds(Self.recoveryWindowSeconds))
        }
    }

    /// So long nothing else may break if a recovery is to count as that of the death alone.
    static let recoveryWindowSeconds = 20.0

    private typealias Tail = @Sendable () async throws -> Void

    /// Does it; what ends it later is the tail.
    private func commit(_ fault: Fault, _ length: Double, _ choice: UInt64) async throws -> Tail? {
        let fleet = fleet
        switch fault {
        case .killWorker: await kill(fault, await pick("w", choice, leaving: 0))
        case .killScheduler: await kill(fault, await pick("s", choice, leaving: 0))
        case .killLeaderAndWorker:
            guard let leader = try await leader() else { return nil }
            await fleet.signal(leader, SIGKILL)
            await kill(fault, await pick("w", choice, leaving: 0))
        case .stopWorker: return await stop(fault, await pick("w", choice, leaving: 1), length)
        case .stopScheduler:
            let leader = try await leader()
            return await stop(fault, leader == nil ? await pick("s", choice, leaving: 1) : leader, length)
        case .restartPostgres:
            let start = Date()
            try servers.restartPostgres()
            note(fault, from: start)
        case .killBackends:
            note(fault)
            try await admin { connection in
                _ = try await connection.query(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE pid <> pg_backend_pid() AND datname = current_database() AND random() < $1
                       AND application_name NOT LIKE 'checker%'
                    """, [.double(0.2 + 0.8 * length)])
            }
        case .restartRedis:
            let start = Date()
            try servers.restartRedis()
            note(fault, from: start)
        case .flushRedis:
            note(fault)
            try Shell.run(["redis-cli", "-u", servers.redisURL, "--no-auth-warning", "FLUSHALL"])
        case .cutPostgres: return try await refuse(fault, "proxy-postgres", 0.2 + 2.5 * length)
        case .cutRedis: return try await refuse(fault, "proxy-redis", 0.2 + 4 * length)
        case .delayPostgres: return try await delay(fault, "proxy-postgres", Int(20 + 200 * length))
        case .delayRedis: return try await delay(fault, "proxy-redis", Int(50 + 500 * length))
        case .dropPostgresReplies:
            note(fault)
            try await fleet.command("proxy-postgres", "drop \(2 + Int(8 * length))")
        case .dropRedisReplies:
            note(fault)
            try await fleet.command("proxy-redis", "drop \(2 + Int(8 * length))")
        case .exhaustConnections: return try await exhaust(fault, length)
        case .roll: return try await roll(fault)
        case .poison:
            // Quarantine takes five deaths of about twenty seconds: one at a time, and early.
            guard poisons == 0, ContinuousClock.now < poisonUntil else { return nil }
            poisons += 1
            note(fault)
            try await producer.enqueuePoison()
        }
        return nil
    }

    private func note(_ fault: Fault, host: String? = nil, from start: Date = Date(), seconds: Double = 0) {
        events.append(FaultEvent(fault: fault, at: start, host: host, until: Date() + seconds))
        say("\(fault.rawValue)\(host.map { " \($0)" } ?? "")")
    }

    private func pick(_ prefix: String, _ choice: UInt64, leaving: Int) async -> String? {
        let awake = await fleet.awake(prefix)
        return awake.count > leaving ? awake[Int(choice % UInt64(awake.count))] : nil
    }

    private func kill(_ fault: Fault, _ name: String?) async {
        guard let name else { return }
        let start = Date()
        guard let host = await fleet.signal(name, SIGKILL) else { return }
        note(fault, host: host, from: start)
    }

    private func stop(_ fault: Fault, _ name: String?, _ length: Double) async -> Tail? {
        guard let name, await fleet.awake(String(name.prefix(1))).count > 1 else { return nil }
        let range = settings.stopSeconds
        let seconds = range.lowerBound + (range.upperBound - range.lowerBound) * length
        guard let host = await fleet.signal(name, SIGSTOP) else { return nil }
        note(fault, host: host, seconds: seconds)
        let fleet = fleet
        return {
            try await Task.sleep(for: .seconds(seconds))
            await fleet.signal(name, SIGCONT)
        }
    }

    private func refuse(_ fault: Fault, _ proxy: String, _ seconds: Double) async throws -> Tail {
        note(fault, seconds: seconds)
        try await fleet.command(proxy, "refuse 1")
        let fleet = fleet
        return {
            try await Task.sleep(for: .seconds(seconds))
            try await fleet.command(proxy, "refuse 0")
        }
    }

    private func delay(_ fault: Fault, _ proxy: String, _ milliseconds: Int) async throws -> Tail {
        let seconds = 6.0
        note(fault, seconds: seconds)
        try await fleet.command(proxy, "delay \(milliseconds)")
        let fleet = fleet
        return {
            try await Task.sleep(for: .seconds(seconds))
            try await fleet.command(proxy, "delay 0")
        }
    }

    /// Opens connections until the server takes no more; whoever reconnects meanwhile is turned away.
    private func exhaust(_ fault: Fault, _ length: Double) async throws -> Tail {
        let seconds = 2 + 4 * length
        note(fault, seconds: seconds)
        let url = servers.databaseURL
        return {
            var held: [PostgresConnection] = []
            do {
                while held.count < 250 {
                    held.append(
                        try await PostgresConnection.connect(try PostgresConfiguration(url: url), name: "exhaust"))
                }
            } catch let error as QueueError where error.code == .unavailable {
                // Full, or away: as wanted.
            }
            try await Task.sleep(for: .seconds(seconds))
            for connection in held { await connection.close() }
        }
    }

    /// A deploy: every process is asked to stop, one after the other, and a new one takes its place.
    private func roll(_ fault: Fault) async throws -> Tail {
        note(fault, seconds: 10)
        let names = await fleet.awake("w") + fleet.awake("s")
        let fleet = fleet
        return {
            for name in names {
                await fleet.signal(name, SIGTERM)
                try await Task.sleep(for: .milliseconds(1500))
            }
        }
    }

    /// The process that leads now; nil: none, or the database is away.
    private func leader() async throws -> String? {
        var names: [String] = []
        try await admin { connection in
            let rows = try await connection.query(
                """
                SELECT DISTINCT split_part(application_name, '-', 1) FROM pg_stat_activity
                 WHERE application_name LIKE 's%-claim' AND state_change > now() - interval '1 s'
                """)
            names = try rows.map { try $0.string(0) }
        }
        for host in names.sorted() {
            if let name = await fleet.name(ofHost: host), await fleet.awake("s").contains(name) { return name }
        }
        return nil
    }

    private func admin(_ body: (PostgresConnection) async throws -> Void) async throws {
        do {
            let connection = try await PostgresConnection.connect(try PostgresConfiguration(url: servers.databaseURL))
            try await body(connection)
            await connection.close()
        } catch let error as QueueError where error.code == .unavailable {
            say("(the database is away: \(error.message.prefix(80)))")
        }
    }
}
