import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

@Suite("Jobs about an account")
struct AccountJobTests {
    static let account = AccountTarget(tenant: "acme", account: "123456789012", region: "us-east-1")

    /// A job that says one action, whatever it is about.
    private func report(
        _ action: Action, target: String = account.description, tenant: String = "acme", in scene: Scene
    ) async throws -> ActionReport {
        let job = ClaimedJob(
            id: JobID(), kind: "noop", tenant: tenant, target: target, queue: "default", lane: .work, fence: 1,
            attempt: 1, attemptsMax: 5, parameters: .emptyObject, checkpoint: nil, timeLeft: .seconds(3600),
            traceparent: nil, isLate: false)
        let run = MemoryRun(world: scene.world, stores: scene.stores, effects: scene.effects)
        let context = HandlerContext(job: job, deadline: .now + .seconds(3600), run: run)
        let runner = ActionRunner(sources: scene.sources, job: job, modeMax: .apply)
        return try #require(try await runner.run([action], context: context).first)
    }

    private func scene() async -> Scene {
        let scene = await Scene(pods: [])
        await scene.world.change {
            $0.volumes["vol-1"] = Volume(id: "vol-1", state: "available", size: .mebibytes(1024), zone: "us-east-1a")
        }
        return scene
    }

    private let mark = Action(
        key: "mark/vol-1", .tag(resources: ["vol-1"], tags: [VolumeTag.mark: "x"]), reason: "a test")

    @Test("targets are read as the timetable writes them, and nothing else is one")
    func targets() {
        #expect(AccountTarget(AccountJobTests.account.description) == AccountJobTests.account)
        for text in [
            "prod", "account/acme/123456789012", "account//1/us-east-1", "region/us-east-1", "account/a/b/c/d",
        ] {
            #expect(AccountTarget(text) == nil)
        }
    }

    @Test("it acts in its tenant's account")
    func acts() async throws {
        let scene = await scene()
        #expect(try await report(mark, in: scene).outcome == .done)
        #expect(await scene.world.volumes["vol-1"]?.tags[VolumeTag.mark] == "x")
    }

    @Test(
        "another tenant's account, one without clusters, and a region without any are not acted in",
        arguments: [
            ("account/acme/123456789012/us-east-1", "mallory"), ("account/mallory/123456789012/us-east-1", "mallory"),
            ("account/acme/999999999999/us-east-1", "acme"), ("account/acme/123456789012/eu-west-1", "acme"),
        ])
    func foreign(target: String, tenant: String) async throws {
        let scene = await scene()
        let outcome: ActionReport.Outcome
        do {
            outcome = try await report(mark, target: target, tenant: tenant, in: scene).outcome
        } catch let error as QueueError {
            #expect(error.code == .notFound)
            outcome = .refused
        }
        #expect(outcome == .withheld || outcome == .refused)
        #expect(await scene.world.volumes["vol-1"]?.tags.isEmpty == true)
    }

    @Test("a tenant that registers another's account number has no credentials for it: nothing is done")
    func wrongCredentials() async throws {
        let scene = await scene()
        await scene.stores.add(Scene.registration("evil", tenant: "mallory", account: "999999999999"))
        let answer = try await report(
            mark, target: "account/mallory/999999999999/us-east-1", tenant: "mallory", in: scene)
        #expect(answer.outcome == .refused)
        #expect(answer.message.contains("credentials are for the account 123456789012"))
        #expect(await scene.world.volumes["vol-1"]?.tags.isEmpty == true)
    }

    @Test("an action for a cluster that is not of the account is refused, also when it is the tenant's own")
    func strangerCluster() async throws {
        let scene = await scene()
        await scene.stores.add(Scene.registration("elsewhere", region: "eu-west-1"))
        for cluster in ["elsewhere", "nobody"] as [ClusterID] {
            var action = mark
            action.cluster = cluster
            let error = await #expect(throws: QueueError.self) { try await report(action, in: scene) }
            #expect(error?.code == .invalid)
        }
        var action = mark
        action.cluster = "elsewhere"
        let error = await #expect(throws: QueueError.self) {
            try await report(action, target: "prod", in: scene)
        }
        #expect(error?.code == .invalid)
        #expect(await scene.world.volumes["vol-1"]?.tags.isEmpty == true)
    }

    @Test("an action for one cluster has that cluster's mode, one for the whole account the least of all")
    func modes() async throws {
        let scene = await scene()
        await scene.stores.add(Scene.registration("watched"))
        await scene.stores.set(.observe, of: "watched")
        var action = mark
        action.cluster = "watched"
        #expect(try await report(action, in: scene).outcome == .withheld)
        #expect(try await report(mark, in: scene).outcome == .withheld)
        action.cluster = "prod"
        #expect(try await report(action, in: scene).outcome == .done)
    }

    @Test("what was decided too long ago is not done, and what was done before is found done")
    func stale() async throws {
        let scene = await scene()
        var action = mark
        action.validUntil = await scene.world.now.addingTimeInterval(-1)
        let answer = try await report(action, in: scene)
        #expect(answer.outcome == .skipped)
        #expect(answer.code == "Stale")
        #expect(await scene.world.volumes["vol-1"]?.tags.isEmpty == true)
        #expect(try await report(mark, in: scene).outcome == .done)
        #expect(try await report(action, in: scene).outcome == .done)
    }

    @Test("one snapshot, however often it is asked for; a lost answer is found by its tag")
    func oneSnapshot() async throws {
        let scene = await scene()
        let snapshot = Action(
            key: "snapshot/vol-1/now", .snapshotVolume(volume: "vol-1", description: "d", tags: ["a": "b"]), reason: "")
        #expect(try await report(snapshot, in: scene).outcome == .done)
        // The ledger forgot, as it would after a restore from a backup.
        await scene.effects.withdraw(snapshot.key)
        #expect(try await report(snapshot, in: scene).outcome == .done)
        let made = await scene.world.snapshots
        #expect(made.map(\.tags) == [["a": "b", VolumeTag.effect: snapshot.key]])
    }

    @Test(
        "the last look before a deletion: used again, marked anew, or not wholly in its snapshot",
        arguments: ["attached", "state", "mark", "no mark", "pending", "no snapshot"])
    func lastLook(change: String) async throws {
        let scene = await scene()
        await scene.world.change { world in
            world.volumes["vol-1"]?.tags[VolumeTag.mark] = "x"
            world.snapshots = [
                VolumeSnapshot(id: "snap-1", volume: "vol-1", state: "completed", tags: [VolumeTag.effect: "k"])
            ]
            switch change {
            case "attached": world.volumes["vol-1"]?.attachments = ["i-1"]
            case "state": world.volumes["vol-1"]?.state = "in-use"
            case "mark": world.volumes["vol-1"]?.tags[VolumeTag.mark] = "y"
            case "no mark": world.volumes["vol-1"]?.tags = [:]
            case "pending": world.snapshots[0].state = "pending"
            default: world.snapshots = []
            }
        }
        let deletion = Action(
            key: "delete/vol-1", .deleteVolume(volume: "vol-1", mark: "x", snapshot: "snap-1"), reason: "")
        #expect(try await report(deletion, in: scene).outcome == .blocked)
        #expect(await scene.world.volumes["vol-1"] != nil)
        // Put right, the same effect is carried out; again, it is found done.
        await scene.world.change { world in
            world.volumes["vol-1"] = Volume(
                id: "vol-1", state: "available", size: .zero, zone: "", tags: [VolumeTag.mark: "x"])
            world.snapshots = [
                VolumeSnapshot(id: "snap-1", volume: "vol-1", state: "completed", tags: [VolumeTag.effect: "k"])
            ]
        }
        #expect(try await report(deletion, in: scene).outcome == .done)
        #expect(await scene.world.volumes["vol-1"] == nil)
        #expect(try await report(deletion, in: scene).isDone)
    }
}
