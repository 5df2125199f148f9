import Foundation
import Infrastructure
import JobQueue
import Postgres
import Testing

@testable import Jobs
@testable import Stores

@Suite("Stored proposals")
struct ProposalStoreTests {
    private static let action = Action(
        key: "terminate/i-1", .terminate(instances: ["i-0123456789abcdef0"]), reason: "r")

    private func record(
        _ id: JobID, content: String, at: Double = 0, hours: Double = 1, matter: String = "defrag/prod/x"
    ) async throws -> Record {
        let iso = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        let now = Date().addingTimeInterval(at)
        return Record(
            kind: "proposal", key: "\(matter)/\(content)",
            value: JSONText(
                text: JSONValue.object([
                    "id": .string(id.description), "matter": .string(matter), "target": .string("prod"),
                    "kind": .string("defrag"), "parameters": .object(["a": .number("1")]),
                    "actions": try JSONValue(parsing: JSONText(encoding: [ProposalStoreTests.action]).text),
                    "saving": .number("70000"), "policy_version": .number("3"), "digest": .string("d"),
                    "decided_at": .string(now.formatted(iso)),
                    "expires_at": .string(now.addingTimeInterval(hours * 3600).formatted(iso)),
                ]).canonical))
    }

    private func states(_ scene: StoreScene) async throws -> [String] {
        try await scene.connection.query("SELECT state FROM proposal ORDER BY created_at, id").map { try $0.string(0) }
    }

    @Test("the same decided again keeps its id and lives on; another takes its place; other matters are left alone")
    func upsert() async throws {
        try await StoreScene.with { scene in
            let store = ProposalStore(scene.connection)
            let ids = (0..<4).map { _ in JobID() }
            try await scene.write([try await record(ids[0], content: "one")])
            try await scene.write([try await record(ids[1], content: "one", hours: 5)])
            #expect(try await states(scene) == ["open"])
            let found = try #require(try await store.proposal(ids[0].description, of: "acme"))
            #expect(found.expiresAt.timeIntervalSinceNow > 4 * 3600)
            #expect(found.actions == [ProposalStoreTests.action])
            #expect(found.saving == 70_000 && found.policyVersion == 3)
            #expect(try await store.proposal(ids[0].description, of: "other") == nil)
            try await scene.write([
                try await record(ids[2], content: "two"),
                try await record(ids[3], content: "one", matter: "defrag/other/x"),
            ])
            #expect(try await store.stored(ids[0])?.proposal.state == .superseded)
            #expect(try await store.stored(ids[2])?.proposal.state == .open)
            #expect(try await store.stored(ids[3])?.proposal.state == .open)
        }
    }

    @Test("only what is open and not expired is answered, once")
    func answers() async throws {
        try await StoreScene.with { scene in
            let store = ProposalStore(scene.connection)
            let (good, late) = (JobID(), JobID())
            try await scene.write([try await record(good, content: "one")])
            try await scene.write([try await record(late, content: "late", at: -7200, matter: "other")])
            _ = try await store.answer(good, .approved, by: "ann", note: "go")
            // An approval whose enqueue was lost may be repeated; once the job is there it may not.
            _ = try await store.answer(good, .approved, by: "ann", note: "go")
            try await store.setJob(JobID(), of: good)
            await #expect(throws: QueueError.self) { _ = try await store.answer(good, .approved, by: "bob", note: "") }
            await #expect(throws: QueueError.self) { _ = try await store.answer(good, .rejected, by: "bob", note: "") }
            await #expect(throws: QueueError.self) { _ = try await store.answer(late, .approved, by: "bob", note: "") }
            await #expect(throws: QueueError.self) {
                _ = try await store.answer(JobID(), .approved, by: "bob", note: "")
            }
            #expect(try await store.list(target: "prod", state: "expired").count == 1)
            #expect(try await store.list(target: "prod", state: "approved").count == 1)
            let end = Record(
                kind: "proposal_end", key: good.description, value: JSONText(text: #"{"state":"done","note":""}"#))
            try await scene.write([end], tenant: "other")
            #expect(try await store.stored(good)?.proposal.state == .approved)
            try await scene.write([end])
            #expect(try await store.stored(good)?.proposal.state == .done)
            #expect(try await store.stored(good)?.proposal.note == "go")
        }
    }

    @Test("what was rejected is not proposed again before its time is over")
    func rejected() async throws {
        try await StoreScene.with { scene in
            let store = ProposalStore(scene.connection)
            let first = JobID()
            try await scene.write([try await record(first, content: "one")])
            _ = try await store.answer(first, .rejected, by: "ann", note: "no")
            try await scene.write([try await record(JobID(), content: "one", at: 60)])
            #expect(try await states(scene) == ["rejected"])
            try await scene.write([try await record(JobID(), content: "one", at: 3700)])
            #expect(try await states(scene).sorted() == ["open", "rejected"])
        }
    }
}
