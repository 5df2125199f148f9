import HTTPClient
import Kubernetes
import Logging
import ServiceLifecycle
import Worker

/// The pod that this process runs in.
struct OwnPod: Sendable {
    var name: String
    var namespace: String
    var host: String
    var port: Int
}

/// Keeps our own pod's deletion cost at the number of jobs it runs, so that a scale-down takes idle workers first.
struct DeletionCost: Service {
    private let pod: OwnPod
    private let status: WorkerStatus
    private let logger: Logger
    private let transport = HTTPTransport(connectionsMax: 1)

    /// Often enough for an autoscaler that looks every 15 s; a change only is told.
    private static let every = Duration.seconds(5)

    init(_ pod: OwnPod, status: WorkerStatus, logger: Logger) {
        self.pod = pod
        self.status = status
        self.logger = logger
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var told: Int?
            while !Task.isCancelled {
                let cost = status.inFlight
                if cost != told {
                    do {
                        let client = try PodDeletionCost.client(host: pod.host, port: pod.port, transport: transport)
                        try await PodDeletionCost(client: client, namespace: pod.namespace, pod: pod.name).set(cost)
                        told = cost
                    } catch {
                        logger.warning(
                            "the pod's deletion cost cannot be set", metadata: ["error": .string("\(error)")])
                    }
                }
                do { try await Task.sleep(for: Self.every) } catch { return }
            }
        }
    }
}
