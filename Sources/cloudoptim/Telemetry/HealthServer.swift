import Hummingbird
import JobQueue
import Logging
import NIOCore

/// `/healthz` (the process runs), `/readyz` (it can work) and `/metrics`, for every long-running role.
enum HealthServer {
    static func make(
        host: String, port: Int, registry: PrometheusRegistry, isReady: @escaping @Sendable () -> Bool,
        beforeMetrics: @escaping @Sendable () async -> Void = {}, logger: Logger
    ) -> some ApplicationProtocol {
        let router = Router()
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
