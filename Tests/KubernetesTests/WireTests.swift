import HTTPClient
import Infrastructure
import Logging
import Testing

@testable import Kubernetes

@Suite("Over a real connection", .timeLimit(.minutes(10)))
struct WireTests {
    let server: FakeAPIServer
    let transport = HTTPTransport()

    init() throws { server = try FakeAPIServer() }

    private func client(
        authority: String = "server.pem", token: String = FakeAPIServer.token, allowed: String = "127.0.0.0/8",
        host: String = "127.0.0.1"
    ) throws -> KubernetesClient {
        let kubeconfig = """
            {"current-context":"a","contexts":[{"name":"a","context":{"cluster":"c","user":"u"}}],
            "clusters":[{"name":"c","cluster":{"server":"https://\(host):\(server.port)",
            "certificate-authority-data":"\(KubeconfigTests.base64(try server.text(authority)))"}}],
            "users":[{"name":"u","user":{"token":"\(token)"}}]}
            """
        let limits = ClientLimits(retry: RetryPolicy(pauseMin: .milliseconds(1)))
        return KubernetesClient(
            connection: try Kubeconfig(kubeconfig).connection(),
            egress: .customerNamed(allowed: allowed.isEmpty ? [] : try CIDR.list(allowed)), limits: limits,
            transport: transport)
    }

    private func cluster(_ client: KubernetesClient) -> RemoteCluster {
        RemoteCluster(client, logger: Logger(label: "test"))
    }

    private func failure(_ client: KubernetesClient, node: String = "a") async -> FarSideError? {
        let error = await #expect(throws: FarSideError.self) { try await cluster(client).node(named: node) }
        #expect(error.map { "\($0)".contains("planted") } == false, "\(String(describing: error))")
        return error
    }

    @Test("a cluster is read page by page")
    func paging() async throws {
        let cluster = cluster(try client())
        #expect(try await cluster.version() == "v1.31.0")
        let pods = try await cluster.pods()
        #expect(pods.count == 1_200 && pods.last?.uid == "uid-1199")
    }

    @Test("an eviction whose reply was lost is asked again, and found done")
    func lostReply() async throws {
        let cluster = cluster(try client())
        func evict(_ name: String, _ uid: String) async throws -> EvictionAnswer {
            try await cluster.evict(PodReference(namespace: "web", name: name, uid: uid), graceSeconds: 1)
        }
        #expect(try await evict("p7", "uid-7") == .gone)
        #expect(try await evict("p8", "uid-8") == .evicted)
        #expect(try await evict("p9", "another") == .gone)
        #expect(try await cluster.pods().count == 1_198)
    }

    @Test("a revoked token is a definite refusal that says what to do")
    func revoked() async throws {
        let error = await failure(try client(token: "planted-bad-token"))
        #expect(error?.code == .unauthorized && error?.isDefinite == true)
        #expect(error?.message.contains("renew the cluster's credentials") == true)
    }

    @Test("a wrong authority, and an address that a customer may not name, are refused before anything is sent")
    func refusedConnections() async throws {
        let wrong = await failure(try client(authority: "other.pem"))
        #expect(wrong?.code == .egressRefused && wrong?.farCode == "tls" && wrong?.isDefinite == true)
        let loopback = await failure(try client(allowed: ""))
        #expect(loopback?.code == .egressRefused && loopback?.farCode == "egressRefused")
        let metadata = await failure(try client(allowed: "127.0.0.0/8,169.254.0.0/16", host: "169.254.169.254"))
        #expect(metadata?.code == .egressRefused && metadata?.isDefinite == true)
    }

    @Test("an answer of 50 MB, one nested 100,000 deep and a redirect are errors, and the next call works")
    func badAnswers() async throws {
        let client = try client()
        #expect(await failure(client, node: "big")?.code == .tooLarge)
        #expect(await failure(client, node: "deep")?.code == .malformed)
        #expect(await failure(client, node: "moved")?.code == .malformed)
        #expect(try await cluster(client).node(named: "a") == nil)
    }
}
