import Hummingbird
import JobQueue
import Logging
import Metrics
import OpenTelemetry
import Postgres
import Redis
import ServiceLifecycle
import Tracing
import UnixSignals

/// What every long-running role does first and last.
struct Telemetry {
    let logger: Logger
    let registry: PrometheusRegistry
    /// Sends spans; nil: nothing is traced.
    let exporter: SpanExporter?

    /// Sets up logs, metrics and traces for this process.
    static func start(_ settings: Settings, role: String) throws -> Telemetry {
        let level = try settings.logLevel
        LoggingSystem.bootstrap { _ in LineLogHandler(level: level) }
        let registry = PrometheusRegistry(MetricCatalogue.all)
        MetricsSystem.bootstrap(registry)
        var logger = Logger(label: role)
        logger[metadataKey: "role"] = .string(role)
        return Telemetry(logger: logger, registry: registry, exporter: try trace(settings, role: role, logger))
    }

    /// Sets up the tracer of this process, if a collector is named.
    static func trace(_ settings: Settings, role: String, _ logger: Logger) throws -> SpanExporter? {
        guard var wanted = try settings.tracing else { return nil }
        wanted.exporter.resource["service.name"] = wanted.exporter.resource["service.name"] ?? "cloudoptim-\(role)"
        let queue = SpanQueue(spansMax: wanted.queueMax, batchMax: wanted.exporter.batchMax)
        InstrumentationSystem.bootstrap(SpanTracer(sampler: wanted.sampler, queue: queue))
        return SpanExporter(wanted.exporter, queue: queue, logger: logger)
    }

    /// The broker, if there is one. A Redis that is away at start is no reason to stay away: the ledger is the truth.
    func broker(_ settings: Settings) async throws -> RedisBroker? {
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

    /// Runs services until SIGTERM or SIGINT, or until one of them has done its work (a drained worker). Spans are sent
    /// to the last: the exporter is stopped after the others.
    func serve(_ services: [any Service]) async throws {
        var quiet = logger
        quiet.logLevel = .error
        let all: [any Service] = (exporter.map { [$0] } ?? []) + services
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: all.map {
                    ServiceGroupConfiguration.ServiceConfiguration(
                        service: $0, successTerminationBehavior: .gracefullyShutdownGroup)
                }, gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet))
        try await group.run()
    }
}
