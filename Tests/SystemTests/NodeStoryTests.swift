import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// Nodes that are emptied and replaced, judged by the world itself. Of the four nodes two hold the cluster's DNS, which is
    /// critical: those stay, whatever is decided.
    @Suite(
        "Nodes",
        .fleet(
            clusters: ["pack", "stuck", "ask", "dear"], nodes: 4, pods: 0, environment: FleetPlan.impatient,
            account: "300000000001", isSpot: false))
    struct NodeStoryTests {
        private static let eager = ["saving.score_factor=100", "packing.headroom=0"]

        @Test("defrag empties nodes in steps and removes them; no budget is broken, no pod lost, the saving recorded")
        func packs() async throws {
            let scene = try await WorkloadScene.make("pack", policy: NodeStoryTests.eager)
            try await scene.deploy("web", replicas: 8)
            try await scene.protect("web")
            try await scene.set(["modes.packing=apply"], anHourLaterAnd: "defrag")
            let (outcome, fewest) = try await scene.planEnds()
            #expect(outcome == "done")
            #expect(fewest >= 7, "one pod of an owner at a time, its successor Ready before the next")

            let state = try await scene.fleet.world.state(scene.cluster)
            let gone = state.nodes.filter { $0.terminatedAt != nil }
            #expect((1...3).contains(gone.count))
            #expect(gone.contains { $0.podsEvicted > 0 })
            let firstDrained = try #require(gone.compactMap(\.drainedAt).min())
            for node in gone {
                let (cordoned, drained) = (try #require(node.cordonedAt), try #require(node.drainedAt))
                #expect(cordoned <= firstDrained, "all are cordoned before the first is empty")
                #expect(drained <= node.terminatedAt ?? "", "an instance ends only when its node is empty")
                #expect(node.removedAt != nil)
            }
            #expect(state.pdbViolations.isEmpty)
            #expect(state.abruptPodDeaths == 0)
            let nodes = try await scene.nodes()
            #expect(nodes.count == 4 - gone.count)
            #expect(nodes.allSatisfy { $0.isFree })
            #expect(try await scene.ready() == 8)

            #expect(
                try await scene.fleet.number(
                    """
                    SELECT count(*) FROM saving_status WHERE cluster_id = $1 AND feature = 'packing' AND form = 'removed'
                       AND dollars_per_hour > 0
                    """, [.text(scene.cluster)]) == gone.count)
            #expect(try await scene.fleet.number("SELECT count(*) FROM effect_log WHERE state = 'intended'") == 0)
            #expect(
                try await scene.fleet.number(
                    "SELECT count(*) FROM effect_log WHERE key LIKE 'terminate/%' AND state = 'done'") == gone.count)
            // Every node that stays says why.
            #expect(
                try await scene.fleet.number(
                    "SELECT count(*) FROM finding_status WHERE cluster_id = $1 AND code = 'node-stays'",
                    [.text(scene.cluster)]) > 0)
        }

        @Test("a pod that stays pending gives everything back, and the cluster rests")
        func givesBack() async throws {
            let scene = try await WorkloadScene.make(
                "stuck", policy: NodeStoryTests.eager + ["disruption.pending_max=10s"])
            try await scene.deploy("web", replicas: 8)
            try await scene.protect("web")
            try await scene.set(["modes.packing=apply"], anHourLaterAnd: "defrag")
            try await eventually("the first pod leaves", within: .seconds(90)) {
                try await scene.fleet.world.state(scene.cluster).nodes.contains { $0.podsEvicted > 0 }
            }
            try await scene.addGiant()
            let outcome = try await scene.planEnds().outcome
            #expect(outcome.contains("giant has been pending"), "\(outcome)")
            #expect(try await scene.nodes().allSatisfy { $0.isFree }, "no cordon and no mark is left")
            #expect(try await scene.fleet.world.state(scene.cluster).pdbViolations.isEmpty)
            try await eventually("every pod is Ready") { try await scene.ready() == 8 }

            // Nothing is begun anew while the cluster rests.
            let left = try await scene.nodes().count
            try await scene.removeGiant()
            try await scene.run("defrag")
            #expect(
                try await scene.fleet.number(
                    "SELECT count(*) FROM node_plan WHERE cluster_id = $1", [.text(scene.cluster)]) == 1)
            #expect(try await scene.nodes().count == left)
        }

        private struct Listed: Decodable {
            var id: String
            var state: String
            var actions: Int
        }

        private func proposals(_ scene: WorkloadScene, _ state: String = "open") async throws -> [Listed] {
            try await scene.fleet.succeed(
                ["proposals", "list", "--cluster", scene.cluster, "--state", state, "--output", "json"]
            ).json()
        }

        private func proposal(_ scene: WorkloadScene) async throws -> String {
            try await eventually("it is proposed", within: .seconds(60)) { try await proposals(scene).first?.id }
        }

        /// The proposal that a second look comes to as well: after a jump of the clock prices come in anew, and change it.
        private func settledProposal(_ scene: WorkloadScene) async throws -> String {
            try await eventually("two looks agree", within: .seconds(60)) {
                let before = try await proposal(scene)
                try await scene.run("defrag")
                return try await proposal(scene) == before ? before : nil
            }
        }

        @Test(
            "A proposal waits: rejected it does not come again, expired or overtaken nothing is done, approved it is decided anew and done"
        )
        func proposes() async throws {
            let scene = try await WorkloadScene.make(
                "ask", policy: NodeStoryTests.eager + ["proposals.expiry=1h", "disruption.plan_cooldown=0s"])
            let fleet = scene.fleet
            try await scene.deploy("web", replicas: 8)
            try await scene.set(["modes.packing=propose"], anHourLaterAnd: "defrag")

            // Rejected: the same is not proposed again.
            let first = try await settledProposal(scene)
            let shown = try await fleet.succeed(["proposals", "show", first]).output
            #expect(shown.contains("cordon cordon/\(scene.cluster)/") && shown.contains("evict evict/"), "\(shown)")
            try await fleet.succeed(["proposals", "reject", first, "--by", "ann", "--note", "release week"])
            try await scene.run("defrag")
            #expect(try await proposals(scene).isEmpty)
            #expect(try await fleet.run(["proposals", "approve", first]).status != 0)

            // Expired: it cannot be approved any more.
            try await scene.advance(hours: 1.1)
            let second = try await proposal(scene)
            try await scene.set(["modes.packing=off"])
            try await scene.advance(hours: 1.1)
            let late = try await fleet.run(["proposals", "approve", second, "--by", "ann"])
            #expect(late.status == 73 && late.errors.contains("expired at"), "\(late)")
            #expect(try await proposals(scene, "expired").map(\.id).contains(second))

            // The world has moved on: approved, decided anew, and not done.
            try await scene.set(["modes.packing=propose"])
            try await scene.run("defrag")
            let third = try await proposal(scene)
            try await scene.scale("web", to: 60)
            try await eventually("there is no room left") { try await scene.pods().count == 60 }
            try await fleet.succeed(["proposals", "approve", third, "--by", "ann"])
            let end = try await eventually("the job has decided anew", within: .seconds(60)) {
                try await proposals(scene, "all").first { $0.id == third && $0.state != "approved" }?.state
            }
            #expect(["void", "superseded"].contains(end))
            #expect(try await fleet.world.state(scene.cluster).nodes.allSatisfy { $0.cordonedAt == nil })

            // Approved: decided anew, and done.
            try await scene.scale("web", to: 8)
            try await eventually("there is room again") {
                let pods = try await scene.pods()
                return pods.count == 8 && pods.allSatisfy { $0.isReady }
            }
            try await scene.run("defrag")
            let fourth = try await settledProposal(scene)
            try await fleet.succeed(["proposals", "approve", fourth, "--by", "ann"])
            try await eventually("it is done", within: .seconds(240)) {
                try await proposals(scene, "done").contains { $0.id == fourth }
            }
            let state = try await fleet.world.state(scene.cluster)
            #expect(state.nodes.contains { $0.removedAt != nil })
            #expect(state.pdbViolations.isEmpty)
            #expect(try await scene.ready() == 8)
            #expect(try await scene.nodes().allSatisfy { $0.isFree })
            #expect(try await scene.outcome() == "done")
        }

        @Test("spot-arbitrage launches spot first, and only then empties and ends the node that was paid on demand")
        func movesToSpot() async throws {
            let scene = try await WorkloadScene.make("dear", policy: NodeStoryTests.eager)
            // One on each node: none of them can be emptied into the others.
            try await scene.deploy("web", replicas: 4, apart: true)
            try await scene.set(["modes.spot=apply"], anHourLaterAnd: "spot-arbitrage")
            let (outcome, fewest) = try await scene.planEnds()
            #expect(outcome == "done")
            #expect(fewest >= 3)
            let state = try await scene.fleet.world.state(scene.cluster)
            let old = try #require(state.nodes.first { $0.terminatedAt != nil })
            let cordoned = try #require(old.cordonedAt.flatMap(WorldState.date))
            let new = try #require(try await scene.nodes().first { $0.isSpot })
            let joined = try #require(WorldState.date(new.metadata.creationTimestamp))
            #expect(joined <= cordoned, "the new node is there before the old one is touched")
            #expect(state.nodes.count { $0.clientToken != nil } == 1, "one launch")
            #expect(state.pdbViolations.isEmpty)
            try await eventually("every pod is Ready") { try await scene.ready() == 4 }
            #expect(
                try await scene.fleet.number(
                    """
                    SELECT count(*) FROM saving_status WHERE cluster_id = $1 AND feature = 'spot' AND form = 'cheaper'
                       AND dollars_per_hour > 0
                    """, [.text(scene.cluster)]) == 1)
        }
    }

    /// Nodes that fell back to on demand because no spot pool had anything to give.
    @Suite(
        "Return to spot",
        .fleet(
            clusters: ["back"], nodes: 3, pods: 0, environment: FleetPlan.impatient, account: "300000000002"))
    struct ReturnToSpotTests {
        @Test("what fell back to on demand in an interruption returns to spot after spot.return_after, not before")
        func returns() async throws {
            let scene = try await WorkloadScene.make("back", policy: ["saving.score_factor=100"])
            let fleet = scene.fleet
            try await scene.deploy("web", replicas: 3, apart: true)
            try await fleet.awaitIndex("back", nodes: 3)
            try await fleet.world.withFault(#"{"effect":"no-capacity","capacityType":"spot"}"#) {
                _ = try await fleet.world.interrupt(scene.cluster)
                try await eventually("a node on demand takes its place", within: .seconds(120)) {
                    try await scene.nodes().contains { !$0.isSpot }
                }
            }
            try await fleet.succeed(["simulate", "clock", "advance", "125"])
            try await eventually("every pod is Ready", within: .seconds(60)) { try await scene.ready() == 3 }
            try await eventually("the interruption is closed", within: .seconds(60)) {
                try await fleet.number("SELECT count(*) FROM interruption_status WHERE closed_at IS NULL") == 0
            }
            try await scene.set(["modes.spot=apply"])

            try await scene.advance(hours: 1)
            try await scene.run("spot-arbitrage")
            #expect(try await scene.outcome() == nil)
            #expect(
                try await fleet.number(
                    """
                    SELECT count(*) FROM finding_status WHERE cluster_id = $1 AND code = 'node-stays'
                       AND message LIKE '%fell back to on demand within spot.return_after%'
                    """, [.text(scene.cluster)]) == 1)

            try await scene.advance(hours: 1.5)
            let (outcome, fewest) = try await scene.planEnds()
            #expect(outcome == "done")
            #expect(fewest >= 2)
            try await eventually("all nodes are spot again") {
                let nodes = try await scene.nodes()
                return nodes.count == 3 && nodes.allSatisfy { $0.isSpot && $0.isFree }
            }
            try await eventually("every pod is Ready") { try await scene.ready() == 3 }
            #expect(try await fleet.world.state(scene.cluster).pdbViolations.isEmpty)
        }
    }
}
