import Foundation
import HTTPClient
import JobQueue
import Logging
import OpenTelemetry
import Postgres
import Redis
import Scheduler
import Sealing
import Worker

/// Everything the process is told from outside, read once. The only file that reads the environment; docs/configuration.md
/// lists every name in it, and a test compares the two.
struct Settings: Sendable {
    let environment: [String: String]

    init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        self.environment = environment
    }

    // MARK: Servers

    /// `DATABASE_URL` (or `DATABASE_URL_FILE`), or `DB_HOST`, `DB_PORT`, `DB_NAME`, `DB_USER`, `DB_PASSWORD`
    /// (or `DB_PASSWORD_FILE`), `DB_SSLMODE`; `DB_CA_FILE`, `DB_SCHEMA`, `DB_POOLER`.
    var database: PostgresConfiguration {
        get throws {
            var configuration: PostgresConfiguration
            if let url = try secret("DATABASE_URL") {
                configuration = try PostgresConfiguration(url: url)
            } else {
                configuration = PostgresConfiguration(
                    host: text("DB_HOST") ?? "localhost", port: try number("DB_PORT", in: 1...65535) ?? 5432,
                    database: text("DB_NAME") ?? "cloudoptim", user: text("DB_USER") ?? "cloudoptim",
                    password: try secret("DB_PASSWORD"))
                if let mode = text("DB_SSLMODE") {
                    guard let known = PostgresConfiguration.SSLMode(rawValue: mode) else {
                        throw wrong(
                            "DB_SSLMODE", mode, "one of \(PostgresConfiguration.SSLMode.allCases.map(\.rawValue))")
                    }
                    configuration.sslMode = known
                }
            }
            if let file = text("DB_CA_FILE") { configuration.sslRootCertificate = file }
            configuration.schema = text("DB_SCHEMA") ?? configuration.schema ?? "cloudoptim"
            if let pooler = text("DB_POOLER") {
                guard let known = PostgresConfiguration.Pooler(rawValue: pooler) else {
                    throw wrong("DB_POOLER", pooler, "none or transaction")
                }
                configuration.pooler = known
            }
            configuration.applicationName = "cloudoptim"
            return configuration
        }
    }

    /// `REDIS_URL` (or `REDIS_URL_FILE`), or `REDIS_HOST`, `REDIS_PORT`, `REDIS_USER`, `REDIS_PASSWORD`
    /// (or `REDIS_PASSWORD_FILE`); `REDIS_CA_FILE`. nil: there is no Redis, and workers look into the ledger.
    var redis: RedisConfiguration? {
        get throws {
            var configuration: RedisConfiguration
            if let url = try secret("REDIS_URL") {
                configuration = try RedisConfiguration(url: url)
            } else if let host = text("REDIS_HOST") {
                configuration = RedisConfiguration(
                    host: host, port: try number("REDIS_PORT", in: 1...65535) ?? 6379, user: text("REDIS_USER"),
                    password: try secret("REDIS_PASSWORD"))
            } else {
                return nil
            }
            if let file = text("REDIS_CA_FILE") { configuration.caFile = file }
            return configuration
        }
    }

    /// `REDIS_PREFIX`: the first part of every key, default `co`.
    var redisPrefix: String { text("REDIS_PREFIX") ?? "co" }

    // MARK: Roles

    /// `HTTP_HOST`, `HTTP_PORT`: where `/healthz`, `/readyz` and `/metrics` are served; port 0 takes a free one.
    var http: (host: String, port: Int) {
        get throws { (text("HTTP_HOST") ?? "127.0.0.1", try number("HTTP_PORT", in: 0...65535) ?? 9090) }
    }

    /// `JOBSPECS_DIR`: the folder of jobspecs, default `jobspecs` here or beside the program.
    var jobspecs: String { text("JOBSPECS_DIR") ?? "jobspecs" }

    /// `WORKER_SLOTS`, `WORKER_IN_FLIGHT_MAX`, `WORKER_QUEUES`, `WORKER_LEASE_SECONDS`, `WORKER_DRAIN_SECONDS`,
    /// `HOSTNAME`.
    var worker: WorkerConfiguration {
        get throws {
            var configuration = WorkerConfiguration()
            configuration.host = text("HOSTNAME") ?? ProcessInfo.processInfo.hostName
            configuration.version = Version.text
            configuration.slots = try number("WORKER_SLOTS", in: 1...100_000) ?? configuration.slots
            configuration.inFlightMax = max(
                configuration.slots, try number("WORKER_IN_FLIGHT_MAX", in: 1...100_000) ?? configuration.inFlightMax)
            if let queues = text("WORKER_QUEUES") {
                configuration.queues = queues.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            }
            let lease = try number("WORKER_LEASE_SECONDS", in: 6...600) ?? 12
            configuration.lease = .seconds(lease)
            configuration.renewEvery = .seconds(lease) / 3
            configuration.trustMargin = .seconds(lease) / 4
            configuration.drainTimeout = .seconds(try number("WORKER_DRAIN_SECONDS", in: 0...3600) ?? 20)
            return configuration
        }
    }

    /// `SCHEDULER_LEAD_SECONDS`, `SCHEDULER_LIST_MAX`; the workers' lease, which it extends after a gap.
    var scheduler: SchedulerConfiguration {
        get throws {
            var configuration = SchedulerConfiguration()
            let lead = try number("SCHEDULER_LEAD_SECONDS", in: 6...600) ?? 10
            configuration.leadLease = .seconds(lead)
            configuration.leadEvery = .seconds(lead) / 3
            configuration.listMax = try number("SCHEDULER_LIST_MAX", in: 10...1_000_000) ?? configuration.listMax
            configuration.workerLease = try worker.lease
            configuration.retention = try retention
            return configuration
        }
    }

    /// `RETENTION_EFFECT_DAYS`, `RETENTION_ATTEMPT_DAYS`, `RETENTION_DEAD_DAYS`, `RETENTION_WORKER_HOURS`.
    private var retention: Retention {
        get throws {
            var retention = Retention()
            retention.effectDays = try number("RETENTION_EFFECT_DAYS", in: 30...3650) ?? 30
            retention.attemptDays = try number("RETENTION_ATTEMPT_DAYS", in: 1...3650) ?? 30
            retention.deadDays = try number("RETENTION_DEAD_DAYS", in: 1...3650)
            retention.workerHours = try number("RETENTION_WORKER_HOURS", in: 1...8760) ?? 24
            return retention
        }
    }

    /// `POD_NAME`, `POD_NAMESPACE`, and the address that Kubernetes gives every container. nil: not in a pod, or not told
    /// in which.
    var pod: OwnPod? {
        get throws {
            guard let name = text("POD_NAME"), let namespace = text("POD_NAMESPACE"),
                let host = text("KUBERNETES_SERVICE_HOST")
            else { return nil }
            return OwnPod(
                name: name, namespace: namespace, host: host,
                port: try number("KUBERNETES_SERVICE_PORT", in: 1...65535) ?? 443)
        }
    }

    // MARK: Far sides

    /// `SEALING_KEY` (or `SEALING_KEY_FILE`): `id:base64` lines, the first one seals. nil: no credential can be opened.
    var keyring: SealingKeyring? {
        get throws {
            guard let text = try secret("SEALING_KEY") else { return nil }
            do { return try SealingKeyring(text: text) } catch {
                throw QueueError(.invalid, "environment: SEALING_KEY: \(error)")
            }
        }
    }

    /// `EGRESS_ALLOWED_CIDRS`: private ranges that endpoints named by customers may lie in; default none.
    var egress: EgressPolicy {
        get throws {
            do { return .customerNamed(allowed: try CIDR.list(text("EGRESS_ALLOWED_CIDRS") ?? "")) } catch {
                throw QueueError(.invalid, "environment: EGRESS_ALLOWED_CIDRS: \(error)")
            }
        }
    }

    /// `K8S_API_TIMEOUT_SECONDS`, `K8S_API_RETRY_ATTEMPTS`.
    var kubernetes: (timeout: Duration, retries: Int) {
        get throws {
            (
                .seconds(try number("K8S_API_TIMEOUT_SECONDS", in: 1...600) ?? 30),
                try number("K8S_API_RETRY_ATTEMPTS", in: 0...10) ?? 3
            )
        }
    }

    /// `NOTIFY_SECRETS` (or `NOTIFY_SECRETS_FILE`): `name:secret` lines that sign webhooks.
    var notifySecrets: [String: String] {
        get throws {
            var secrets: [String: String] = [:]
            for line in (try secret("NOTIFY_SECRETS") ?? "").split(whereSeparator: \.isNewline) {
                let parts = line.split(separator: ":", maxSplits: 1)
                guard parts.count == 2 else { throw wrong("NOTIFY_SECRETS", "a line without ':'", "name:secret") }
                secrets[String(parts[0])] = String(parts[1])
            }
            return secrets
        }
    }

    // MARK: Logs

    /// `LOG_LEVEL`: trace, debug, info, notice, warning, error or critical; default info.
    var logLevel: Logger.Level {
        get throws {
            guard let level = text("LOG_LEVEL") else { return .info }
            guard let known = Logger.Level(rawValue: level.lowercased()) else {
                throw wrong("LOG_LEVEL", level, "one of \(Logger.Level.allCases.map(\.rawValue))")
            }
            return known
        }
    }

    // MARK: Traces

    /// `OTEL_EXPORTER_OTLP_ENDPOINT` and the other names of the OpenTelemetry specification. nil: no endpoint is named, or
    /// `OTEL_SDK_DISABLED` is true, and nothing is traced.
    var tracing: TraceSettings? {
        get throws {
            if let flag = text("OTEL_SDK_DISABLED"), flag.lowercased() == "true" { return nil }
            let base = text("OTEL_EXPORTER_OTLP_ENDPOINT").map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
            guard let url = text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") ?? base.map({ $0 + "/v1/traces" }) else {
                return nil
            }
            guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
                throw wrong("OTEL_EXPORTER_OTLP_ENDPOINT", url, "http://… or https://…")
            }
            if let form = text("OTEL_EXPORTER_OTLP_PROTOCOL"), form != "http/json" {
                throw wrong("OTEL_EXPORTER_OTLP_PROTOCOL", form, "http/json, the only one this program speaks")
            }
            let name = text("OTEL_TRACES_SAMPLER") ?? "parentbased_always_on"
            guard let sampler = TraceSampler(name: name, argument: text("OTEL_TRACES_SAMPLER_ARG")) else {
                throw wrong(
                    "OTEL_TRACES_SAMPLER", name,
                    "one of \(TraceSampler.names), and OTEL_TRACES_SAMPLER_ARG from 0 to 1")
            }
            var exporter = ExporterConfiguration(url: url)
            exporter.headers = try pairs("OTEL_EXPORTER_OTLP_HEADERS", try secret("OTEL_EXPORTER_OTLP_HEADERS"))
            if let file = text("OTEL_EXPORTER_OTLP_CERTIFICATE") {
                do { exporter.trust = .authority(pem: try String(contentsOfFile: file, encoding: .utf8)) } catch {
                    throw wrong("OTEL_EXPORTER_OTLP_CERTIFICATE", file, "a PEM file that can be read")
                }
            }
            exporter.timeout = .milliseconds(try number("OTEL_EXPORTER_OTLP_TIMEOUT", in: 1...600_000) ?? 10000)
            exporter.delay = .milliseconds(try number("OTEL_BSP_SCHEDULE_DELAY", in: 1...600_000) ?? 5000)
            exporter.batchMax = try number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", in: 1...10_000) ?? 512
            exporter.version = Version.text
            let resource = try pairs("OTEL_RESOURCE_ATTRIBUTES", text("OTEL_RESOURCE_ATTRIBUTES"))
            exporter.resource = Dictionary(resource.map { ($0.name, $0.value) }) { $1 }
            let own = ["service.version": Version.text, "host.name": try worker.host]
            exporter.resource.merge(own) { given, _ in given }
            if let name = text("OTEL_SERVICE_NAME") { exporter.resource["service.name"] = name }
            return TraceSettings(
                exporter: exporter, sampler: sampler,
                queueMax: try number("OTEL_BSP_MAX_QUEUE_SIZE", in: 1...1_000_000) ?? 2048)
        }
    }

    /// `TRACEPARENT` and `TRACESTATE`: the trace that a command belongs to, as other tools pass it on. nil: none.
    var trace: TraceHeaders? { TraceHeaders(traceparent: text("TRACEPARENT"), tracestate: text("TRACESTATE")) }

    /// `name=value` pairs, separated by commas; values are percent-encoded, as W3C Baggage says.
    private func pairs(_ name: String, _ list: String?) throws -> [(name: String, value: String)] {
        try (list ?? "").split(separator: ",").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 2, let value = parts[1].removingPercentEncoding else {
                throw wrong(name, "a part without '='", "name=value pairs, separated by commas")
            }
            return (name: parts[0], value: value)
        }
    }

    // MARK: Reading

    private func text(_ name: String) -> String? {
        guard let value = environment[name], !value.isEmpty else { return nil }
        return value
    }

    /// A value, or the content of the file that `<NAME>_FILE` names.
    private func secret(_ name: String) throws -> String? {
        if let value = text(name) { return value }
        guard let path = text("\(name)_FILE") else { return nil }
        do {
            return try String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        } catch {
            throw QueueError(.invalid, "\(name)_FILE: '\(path)' cannot be read", underlying: error)
        }
    }

    private func number(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let value = text(name) else { return nil }
        guard let number = Int(value), range.contains(number) else {
            throw wrong(name, value, "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private func wrong(_ name: String, _ found: String, _ wanted: String) -> QueueError {
        QueueError(.invalid, "environment: \(name) is '\(found)', wanted \(wanted)")
    }
}

/// Whether and where spans are sent.
struct TraceSettings: Sendable {
    var exporter: ExporterConfiguration
    var sampler: TraceSampler
    var queueMax: Int
}
