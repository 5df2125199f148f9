import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// Nodes that are all full, so that none can be emptied into the others: several become one that costs less.
    @Suite(
        "Merged nodes",
        .fleet(
            clusters: ["merge"], nodes: 8, pods: 0, environment: FleetPlan.impatient, account: "300000000005",
            isSpot: false))
    struct MergeStoryTests {
        /// Dollars per hour on demand in us-east-1 of the types that the simulator's first nodes have.
        private static let prices = [
            "m5.xlarge": 0.192, "m5.2xlarge": 0.384, "c5.2xlarge": 0.34, "r5.xlarge": 0.252, "m6i.xlarge": 0.192,
            "c5a.2xlarge": 0.308, "m5a.xlarge": 0.172,
        ]

        private struct Told: Decodable {
            var instance_id: String
            var dollars_before: Double
            var dollars_after: Double
        }

        @Test(
            "defrag merges full nodes into one cheaper node: it comes first, each pod has its successor, the rest stays"
        )
        func merges() async throws {
            let scene = try await WorkloadScene.make(
                "merge", policy: ["saving.score_factor=100", "packing.headroom=0"])
            let old = try await scene.nodes()
            // Pods of 1,500m: two fill a node of four CPUs, five one of eight.
            let count = old.reduce(0) { $0 + ($1.type.hasSuffix(".2xlarge") ? 5 : 2) }
            try await scene.deploy("web", replicas: count, cpu: "1500m")
            try await scene.protect("web")
            try await scene.set(["modes.packing=apply"], anHourLaterAnd: "defrag")
            let (outcome, fewest) = try await scene.planEnds()
            #expect(outcome == "done")
            #expect(fewest >= count - 1, "one pod of an owner at a time, its successor Ready before the next")

            let state = try await scene.fleet.world.state(scene.cluster)
            let gone = state.nodes.filter { $0.terminatedAt != nil }
            let new = state.nodes.filter { $0.clientToken != nil }
            #expect(gone.count >= 2, "more than one node becomes one")
            #expect(new.count == 1, "one launch")
            let left = try await scene.nodes()
            #expect(left.count == old.count - gone.count + 1)
            let joined = try #require(left.first { node in !old.contains { $0.metadata.name == node.metadata.name } })
            let joinedAt = try #require(WorldState.date(joined.metadata.creationTimestamp))
            for node in gone {
                let cordoned = try #require(node.cordonedAt.flatMap(WorldState.date))
                #expect(joinedAt <= cordoned, "the new node is there before an old one is touched")
                #expect(
                    try #require(node.drainedAt) <= node.terminatedAt ?? "", "an instance ends once its node is empty")
                #expect(node.removedAt != nil)
            }
            #expect(state.pdbViolations.isEmpty)
            #expect(state.abruptPodDeaths == 0)
            #expect(left.allSatisfy { $0.isFree })
            try await eventually("every pod is Ready") { try await scene.ready() == count }

            // What is told of it is what those nodes cost by AWS' own list, and it is told once.
            let paid = gone.compactMap { node in
                old.first { $0.metadata.name == node.node }.flatMap { MergeStoryTests.prices[$0.type] }
            }
            #expect(paid.count == gone.count)
            let text = try #require(
                try await scene.fleet.text(
                    """
                    SELECT jsonb_agg(to_jsonb(s))::text FROM saving_status s
                     WHERE cluster_id = $1 AND feature = 'packing' AND form = 'cheaper'
                    """, [.text(scene.cluster)]))
            let told: [Told] = try JSONText(text: text).decode()
            let saving = try #require(told.first)
            #expect(told.count == 1)
            #expect(saving.instance_id == new.first?.instanceID)
            #expect(abs(saving.dollars_before - paid.reduce(0, +)) < 0.001)
            #expect(saving.dollars_after > 0 && saving.dollars_after < saving.dollars_before)
            #expect(
                try await scene.fleet.number(
                    "SELECT count(*) FROM saving_status WHERE cluster_id = $1 AND form = 'removed'",
                    [.text(scene.cluster)]) == 0)
            #expect(try await scene.fleet.number("SELECT count(*) FROM effect_log WHERE state = 'intended'") == 0)
        }
    }
}
