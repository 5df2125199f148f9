import Foundation
import HTTPClient
import Logging
import Metrics
import ServiceLifecycle

/// Where spans are sent and how; the defaults are those of the OpenTelemetry specification.
public struct ExporterConfiguration: Sendable {
    /// The collector's whole URL, such as `http://collector:4318/v1/traces`.
    public var url: String
    /// Header fields of every request, such as a token.
    public var headers: [(name: String, value: String)] = []
    /// Who may vouch for the collector.
    public var trust = TLSTrust.system
    /// The bound of one request.
    public var timeout = Duration.seconds(10)
    /// How long ended spans wait for company.
    public var delay = Duration.seconds(5)
    /// The most spans of one request.
    public var batchMax = 512
    /// What the process says of itself: `service.name` and others.
    public var resource: [String: String] = [:]
    /// The version of the instrumentation.
    public var version = ""

    /// Names a collector.
    public init(url: String) { self.url = url }
}

/// Sends spans to an OpenTelemetry collector by OTLP over HTTP, as JSON. Run it as a service beside what is traced.
///
/// What cannot be delivered is dropped and counted (`spans_dropped_total`): nothing that is traced ever waits for it.
public struct SpanExporter: Service {
    private let configuration: ExporterConfiguration
    private let queue: SpanQueue
    private let transport: HTTPTransport
    private let logger: Logger

    /// The name of what makes the spans.
    static let scope = "cloudoptim"
    /// Tries of one batch; then it is dropped.
    static let attemptsMax = 4

    /// Makes an exporter that empties a queue.
    public init(_ configuration: ExporterConfiguration, queue: SpanQueue, logger: Logger) {
        self.configuration = configuration
        self.queue = queue
        self.logger = logger
        transport = HTTPTransport(connectionsMax: 2)
    }

    /// Sends until the process is asked to stop; then what is left, within one request's time.
    public func run() async throws {
        await withGracefulShutdownHandler {
            while !queue.isClosed, !Task.isCancelled {
                await queue.wait(atMost: configuration.delay)
                await sendAll(until: .now + .seconds(3600))
            }
        } onGracefulShutdown: {
            queue.close()
        }
        await sendAll(until: .now + configuration.timeout)
    }

    /// Sends what is there, in batches, until the queue is empty or the time is over.
    public func flush() async { await sendAll(until: .now + configuration.timeout) }

    private func sendAll(until end: ContinuousClock.Instant) async {
        while true {
            let batch = queue.take(atMost: configuration.batchMax)
            if batch.isEmpty { return }
            await send(batch, until: end)
        }
    }

    private func send(_ batch: [FinishedSpan], until end: ContinuousClock.Instant) async {
        let body: [UInt8]
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            body = [UInt8](
                try encoder.encode(
                    ExportDocument(
                        batch, resource: configuration.resource, scope: Self.scope, version: configuration.version)))
        } catch {
            return drop(batch, "unwritable", "\(error)")
        }
        var pause = Duration.milliseconds(500)
        var last = ""
        for attempt in 1...Self.attemptsMax {
            let left = end - .now
            if left <= .zero { break }
            var wait = pause
            do {
                let answer = try await transport.send(request(body, timeout: min(left, configuration.timeout)))
                if (200..<300).contains(answer.status) {
                    return Counter(label: "spans_exported_total").increment(by: batch.count)
                }
                last = "the collector answered \(answer.status)"
                // OTLP/HTTP: only these may be sent again.
                guard [429, 502, 503, 504].contains(answer.status) else { return drop(batch, "refused", last) }
                if let seconds = answer.header("Retry-After").flatMap({ Int($0) }) { wait = .seconds(min(seconds, 30)) }
            } catch {
                last = "\(error)"
            }
            guard attempt < Self.attemptsMax, end - .now > wait, !queue.isClosed else { break }
            do { try await Task.sleep(for: wait) } catch { break }
            pause = pause * 2
        }
        drop(batch, "undelivered", last)
    }

    private func request(_ body: [UInt8], timeout: Duration) -> HTTPRequest {
        var request = HTTPRequest(
            method: "POST", url: configuration.url,
            headers: [(name: "Content-Type", value: "application/json")] + configuration.headers, body: body,
            timeout: timeout, responseBytesMax: 1 << 20, trust: configuration.trust)
        request.isTraced = false
        return request
    }

    private func drop(_ batch: [FinishedSpan], _ reason: String, _ why: String) {
        Counter(label: "spans_dropped_total", dimensions: [("reason", reason)]).increment(by: batch.count)
        logger.warning(
            "spans were dropped", metadata: ["spans": .stringConvertible(batch.count), "error": .string(why)])
    }
}
