import Foundation
import HTTPClient
import TestSupport
import Testing

@testable import Simulator

/// Clients that we did not write.
@Suite("Likeness to a real API server", SimulatorScope(), .serialized)
struct LikenessTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    private func simulator() throws -> RunningSimulator { try #require(RunningSimulator.current) }

    private func kubeconfig() throws -> String {
        let simulator = try simulator()
        return try simulator.files.writeKubeconfig(
            cluster: simulator.plan, role: .admin, port: simulator.addresses.kubernetesPort)
    }

    private func run(
        _ arguments: [String], _ environment: [String: String] = [:]
    ) async throws -> (status: Int32, text: String) {
        let child = try Child(
            "/usr/bin/env", arguments,
            environment: ProcessInfo.processInfo.environment.merging(environment) { $1 },
            directory: FileManager.default.temporaryDirectory.path, name: "likeness-\(UUID().uuidString)")
        defer { child.removeOutput() }
        let answer = try await child.answer(within: .seconds(300))
        return (answer.status, answer.output + answer.errors)
    }

    private func python(_ script: String, _ arguments: String...) async throws -> (status: Int32, text: String) {
        let own = Self.root + "/.run/venv/bin/python"
        let interpreter = FileManager.default.isExecutableFile(atPath: own) ? own : "python3"
        return try await run([interpreter, Self.root + "/tools/simulator-checks/" + script] + arguments)
    }

    private func kubectl(_ arguments: String...) async throws -> (status: Int32, text: String) {
        try await run(["kubectl"] + arguments, ["KUBECONFIG": try kubeconfig()])
    }

    @Test("kubectl gets, describes, cordons, drains and uncordons")
    func kubectlWorks() async throws {
        let nodes = try await kubectl("get", "nodes", "-o", "name")
        #expect(nodes.status == 0, "\(nodes.text)")
        let node = try #require(nodes.text.split(separator: "\n").first { $0.hasPrefix("node/") }).dropFirst(5)
        let described = try await kubectl("describe", "node", String(node))
        #expect(described.status == 0, "\(described.text)")
        #expect(described.text.contains("Non-terminated Pods"))
        #expect(described.text.contains("aws-node-"))
        #expect(
            try await kubectl("get", "pods,pdb,deployments,statefulsets,pv,pvc,hpa,endpointslices", "-A").status == 0)
        let cordoned = try await kubectl("cordon", String(node))
        #expect(cordoned.status == 0, "\(cordoned.text)")
        #expect(try await kubectl("get", "node", String(node)).text.contains("SchedulingDisabled"))
        let drained = try await kubectl(
            "drain", String(node), "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
        #expect(drained.status == 0, "\(drained.text)")
        let state = try await simulator().control("GET", "state")
        let record = try #require(state["nodes"].array.first { $0["node"].string == String(node) })
        #expect(!record["drainedAt"].isNull)
        #expect((record["podsEvicted"].int ?? 0) > 0)
        #expect(state["pdbViolations"].array.isEmpty)
        #expect(try await kubectl("uncordon", String(node)).status == 0)
        #expect(try await kubectl("get", "pod", "nobody").status != 0)
    }

    @Test("the official Python client lists, pages, watches, patches and evicts")
    func pythonClient() async throws {
        let result = try await python("python_client.py", try kubeconfig())
        #expect(result.status == 0, "\(result.text)")
        #expect(result.text.contains("ok: 6 nodes"))
    }

    @Test("every object is valid by the definitions of Kubernetes 1.35, unknown fields included")
    func schema() async throws {
        let definitions = Self.root + "/Tests/SimulatorTests/Resources/definitions-v1.35.0.json.gz"
        let valid = try await python("validate_schema.py", try kubeconfig(), definitions)
        #expect(valid.status == 0, "\(valid.text)")
        let simulator = try simulator()
        let nodes = try JSONValue(
            parsing: try await simulator.kubernetes("GET", "/api/v1/nodes", token: "blue-admin").body)
        let path = "/api/v1/nodes/" + (nodes["items"].array.first?["metadata"]["name"].string ?? "")
        _ = try await simulator.kubernetes("PATCH", path, token: "blue-admin", ["spec": ["bogus": 1]])
        #expect(
            try await python("validate_schema.py", try kubeconfig(), definitions).status != 0, "the check finds nothing"
        )
        _ = try await simulator.kubernetes(
            "PATCH", path, token: "blue-admin", .object(["spec": .object(["bogus": .null])]))
    }

    @Test("a wrong token is unauthorised, a weak one forbidden, a wrong authority refused by the client")
    func access() async throws {
        let simulator = try simulator()
        #expect(try await simulator.kubernetes("GET", "/api/v1/nodes", token: nil).status == 401)
        #expect(try await simulator.kubernetes("GET", "/api/v1/nodes", token: "green-read").status == 401)
        #expect(try await simulator.kubernetes("GET", "/api/v1/nodes", token: "blue-read").status == 200)
        let denied = try await simulator.kubernetes(
            "DELETE", "/api/v1/namespaces/default/pods/x", token: "blue-read")
        #expect(denied.status == 403)
        let error = await #expect(throws: HTTPClient.HTTPError.self) {
            try await simulator.transport.send(HTTPRequest(url: simulator.clusterURL + "/version", trust: .system))
        }
        #expect(error?.code == .tls)
    }

    @Test("faults of a cluster: errors, throttling, expired tokens, and an answer of 50 MB")
    func faults() async throws {
        let simulator = try simulator()
        for (effect, status) in [("error", 503), ("throttle", 429), ("expired-token", 401), ("unauthorized", 403)] {
            _ = try await simulator.control(
                "POST", "faults", ["effect": .string(effect), "endpoint": "kubernetes", "path": "/nodes", "count": 1])
            #expect(try await simulator.kubernetes("GET", "/api/v1/nodes", token: "blue-read").status == status)
        }
        _ = try await simulator.control("POST", "faults", ["effect": "huge", "endpoint": "kubernetes", "count": 1])
        #expect(try await simulator.kubernetes("GET", "/api/v1/nodes", token: "blue-read").body.count > 49_000_000)
        #expect(try await simulator.kubernetes("GET", "/api/v1/nodes", token: "blue-read").status == 200)
    }
}
