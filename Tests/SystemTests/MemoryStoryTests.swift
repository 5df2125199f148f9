import Foundation
import HTTPClient
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// Containers that run out of memory.
    @Suite("Memory", .fleet(clusters: ["dev"], nodes: 4, pods: 24, environment: FleetPlan.impatient))
    struct MemoryStoryTests {
        private struct Deployment: Decodable {
            struct Resources: Decodable { var limits: [String: String] }
            struct Container: Decodable { var resources: Resources }
            struct PodSpec: Decodable { var containers: [Container] }
            struct Template: Decodable { var spec: PodSpec }
            struct Spec: Decodable {
                var template: Template
                var replicas: Int
            }
            struct Metadata: Decodable {
                var name: String
                var namespace: String
            }
            struct Status: Decodable {
                var updatedReplicas: Int?
                var readyReplicas: Int?
            }
            var metadata: Metadata
            var spec: Spec
            var status: Status
            /// In mebibytes.
            var limit: Int? {
                spec.template.spec.containers[0].resources.limits["memory"].flatMap { Int($0.dropLast(2)) }
            }
        }
        private struct Deployments: Decodable { var items: [Deployment] }

        private func deployments(_ fleet: Fleet) async throws -> [Deployment] {
            let response = try await fleet.world.kubernetes(
                "GET", fleet.cluster("dev"), "/apis/apps/v1/namespaces/shop/deployments")
            return try JSONText(text: String(decoding: response.body, as: UTF8.self)).decode(Deployments.self).items
        }

        private func limit(_ fleet: Fleet, _ name: String) async throws -> Int? {
            try await deployments(fleet).first { $0.metadata.name == name }?.limit
        }

        private func need(_ fleet: Fleet, _ app: String, _ what: String) async throws {
            _ = try await fleet.world.control(
                "POST", "memory-need",
                #"{"cluster":"\#(fleet.cluster("dev"))","namespace":"shop","app":"\#(app)",\#(what)}"#)
        }

        @Test("What needs a little more gets it and lives; what leaks is raised twice, then left to a person")
        func outOfMemory() async throws {
            let fleet = try Fleet.current
            let answer = try await fleet.add("dev", tenant: "acme", more: ["--environment", "staging"])
            try #require(answer.status == 0, "\(answer)")
            _ = try await fleet.rows(
                """
                INSERT INTO cluster_policy (cluster_id, version, document, changed_by, note)
                VALUES ($1, 1, '{"modes":{"oom":"apply"}}', 'tester', '') RETURNING version
                """, [.text(fleet.cluster("dev"))])
            try await fleet.startRoles()
            let app = try #require(try await deployments(fleet).first)
            let name = app.metadata.name
            let before = try #require(app.limit)

            // It needs 50 MiB more than it may have: one raise is enough.
            try await need(fleet, name, #""needs":"\#(before + 50)Mi","seconds":5"#)
            let after = try await eventually("its limit is raised", within: .seconds(90)) {
                try await limit(fleet, name).flatMap { $0 > before ? $0 : nil }
            }
            #expect(after == max(before + 100, Int((Double(before) * 1.2).rounded(.up))))
            try await eventually("its rollout is complete", within: .seconds(90)) {
                try await deployments(fleet).first { $0.metadata.name == name }.map {
                    $0.status.updatedReplicas == $0.spec.replicas && $0.status.readyReplicas == $0.spec.replicas
                } ?? false
            }
            #expect(try await fleet.number("SELECT count(*) FROM memory_raise_status") == 1)
            try await fleet.succeed(["simulate", "clock", "advance", "700"])
            let looked = try await fleet.enqueue("remediate-oom", ["--target", fleet.cluster("dev")])
            try await eventually("it is looked at again") { try await fleet.isOver(looked) }
            #expect(try await limit(fleet, name) == after)

            // Now it is killed ten seconds after each start, whatever it may have.
            try await need(fleet, name, #""needs":"900Gi","seconds":10"#)
            try await eventually("a leak is suspected", within: .seconds(240)) {
                // The cooldown passes on the simulated clock, and with it the time to the next kill.
                try await fleet.succeed(["simulate", "clock", "advance", "620"])
                let look = try await fleet.enqueue("remediate-oom", ["--target", fleet.cluster("dev")])
                try await eventually("it is looked at") { try await fleet.isOver(look) }
                return try await fleet.number(
                    "SELECT count(*) FROM finding_status WHERE code LIKE 'oom-%' AND severity = 'critical'") > 0
            }
            let end = try await limit(fleet, name)
            try await fleet.succeed(["simulate", "clock", "advance", "3000"])
            let last = try await fleet.enqueue("remediate-oom", ["--target", fleet.cluster("dev")])
            try await eventually("it is looked at once more") { try await fleet.isOver(last) }
            #expect(try await limit(fleet, name) == end, "the loop has ended")
            #expect(try await fleet.number("SELECT count(*) FROM memory_raise_status") <= 4)
        }
    }
}
