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
        discussion: "Run two: one leads, the other stands by. SIGTERM hands the lead over.")

    func run() async throws {
        let settings = Settings()
        let (logger, registry) = try Telemetry.start(settings, role: "scheduler")
        let ledger = try await PostgresLedger(try settings.database)
        for kind in try await ledger.publish(try Specs.load(settings)) {
            logger.warning("a newer version of this kind is in force", metadata: ["kind": .stringConvertible(kind)])
        }
        let broker = try await Telemetry.broker(settings, logger)
        let status = SchedulerStatus()
        let scheduler = SchedulerProcess(
            ledger: ledger, broker: broker, configuration: try settings.scheduler, status: status, logger: logger)
        let (host, port) = try settings.http
        let depths = try await StatusReader(try settings.database)
        let health = HealthServer.make(
            host: host, port: port, registry: registry, isReady: { status.isReady },
            beforeMetrics: { await Telemetry.recordDepths(depths, logger) }, logger: logger)
        try await Telemetry.serve([scheduler, health], logger)
        await ledger.close()
    }
}
