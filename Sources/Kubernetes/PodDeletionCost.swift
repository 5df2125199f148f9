import Foundation
import HTTPClient

/// Tells the cluster we run in which of our own pods to remove first when it scales down: the one with the least work.
/// Source: Kubernetes' `controller.kubernetes.io/pod-deletion-cost`, honoured by ReplicaSets on a best effort.
public struct PodDeletionCost: Sendable {
    /// The annotation's name.
    public static let annotation = "controller.kubernetes.io/pod-deletion-cost"

    private let client: KubernetesClient
    private let namespace: String
    private let pod: String

    private struct Patched: Decodable, Sendable {
        struct Metadata: Decodable, Sendable { var annotations: [String: String]? }
        var metadata: Metadata
    }

    /// Speaks about one pod.
    public init(client: KubernetesClient, namespace: String, pod: String) {
        self.client = client
        self.namespace = namespace
        self.pod = pod
    }

    /// The client of a process inside a pod: the service account's token and authority, which the kubelet keeps fresh.
    /// - Parameter directory: where the kubelet puts them.
    /// - Throws: `KubernetesError` `badConfiguration`.
    public static func client(
        host: String, port: Int, directory: String = "/var/run/secrets/kubernetes.io/serviceaccount",
        transport: HTTPTransport
    ) throws -> KubernetesClient {
        func file(_ name: String) throws -> String {
            do { return try String(contentsOfFile: "\(directory)/\(name)", encoding: .utf8) } catch {
                throw KubernetesError(.badConfiguration, "'\(directory)/\(name)' cannot be read: \(error)")
            }
        }
        let address = host.contains(":") ? "[\(host)]" : host
        return KubernetesClient(
            connection: try ClusterConnection(
                endpoint: "https://\(address):\(port)", authorityPEM: try file("ca.crt"),
                credential: .token(try file("token"))),
            egress: .operatorConfigured, transport: transport)
    }

    /// Sets the cost: pods of lower cost go first.
    /// - Throws: `KubernetesError`; `CancellationError`.
    public func set(_ cost: Int) async throws {
        let value: JSONValue = .object(["annotations": .object([Self.annotation: .string(String(cost))])])
        _ = try await client.patch(
            Patched.self, .pods, namespace: namespace, name: pod, .merge(.object(["metadata": value])))
    }
}
