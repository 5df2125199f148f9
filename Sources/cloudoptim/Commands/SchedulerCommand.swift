import ArgumentParser
import JobQueue
import Logging
import Metrics
import Postgres
import Redis
import Scheduler
import ServiceLifecycle

/// `cloudoptim scheduler`
struct SchedulerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scheduler",
        abstract: "Fires due slots, hands out ids, takes back what was lost.",
        discussion: """
            Run two: one leads, the other stands by. SIGTERM hands the lead over. Settings come from the environment \
            (docs/configuration.md): DATABASE_URL, REDIS_URL, JOBSPECS_DIR, HTTP_PORT and others. /healthz, /readyz, /metrics and \
            /scale are served on HTTP_HOST and HTTP_PORT.
            """)

    func run() async throws {
        let settings = Settings()
        let telemetry = try Telemetry.start(settings, role: "scheduler")
        let logger = telemetry.logger
        try await Schema.verify(try settings.database)
        let ledger = try await PostgresLedger(try settings.database)
        let specs = try Specs.load(settings)
        let others = Set(try await ledger.ledOtherwise(specs))
        for kind in others.sorted() {
            logger.warning(
                "another jobspec of the same version is in force: the leading scheduler's; raise the version of one",
                metadata: ["kind": .stringConvertible(kind)])
        }
        for kind in try await ledger.publish(specs.filter { !others.contains($0.kind) }) {
            logger.warning("a newer version of this kind is in force", metadata: ["kind": .stringConvertible(kind)])
        }
        let broker = try await telemetry.broker(settings)
        let status = SchedulerStatus()
        let scheduler = SchedulerProcess(
            ledger: ledger, broker: broker, configuration: try settings.scheduler, specs: specs, status: status,
            logger: logger)
        let (host, port) = try settings.http
        let reader = try await StatusReader(try settings.database)
        let gauges = LedgerGauges(reader, logger: logger)
        let health = HealthServer.make(
            host: host, port: port, registry: telemetry.registry, isReady: { status.isReady },
            beforeMetrics: {
                Gauge(label: "scheduler_leads").record(status.isLeading ? 1 : 0)
                await gauges.record()
            }, logger: logger
        ) { $0.addScale(reader) }
        try await telemetry.serve([health, scheduler])
        await ledger.close()
    }
}
