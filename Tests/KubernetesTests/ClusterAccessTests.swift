import Foundation
import HTTPClient
import Infrastructure
import Testing
import Yams

@testable import Kubernetes
@testable import Simulator

/// The roles that customers are given: exactly the verbs that the client uses.
@Suite("Onboarding: roles in a cluster")
struct ClusterAccessTests {
    private struct Document: Decodable {
        struct Rule: Decodable {
            var apiGroups: [String]
            var resources: [String]
            var verbs: [String]
        }
        struct Reference: Decodable {
            var kind: String
            var name: String
            var namespace: String?
        }
        var kind: String
        var rules: [Rule]?
        var type: String?
        var roleRef: Reference?
        var subjects: [Reference]?
    }

    private static func documents(_ file: String) throws -> [Document] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(
            contentsOf: root.appending(path: "docker/onboarding/kubernetes/\(file).yaml"), encoding: .utf8)
        return try text.components(separatedBy: "\n---\n").map { try YAMLDecoder().decode(Document.self, from: $0) }
    }

    private static func grants(_ file: String) throws -> Set<String> {
        var found: Set<String> = []
        for rule in try documents(file).compactMap(\.rules).flatMap({ $0 }) {
            for group in rule.apiGroups {
                for resource in rule.resources {
                    for verb in rule.verbs { found.insert("\(verb) \(resource)\(group.isEmpty ? "" : ".\(group)")") }
                }
            }
        }
        return found
    }

    @Test("the role that looks grants every look and nothing else, the one that acts the changes as well")
    func exact() throws {
        let reads = Set(ClusterAccess.reads.map(\.name))
        #expect(try ClusterAccessTests.grants("read-only") == reads)
        #expect(try ClusterAccessTests.grants("act") == reads.union(ClusterAccess.changes.map(\.name)))
    }

    @Test(
        "each role comes with its binding, its service account and a Secret for its token",
        arguments: ["read-only", "act"])
    func complete(file: String) throws {
        let documents = try ClusterAccessTests.documents(file)
        #expect(
            documents.map(\.kind) == ["Namespace", "ServiceAccount", "Secret", "ClusterRole", "ClusterRoleBinding"])
        #expect(documents[2].type == "kubernetes.io/service-account-token")
        #expect(documents[4].roleRef?.name == "cloudoptim-\(file)")
        #expect(documents[4].subjects?.map(\.namespace) == ["cloudoptim"])
    }

    @Test("the simulator's role that acts has all of it, so that every system test works with these rights or less")
    func simulated() {
        for access in ClusterAccess.reads + ClusterAccess.changes {
            let parts = access.resource
            #expect(
                AccessRules.allows(.act, group: access.group, resource: parts, verb: access.verb)
                    || ClusterList.optional.contains { ResourceKind.of($0).group == access.group }, "\(access.name)")
        }
    }

    /// The verb, group and resource of a request, as the API server's authorizer sees them.
    private static func access(_ request: HTTPRequest) -> String {
        var parts = (URL(string: request.url)?.path ?? "").split(separator: "/").map(String.init)
        if let start = parts.firstIndex(where: { $0 == "api" || $0 == "apis" }) { parts.removeFirst(start) }
        let group = parts.first == "apis" ? parts[1] : ""
        parts.removeFirst(parts.first == "apis" ? 3 : 2)
        if parts.first == "namespaces", parts.count > 2 { parts.removeFirst(2) }
        let isNamed = parts.count > 1
        let resource = parts[0] + (parts.count > 2 ? "/\(parts[2])" : "")
        let verb =
            switch request.method {
            case "GET": isNamed ? "get" : "list"
            case "POST": "create"
            case "PATCH": "patch"
            case "PUT": "update"
            default: "delete"
            }
        return "\(verb) \(resource)\(group.isEmpty ? "" : ".\(group)")"
    }

    @Test("what the client really sends for every read and every change is what is asked for")
    func sent() async throws {
        let server = RecordedServer(Array(repeating: .answer(404, "404 page not found"), count: 200))
        let cluster = try server.cluster()
        let node = NodeReference(name: "n", uid: "u")
        let pod = PodReference(namespace: "web", name: "a", uid: "u")
        // Each answer is a refusal: only what was asked counts here.
        _ = try? await cluster.objects(Set(ClusterList.allCases), now: Date())
        _ = try? await cluster.node(named: "n")
        _ = try? await cluster.patch(NodePatch(node: node, resourceVersion: "1", isUnschedulable: true))
        _ = try? await cluster.evict(pod, graceSeconds: nil)
        _ = try? await cluster.delete(pod, graceSeconds: 5)
        _ = try? await cluster.delete(node)
        _ = try? await cluster.record(
            ClusterEvent(name: "e", node: node, reason: "R", message: "m", isWarning: false))
        for kind in ChangeableKind.allCases {
            let object = ObjectReference(kind, namespace: "web", name: "o", uid: "u")
            _ = try? await cluster.object(object)
            _ = try? await cluster.patch(object, ObjectPatch(), resourceVersion: "1")
            guard kind == .deployment || kind == .statefulSet else { continue }
            try? await cluster.scale(object, to: 1, resourceVersion: "1")
        }
        let sent = Set(server.requests.map(ClusterAccessTests.access))
        #expect(sent == Set((ClusterAccess.reads + ClusterAccess.changes).map(\.name)))
    }
}
