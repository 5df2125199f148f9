import Foundation
import HTTPClient
import JobQueue
import Postgres
import TestSupport
import Testing

/// One cluster of a fleet, and what a test puts on it: Deployments whose pods are watched.
struct WorkloadScene {
    struct Node: Decodable {
        struct Metadata: Decodable {
            var name: String
            var labels: [String: String]
            var annotations: [String: String]?
            var creationTimestamp: String
        }
        struct Spec: Decodable { var unschedulable: Bool? }
        var metadata: Metadata
        var spec: Spec

        var isSpot: Bool { metadata.labels["cloudoptim.io/capacity-type"] == "spot" }
        /// Its instance type.
        var type: String { metadata.labels["node.kubernetes.io/instance-type"] ?? "" }
        /// Whether nobody has cordoned or marked it.
        var isFree: Bool { spec.unschedulable != true && metadata.annotations?["cloudoptim.io/by"] == nil }
    }

    struct Pod: Decodable {
        struct Metadata: Decodable { var name: String }
        struct Spec: Decodable { var nodeName: String? }
        struct Condition: Decodable {
            var type: String
            var status: String
        }
        struct Status: Decodable {
            var phase: String
            var conditions: [Condition]?
        }
        var metadata: Metadata
        var spec: Spec
        var status: Status
        var isReady: Bool { status.conditions?.contains { $0.type == "Ready" && $0.status == "True" } ?? false }
    }

    private struct List<Item: Decodable>: Decodable { var items: [Item] }

    let fleet: Fleet
    let name: String
    var cluster: String { fleet.cluster(name) }

    /// Registers the cluster and starts the roles, unless they run already.
    static func make(_ name: String, policy: [String]) async throws -> WorkloadScene {
        let scene = WorkloadScene(fleet: try Fleet.current, name: name)
        let answer = try await scene.fleet.add(name, tenant: "acme")
        try #require(answer.status == 0, "\(answer)")
        try await scene.set(policy)
        if try await scene.fleet.number("SELECT count(*) FROM worker_health WHERE state = 'live'") == 0 {
            try await scene.fleet.startRoles()
        }
        return scene
    }

    func set(_ policy: [String]) async throws {
        try await fleet.succeed(["policy", "set", cluster] + policy)
    }

    func advance(hours: Double) async throws {
        try await fleet.succeed(["simulate", "clock", "advance", "\(Int(hours * 3600))"])
    }

    /// Lets an hour pass, in which the nodes grow old enough, sets the policy, and begins a job. In this order, and with no
    /// job still at work that took its time from before the hour: a plan that was begun before it passed would be given up,
    /// because nothing went on in it for so long.
    func set(_ policy: [String], anHourLaterAnd kind: String) async throws {
        try await advance(hours: 1)
        let jumped = try await fleet.text("SELECT now()::text")
        try await eventually("no round from before the hour is at work", within: .seconds(90)) {
            try await fleet.number(
                """
                SELECT count(*) FROM job_status
                 WHERE target = $1 AND state IN ('running', 'cancelling') AND claimed_at < $2::timestamptz
                """, [.text(cluster), .text(jumped ?? "")]) == 0
        }
        try await set(policy)
        try await fleet.enqueue(kind, ["--target", cluster])
    }

    // MARK: Objects

    private func get<Item: Decodable>(_ path: String, of type: Item.Type) async throws -> [Item] {
        let response = try await fleet.world.kubernetes("GET", cluster, path)
        try #require(response.status == 200)
        return try JSONText(text: String(decoding: response.body, as: UTF8.self)).decode(List<Item>.self).items
    }

    func nodes() async throws -> [Node] { try await get("/api/v1/nodes", of: Node.self) }
    func pods() async throws -> [Pod] { try await get("/api/v1/namespaces/shop/pods", of: Pod.self) }
    func ready() async throws -> Int { try await pods().count { $0.isReady } }

    private func change(
        _ method: String, _ path: String, _ body: String? = nil, type: String = "application/json"
    ) async throws {
        let response = try await fleet.world.kubernetes(method, cluster, path, body, type: type)
        try #require(response.status < 300, "\(path): \(String(decoding: response.body, as: UTF8.self))")
    }

    /// Runs an application in the namespace `shop` and waits until all its pods are Ready.
    /// - Parameter apart: whether no two of its pods may share a node.
    func deploy(_ app: String, replicas: Int, cpu: String = "400m", apart: Bool = false) async throws {
        let affinity = """
            ,"affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"labelSelector":\
            {"matchLabels":{"app":"\(app)"}},"topologyKey":"kubernetes.io/hostname"}]}}
            """
        try await change(
            "POST", "/apis/apps/v1/namespaces/shop/deployments",
            """
            {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"\(app)","namespace":"shop"},\
            "spec":{"replicas":\(replicas),"selector":{"matchLabels":{"app":"\(app)"}},"template":{\
            "metadata":{"labels":{"app":"\(app)"}},"spec":{"terminationGracePeriodSeconds":1,"containers":[{\
            "name":"main","image":"registry.example.com/\(app):1","resources":{"requests":{"cpu":"\(cpu)",\
            "memory":"128Mi"}}}]\(apart ? affinity : "")}}}}
            """)
        try await eventually("\(app) is ready") { try await ready() == replicas }
    }

    /// At most one of an application's pods may be away.
    func protect(_ app: String) async throws {
        try await change(
            "POST", "/apis/policy/v1/namespaces/shop/poddisruptionbudgets",
            """
            {"apiVersion":"policy/v1","kind":"PodDisruptionBudget","metadata":{"name":"\(app)","namespace":"shop"},\
            "spec":{"maxUnavailable":1,"selector":{"matchLabels":{"app":"\(app)"}}}}
            """)
    }

    func scale(_ app: String, to replicas: Int) async throws {
        try await change(
            "PATCH", "/apis/apps/v1/namespaces/shop/deployments/\(app)", #"{"spec":{"replicas":\#(replicas)}}"#,
            type: "application/merge-patch+json")
    }

    /// A pod that fits nowhere.
    func addGiant() async throws {
        try await change(
            "POST", "/api/v1/namespaces/shop/pods",
            """
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"giant","namespace":"shop"},"spec":{"containers":[{\
            "name":"main","image":"registry.example.com/giant:1","resources":{"requests":{"cpu":"500"}}}]}}
            """)
    }

    func removeGiant() async throws { try await change("DELETE", "/api/v1/namespaces/shop/pods/giant") }

    // MARK: Jobs and plans

    /// Runs a kind once and waits for its end.
    func run(_ kind: String) async throws {
        let id = try await fleet.enqueue(kind, ["--target", cluster])
        try await eventually("\(kind) ends", within: .seconds(90)) { try await fleet.isOver(id) }
    }

    /// How the cluster's last plan ended; nil: there is none, or it is under way.
    func outcome() async throws -> String? {
        try await fleet.text(
            "SELECT outcome FROM node_plan WHERE cluster_id = $1 AND closed_at IS NOT NULL ORDER BY number DESC LIMIT 1",
            [.text(cluster)])
    }

    /// Waits for the end of the cluster's plan, and watches how many pods are Ready meanwhile.
    /// - Returns: how it ended, and the fewest Ready pods seen.
    func planEnds() async throws -> (outcome: String, fewest: Int) {
        var fewest = Int.max
        let end = try await eventually("the plan ends", within: .seconds(240)) {
            fewest = min(fewest, try await ready())
            return try await outcome()
        }
        return (end, fewest)
    }
}
