import Foundation
import Glibc
import HTTPClient
import JobQueue
import Logging
import Postgres
import Redis
import Scheduler
import ServiceLifecycle
import Worker

/// A worker or scheduler as a process of its own, as the product runs them.
struct RoleProcess: Sendable {
    let host: String
    let configuration: PostgresConfiguration
    let redis: RedisConfiguration
    let prefix: String
    let farPort: UInt16
    let lease: Duration
    let renewEvery: Duration
    let trustMargin: Duration
    let mutant: Mutant?
    let logger: Logger

    /// The names that the conductor sets for the processes it starts.
    init(environment: [String: String]) throws {
        func value(_ name: String) throws -> String {
            guard let value = environment[name] else { throw QueueError(.invalid, "\(name) is missing") }
            return value
        }
        func seconds(_ name: String) throws -> Duration {
            guard let number = Double(try value(name)) else { throw QueueError(.invalid, "\(name): wanted seconds") }
            return .seconds(number)
        }
        host = try value("CHAOS_HOST")
        configuration = try Self.database(
            url: try value("CHAOS_DATABASE_URL"), schema: try value("CHAOS_SCHEMA"), application: host)
        redis = try RedisConfiguration(url: try value("CHAOS_REDIS_URL"))
        prefix = try value("CHAOS_SCHEMA")
        farPort = UInt16(try value("CHAOS_FAR_PORT")) ?? 0
        lease = try seconds("CHAOS_LEASE")
        renewEvery = try seconds("CHAOS_RENEW")
        trustMargin = try seconds("CHAOS_TRUST_MARGIN")
        mutant = environment["CHAOS_MUTANT"].flatMap(Mutant.init(rawValue:))
        var logger = Logger(label: host)
        logger.logLevel = environment["CHAOS_LOG"].flatMap(Logger.Level.init(rawValue:)) ?? .warning
        self.logger = logger
    }

    static let writers = RecordWriters([
        // Counts: a record that is written twice shows.
        "count": """
        INSERT INTO chaos_count (key, n) SELECT key, 1 FROM unnest($1::text[], $2::jsonb[]) AS t(key, value)
         WHERE $3::text IS NOT NULL AND $4::uuid IS NOT NULL
        ON CONFLICT (key) DO UPDATE SET n = chaos_count.n + 1
        """
    ])

    static func database(url: String, schema: String, application: String) throws -> PostgresConfiguration {
        var configuration = try PostgresConfiguration(url: url)
        configuration.schema = schema
        configuration.applicationName = application
        return configuration
    }

    func runWorker() async throws {
        var worker = WorkerConfiguration()
        worker.host = host
        worker.lease = lease
        worker.renewEvery = renewEvery
        worker.trustMargin = trustMargin
        let handler = LoadHandler(far: FarClient(transport: HTTPTransport(), port: farPort))
        let ledger = try await ledger()
        try await serve(
            WorkerProcess(
                ledger: ledger, broker: RedisBroker(redis, prefix: prefix),
                handlers: Dictionary(uniqueKeysWithValues: LoadKinds.all.map { ($0.kind, handler) }),
                specs: LoadKinds.all, configuration: worker, logger: logger))
    }

    func runScheduler() async throws {
        var scheduler = SchedulerConfiguration()
        scheduler.workerLease = lease
        let ledger = try await ledger()
        try await serve(
            SchedulerProcess(
                ledger: ledger, broker: RedisBroker(redis, prefix: prefix), configuration: scheduler, logger: logger))
    }

    private func ledger() async throws -> any Ledger {
        while true {
            do {
                let ledger = try await PostgresLedger(configuration, writers: Self.writers)
                guard let mutant else { return ledger }
                return MutantLedger(mutant, ledger, try await PostgresConnection.connect(configuration))
            } catch let error as QueueError where error.code == .unavailable {
                logger.warning("the database is away", metadata: ["error": .string("\(error)")])
                try await Task.sleep(for: .milliseconds(300))
            }
        }
    }

    /// Runs the service; SIGTERM asks it to stop, as a deploy does.
    private func serve(_ service: some Service) async throws {
        endWithConductor()
        let group = ServiceGroup(services: [service], logger: logger)
        signal(SIGTERM, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGTERM, queue: .global())
        source.setEventHandler { Task { await group.triggerGracefulShutdown() } }
        source.resume()
        try await group.run()
        source.cancel()
        exit(0)
    }
}
