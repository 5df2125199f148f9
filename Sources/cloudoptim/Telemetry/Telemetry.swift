import CoreMetrics
import Hummingbird
import JobQueue
import Logging
import Metrics
import Postgres
import Redis
import ServiceLifecycle
import UnixSignals

/// What every long-running role does first and last.
enum Telemetry {
    /// Sets up logs and metrics for this process.
    static func start(_ settings: Settings, role: String) throws -> (Logger, PrometheusRegistry) {
        let level = try settings.logLevel
        LoggingSystem.bootstrap { _ in LineLogHandler(level: level) }
        let registry = PrometheusRegistry()
        MetricsSystem.bootstrap(registry)
        var logger = Logger(label: role)
        logger[metadataKey: "role"] = .string(role)
        return (logger, registry)
    }

    /// The broker, if there is one. A Redis that is away at start is no reason to stay away: the ledger is the truth.
    static func broker(_ settings: Settings, _ logger: Logger) async throws -> RedisBroker? {
        guard let redis = try settings.redis else {
            logger.notice("no REDIS_URL or REDIS_HOST: ids are found in the ledger only")
            return nil
        }
        let broker = RedisBroker(redis, prefix: settings.redisPrefix)
        do {
            if let warning = try await broker.policyWarning() { logger.warning("\(warning)") }
        } catch {
            logger.warning(
                "Redis does not answer: looking into the ledger until it does", metadata: ["error": .string("\(error)")]
            )
        }
        return broker
    }

    /// Runs services until SIGTERM or SIGINT, or until one of them has done its work: a worker that was told to drain.
    static func serve(_ services: [any Service], _ logger: Logger) async throws {
        var quiet = logger
        quiet.logLevel = .error
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.map {
                    .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup)
                }, gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet))
        try await group.run()
    }

    /// Gauges of queue depth and age, read when they are asked for.
    static func recordDepths(_ reader: StatusReader, _ logger: Logger) async {
        struct Depth: Decodable {
            var queue: String
            var lane: Int
            var due: Int
            var later: Int
            var running: Int
            var oldest_due_seconds: Double
        }
        do {
            for row in try await reader.view("queue_depth", order: "queue, lane") {
                let depth: Depth = try row.decode()
                let labels = [("queue", depth.queue), ("lane", String(depth.lane))]
                Gauge(label: "queue_due", dimensions: labels).record(depth.due)
                Gauge(label: "queue_later", dimensions: labels).record(depth.later)
                Gauge(label: "queue_running", dimensions: labels).record(depth.running)
                Gauge(label: "queue_oldest_due_seconds", dimensions: labels).record(depth.oldest_due_seconds)
            }
        } catch {
            logger.warning("queue depth cannot be read", metadata: ["error": .string("\(error)")])
        }
    }
}
