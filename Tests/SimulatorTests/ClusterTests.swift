import Foundation
import Testing

@testable import Simulator

/// A cluster without servers: three nodes of a zone each, settled.
struct Bench {
    let timeline = Timeline()
    let cluster: ClusterState

    init(awkward: Bool = false, seed: UInt64 = 7) {
        let plan = SimulatedCluster(
            name: "bench", nodeCount: 6, podCount: 40, hasAwkwardPods: awkward, podStartSeconds: 1...1,
            podStopFraction: 0.5...0.5)
        cluster = ClusterState(plan: plan, seed: seed, timeline: timeline)
        let blueprint = Blueprint(plan: plan, seed: seed)
        for (kind, object) in blueprint.objects { cluster.create(kind, object) }
        var number = 0
        for group in blueprint.groups {
            for _ in 0..<group.count {
                number += 1
                cluster.join(
                    LaunchedInstance(
                        id: "i-\(number)", type: group.type, zone: group.zone, isSpot: group.isSpot,
                        tags: ["cloudoptim.io/pool": "default"], clientToken: nil), isReady: true)
            }
        }
        cluster.startEverything()
    }

    func call(
        _ method: String, _ path: String, _ body: JSONValue = .null, type: String = "application/json",
        role: SimulatedRole = .admin, query: [String: String] = [:]
    ) throws -> (status: Int, json: JSONValue) {
        let reply = cluster.answer(
            KubernetesRequest(
                method: method, path: path.split(separator: "/").map(String.init), query: query, contentType: type,
                accept: "",
                body: body.isNull ? [] : body.bytes, role: role, user: "tester"))
        guard case .body(let status, let bytes) = reply else { return (0, .null) }
        return (status, try JSONValue(parsing: bytes))
    }

    func evict(_ pod: PodFacts, uid: String? = nil, version: String = "policy/v1") throws -> (
        status: Int, json: JSONValue
    ) {
        try call(
            "POST", "/api/v1/namespaces/\(pod.key.namespace)/pods/\(pod.key.name)/eviction",
            [
                "apiVersion": .string(version), "kind": "Eviction", "metadata": ["name": .string(pod.key.name)],
                "deleteOptions": ["preconditions": ["uid": .string(uid ?? pod.uid)]],
            ])
    }

    func pods(_ app: String, in namespace: String) -> [PodFacts] {
        cluster.pods.values.filter { $0.labels["app"] == app && $0.key.namespace == namespace && !$0.isTerminating }
            .sorted { $0.key < $1.key }
    }

    /// Lets the world run for so many simulated seconds.
    func pass(_ seconds: Double) {
        for _ in 0..<Int(seconds * 2) {
            timeline.advance(0.5)
            while let event = timeline.popDue() {
                switch event {
                case .podStarts(_, let key, let uid): cluster.startPod(key, uid: uid)
                case .podStops(_, let key, let uid): cluster.stopPod(key, uid: uid)
                case .memoryIsExceeded(_, let key, let uid): cluster.killForMemory(key, uid: uid)
                case .nodeStopsReporting(_, let node, let uid): cluster.stopReporting(node, uid: uid)
                case .nodeIsRemoved(_, let node, let uid): cluster.removeNode(node, uid: uid)
                case .podsAreCollected(_, let node): cluster.collectPods(of: node)
                default: break
                }
            }
            cluster.reconcile()
            cluster.schedulePods()
            cluster.reconcile()
        }
    }
}

@Suite("A simulated cluster")
struct ClusterTests {
    @Test("the same seed gives the same world, another seed another one")
    func seeded() {
        func pods(_ seed: UInt64) -> [String] {
            Bench(seed: seed).cluster.pods.values.map {
                "\($0.key.namespace)/\($0.key.name) on \($0.node ?? "") \($0.uid)"
            }
            .sorted()
        }
        let world = pods(7)
        #expect(pods(7) == world)
        #expect(pods(8) != world)
    }

    @Test("the world starts settled: every pod runs and is ready")
    func settled() {
        let cluster = Bench().cluster
        #expect(cluster.pods.values.allSatisfy { $0.isReady && $0.node != nil })
        for node in cluster.nodes.values {
            #expect(node.allocatable.shortage(of: cluster.requested[node.name] ?? ResourceAmounts()) == nil)
        }
    }

    @Test(
        "an eviction stops the pod gracefully and its controller makes another",
        arguments: ["policy/v1", "policy/v1beta1"])
    func eviction(version: String) throws {
        let bench = Bench()
        let pods = bench.pods("coredns", in: "kube-system")
        let first = try #require(pods.first)
        #expect(try bench.evict(first, version: version).status == 201)
        let facts = try #require(bench.cluster.pods[first.key])
        #expect(facts.isTerminating)
        bench.pass(4)
        #expect(bench.cluster.pods[first.key] != nil, "half of its grace of 15 s is not over")
        bench.pass(6)
        #expect(bench.cluster.pods[first.key] == nil)
        #expect(bench.pods("coredns", in: "kube-system").count { $0.isReady } == 2)
    }

    @Test("a budget refuses the next eviction with 429 and the cause, until the replacement is ready")
    func budget() throws {
        let bench = Bench()
        let pods = bench.pods("coredns", in: "kube-system")
        #expect(try bench.evict(pods[0]).status == 201)
        let refused = try bench.evict(pods[1])
        #expect(refused.status == 429)
        #expect(refused.json["reason"] == "TooManyRequests")
        let cause = refused.json["details"]["causes"].array.first
        #expect(cause?["reason"] == "DisruptionBudget")
        #expect(cause?["message"] == "The disruption budget coredns needs 1 healthy pods and has 1 currently")
        bench.pass(3)
        #expect(try bench.evict(pods[1]).status == 201)
        #expect(bench.cluster.violations.isEmpty)
    }

    @Test("evictions: 404 for a pod that is gone, 409 for another pod of the name, 500 for two budgets")
    func refusals() throws {
        let bench = Bench(awkward: true)
        let pod = try #require(bench.pods("coredns", in: "kube-system").first)
        let conflict = try bench.evict(pod, uid: "another")
        #expect(conflict.status == 409)
        #expect(conflict.json["reason"] == "Conflict")
        #expect(bench.cluster.pods[pod.key]?.isTerminating == false)
        let twice = try #require(bench.pods("twice-guarded", in: "default").first)
        let internalError = try bench.evict(twice)
        #expect(internalError.status == 500)
        #expect(internalError.json["message"].string?.contains("more than one PodDisruptionBudget") == true)
        let immovable = try #require(bench.pods("immovable", in: "default").first)
        #expect(try bench.evict(immovable).status == 429)
        bench.cluster.deletePod(twice.key, graceSeconds: 0)
        #expect(try bench.evict(twice).status == 404)
    }

    @Test("a delete that breaks a budget is a violation before the force point and none after it")
    func violations() throws {
        let bench = Bench(awkward: true)
        let pods = bench.pods("immovable", in: "default")
        let path = "/api/v1/namespaces/default/pods/"
        #expect(try bench.call("DELETE", path + pods[0].key.name, ["gracePeriodSeconds": 5]).status == 200)
        #expect(bench.cluster.violations.map(\.budget.name) == ["immovable"])
        #expect(bench.cluster.violations.first?.actor == "tester")
        let node = try #require(pods[1].node)
        bench.pass(30)
        bench.cluster.noteInterruption(
            bench.cluster.instanceID(ofNode: node), kind: "spot", deadline: bench.timeline.now.addingTimeInterval(19))
        #expect(try bench.call("DELETE", path + pods[1].key.name, ["gracePeriodSeconds": 5]).status == 200)
        #expect(bench.cluster.violations.count == 1, "its grace of 20 s no longer fits into the 19 s that are left")
    }

    @Test("a shorter grace hastens a pod that already stops, and grace 0 removes it at once")
    func grace() throws {
        let bench = Bench()
        let pod = try #require(bench.pods("coredns", in: "kube-system").first)
        let path = "/api/v1/namespaces/kube-system/pods/" + pod.key.name
        #expect(try bench.call("DELETE", path, .null).json["metadata"]["deletionGracePeriodSeconds"] == 15)
        #expect(
            try bench.call("DELETE", path, ["gracePeriodSeconds": 2]).json["metadata"]["deletionGracePeriodSeconds"]
                == 2)
        bench.pass(1.5)
        #expect(bench.cluster.pods[pod.key] == nil)
        let other = try #require(bench.pods("coredns", in: "kube-system").first)
        _ = try bench.call("DELETE", "/api/v1/namespaces/kube-system/pods/" + other.key.name, ["gracePeriodSeconds": 0])
        #expect(bench.cluster.pods[other.key] == nil)
    }

    @Test("a cordoned node is drained when its last movable pod is gone")
    func drained() throws {
        let bench = Bench()
        let node = try #require(bench.cluster.pods.values.first { $0.isEvictable }?.node)
        let id = bench.cluster.instanceID(ofNode: node)
        let patch: JSONValue = ["spec": ["unschedulable": true]]
        #expect(
            try bench.call("PATCH", "/api/v1/nodes/" + node, patch, type: "application/merge-patch+json").status == 200)
        #expect(bench.cluster.records[id]?.cordonedBy == "tester")
        #expect(bench.cluster.records[id]?.drainedAt == nil)
        for _ in 0..<30 where bench.cluster.records[id]?.drainedAt == nil {
            for pod in bench.cluster.pods.values where pod.node == node && pod.isEvictable && !pod.isTerminating {
                #expect([201, 429].contains(try bench.evict(pod).status))
            }
            bench.pass(5)
        }
        #expect(bench.cluster.records[id]?.drainedAt != nil)
        #expect(bench.cluster.violations.isEmpty)
        #expect(!(bench.cluster.podsByNode[node] ?? []).contains { bench.cluster.pods[$0]?.isEvictable == true })
    }

    @Test("what still runs when an instance ends dies with it, and is made again once its node is gone")
    func abruptEnd() throws {
        let bench = Bench()
        let node = try #require(bench.cluster.pods.values.first { $0.owner?.kind == "ReplicaSet" }?.node)
        let id = bench.cluster.instanceID(ofNode: node)
        let count = (bench.cluster.podsByNode[node] ?? []).count { bench.cluster.pods[$0]?.isEvictable == true }
        bench.cluster.instanceIsGone(id, actor: "spot-interruption", isByClient: false)
        #expect(bench.cluster.records[id]?.abruptDeaths.count == count)
        bench.pass(4)
        #expect(bench.cluster.nodes[node]?.isReady == false)
        bench.pass(25)
        #expect(bench.cluster.nodes[node] == nil)
        #expect(bench.cluster.pods.values.allSatisfy { $0.node != node })
        #expect(bench.cluster.violations.isEmpty, "an interruption is nobody's violation")
    }

    @Test("a dead kubelet never finishes a stop")
    func deadKubelet() throws {
        let bench = Bench()
        let pod = try #require(bench.pods("coredns", in: "kube-system").first)
        bench.cluster.records[bench.cluster.instanceID(ofNode: try #require(pod.node))]?.kubeletIsDead = true
        #expect(try bench.evict(pod).status == 201)
        bench.pass(60)
        #expect(bench.cluster.pods[pod.key]?.isTerminating == true)
    }

    @Test("a stale resource version is a conflict, and unknown patch formats are refused")
    func conflicts() throws {
        let bench = Bench()
        let node = "/api/v1/nodes/" + (try #require(bench.cluster.nodes.keys.min()))
        let version = try bench.call("GET", node).json["metadata"]["resourceVersion"]
        let patch: JSONValue = ["metadata": ["resourceVersion": version, "labels": ["a": "b"]]]
        #expect(try bench.call("PATCH", node, patch, type: "application/merge-patch+json").status == 200)
        #expect(try bench.call("PATCH", node, patch, type: "application/merge-patch+json").status == 409)
        #expect(try bench.call("PATCH", node, patch, type: "application/apply-patch+yaml").status == 415)
        #expect(try bench.call("PUT", node, try bench.call("GET", node).json).status == 200)
    }

    @Test("lists page with limit and continue and say how many remain")
    func paging() throws {
        let bench = Bench()
        var names: [String] = []
        var query = ["limit": "5"]
        for _ in 0..<100 {
            let page = try bench.call("GET", "/api/v1/pods", query: query).json
            names += page["items"].array.compactMap { $0["metadata"]["uid"].string }
            guard let token = page["metadata"]["continue"].string else { break }
            #expect(page["metadata"]["remainingItemCount"].int == bench.cluster.pods.count - names.count)
            query["continue"] = token
        }
        #expect(names.count == bench.cluster.pods.count)
        #expect(Set(names).count == names.count)
        #expect(try bench.call("GET", "/api/v1/pods", query: ["limit": "5", "continue": "junk"]).status == 400)
    }

    @Test("roles allow what they name and refuse the rest with 403")
    func roles() throws {
        let bench = Bench()
        let node = "/api/v1/nodes/" + (try #require(bench.cluster.nodes.keys.min()))
        let patch: JSONValue = ["spec": ["unschedulable": true]]
        let refused = try bench.call("PATCH", node, patch, type: "application/merge-patch+json", role: .readOnly)
        #expect(refused.status == 403)
        #expect(refused.json["message"].string?.contains("cannot patch resource \"nodes\"") == true)
        #expect(try bench.call("PATCH", node, patch, type: "application/merge-patch+json", role: .act).status == 200)
        #expect(try bench.call("GET", node, role: .readOnly).status == 200)
        #expect(
            try bench.call("DELETE", "/apis/apps/v1/namespaces/kube-system/deployments/coredns", role: .act).status
                == 403)
        let review: JSONValue = [
            "spec": ["resourceAttributes": ["verb": "create", "resource": "pods", "subresource": "eviction"]]
        ]
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        #expect(try bench.call("POST", path, review, role: .act).json["status"]["allowed"] == true)
        #expect(try bench.call("POST", path, review, role: .readOnly).json["status"]["allowed"] == false)
    }

    @Test("a watch starts after its version, sees changes through its selector, and is told when it is too far behind")
    func watches() async throws {
        let bench = Bench()
        func watch(_ query: [String: String]) throws -> WatchSession {
            let reply = bench.cluster.answer(
                KubernetesRequest(
                    method: "GET", path: ["api", "v1", "nodes"], query: query.merging(["watch": "1"]) { $1 },
                    contentType: "",
                    accept: "", body: [], role: .admin, user: "tester"))
            guard case .watch(let session) = reply else { throw APIStatus.noSuchPath }
            return session
        }
        let version = String(bench.cluster.version)
        let node = ObjectKey(namespace: "", name: try #require(bench.cluster.nodes.keys.min()))
        let session = try watch(["resourceVersion": version, "labelSelector": "mark=yes"])
        bench.cluster.update(.nodes, node) { $0["metadata"]["labels"]["mark"] = "yes" }
        bench.cluster.update(.nodes, node) { $0["metadata"]["labels"]["other"] = "yes" }
        bench.cluster.update(.nodes, node) { $0["metadata"]["labels"]["mark"] = "no" }
        bench.cluster.endWatch(id: session.id, table: session.table)
        var types: [String] = []
        for await signal in session.changes {
            if let line = session.line(signal) { types.append(try JSONValue(parsing: line)["type"].string ?? "") }
        }
        #expect(types == ["ADDED", "MODIFIED", "DELETED"])
        let replayed = try watch(["resourceVersion": version])
        #expect(replayed.initial.count == 3)
        #expect(try watch([:]).initial.count == bench.cluster.nodes.count)
    }
}
