import Foundation
import HTTPClient
import Infrastructure
import Testing

@testable import Kubernetes

@Suite("Changes of workloads, autoscalers and services")
struct ObjectChangeTests {
    static let deployment = ObjectReference(.deployment, namespace: "web", name: "api", uid: "d-1")
    static let body = """
        {"metadata":{"name":"api","namespace":"web","uid":"d-1","resourceVersion":"7",
          "annotations":{"cloudoptim.io/asleep":"3@2026-11-23T18:00:00Z","secret":"s3cr3t"}},
         "spec":{"replicas":3,"template":{"spec":{"containers":[{"name":"main","image":"x","env":[{"name":"A","value":"b"}],
          "resources":{"requests":{"cpu":"250m","memory":"1Gi"},"limits":{"memory":"1073741824"}}},{"name":"side"}]}}}}
        """

    @Test("an object is read by what changes need, and nothing else of it is kept")
    func read() async throws {
        let server = RecordedServer([.answer(200, Self.body)])
        let object = try #require(try await server.cluster().object(Self.deployment))
        #expect(object.uid == "d-1" && object.resourceVersion == "7" && object.level == 3)
        #expect(object.annotations == ["cloudoptim.io/asleep": "3@2026-11-23T18:00:00Z"])
        #expect(
            object.containers == [
                "main": ContainerSize(
                    cpuRequest: 250, memoryRequest: .mebibytes(1024), memoryLimit: .mebibytes(1024)),
                "side": ContainerSize(),
            ])
        #expect(server.requests[0].url.hasSuffix("/apis/apps/v1/namespaces/web/deployments/api"))
    }

    @Test(
        "a level is replicas, suspended or not, or the least replicas",
        arguments: [
            (ChangeableKind.deployment, #"{"replicas":4}"#, 4), (.statefulSet, "{}", 1),
            (.cronJob, #"{"suspend":true}"#, 0), (.cronJob, "{}", 1), (.autoscaler, #"{"minReplicas":2}"#, 2),
            (.autoscaler, "{}", 1), (.service, "{}", nil), (.daemonSet, "{}", nil),
        ] as [(ChangeableKind, String, Int?)])
    func levels(kind: ChangeableKind, spec: String, level: Int?) async throws {
        let server = RecordedServer([
            .answer(200, #"{"metadata":{"name":"a","uid":"u","resourceVersion":"1"},"spec":\#(spec)}"#)
        ])
        let reference = ObjectReference(kind, namespace: "web", name: "a", uid: "u")
        #expect(try await server.cluster().object(reference)?.level == level)
    }

    @Test("replicas are set by the scale subresource under the resourceVersion that was read")
    func scale() async throws {
        let server = RecordedServer([
            .answer(200, #"{"metadata":{"name":"api","uid":"d-1"},"spec":{"replicas":0}}"#)
        ])
        try await server.cluster().scale(Self.deployment, to: 0, resourceVersion: "7")
        #expect(server.requests[0].method == "PATCH")
        #expect(server.requests[0].url.hasSuffix("/apis/apps/v1/namespaces/web/deployments/api/scale"))
        #expect(try server.bodies == [["metadata": ["resourceVersion": "7"], "spec": ["replicas": 0]]])
        let moved = RecordedServer([.answer(409, statusJSON("Conflict", "the object has been modified"))])
        let error = await #expect(throws: FarSideError.self) {
            try await moved.cluster().scale(Self.deployment, to: 0, resourceVersion: "7")
        }
        #expect(error?.code == .conflict)
    }

    @Test("a preference for a zone is one term of the template's pod affinity, never a requirement")
    func preferredZone() async throws {
        let server = RecordedServer([.answer(200, Self.body)])
        var patch = ObjectPatch()
        patch.preferredZone = ZonePreference(namespace: "data", labels: ["app": "db"])
        _ = try await server.cluster().patch(Self.deployment, patch, resourceVersion: "7")
        let body = String(decoding: server.requests[0].body ?? [], as: UTF8.self)
        #expect(
            body.contains(
                #""affinity":{"podAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"podAffinityTerm":"#
                    + #"{"labelSelector":{"matchLabels":{"app":"db"}},"namespaces":["data"],"#
                    + #""topologyKey":"topology.kubernetes.io/zone"},"weight":50}]}}"#), "\(body)")
        #expect(!body.contains("required"))
        #expect(server.requests[0].headers.contains { $0.value == "application/strategic-merge-patch+json" })
    }

    @Test(
        "a template that says where its pods run is known by it",
        arguments: [
            ("{}", false), (#"{"affinity":{"nodeAffinity":{"x":1}}}"#, false),
            (#"{"affinity":{"podAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1}]}}}"#, true),
            (#"{"affinity":{"podAntiAffinity":{}}}"#, true), (#"{"topologySpreadConstraints":[{"maxSkew":1}]}"#, true),
            (#"{"topologySpreadConstraints":[]}"#, false),
        ] as [(String, Bool)])
    func preferences(pod: String, has: Bool) async throws {
        let server = RecordedServer([
            .answer(
                200,
                #"{"metadata":{"name":"a","uid":"u","resourceVersion":"1"},"spec":{"template":{"spec":\#(pod)}}}"#)
        ])
        #expect(try await server.cluster().object(Self.deployment)?.hasPodPreferences == has)
    }

    @Test("containers are patched by name, under UID and resourceVersion, and what is not set is removed")
    func resize() async throws {
        let server = RecordedServer([.answer(200, Self.body), .answer(200, Self.body)])
        var patch = ObjectPatch()
        patch.containers = ["main": ContainerSize(cpuRequest: 122, memoryRequest: .mebibytes(345), memoryLimit: 1001)]
        patch.annotations = ["cloudoptim.io/resized-for": "x", "cloudoptim.io/asleep": nil]
        _ = try await server.cluster().patch(Self.deployment, patch, resourceVersion: "7")
        let sizes: JSONValue = [
            "requests": ["cpu": "122m", "memory": "345Mi"], "limits": ["cpu": nil, "memory": "1001"],
        ]
        let template: JSONValue = ["spec": ["containers": [["name": "main", "resources": sizes]]]]
        #expect(
            try server.bodies[0] == [
                "metadata": [
                    "uid": "d-1", "resourceVersion": "7",
                    "annotations": ["cloudoptim.io/resized-for": "x", "cloudoptim.io/asleep": nil],
                ], "spec": ["template": template],
            ])
        #expect(
            server.requests[0].headers.contains {
                $0.name == "Content-Type" && $0.value == "application/strategic-merge-patch+json"
            })
        let cron = ObjectReference(.cronJob, namespace: "web", name: "report", uid: "c-1")
        patch.annotations = [:]
        _ = try await server.cluster().patch(cron, patch, resourceVersion: "8")
        #expect(
            try server.bodies[1] == [
                "metadata": ["uid": "c-1", "resourceVersion": "8"],
                "spec": ["jobTemplate": ["spec": ["template": template]]],
            ])
    }

    @Test("suspend, least replicas and traffic distribution are single fields")
    func fields() async throws {
        let server = RecordedServer(Array(repeating: .answer(200, Self.body), count: 4))
        let cluster = try server.cluster()
        var level = ObjectPatch()
        level.level = 0
        let cron = ObjectReference(.cronJob, namespace: "web", name: "c", uid: "u")
        _ = try await cluster.patch(cron, level, resourceVersion: "1")
        level.level = 2
        let scaler = ObjectReference(.autoscaler, namespace: "web", name: "h", uid: "u")
        _ = try await cluster.patch(scaler, level, resourceVersion: "1")
        let service = ObjectReference(.service, namespace: "web", name: "s", uid: "u")
        for word in ["PreferSameZone", ""] {
            var traffic = ObjectPatch()
            traffic.trafficDistribution = word
            _ = try await cluster.patch(service, traffic, resourceVersion: "1")
        }
        let specs = try server.bodies.map { body -> JSONValue? in
            if case .object(let fields) = body { fields["spec"] } else { nil }
        }
        #expect(
            specs == [
                ["suspend": true], ["minReplicas": 2], ["trafficDistribution": "PreferSameZone"],
                ["trafficDistribution": nil],
            ])
        #expect(server.requests[1].url.contains("/apis/autoscaling/v2/namespaces/web/horizontalpodautoscalers/h"))
    }
}
