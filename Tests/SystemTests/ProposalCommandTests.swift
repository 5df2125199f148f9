import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// Decisions that wait for a person, by the command, with a fleet that decides and acts.
    @Suite(
        "Proposals by the command",
        .fleet(clusters: ["one", "other"], nodes: 2, pods: 6, environment: FleetPlan.impatient))
    struct ProposalCommandTests {
        private struct Row: Decodable {
            var id, target, kind, state: String
            var actions: Int
        }

        /// Office hours that are not now: it is to sleep, and somebody is asked first.
        private func propose(_ fleet: Fleet, _ cluster: String) async throws {
            let now = Int(Date().timeIntervalSince1970) / 3600 % 24
            let hour = (now + 6) % 23
            func clock(_ hour: Int) -> String { (hour < 10 ? "0" : "") + "\(hour):00" }
            let policy =
                #"{"modes":{"office-hours":"propose"},"office_hours":{"hours":["daily \#(clock(hour))-\#(clock(hour + 1))"]}}"#
            _ = try await fleet.rows(
                """
                INSERT INTO cluster_policy (cluster_id, version, document, changed_by, note)
                SELECT $1, 1 + coalesce(max(version), 0), $2::jsonb, 'tester', '' FROM cluster_policy WHERE cluster_id = $1
                RETURNING version
                """, [.text(cluster), .text(policy)])
        }

        private func open(_ fleet: Fleet, _ cluster: String) async throws -> [Row] {
            try await fleet.succeed(["proposals", "list", "--cluster", cluster, "-o", "json"]).json()
        }

        @Test("What a job would do is listed and shown; what is rejected stays undone, what is approved is done")
        func answers() async throws {
            let fleet = try Fleet.current
            let clusters = (fleet.cluster("one"), fleet.cluster("other"))
            for (short, cluster) in [("one", clusters.0), ("other", clusters.1)] {
                let added = try await fleet.add(
                    short, tenant: "acme", more: ["--environment", "staging", "--time-zone", "UTC"])
                try #require(added.status == 0, "\(added)")
                try await propose(fleet, cluster)
            }
            // Young workloads do not sleep.
            try await fleet.succeed(["simulate", "clock", "advance", "\(3 * 86_400)"])
            try await fleet.startRoles()
            func proposal(_ cluster: String) async throws -> Row {
                try await eventually("\(cluster): it is proposed", within: .seconds(60)) {
                    if let row = try await open(fleet, cluster).first { return row }
                    _ = try await fleet.enqueue("office-hours", ["--target", cluster])
                    return nil
                }
            }
            let (first, second) = (try await proposal(clusters.0), try await proposal(clusters.1))
            #expect(first.kind == "office-hours" && first.state == "open" && first.actions > 0)
            let shown = try await fleet.succeed(["proposals", "show", first.id]).output
            #expect(shown.hasPrefix("office-hours on \(clusters.0): open\n"), "\(shown)")
            #expect(shown.matches(of: #/\n  \S+ sleep\//#).count == first.actions, "\(shown)")

            let rejected = try await fleet.succeed([
                "proposals", "reject", first.id, "--by", "anna", "--note", "a demo tonight",
            ])
            #expect(rejected.output == "rejected \(first.id)\n")
            #expect(try await open(fleet, clusters.0).isEmpty)
            #expect(
                try await fleet.succeed(["proposals", "show", first.id]).output.contains(
                    "answered by anna a demo tonight"))
            #expect(try await fleet.run(["proposals", "approve", first.id]).status == 73)

            struct Approved: Decodable { var id, job_id: String }
            let approved: Approved = try await fleet.succeed([
                "proposals", "approve", second.id, "--by", "ben", "-o", "json",
            ]).json()
            #expect(approved.id == second.id)
            try await eventually("it is done", within: .seconds(60)) {
                try await fleet.number(
                    "SELECT count(*) FROM effect_log WHERE key LIKE 'sleep/%' AND state = 'done' AND job_id = $1::uuid",
                    [.text(approved.job_id)]) == second.actions
            }
            try await eventually("the proposal says so") {
                let row: [String: JSONValue] = try await fleet.succeed(["proposals", "show", second.id, "-o", "json"])
                    .json()
                return row["state"] == .string("done")
            }
            #expect(
                try await fleet.number(
                    "SELECT count(*) FROM effect_log e JOIN job_status j ON j.id = e.job_id WHERE j.target = $1",
                    [.text(clusters.0)]) == 0)
        }
    }
}
