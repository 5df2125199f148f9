import Foundation
import HTTPClient
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// A staging cluster that sleeps, on the days on which clocks change. The simulated clock jumps, the processes are real.
    @Suite("Office hours", .fleet(clusters: ["dev"], nodes: 4, pods: 24, environment: FleetPlan.impatient))
    struct OfficeHoursStoryTests {
        private struct Deployments: Decodable {
            struct Item: Decodable {
                struct Metadata: Decodable {
                    var name: String
                    var namespace: String
                    var annotations: [String: String]?
                }
                struct Resources: Decodable { var limits: [String: String]? }
                struct Container: Decodable { var resources: Resources }
                struct PodSpec: Decodable { var containers: [Container] }
                struct Template: Decodable { var spec: PodSpec }
                struct Spec: Decodable {
                    var replicas: Int
                    var template: Template
                }
                struct Status: Decodable { var readyReplicas: Int? }
                var metadata: Metadata
                var spec: Spec
                var status: Status
                var key: String { "\(metadata.namespace)/\(metadata.name)" }
            }
            var items: [Item]
        }

        private func deployments(_ fleet: Fleet) async throws -> [Deployments.Item] {
            let response = try await fleet.world.kubernetes("GET", fleet.cluster("dev"), "/apis/apps/v1/deployments")
            try #require(response.status == 200)
            return try JSONText(text: String(decoding: response.body, as: UTF8.self)).decode(Deployments.self).items
        }

        private func setPolicy(_ fleet: Fleet, _ document: String) async throws {
            _ = try await fleet.rows(
                """
                INSERT INTO cluster_policy (cluster_id, version, document, changed_by, note)
                SELECT $1, 1 + coalesce(max(version), 0), $2::jsonb, 'tester', '' FROM cluster_policy WHERE cluster_id = $1
                RETURNING version
                """, [.text(fleet.cluster("dev")), .text(document)])
        }

        private func now(_ fleet: Fleet) async throws -> Date {
            Date(
                timeIntervalSince1970: Double(try await fleet.number("SELECT extract(epoch FROM world_now())::bigint")))
        }

        private func advance(_ fleet: Fleet, to instant: Date) async throws {
            let seconds = instant.timeIntervalSince(try await now(fleet))
            try #require(seconds > 0, "the clock is past \(instant)")
            try await fleet.succeed(["simulate", "clock", "advance", "\(Int(seconds.rounded(.up)))"])
        }

        /// Runs a kind once and waits for its end.
        private func run(_ fleet: Fleet, _ kind: String) async throws {
            let id = try await fleet.enqueue(kind, ["--target", fleet.cluster("dev")])
            try await eventually("\(kind) ends", within: .seconds(60)) { try await fleet.isOver(id) }
        }

        @Test(
            "It sleeps in the evening before clocks change and is awake at nine by the new time, in spring and in autumn"
        )
        func clockChanges() async throws {
            let fleet = try Fleet.current
            let answer = try await fleet.add(
                "dev", tenant: "acme", more: ["--environment", "staging", "--time-zone", "Europe/Berlin"])
            try #require(answer.status == 0, "\(answer)")
            try await setPolicy(
                fleet, #"{"modes":{"office-hours":"apply"},"office_hours":{"hours":["daily 09:00-18:00"]}}"#)
            let zone = try #require(TimeZone(identifier: "Europe/Berlin"))
            try await fleet.startRoles()
            for _ in 0..<2 {
                let change = try #require(zone.nextDaylightSavingTimeTransition(after: try await now(fleet)))
                let offset = Double(zone.secondsFromGMT(for: change))
                let midnight = ((change.timeIntervalSince1970 + offset) / 86_400).rounded(.down) * 86_400
                let nine = Date(timeIntervalSince1970: midnight + 9 * 3600 - offset)
                let before = Double(zone.secondsFromGMT(for: change.addingTimeInterval(-1)))
                let evening = Date(timeIntervalSince1970: midnight - 6 * 3600 - before)
                #expect(nine.timeIntervalSince(evening) != 15 * 3600, "clocks change in this night")

                // The afternoon before: everything runs.
                try await advance(fleet, to: evening.addingTimeInterval(-1800))
                try await run(fleet, "office-hours")
                let awake = try await eventually("everything is ready", within: .seconds(90)) {
                    let all = try await deployments(fleet)
                    return all.allSatisfy { $0.status.readyReplicas == $0.spec.replicas } ? all : nil
                }
                let sizes = Dictionary(uniqueKeysWithValues: awake.map { ($0.key, $0.spec.replicas) })
                #expect(sizes.values.allSatisfy { $0 > 0 })

                // Six in the evening: it sleeps, the cluster's own machinery does not.
                try await advance(fleet, to: evening.addingTimeInterval(30))
                try await eventually("it sleeps", within: .seconds(90)) {
                    try await deployments(fleet).allSatisfy {
                        ($0.spec.replicas == 0) == ($0.metadata.namespace != "kube-system")
                    }
                }
                let marks = try await deployments(fleet).compactMap { $0.metadata.annotations?["cloudoptim.io/asleep"] }
                #expect(marks.count == awake.count { $0.metadata.namespace != "kube-system" })
                #expect(marks.allSatisfy { $0.hasSuffix("@\(evening.formatted(.iso8601))") })

                // A minute before the lead begins by the new time it still sleeps; then it wakes, as it was.
                try await advance(fleet, to: nine.addingTimeInterval(-960))
                try await run(fleet, "office-hours")
                #expect(try await deployments(fleet).count { $0.spec.replicas == 0 } == marks.count)
                try await advance(fleet, to: nine.addingTimeInterval(-890))
                try await eventually("it is awake and ready before nine", within: .seconds(90)) {
                    try await deployments(fleet).allSatisfy {
                        $0.spec.replicas == sizes[$0.key] && $0.status.readyReplicas == $0.spec.replicas
                    }
                }
                try await advance(fleet, to: nine)
                try await eventually("the marks are off") {
                    try await deployments(fleet).allSatisfy { $0.metadata.annotations?["cloudoptim.io/asleep"] == nil }
                }
                try await eventually("the ledger says so too") {
                    try await fleet.number("SELECT count(*) FROM sleeper_status WHERE state NOT IN ('awake')") == 0
                }
            }
            // Each object once asleep and once woken in each night: nothing was done twice.
            #expect(
                try await fleet.number(
                    """
                    SELECT count(*) FROM (SELECT key FROM effect_log WHERE key LIKE 'sleep/%' OR key LIKE 'wake/%'
                     GROUP BY key HAVING count(*) > 1) t
                    """) == 0)
            #expect(try await fleet.number("SELECT count(*) FROM effect_log WHERE state = 'intended'") == 0)
        }
    }
}
