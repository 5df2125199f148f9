import Foundation
import HTTPClient
import Infrastructure
import Testing

@testable import Kubernetes

@Suite("Changes to a cluster")
struct ChangeTests {
    static let pod = PodReference(namespace: "web", name: "a", uid: "u-1")
    static let node = NodeReference(name: "n1", uid: "n-uid")

    @Test("evict under a UID, once more after a drop, and take the second answer")
    func evict() async throws {
        let server = RecordedServer([
            .fail(.network, reached: true),
            .answer(404, statusJSON("NotFound", "pods a not found", details: #"{"name":"a","kind":"pods"}"#)),
        ])
        #expect(try await server.cluster().evict(Self.pod, graceSeconds: 20) == .gone)
        #expect(
            server.requests.map(\.url)
                == Array(repeating: "https://api.test:6443/k8s/api/v1/namespaces/web/pods/a/eviction", count: 2))
        #expect(
            try server.bodies[1] == [
                "apiVersion": "policy/v1", "kind": "Eviction", "metadata": ["name": "a", "namespace": "web"],
                "deleteOptions": [
                    "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": ["uid": "u-1"],
                    "gracePeriodSeconds": 20,
                ],
            ])
    }

    @Test("leave the pod its own grace when none is given")
    func ownGrace() async throws {
        let server = RecordedServer([.answer(201)])
        #expect(try await server.cluster().evict(Self.pod, graceSeconds: nil) == .evicted)
        guard case .object(let body) = try server.bodies[0], case .object(let options)? = body["deleteOptions"] else {
            throw KubernetesError(.invalid, "no options")
        }
        #expect(options.keys.sorted() == ["apiVersion", "kind", "preconditions"])
    }

    @Test("ask an old server in its own version, and remember it")
    func beta() async throws {
        let unknown = statusJSON("BadRequest", "no kind \\\"Eviction\\\" is registered for version \\\"policy/v1\\\"")
        for first in [RecordedServer.Step.answer(404, "404 page not found"), .answer(400, unknown)] {
            let server = RecordedServer([first, .answer(201), .answer(201)])
            let cluster = try server.cluster()
            #expect(try await cluster.evict(Self.pod, graceSeconds: nil) == .evicted)
            #expect(try await cluster.evict(Self.pod, graceSeconds: nil) == .evicted)
            let versions = try server.bodies.map { body -> JSONValue? in
                if case .object(let fields) = body { fields["apiVersion"] } else { nil }
            }
            #expect(versions == ["policy/v1", "policy/v1beta1", "policy/v1beta1"])
        }
    }

    @Test("return a budget's refusal at once, since the drain paces itself")
    func budget() async throws {
        let details =
            #"{"causes":[{"reason":"DisruptionBudget","message":"The disruption budget b needs 1"}],"retryAfterSeconds":10}"#
        let server = RecordedServer([
            .answer(429, statusJSON("TooManyRequests", "Cannot evict pod", details: details)), .answer(201),
        ])
        let answer = try await server.cluster().evict(Self.pod, graceSeconds: nil)
        guard case .blocked(let reason, let after) = answer else { throw KubernetesError(.invalid, "\(answer)") }
        #expect(reason.contains("The disruption budget b") && after == .seconds(10) && server.slept.isEmpty)
    }

    @Test("say when an eviction never will work")
    func impossible() async throws {
        let server = RecordedServer([
            .answer(500, statusJSON("InternalError", "This pod has more than one PodDisruptionBudget")), .answer(201),
        ])
        let answer = try await server.cluster().evict(Self.pod, graceSeconds: nil)
        guard case .impossible = answer else { throw KubernetesError(.invalid, "\(answer)") }
        #expect(server.left == 1)
    }

    @Test("throw a rate limit as throttled and a fault as doubtful")
    func throttled() async throws {
        let limited = RecordedServer([.answer(429, statusJSON("TooManyRequests", "slow"), ["Retry-After": "60"])])
        let error = await #expect(throws: FarSideError.self) {
            try await limited.cluster().evict(Self.pod, graceSeconds: nil)
        }
        #expect(error?.code == .throttled && error?.retryAfter == .seconds(60) && error?.mayHaveBeenExecuted == false)
        let faulty = RecordedServer(Array(repeating: .answer(503), count: 9))
        let fault = await #expect(throws: FarSideError.self) {
            try await faulty.cluster().evict(Self.pod, graceSeconds: nil)
        }
        #expect(fault?.code == .fault && fault?.mayHaveBeenExecuted == true && faulty.requests.count == 4)
        let revoked = RecordedServer([.answer(401, statusJSON("Unauthorized", "Unauthorized"))])
        let refused = await #expect(throws: FarSideError.self) {
            try await revoked.cluster().evict(Self.pod, graceSeconds: nil)
        }
        #expect(
            refused?.code == .unauthorized && refused?.isDefinite == true && refused?.message.contains("token") == true)
    }

    @Test("delete a pod with grace and UID, and a node with its UID")
    func delete() async throws {
        let server = RecordedServer([
            .answer(200), .answer(409, statusJSON("Conflict", "Precondition failed: UID in precondition: x")),
        ])
        let cluster = try server.cluster()
        #expect(try await cluster.delete(Self.pod, graceSeconds: 1) == .deleted)
        #expect(try await cluster.delete(Self.node) == .gone)
        #expect(server.requests.map(\.method) == ["DELETE", "DELETE"])
        #expect(
            try server.bodies == [
                [
                    "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": ["uid": "u-1"],
                    "gracePeriodSeconds": 1,
                ],
                ["apiVersion": "v1", "kind": "DeleteOptions", "preconditions": ["uid": "n-uid"]],
            ])
    }

    @Test("never delete without a UID")
    func noUID() async throws {
        let server = RecordedServer([.answer(200)])
        let error = await #expect(throws: FarSideError.self) {
            try await server.cluster().delete(NodeReference(name: "n", uid: ""))
        }
        #expect(error?.code == .refused && server.requests.isEmpty)
    }

    @Test("never evict or delete with a grace below 1", arguments: [0, -1] as [Int64])
    func graceOfZero(_ grace: Int64) async throws {
        let server = RecordedServer([.answer(200), .answer(200)])
        let cluster = try server.cluster()
        let deleted = await #expect(throws: FarSideError.self) {
            try await cluster.delete(Self.pod, graceSeconds: grace)
        }
        let evicted = await #expect(throws: FarSideError.self) {
            try await cluster.evict(Self.pod, graceSeconds: grace)
        }
        #expect(deleted?.code == .refused && evicted?.code == .refused && server.requests.isEmpty)
    }

    @Test("and readers take a balancer's 404 for a fault, never for a pod or node that is gone")
    func balancer() async throws {
        let missing = statusJSON("NotFound", "the server could not find the requested resource")
        for body in ["404 page not found", missing] {
            let server = RecordedServer([.answer(404, body), .answer(404, body), .answer(404, body)])
            let cluster = try server.cluster()
            let evicted = await #expect(throws: FarSideError.self) {
                try await cluster.evict(Self.pod, graceSeconds: nil)
            }
            #expect(evicted?.isDefinite == false)
            let deleted = await #expect(throws: FarSideError.self) { try await cluster.delete(Self.node) }
            #expect(deleted?.isDefinite == false)
        }
        let error = await #expect(throws: FarSideError.self) {
            try await RecordedServer([.answer(404, "404 page not found")]).cluster().node(named: "a")
        }
        #expect(error?.code == .malformed && error?.message.contains("address of a Kubernetes API server") == true)
    }

    @Test("patch a node under its UID and version; false and nil remove")
    func patch() async throws {
        let server = RecordedServer([.answer(200, ObjectDecodingTests.node), .answer(200, ObjectDecodingTests.node)])
        let cluster = try server.cluster()
        let cordoned = try await cluster.patch(
            NodePatch(
                node: Self.node, resourceVersion: "76", isUnschedulable: true,
                taints: [Taint(key: "k", value: "v", effect: "NoSchedule"), Taint(key: "e", effect: "NoExecute")],
                labels: ["l": "1", "m": nil], annotations: ["cloudoptim.io/by": "key"]))
        #expect(cordoned.resourceVersion == "77" && cordoned.isUnschedulable)
        _ = try await cluster.patch(
            NodePatch(node: Self.node, resourceVersion: "77", isUnschedulable: false, taints: []))
        #expect(
            try server.bodies == [
                [
                    "metadata": [
                        "uid": "n-uid", "resourceVersion": "76", "labels": ["l": "1", "m": nil],
                        "annotations": ["cloudoptim.io/by": "key"],
                    ],
                    "spec": [
                        "unschedulable": true,
                        "taints": [
                            ["key": "k", "value": "v", "effect": "NoSchedule"], ["key": "e", "effect": "NoExecute"],
                        ],
                    ],
                ],
                [
                    "metadata": ["uid": "n-uid", "resourceVersion": "77"],
                    "spec": ["unschedulable": nil, "taints": []],
                ],
            ])
        #expect(
            server.requests[0].headers.contains {
                $0.name == "Content-Type" && $0.value == "application/merge-patch+json"
            })
    }

    @Test("that met another version or another object are conflicts")
    func conflicts() async throws {
        for (status, words) in [
            (409, "the object has been modified"), (422, "Node is invalid: metadata.uid: field is immutable"),
        ] {
            let server = RecordedServer([.answer(status, statusJSON("x", words))])
            let error = await #expect(throws: FarSideError.self) {
                try await server.cluster().patch(NodePatch(node: Self.node, resourceVersion: "1"))
            }
            #expect(error?.code == .conflict && error?.isDefinite == true)
        }
        let other = RecordedServer([.answer(422, statusJSON("Invalid", "spec.taints: bad"))])
        let error = await #expect(throws: FarSideError.self) {
            try await other.cluster().patch(NodePatch(node: Self.node, resourceVersion: "1"))
        }
        #expect(error?.code == .refused)
    }

    @Test("whose first answer was lost leave a conflict in doubt")
    func doubtful() async throws {
        let server = RecordedServer([.fail(.timeout, reached: true), .answer(409, statusJSON("Conflict", "modified"))])
        let error = await #expect(throws: FarSideError.self) {
            try await server.cluster().patch(NodePatch(node: Self.node, resourceVersion: "1"))
        }
        #expect(error?.code == .conflict && error?.mayHaveBeenExecuted == true && error?.isDefinite == false)
    }

    @Test("by operations are guarded by a test, and are not repeated without one")
    func jsonPatch() async throws {
        let patch = Patch.json([.init(.add, "/metadata/labels/a~1b", "c"), .init(.remove, "/spec/x")])
        let guarded = RecordedServer([.fail(.network, reached: true), .answer(200, #"{"metadata":{"name":"a"}}"#)])
        _ = try await guarded.client().patch(BareObject.self, .nodes, name: "a", patch, resourceVersion: "4")
        #expect(
            try guarded.bodies[1] == [
                ["op": "test", "path": "/metadata/resourceVersion", "value": "4"],
                ["op": "add", "path": "/metadata/labels/a~1b", "value": "c"], ["op": "remove", "path": "/spec/x"],
            ])
        let bare = RecordedServer([.fail(.network, reached: true), .answer(200)])
        let error = await #expect(throws: KubernetesError.self) {
            try await bare.client().patch(BareObject.self, .nodes, name: "a", patch)
        }
        #expect(error?.code == .network && error?.mayHaveBeenExecuted == true && bare.left == 1)
        let unsent = RecordedServer([
            .fail(.cannotConnect, reached: false), .answer(200, #"{"metadata":{"name":"a"}}"#),
        ])
        _ = try await unsent.client().patch(BareObject.self, .nodes, name: "a", patch)
        let moved = RecordedServer([
            .answer(422, statusJSON("Invalid", "testing value /metadata/resourceVersion failed"))
        ])
        let conflict = await #expect(throws: KubernetesError.self) {
            try await moved.client().patch(BareObject.self, .nodes, name: "a", patch, resourceVersion: "4")
        }
        #expect(conflict?.code == .conflict)
    }

    @Test("are told as events; one that exists already counts as told")
    func events() async throws {
        let server = RecordedServer([.answer(201), .answer(409, statusJSON("AlreadyExists", "exists")), .answer(201)])
        let cluster = try server.cluster()
        let event = ClusterEvent(
            name: "spot.1", node: Self.node, reason: "SpotInterruption", message: String(repeating: "x", count: 2_000),
            isWarning: true)
        try await cluster.record(event)
        try await cluster.record(event)
        try await cluster.record(
            ClusterEvent(name: "cordon.1", node: Self.node, reason: "Cordoned", message: "y", isWarning: false))
        let names = try server.bodies.map { body -> String? in
            guard case .object(let fields) = body, case .object(let metadata)? = fields["metadata"],
                case .string(let name)? = metadata["name"], case .string(let message)? = fields["message"]
            else { return nil }
            #expect(message.count <= 1_024 && fields["firstTimestamp"] == "2027-01-15T08:00:00Z")
            return name
        }
        #expect(names == ["spot.1", "spot.1", "cordon.1"])
        #expect(server.requests[0].url.hasSuffix("/api/v1/namespaces/default/events"))
    }

    @Test("are asked for by readers that find nodes and pods")
    func reading() async throws {
        let list = #"{"metadata":{},"items":[\#(ObjectDecodingTests.pod)]}"#
        let server = RecordedServer([
            .answer(200, list), .answer(404, statusJSON("NotFound", "nodes x not found", details: #"{"name":"x"}"#)),
            .answer(200, #"{"metadata":{},"items":[\#(ObjectDecodingTests.node)]}"#), .answer(200, ClientTests.version),
        ])
        let cluster = try server.cluster()
        #expect(try await cluster.pods(onNode: "a,b").map(\.name) == ["web-0"])
        #expect(server.requests[0].url.hasSuffix("/api/v1/pods?limit=500&fieldSelector=spec.nodeName%3Da%5C%2Cb"))
        #expect(try await cluster.node(named: "x") == nil)
        #expect(try await cluster.nodes().map(\.instance) == ["i-08736224042c4ee75"])
        #expect(try await cluster.version() == "v1.31.2-eks-7f9249a")
    }
}
