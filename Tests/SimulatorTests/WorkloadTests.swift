import Foundation
import Testing

@testable import Simulator

/// What features that change workloads rely on.
@Suite("Workloads of a simulated cluster")
struct WorkloadTests {
    private static let strategic = "application/strategic-merge-patch+json"

    private func path(_ kind: String, _ key: ObjectKey) -> String {
        "/apis/apps/v1/namespaces/\(key.namespace)/\(kind)/\(key.name)"
    }

    private func memoryPatch(_ memory: String) -> JSONValue {
        [
            "spec": [
                "template": [
                    "spec": [
                        "containers": [
                            [
                                "name": "main",
                                "resources": [
                                    "requests": ["memory": .string(memory)], "limits": ["memory": .string(memory)],
                                ],
                            ]
                        ]
                    ]
                ]
            ]
        ]
    }

    @Test("a StatefulSet and a DaemonSet roll a new template out, one pod at a time")
    func rollouts() throws {
        let bench = Bench()
        for kind in ["statefulsets", "daemonsets"] {
            let resource = kind == "statefulsets" ? ResourceKind.statefulSets : .daemonSets
            let key = try #require(bench.cluster.objects(resource).keys.sorted().first)
            let before = Set(bench.pods(key.name, in: key.namespace).map(\.uid))
            let patched = try bench.call("PATCH", path(kind, key), memoryPatch("333Mi"), type: Self.strategic)
            #expect(patched.status == 200)
            var downMost = 0
            for _ in 0..<200 {
                bench.pass(1)
                let living = bench.cluster.pods.values.filter {
                    $0.labels["app"] == key.name && $0.key.namespace == key.namespace
                }
                downMost = max(downMost, living.count { $0.isTerminating || !$0.isReady })
            }
            let after = bench.pods(key.name, in: key.namespace)
            #expect(after.count == before.count && before.isDisjoint(with: after.map(\.uid)), "\(kind)")
            #expect(after.allSatisfy { $0.isReady && $0.requests.memory == 333 << 20 }, "\(kind)")
            #expect(downMost <= 2, "\(kind): \(downMost) at once")
            let status = try #require(bench.cluster.object(resource, key)?.value["status"])
            let updated = kind == "statefulsets" ? "updatedReplicas" : "updatedNumberScheduled"
            #expect(status[updated].int == after.count)
        }
    }

    @Test("scaling under an old resourceVersion is a conflict; to zero and back keeps the template's pods")
    func scale() throws {
        let bench = Bench()
        let key = try #require(bench.cluster.objects(.deployments).keys.sorted().first { $0.namespace == "shop" })
        let scale = path("deployments", key) + "/scale"
        let read = try bench.call("GET", scale)
        let version = read.json["metadata"]["resourceVersion"]
        let replicas = try #require(read.json["spec"]["replicas"].int)
        func body(_ count: Int, _ version: JSONValue) -> JSONValue {
            ["metadata": ["resourceVersion": version], "spec": ["replicas": .integer(count)]]
        }
        let type = "application/merge-patch+json"
        #expect(try bench.call("PATCH", scale, body(0, "1"), type: type).status == 409)
        #expect(try bench.call("PATCH", scale, body(0, version), type: type).status == 200)
        #expect(try bench.call("PATCH", scale, body(3, version), type: type).status == 409)
        bench.pass(40)
        #expect(bench.pods(key.name, in: key.namespace).isEmpty)
        let sets = bench.cluster.replicaSetsByDeployment[key]
        #expect(try bench.call("PATCH", scale, body(replicas, .null), type: type).status == 200)
        bench.pass(10)
        #expect(bench.pods(key.name, in: key.namespace).count { $0.isReady } == replicas)
        #expect(bench.cluster.replicaSetsByDeployment[key] == sets, "scaling is no rollout")
    }

    @Test("a CronJob can be suspended by a patch")
    func cronJob() throws {
        let bench = Bench()
        let path = "/apis/batch/v1/namespaces/ledger/cronjobs/nightly-report"
        #expect(try bench.call("GET", path).json["spec"]["suspend"] == false)
        let patched = try bench.call(
            "PATCH", path, ["spec": ["suspend": true]], type: Self.strategic, role: .act)
        #expect(patched.status == 200 && patched.json["spec"]["suspend"] == true)
        #expect(patched.json["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"].array.count == 1)
    }

    @Test("what a workload uses does not hang on what it asks for")
    func usage() throws {
        let bench = Bench()
        let key = try #require(bench.cluster.objects(.deployments).keys.sorted().first { $0.namespace == "shop" })
        func used() throws -> [Int] {
            let list = try bench.call("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods").json["items"].array
            return list.filter { $0["metadata"]["labels"]["app"].string == key.name }
                .map { Quantity.whole($0["containers"].array[0]["usage"]["memory"]) }.sorted()
        }
        let before = try used()
        #expect(!before.isEmpty)
        _ = try bench.call("PATCH", path("deployments", key), memoryPatch("2000Mi"), type: Self.strategic)
        bench.pass(60)
        let after = try used()
        #expect(after.count == before.count)
        for (old, new) in zip(before, after) { #expect(abs(Double(new - old)) < 0.1 * Double(old)) }
    }

    @Test("with less memory than it needs a container is killed again and again, and with enough no more")
    func outOfMemory() throws {
        let bench = Bench()
        let key = try #require(bench.cluster.objects(.deployments).keys.sorted().first { $0.namespace == "shop" })
        var need = MemoryNeed()
        need.bytes = 4000 << 20
        need.seconds = 20
        #expect(bench.cluster.setMemoryNeed(need, namespace: "shop", app: key.name) > 0)
        bench.pass(50)
        let pod = try #require(bench.pods(key.name, in: "shop").first)
        let status = try #require(
            bench.cluster.object(.pods, pod.key)?.value["status"]["containerStatuses"].array.first)
        #expect((2...3).contains(status["restartCount"].int ?? 0))
        #expect(status["lastState"]["terminated"]["reason"] == "OOMKilled")
        #expect(status["lastState"]["terminated"]["exitCode"] == 137)
        _ = try bench.call("PATCH", path("deployments", key), memoryPatch("4000Mi"), type: Self.strategic)
        bench.pass(120)
        let healed = bench.pods(key.name, in: "shop")
        #expect(!healed.isEmpty)
        for pod in healed {
            let status = bench.cluster.object(.pods, pod.key)?.value["status"]["containerStatuses"].array.first
            #expect(status?["restartCount"] == 0)
        }
    }
}
