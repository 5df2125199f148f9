import Foundation
import HTTPClient
import Synchronization
import Testing

@testable import Kubernetes

@Suite("Deletion cost of our own pod")
struct PodDeletionCostTests {
    @Test("is one merge patch of one annotation, with the service account's token")
    func patch() async throws {
        let sent = Mutex<[HTTPRequest]>([])
        let client = KubernetesClient(
            connection: try ClusterConnection(
                endpoint: "https://10.0.0.1:443", authorityPEM: nil, credential: .token("pod-token")),
            egress: .operatorConfigured, limits: ClientLimits(), time: MachineTime()
        ) { request in
            sent.withLock { $0.append(request) }
            return HTTPResponse(status: 200, headers: [], body: Array(#"{"metadata":{"name":"w"}}"#.utf8))
        }
        try await PodDeletionCost(client: client, namespace: "cloudoptim", pod: "worker-1").set(7)
        let request = try #require(sent.withLock { $0 }.first)
        #expect(request.method == "PATCH")
        #expect(request.url == "https://10.0.0.1:443/api/v1/namespaces/cloudoptim/pods/worker-1")
        #expect(request.headers.contains { $0 == ("Content-Type", "application/merge-patch+json") })
        #expect(request.headers.contains { $0 == ("Authorization", "Bearer pod-token") })
        #expect(request.operation == HTTPOperation(side: "kubernetes", name: "patch"))
        let body = String(decoding: request.body ?? [], as: UTF8.self)
        #expect(body == #"{"metadata":{"annotations":{"controller.kubernetes.io/pod-deletion-cost":"7"}}}"#)
    }

    @Test("reads token and authority where the kubelet puts them, each time anew, and says which file is missing")
    func files() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("co-pod-\(UUID().uuidString)")
            .path
        let error = #expect(throws: KubernetesError.self) {
            try PodDeletionCost.client(host: "10.0.0.1", port: 443, directory: directory, transport: HTTPTransport())
        }
        #expect(error?.code == .badConfiguration)
        #expect(error?.message.contains(directory) == true)
    }
}
