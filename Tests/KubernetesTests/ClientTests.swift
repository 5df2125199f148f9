import Foundation
import HTTPClient
import Testing

@testable import Kubernetes

@Suite("The client")
struct ClientTests {
    static func page(_ names: [String], next: String = "", version: String = "5") -> RecordedServer.Step {
        let items = names.map { #"{"metadata":{"name":"\#($0)"}}"# }.joined(separator: ",")
        return .answer(
            200,
            #"{"kind":"NodeList","metadata":{"resourceVersion":"\#(version)","continue":"\#(next)"},"items":[\#(items)]}"#
        )
    }
    static let expired = RecordedServer.Step.answer(
        410, statusJSON("Expired", "The provided continue parameter is too old"))

    @Test("asks with bearer token, authority, limits and egress rule of its cluster")
    func request() async throws {
        let server = RecordedServer([Self.page([])])
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        _ = try await server.client().list(
            BareObject.self, .pods, namespace: "web", labelSelector: "app=a b,c!=d", fieldSelector: "spec.nodeName=n",
            options: CallOptions(deadline: server.now + .seconds(12), traceparent: trace))
        let request = try #require(server.requests.first)
        #expect(
            request.url == "https://api.test:6443/k8s/api/v1/namespaces/web/pods?limit=500"
                + "&labelSelector=app%3Da%20b%2Cc%21%3Dd&fieldSelector=spec.nodeName%3Dn")
        let headers = Dictionary(uniqueKeysWithValues: request.headers.map { ($0.name, $0.value) })
        #expect(headers["Authorization"] == "Bearer \(RecordedServer.token)" && headers["traceparent"] == trace)
        #expect(request.trust == .authority(pem: KubeconfigTests.authority))
        #expect(request.egress == .customerNamed(allowed: []) && request.timeout == .seconds(12))
        #expect(request.responseBytesMax == 32 << 20)
    }

    @Test("follows the pages of a list")
    func paging() async throws {
        let server = RecordedServer([Self.page(["a", "b"], next: "x/=&"), Self.page(["c"], next: "y"), Self.page([])])
        let list = try await server.client().list(BareObject.self, .nodes)
        #expect(list.items.map(\.metadata.name) == ["a", "b", "c"] && list.resourceVersion == "5")
        #expect(server.requests[1].url.hasSuffix("nodes?limit=500&continue=x%2F%3D%26"))
        #expect(server.left == 0 && list.unreadable.isEmpty)
    }

    @Test("begins a list again once when it has grown too old")
    func expiry() async throws {
        let once = RecordedServer([
            Self.page(["old"], next: "x"), Self.expired, Self.page(["a"], next: "x"), Self.page(["b"]),
        ])
        #expect(try await once.client().list(BareObject.self, .nodes).items.map(\.metadata.name) == ["a", "b"])
        let twice = RecordedServer([
            Self.page(["old"], next: "x"), Self.expired, Self.page(["a"], next: "x"), Self.expired,
        ])
        let error = await #expect(throws: KubernetesError.self) {
            try await twice.client().list(BareObject.self, .nodes)
        }
        #expect(error?.code == .gone && twice.left == 0)
    }

    @Test("is not kept busy by a server whose pages never end")
    func endless() async throws {
        for steps in [[Self.page(["a"], next: "x"), Self.page(["a"], next: "x")], [Self.page([], next: "x")]] {
            let server = RecordedServer(steps)
            let error = await #expect(throws: KubernetesError.self) {
                try await server.client().list(BareObject.self, .nodes)
            }
            #expect(error?.code == .malformedAnswer && server.left == 0)
        }
    }

    @Test("keeps the rest of a list when one object is unreadable, and says which")
    func unreadable() async throws {
        let body =
            #"{"metadata":{},"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b","namespace":"n","labels":7}},null,{"metadata":{"name":"c"}}]}"#
        let list = try await RecordedServer([.answer(200, body)]).client().list(BareObject.self, .pods)
        #expect(list.items.map(\.metadata.name) == ["a", "c"])
        #expect(list.unreadable.map(\.name) == ["n/b", ""])
        #expect(list.unreadable[0].reason.contains("metadata.labels"))
    }

    @Test("takes a null list for an empty one, and anything else for malformed")
    func oddLists() async throws {
        #expect(
            try await RecordedServer([.answer(200, #"{"metadata":{},"items":null}"#)]).client().list(
                BareObject.self, .pods
            ).items.isEmpty)
        for body in [
            #"{"kind":"Status","metadata":{}}"#, "[]", "null", "<html>", String(repeating: "[", count: 100_000),
        ] {
            let error = await #expect(throws: KubernetesError.self) {
                try await RecordedServer([.answer(200, body)]).client().list(BareObject.self, .pods)
            }
            #expect(error?.code == .malformedAnswer)
        }
    }

    @Test("asks for smaller pages when one is too large, and gives up in the end")
    func largePages() async throws {
        let big = RecordedServer.Step.answer(200, String(repeating: " ", count: 2_000))
        let limits = ClientLimits(pageBytesMax: 1_000, listBytesMax: 1_500)
        let healed = RecordedServer([big, Self.page(["a"])])
        #expect(try await healed.client(limits).list(BareObject.self, .nodes).items.count == 1)
        #expect(healed.requests.map(\.url).map { $0.split(separator: "?").last } == ["limit=500", "limit=50"])
        let hopeless = RecordedServer([big, big, big, big])
        let error = await #expect(throws: KubernetesError.self) {
            try await hopeless.client(limits).list(BareObject.self, .nodes)
        }
        #expect(error?.code == .tooLarge && hopeless.left == 1)
        let many = RecordedServer(
            (0..<4).map { Self.page(["\($0)" + String(repeating: "x", count: 600)], next: "\($0)") })
        let total = await #expect(throws: KubernetesError.self) {
            try await many.client(limits).list(BareObject.self, .nodes)
        }
        #expect(total?.code == .tooLarge && many.left == 1)
    }

    @Test("repeats a read after faults, drops and rate limits, as often as it is told")
    func retries() async throws {
        let server = RecordedServer([
            .answer(503, statusJSON("ServiceUnavailable", "later")), .fail(.network, reached: true),
            .answer(429, statusJSON("TooManyRequests", "slow"), ["retry-after": "2"]), Self.page(["a"]),
        ])
        #expect(try await server.client().list(BareObject.self, .nodes).items.count == 1)
        #expect(server.slept == [.milliseconds(200), .milliseconds(400), .seconds(2)])
        let worse = RecordedServer(Array(repeating: .answer(500, "oops"), count: 9))
        let error = await #expect(throws: KubernetesError.self) { try await worse.client().version() }
        #expect(error?.code == .serverFault && error?.status == 500 && worse.requests.count == 4)
        #expect(error?.mayHaveBeenExecuted == false)
    }

    @Test(
        "does not repeat what will not pass",
        arguments: [
            (400, .invalid), (401, .unauthorized), (403, .forbidden), (404, .notFound), (409, .conflict), (410, .gone),
            (422, .invalid), (501, .serverFault), (302, .malformedAnswer),
        ] as [(Int, KubernetesError.Code)])
    func refusals(_ status: Int, _ code: KubernetesError.Code) async throws {
        let server = RecordedServer([.answer(status, statusJSON("Some", "because")), .answer(200)])
        let error = await #expect(throws: KubernetesError.self) {
            try await server.client().get(BareObject.self, .nodes, name: "a")
        }
        #expect(error?.code == code && error?.message.contains("because") == true && server.left == 1)
    }

    @Test("ends by the deadline: no pause, no turn and no exchange goes beyond it")
    func deadlines() async throws {
        let faults = RecordedServer(Array(repeating: .answer(503), count: 9))
        let error = await #expect(throws: KubernetesError.self) {
            try await faults.client().version(options: CallOptions(deadline: faults.now + .milliseconds(500)))
        }
        #expect(error?.code == .serverFault && faults.slept == [.milliseconds(200)])

        let late = RecordedServer([.answer(200)])
        let past = await #expect(throws: KubernetesError.self) {
            try await late.client().version(options: CallOptions(deadline: late.now - .seconds(1), isUrgent: true))
        }
        #expect(past?.code == .timeout && late.requests.isEmpty && past?.mayHaveBeenExecuted == false)

        let busy = RecordedServer([.answer(200, Self.version), .answer(200, Self.version)])
        let client = try busy.client(ClientLimits(requestsPerSecond: 1, burst: 1))
        _ = try await client.version()
        let noTurn = await #expect(throws: KubernetesError.self) {
            try await client.version(options: CallOptions(deadline: busy.now + .milliseconds(900)))
        }
        #expect(noTurn?.code == .timeout && busy.requests.count == 1)
        _ = try await client.version(options: CallOptions(deadline: busy.now + .milliseconds(900), isUrgent: true))
        #expect(busy.slept.isEmpty)
    }

    static let version = #"{"major":"1","minor":"31+","gitVersion":"v1.31.2-eks-7f9249a","platform":"linux/amd64"}"#

    @Test("waits for its turn at the local rate")
    func rate() async throws {
        let server = RecordedServer(Array(repeating: .answer(200, Self.version), count: 4))
        let client = try server.client(ClientLimits(requestsPerSecond: 2, burst: 2))
        for _ in 0..<4 { #expect(try await client.version().minor == "31+") }
        #expect(server.slept == [.milliseconds(500), .milliseconds(500)])
    }

    @Test("stops when its task is cancelled")
    func cancelled() async throws {
        let server = RecordedServer(Array(repeating: .answer(503), count: 9))
        let client = try server.client()
        await #expect(throws: CancellationError.self) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.cancelAll()
                group.addTask { _ = try await client.version() }
                try await group.waitForAll()
            }
        }
        #expect(server.requests.count == 1)
    }

    @Test(
        "refuses names that would leave their place in the path",
        arguments: ["", ".", "..", String(repeating: "a", count: 254)])
    func paths(_ name: String) async throws {
        let server = RecordedServer([])
        let error = await #expect(throws: KubernetesError.self) {
            try await server.client().get(BareObject.self, .pods, namespace: "a", name: name)
        }
        #expect(error?.code == .invalid && server.requests.isEmpty)
        #expect(
            try ResourceKind.pods.path(namespace: "a/b", name: "c?d#e%", subresource: "eviction")
                == "/api/v1/namespaces/a%2Fb/pods/c%3Fd%23e%25/eviction")
    }

    @Test("shows no token, header or body in any error")
    func secrets() async throws {
        let token = RecordedServer.token
        let echo = statusJSON("Forbidden", "header was Bearer \(token), \(String(repeating: "x", count: 500))\(token)")
        let bad =
            #"{"metadata":{"continue":"","resourceVersion":"1"},"items":[{"metadata":{"name":"\#(token)","labels":{"\#(token)":3}}}]}"#
        var shown = ""
        for body in [echo, "<html>planted-body \(token)</html>", #"{"message":"planted-body"}"#] {
            for status in [400, 401, 403, 404, 409, 410, 422, 500, 501] {
                do {
                    _ = try await RecordedServer([.answer(status, body)]).client(
                        ClientLimits(retry: RetryPolicy(retriesMax: 0))
                    ).version()
                } catch { shown += "\(error) \(String(reflecting: error))\n" }
            }
        }
        let list = try await RecordedServer([.answer(200, bad)]).client().list(BareObject.self, .pods)
        shown += "\(list.unreadable)"
        for quantity in [token, "planted-body"] where quantity == token {
            let node = #"{"metadata":{"name":"a"},"status":{"allocatable":{"cpu":"\#(quantity)"}}}"#
            let error = await #expect(throws: KubernetesError.self) {
                try await RecordedServer([.answer(200, node)]).client().get(NodeObject.self, .nodes, name: "a")
            }
            shown += "\(String(describing: error))"
        }
        #expect(shown.contains("[redacted]") && shown.contains("without a Kubernetes Status"))
        #expect(!shown.contains("planted"), "\(shown)")
    }

    @Test("says what we may do")
    func permissions() async throws {
        let review =
            #"{"status":{"resourceRules":[{"verbs":["get","list"],"apiGroups":[""],"resources":["pods","nodes"]},{"verbs":["*"],"apiGroups":["apps"],"resources":["*/scale"]},{"verbs":["delete"],"apiGroups":[""],"resources":["pods"],"resourceNames":["a"]}],"nonResourceRules":[],"incomplete":false}}"#
        let server = RecordedServer([.answer(201, review)])
        let rules = try await server.client().permissions(namespace: "web")
        #expect(
            rules.allows("list", "pods") && !rules.allows("delete", "pods")
                && !rules.allows("list", "pods", group: "apps"))
        #expect(
            rules.allows("patch", "deployments/scale", group: "apps")
                && !rules.allows("patch", "deployments", group: "apps"))
        #expect(server.requests[0].url.hasSuffix("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"))
        #expect(
            try server.bodies[0] == [
                "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": ["namespace": "web"],
            ])
    }

    @Test(
        "maps every failure of the exchange",
        arguments: [
            (.timeout, .timeout), (.cannotConnect, .network), (.dns, .network), (.tls, .tls), (.tooLarge, .tooLarge),
            (.egressRefused, .egressRefused), (.badURL, .invalid), (.network, .network),
        ] as [(HTTPError.Code, KubernetesError.Code)])
    func exchanges(_ code: HTTPError.Code, _ wanted: KubernetesError.Code) async throws {
        let limits = ClientLimits(retry: RetryPolicy(retriesMax: 0))
        for reached in [false, true] {
            let client = try RecordedServer([.fail(code, reached: reached)]).client(limits)
            let error = await #expect(throws: KubernetesError.self) {
                try await client.delete(.pods, namespace: "a", name: "b", uid: "c", graceSeconds: 1)
            }
            #expect(error?.code == wanted && error?.mayHaveBeenExecuted == reached)
        }
    }
}
