import Foundation
import Infrastructure
import JobQueue
import Postgres
import Testing

@testable import Jobs
@testable import Stores

@Suite("Stored plans that empty nodes")
struct NodePlanStoreTests {
    @Test("a plan is carried on and ended by its own job; one that nobody works on any job may end, and only end")
    func nodePlans() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            let own = JobID()
            let now = try #require(try await scene.connection.query("SELECT world_now()").first).date(0)
            func plans() async throws -> [NodePlan] { try await scene.interruptions.plans(of: "prod", since: now) }
            var plan = NodePlan(cluster: "prod", number: 1, kind: "defrag", nodes: ["u-1"], openedAt: now - 1000)
            plan.seenAt = now - 60
            try await scene.write(try StoreTests.facts([.nodePlan(plan)]), job: own)

            // Another job neither carries a live plan on nor ends it.
            var ended = plan
            ended.closedAt = now
            ended.outcome = "abandoned"
            try await scene.write(try StoreTests.facts([.nodePlan(ended)]))
            #expect(try await plans().map(\.closedAt) == [nil])

            // Nobody has worked on it for 15 minutes: any job may end it, and not do anything else.
            try await scene.connection.execute("UPDATE node_plan SET seen_at = world_now() - interval '16 minutes'")
            var other = plan
            other.touched = ["u-9"]
            try await scene.write(try StoreTests.facts([.nodePlan(other)]))
            #expect(try await plans().map(\.touched) == [[]])
            try await scene.write(try StoreTests.facts([.nodePlan(ended)]))
            #expect(try await plans().map(\.outcome) == ["abandoned"])

            // What has ended stays so, also for its own job.
            try await scene.write(try StoreTests.facts([.nodePlan(plan)]), job: own)
            #expect(try await plans().map(\.outcome) == ["abandoned"])
        }
    }

    @Test("a plan whose job is in the ledger is not ended by another, however long ago it was worked on")
    func liveJob() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            let own = JobID()
            try await scene.connection.execute(
                "INSERT INTO job (id, queue, kind, timeout_seconds, max_attempts, args) VALUES ($1, 'default', 'defrag', 60, 1, '{}')",
                [.uuid(own)])
            let now = try #require(try await scene.connection.query("SELECT world_now()").first).date(0)
            var plan = NodePlan(cluster: "prod", number: 1, kind: "defrag", nodes: ["u-1"], openedAt: now - 90_000)
            try await scene.write(try StoreTests.facts([.nodePlan(plan)]), job: own)
            func plans() async throws -> [NodePlan] { try await scene.interruptions.plans(of: "prod", since: now) }
            #expect(try await plans().map(\.isWorkedOn) == [true])
            #expect(try await plans().allSatisfy { $0.isLive(at: now) })
            plan.closedAt = now
            plan.outcome = "abandoned"
            try await scene.write(try StoreTests.facts([.nodePlan(plan)]))
            #expect(try await plans().map(\.closedAt) == [nil])
            try await scene.connection.execute("DELETE FROM job WHERE id = $1", [.uuid(own)])
            #expect(try await plans().map { $0.isLive(at: now) } == [false])
            try await scene.write(try StoreTests.facts([.nodePlan(plan)]))
            #expect(try await plans().map(\.outcome) == ["abandoned"])
        }
    }

    @Test(
        "the table of plans guards itself",
        arguments: [
            ("number", "INSERT INTO node_plan VALUES ('prod', 0, 'defrag', '{}', '{}', now(), now(), NULL, NULL, $1)"),
            (
                "an end without an outcome",
                "INSERT INTO node_plan VALUES ('prod', 1, 'defrag', '{}', '{}', now(), now(), now(), NULL, $1)"
            ),
            (
                "an outcome without an end",
                "INSERT INTO node_plan VALUES ('prod', 1, 'defrag', '{}', '{}', now(), now(), NULL, 'done', $1)"
            ),
            (
                "a cluster that is not there",
                "INSERT INTO node_plan VALUES ('none', 1, 'defrag', '{}', '{}', now(), now(), NULL, NULL, $1)"
            ),
            (
                "a second plan of the number",
                "INSERT INTO node_plan SELECT cluster_id, number, kind, nodes, touched, opened_at, seen_at, NULL, NULL, $1 FROM node_plan"
            ),
        ])
    func nodePlanConstraints(what: String, statement: String) async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            let plan = NodePlan(cluster: "prod", number: 9, kind: "defrag", nodes: ["u"], openedAt: Scene.start)
            try await scene.write(try StoreTests.facts([.nodePlan(plan)]))
            await #expect(throws: QueueError.self, "\(what)") {
                try await scene.connection.execute(statement, [.uuid(JobID())])
            }
            #expect(try await scene.clusters.remove("prod"))
            #expect(try await scene.count("node_plan") == 0)
        }
    }
}
