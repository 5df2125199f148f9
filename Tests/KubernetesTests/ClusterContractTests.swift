import Foundation
import HTTPClient
import Infrastructure
import Logging
import Simulator
import TestSupport
import Testing

@testable import Kubernetes

/// What every job relies on when it holds a `Cluster`, asked of the client over real HTTPS to the simulator.
@Suite("Cluster contract, over the simulator", .serialized)
struct ClusterContractTests {
    private struct World: Sendable {
        let cluster: RemoteCluster
        let intruder: RemoteCluster
    }

    private func world(_ body: @escaping @Sendable (World) async throws -> Void) async throws {
        let moto = try #require(
            ProcessInfo.processInfo.environment["TEST_MOTO_URL"], "TEST_MOTO_URL names a running moto (make test)")
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("cluster-contract-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let files = try SimulatorFiles(directory: folder)
        let plan = SimulatedCluster(
            name: "contract-\(UUID().uuidString.prefix(8).lowercased())", nodeCount: 4, podCount: 30)
        var logger = Logger(label: "test")
        logger.logLevel = .error
        let quiet = logger
        let server = SimulatorServer(
            configuration: SimulatorConfiguration(
                motoURL: moto, clusters: [plan], certificatePath: files.certificatePath,
                privateKeyPath: files.privateKeyPath), logger: quiet)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            let addresses = try #require(await server.addresses())
            func remote(_ role: SimulatedRole, token: String? = nil) throws -> RemoteCluster {
                let path = try files.writeKubeconfig(cluster: plan, role: role, port: addresses.kubernetesPort)
                var connection = try Kubeconfig(try String(contentsOfFile: path, encoding: .utf8)).connection()
                if let token {
                    connection = try ClusterConnection(
                        endpoint: connection.endpoint, authorityPEM: connection.authorityPEM, credential: .token(token))
                }
                let client = KubernetesClient(
                    connection: connection, egress: .customerNamed(allowed: try CIDR.list("127.0.0.0/8")),
                    transport: HTTPTransport(connectionsMax: 4))
                return RemoteCluster(client, options: CallOptions(isUrgent: true), logger: quiet)
            }
            try await body(World(cluster: try remote(.act), intruder: try remote(.act, token: "nobody")))
            group.cancelAll()
        }
    }

    @Test("nodes and pods are listed whole, one is found by name, and an unknown one is nil")
    func reads() async throws {
        try await world { world in
            let nodes = try await world.cluster.nodes()
            #expect(nodes.count == 4)
            #expect(nodes.allSatisfy { $0.instance != nil && $0.isReady })
            #expect(try await world.cluster.pods().count > 20)
            #expect(try await !world.cluster.budgets().isEmpty)
            let problems = try await contract(world).reads()
            #expect(problems == [])
        }
    }

    @Test("every list is read whole, or said to be absent; what belongs together is found together")
    func wholeLists() async throws {
        try await world { world in
            let now = Date(timeIntervalSince1970: 1_800_000_000)
            let all = Set(ClusterList.allCases)
            let objects = try await world.cluster.objects(all, now: now)
            #expect(objects.incomplete(all) == [])
            let missing = objects.readings.filter { $0.outcome != .complete }.map(\.list)
            #expect(missing.allSatisfy { ClusterList.optional.contains($0) })
            #expect(
                objects.readings.filter { $0.list != .usage }.allSatisfy {
                    $0.outcome == .absent || $0.resourceVersion != ""
                })
            #expect(Set(objects.workloads.map(\.kind)).isSuperset(of: [.deployment, .replicaSet, .daemonSet]))
            let deployments = objects.workloads.filter { $0.kind == .deployment }
            #expect(deployments.allSatisfy { !$0.template.isEmpty && $0.podRequests.cpu > .zero && $0.replicas != nil })
            let owned = objects.pods.filter { $0.ownerKind == "ReplicaSet" }
            let sets = Dictionary(
                objects.workloads.filter { $0.kind == .replicaSet }.map { ($0.uid, $0) }
            ) { first, _ in first }
            #expect(!owned.isEmpty && owned.allSatisfy { sets[$0.ownerUID ?? ""]?.owner?.kind == "Deployment" })
            let claims = Set(objects.claims.map { "\($0.namespace)/\($0.name)" })
            let used = objects.pods.flatMap { pod in
                pod.placement.volumes.compactMap(\.claim).map { "\(pod.namespace)/\($0)" }
            }
            // A world this small may have no StatefulSet, and so no claims.
            #expect(used.allSatisfy { claims.contains($0) })
            #expect(objects.volumes.allSatisfy { $0.volumeID?.hasPrefix("vol-") == true && $0.nodeTerms != nil })
            #expect(
                objects.volumeLimits.count == 4 && objects.volumeLimits[0].countMaxByDriver["ebs.csi.aws.com"] == 25)
            #expect(objects.priorityClasses.contains { $0.name == "system-node-critical" && $0.value == 2_000_001_000 })
            #expect(objects.endpoints.contains { $0.readyByZone.values.reduce(0, +) > 0 && !$0.service.isEmpty })
            #expect(objects.usage.count > 20 && objects.limitRanges.count == 1)
            #expect(objects.autoscalers.allSatisfy { $0.metrics.first?.target == "Utilization" })
            #expect(objects.nodes.allSatisfy { $0.capacity.cpu > $0.allocatable.cpu })
        }
    }

    @Test("a node patch holds under its resource version, and a stale one is a conflict")
    func patches() async throws {
        try await world { world in
            let problems = try await contract(world).patches()
            #expect(problems == [])
        }
    }

    @Test("an eviction is obeyed, is gone when repeated, and never meets another pod of the same name")
    func evictions() async throws {
        try await world { world in
            let problems = try await contract(world).evictions()
            #expect(problems == [])
        }
    }

    /// The simulator's own clock runs.
    private func contract(_ world: World) -> ClusterContract { ClusterContract(world.cluster) { await Task.yield() } }

    @Test("a token that nobody knows is unauthorized")
    func strangers() async throws {
        try await world { world in
            let refusal = await #expect(throws: FarSideError.self) { _ = try await world.intruder.nodes() }
            #expect(refusal?.code == .unauthorized)
        }
    }
}
