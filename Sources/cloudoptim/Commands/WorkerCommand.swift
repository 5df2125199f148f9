import ArgumentParser
import JobQueue
import Jobs
import Logging
import Postgres
import Redis
import ServiceLifecycle
import Stores
import Worker

/// `cloudoptim worker`
struct WorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Claims jobs and runs them.",
        discussion: """
            Run as many as you like. SIGTERM stops claiming, lets jobs reach a checkpoint and hands the rest back: a deploy \
            costs no attempt. Settings come from the environment (docs/configuration.md): DATABASE_URL, REDIS_URL, SEALING_KEY, \
            AWS credentials, WORKER_SLOTS, WORKER_QUEUES, HTTP_PORT and others. /healthz, /readyz and /metrics are served on \
            HTTP_HOST and HTTP_PORT.
            """)

    func run() async throws {
        let settings = Settings()
        let telemetry = try Telemetry.start(settings, role: "worker")
        let logger = telemetry.logger
        let database = try settings.database
        try await Schema.verify(database)
        let ledger = try await PostgresLedger(database, writers: RecordWriters(RecordStatements.all))
        let broker = try await telemetry.broker(settings)
        let specs = try Specs.load(settings)
        let stores = try await PostgresConnection.connect(database, name: "pg-stores")
        let handlers = try Handlers.make(settings, specs: specs, connection: stores, logger: logger)
        let status = WorkerStatus()
        let worker = WorkerProcess(
            ledger: ledger, broker: broker, handlers: handlers, specs: specs, configuration: try settings.worker,
            status: status, logger: logger)
        let drainLimit = try settings.worker.drainTimeout + .seconds(10)
        let (host, port) = try settings.http
        let health = HealthServer.make(
            host: host, port: port, registry: telemetry.registry, isReady: { status.isReady }, logger: logger
        ) { $0.addDrain(status, limit: drainLimit) }
        var services: [any Service] = [health, worker]
        if let pod = try settings.pod { services.insert(DeletionCost(pod, status: status, logger: logger), at: 0) }
        try await telemetry.serve(services)
        await ledger.close()
    }
}
