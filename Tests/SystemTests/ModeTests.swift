import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// How far the fleet may go is looked at before each action, and what was withheld is told.
    @Suite("Modes", .fleet(clusters: ["watched", "stopped"], nodes: 3, pods: 8, environment: FleetPlan.impatient))
    struct ModeTests {
        @Test(
            "A cluster that is only observed, and every cluster under the kill switch: all is decided and told, nothing is done"
        )
        func nothingIsDone() async throws {
            let fleet = try Fleet.current
            let world = try fleet.world
            for (short, mode) in [("watched", "observe"), ("stopped", "apply")] {
                let answer = try await fleet.add(short, tenant: "acme", mode: mode)
                try #require(answer.status == 0, "\(answer)")
            }
            let switched = try await fleet.succeed(["kill-switch", "on", "--by", "tester"])
            #expect(switched.output == "on: no job acts until it is off again\n")
            try await fleet.startRoles()
            for short in ["watched", "stopped"] {
                try await fleet.awaitIndex(short, nodes: 3)
                let cluster = fleet.cluster(short)
                let warned = try #require(try await world.interrupt(cluster).first)
                try await eventually("\(short): the drain ends") {
                    try await fleet.number(
                        "SELECT count(*) FROM job_status WHERE kind = 'drain-node' AND target = $1 AND state = 'done'",
                        [.text(cluster)]) == 1
                }
                let findings = try await fleet.rows(
                    "SELECT code, message FROM finding_status WHERE cluster_id = $1", [.text(cluster)])
                #expect(!findings.isEmpty, "\(short): what was withheld is told")
                let node = try #require(try await world.state().node(warned.instanceID))
                #expect(node.cordonedAt == nil)
                #expect(node.podsEvicted == 0)
            }
            #expect(try await world.state().launchesByToken.isEmpty)
            #expect(try await fleet.number("SELECT count(*) FROM effect") == 0)
            #expect(try await fleet.number("SELECT count(*) FROM job_dead") == 0)

            // Off again: the next warning is acted on, in the cluster whose mode says so.
            try await fleet.succeed(["kill-switch", "off"])
            let warned = try #require(try await world.interrupt(fleet.cluster("stopped")).first)
            try await eventually("it is cordoned") {
                try await world.state().node(warned.instanceID)?.cordonedAt != nil
            }
        }
    }
}
