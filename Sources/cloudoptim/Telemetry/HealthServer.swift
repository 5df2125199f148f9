import Hummingbird
import JobQueue
import Logging
import NIOCore
import Postgres
import Worker

/// A request and who sent it.
struct HealthContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// Whether it came from this machine itself.
    let isFromHere: Bool

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        let address = source.channel.remoteAddress?.ipAddress ?? ""
        isFromHere = address == "::1" || address.hasPrefix("127.") || address.hasPrefix("::ffff:127.")
    }
}

/// `/healthz` (the process runs), `/readyz` (it can work) and `/metrics`, for every long-running role.
enum HealthServer {
    static func make(
        host: String, port: Int, registry: PrometheusRegistry, isReady: @escaping @Sendable () -> Bool,
        beforeMetrics: @escaping @Sendable () async -> Void = {}, logger: Logger,
        more: (Router<HealthContext>) -> Void = { _ in }
    ) -> some ApplicationProtocol {
        let router = Router(context: HealthContext.self)
        more(router)
        router.get("/healthz") { _, _ in "ok\n" }
        router.get("/readyz") { _, _ in
            let ready = isReady()
            return Response(
                status: ready ? .ok : .serviceUnavailable,
                body: ResponseBody(byteBuffer: ByteBuffer(string: ready ? "ready\n" : "not ready\n")))
        }
        router.get("/metrics") { _, _ in
            await beforeMetrics()
            return Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: registry.exposition())))
        }
        var quiet = logger
        quiet.logLevel = .warning
        return Application(
            router: router, configuration: ApplicationConfiguration(address: .hostname(host, port: port)),
            onServerRunning: { channel in
                logger.info(
                    "health and metrics are served", metadata: ["port": "\(channel.localAddress?.port ?? port)"])
            }, logger: quiet)
    }
}

extension Router where Context == HealthContext {
    /// `/scale`: the autoscaler's question, as JSON.
    func addScale(_ reader: StatusReader) {
        get("/scale") { _, _ in
            do {
                return Response(
                    status: .ok, headers: [.contentType: "application/json"],
                    body: ResponseBody(byteBuffer: ByteBuffer(string: try await reader.scale().text)))
            } catch {
                return Response(
                    status: .serviceUnavailable, body: ResponseBody(byteBuffer: ByteBuffer(string: "\(error)\n")))
            }
        }
    }

    /// `/drain`: has the worker drain and answers when it has; from this machine only, for `cloudoptim drain`.
    func addDrain(_ status: WorkerStatus, limit: Duration) {
        get("/drain") { _, context in
            guard context.isFromHere else { return Response(status: .forbidden) }
            status.drain()
            let end = ContinuousClock.now + limit
            while !status.hasEnded, end > .now { try await Task.sleep(for: .milliseconds(50)) }
            return Response(
                status: status.hasEnded ? .ok : .gatewayTimeout,
                body: ResponseBody(byteBuffer: ByteBuffer(string: status.hasEnded ? "drained\n" : "still draining\n")))
        }
    }
}
