import Foundation
import HTTPClient
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// A staging cluster whose nodes are in Auto Scaling groups and in a managed node group, through one night.
    @Suite(
        "Node groups at night",
        .fleet(
            clusters: ["dev"], nodes: 6, pods: 18, environment: FleetPlan.impatient,
            owners: "auto-scaling-group,managed-node-group"))
    struct NodeGroupStoryTests {
        private struct Nodes: Decodable {
            struct Item: Decodable {
                struct Metadata: Decodable {
                    var name: String
                    var labels: [String: String]?
                }
                struct Condition: Decodable {
                    var type: String
                    var status: String
                }
                struct Status: Decodable { var conditions: [Condition]? }
                var metadata: Metadata
                var status: Status
                var isReady: Bool {
                    status.conditions?.contains { $0.type == "Ready" && $0.status == "True" } ?? false
                }
            }
            var items: [Item]
        }

        private func nodes(_ fleet: Fleet) async throws -> [Nodes.Item] {
            let response = try await fleet.world.kubernetes("GET", fleet.cluster("dev"), "/api/v1/nodes")
            try #require(response.status == 200)
            return try JSONText(text: String(decoding: response.body, as: UTF8.self)).decode(Nodes.self).items
        }

        private func advance(_ fleet: Fleet, to instant: Date) async throws {
            let now = Double(try await fleet.number("SELECT extract(epoch FROM world_now())::bigint"))
            try await fleet.succeed([
                "simulate", "clock", "advance", "\(Int((instant.timeIntervalSince1970 - now).rounded(.up)))",
            ])
        }

        @Test("After the workloads sleep the groups shrink by their owners' APIs; before they wake the nodes are back")
        func night() async throws {
            let fleet = try Fleet.current
            let answer = try await fleet.add(
                "dev", tenant: "acme", more: ["--environment", "staging", "--time-zone", "UTC"])
            try #require(answer.status == 0, "\(answer)")
            _ = try await fleet.rows(
                """
                INSERT INTO cluster_policy (cluster_id, version, document, changed_by, note)
                VALUES ($1, 1, $2::jsonb, 'tester', '') RETURNING version
                """,
                [
                    .text(fleet.cluster("dev")),
                    .text(
                        #"{"modes":{"office-hours":"apply"},"office_hours":{"hours":["daily 09:00-18:00"],"#
                            + #""shrinks_node_groups":true,"nodes_asleep_min":0}}"#),
                ])
            let before = try await nodes(fleet)
            try #require(before.count == 6 && before.allSatisfy(\.isReady))
            try #require(before.contains { $0.metadata.labels?["eks.amazonaws.com/nodegroup"] != nil })
            try await fleet.startRoles()

            // Tomorrow evening: workloads go, then the nodes, of both owners.
            let midnight = (Date().timeIntervalSince1970 / 86_400).rounded(.down) * 86_400 + 86_400
            try await advance(fleet, to: Date(timeIntervalSince1970: midnight + 18 * 3600 + 60))
            try await eventually("the nodes are gone", within: .seconds(120)) { try await nodes(fleet).isEmpty }
            #expect(
                try await fleet.number("SELECT count(*) FROM node_group_status WHERE state = 'asleep'")
                    == fleet.number("SELECT count(*) FROM node_group_status WHERE node_group NOT LIKE 'nodes/%'"))
            #expect(
                try await fleet.number(
                    "SELECT count(DISTINCT split_part(node_group, '/', 1)) FROM node_group_status WHERE state = 'asleep'"
                )
                    == 2)

            // Twenty-five minutes before nine the groups wake, the workloads sleep on.
            try await advance(fleet, to: Date(timeIntervalSince1970: midnight + 86_400 + 9 * 3600 - 1490))
            try await eventually("the nodes are back", within: .seconds(120)) {
                let all = try await nodes(fleet)
                return all.count == 6 && all.allSatisfy(\.isReady)
            }
            #expect(try await fleet.number("SELECT count(*) FROM sleeper_status WHERE state = 'asleep'") > 0)
            try await advance(fleet, to: Date(timeIntervalSince1970: midnight + 86_400 + 9 * 3600))
            try await eventually("everything is awake", within: .seconds(120)) {
                try await fleet.number(
                    """
                    SELECT (SELECT count(*) FROM node_group_status
                              WHERE state <> 'awake' AND node_group NOT LIKE 'nodes/%')
                         + (SELECT count(*) FROM sleeper_status WHERE state <> 'awake')
                    """) == 0
            }
            let type = "node.kubernetes.io/instance-type"
            #expect(
                try await nodes(fleet).compactMap { $0.metadata.labels?[type] }.sorted()
                    == before.compactMap { $0.metadata.labels?[type] }.sorted())
            // Each group was sized down once and up once.
            let groups = try await fleet.number(
                "SELECT count(*) FROM node_group_status WHERE node_group NOT LIKE 'nodes/%'")
            for verb in ["sleep", "wake"] {
                #expect(
                    try await fleet.number(
                        "SELECT count(*) FROM effect_log WHERE step = 'size-node-group' AND key LIKE '\(verb)/%'")
                        == groups, "\(verb)")
            }
            #expect(try await fleet.number("SELECT count(*) FROM effect_log WHERE state = 'intended'") == 0)
        }
    }
}
