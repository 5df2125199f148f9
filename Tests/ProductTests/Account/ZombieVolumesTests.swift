import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

@Suite("Zombie volumes: the job")
struct ZombieVolumesTests {
    private func scan(_ scene: Scene, after days: Double = 0) async throws -> Outcome {
        await scene.world.advance(.seconds(Int64(days * 86_400)))
        return try await scene.run(JobRequest(ZombieVolumes.kind, target: AccountScene.account.description))
    }

    private func calls(_ scene: Scene) async -> [String] { await scene.world.calls }

    @Test("a volume through its seven days: marked, watched, snapshot, deleted, forgotten")
    func theWay() async throws {
        let scene = await Scene(pods: [])
        await AccountScene.zombie(scene)
        _ = try await scan(scene)
        #expect(await calls(scene) == ["tag vol-1"])
        for _ in 0..<6 { _ = try await scan(scene, after: 1) }
        #expect(await calls(scene) == ["tag vol-1"])
        #expect(await scene.stores.volumes["vol-1"]?.stage == .marked)
        _ = try await scan(scene, after: 1)
        #expect(await calls(scene) == ["tag vol-1", "snapshot vol-1"])
        let copy = try #require(await scene.world.snapshots.first)
        #expect(copy.tags["team"] == "web")
        #expect(copy.tags[VolumeTag.job] != nil)
        #expect(copy.tags[VolumeTag.mark] == nil)
        _ = try await scan(scene, after: 0.05)
        #expect(await calls(scene) == ["tag vol-1", "snapshot vol-1", "delete-volume vol-1"])
        _ = try await scan(scene, after: 0.05)
        #expect(await scene.stores.volumes.isEmpty)
        #expect(await calls(scene).count == 3)
        let savings = try await scene.stores.records(of: "saving").map { try $0.value.decode(SavingFact.self) }
        #expect(savings.map(\.subject) == ["vol-1"], "once it is deleted, and not before")
        #expect(savings.first?.form == .gone && savings.first?.feature == .volumes)
        #expect(savings.first.map { $0.perHour > .zero } == true)
    }

    @Test("a claim that appears on the last day saves it; unclaimed again, its days begin anew")
    func saved() async throws {
        let scene = await Scene(pods: [])
        await AccountScene.zombie(scene)
        _ = try await scan(scene)
        await scene.world.change {
            $0.others.claims = [PersistentVolumeClaim(namespace: "web", name: "data", uid: "1")]
        }
        _ = try await scan(scene, after: 6.9)
        #expect(await calls(scene) == ["tag vol-1", "untag vol-1"])
        await scene.world.change { $0.others.claims = [] }
        _ = try await scan(scene, after: 1)
        _ = try await scan(scene, after: 6.9)
        #expect(await calls(scene) == ["tag vol-1", "untag vol-1", "tag vol-1"])
        _ = try await scan(scene, after: 0.2)
        #expect(await calls(scene).last == "snapshot vol-1")
    }

    @Test("the days survive the loss of our rows, and the loss of the tag")
    func losses() async throws {
        let scene = await Scene(pods: [])
        await AccountScene.zombie(scene)
        _ = try await scan(scene)
        _ = try await scan(scene, after: 1)
        await scene.stores.forgetSightings()
        _ = try await scan(scene, after: 1)
        let mark = await scene.world.volumes["vol-1"]?.tags[VolumeTag.mark]
        await scene.world.change { $0.volumes["vol-1"]?.tags[VolumeTag.mark] = nil }
        _ = try await scan(scene, after: 1)
        #expect(await scene.world.volumes["vol-1"]?.tags[VolumeTag.mark] == mark)
        _ = try await scan(scene, after: 4.1)
        #expect(await calls(scene).last == "snapshot vol-1")
    }

    @Test(
        "any list of any cluster of the account that is not whole stops it: nothing is marked, copied or deleted",
        arguments: [ClusterList.volumes, .claims, .attachments], [ListReading.Outcome.partial, .forbidden, .failed])
    func incomplete(list: ClusterList, outcome: ListReading.Outcome) async throws {
        let scene = await Scene(pods: [])
        await AccountScene.zombie(scene, markedDaysAgo: 30)
        await scene.world.change { $0.readings[list] = outcome }
        let ended = try await scan(scene)
        #expect(await calls(scene).isEmpty)
        #expect(ended.records.contains { $0.key.hasPrefix("volumes-unsure/") })
        await scene.world.change { $0.readings = [:] }
        _ = try await scan(scene)
        #expect(await calls(scene) == ["snapshot vol-1"])
    }

    @Test("snapshot contents need not be installed")
    func absentContents() async throws {
        let scene = await Scene(pods: [])
        await AccountScene.zombie(scene, markedDaysAgo: 30)
        await scene.world.change { $0.readings[.snapshotContents] = .absent }
        _ = try await scan(scene)
        #expect(await calls(scene) == ["snapshot vol-1"])
    }

    @Test("a cluster of the account whose mode is off is not asked, so nothing is done for the others either")
    func off() async throws {
        let scene = await Scene(pods: [])
        await AccountScene.zombie(scene, markedDaysAgo: 30)
        await scene.stores.add(Scene.registration("quiet"))
        await scene.stores.set(.off, of: "quiet")
        _ = try await scan(scene)
        #expect(await calls(scene).isEmpty)
    }

    @Test("a cluster that is only observed: all is seen, its volume stays as it is, and what would be done is told")
    func observed() async throws {
        let scene = await Scene(pods: [])
        await AccountScene.zombie(scene)
        await scene.stores.set(.observe, of: "prod")
        for _ in 0..<10 { _ = try await scan(scene, after: 1) }
        #expect(await calls(scene).isEmpty)
        #expect(await scene.stores.volumes["vol-1"]?.unusedSince != nil)
        #expect(await scene.stores.records(of: "finding").contains { $0.key.hasPrefix("would-act/prod/") })
        // From observe to apply: the days are counted from the mark that people can see.
        await scene.stores.set(.apply, of: "prod")
        _ = try await scan(scene, after: 1)
        #expect(await calls(scene) == ["tag vol-1"])
    }

    @Test("volumes of nobody, and of clusters that are not registered, are told and never touched")
    func strangers() async throws {
        let scene = await Scene(pods: [])
        await AccountScene.zombie(scene)
        await scene.world.change { world in
            world.volumes["vol-1"]?.tags = ["ebs.csi.aws.com/cluster": "true"]
            world.volumes["vol-2"] = Volume(
                id: "vol-2", state: "available", size: .mebibytes(1024), zone: "",
                tags: ["kubernetes.io/cluster/gone": "owned"])
        }
        for _ in 0..<10 { _ = try await scan(scene, after: 1) }
        #expect(await calls(scene).isEmpty)
        #expect(await scene.stores.volumes["vol-2"]?.stage == .kept)
    }

    @Test("used again between the snapshot and the deletion: it stays, and is unmarked")
    func usedAgain() async throws {
        let scene = await Scene(pods: [])
        await AccountScene.zombie(scene, markedDaysAgo: 8)
        _ = try await scan(scene)
        await scene.world.change { world in
            world.volumes["vol-1"]?.state = "in-use"
            world.volumes["vol-1"]?.attachments = ["i-1"]
        }
        _ = try await scan(scene, after: 0.05)
        #expect(await calls(scene) == ["snapshot vol-1", "untag vol-1"])
        #expect(await scene.stores.volumes["vol-1"]?.stage == .used)
    }

    @Test("dead after the snapshot was begun and before its answer was kept: one snapshot, then the deletion")
    func died() async throws {
        let scene = await Scene(pods: [])
        await AccountScene.zombie(scene, markedDaysAgo: 8)
        let mark = try #require(await scene.world.volumes["vol-1"]?.tags[VolumeTag.mark])
        let run = MemoryRun(
            world: scene.world, stores: scene.stores, effects: scene.effects,
            losesAnswerOf: "snapshot/vol-1/\(mark)/1")
        let request = JobRequest(ZombieVolumes.kind, target: AccountScene.account.description)
        await #expect(throws: (any Error).self) { try await scene.run(request, as: run) }
        #expect(await calls(scene) == ["snapshot vol-1"])
        // The next worker goes on from the checkpoint, within the time that the decision holds, and long after.
        try await scene.run(request, checkpoint: run.lastCheckpoint)
        _ = try await scan(scene, after: 0.05)
        #expect(await calls(scene) == ["snapshot vol-1", "delete-volume vol-1"])
    }

    @Test("a deletion that was decided long ago is not carried out by the worker that finds it")
    func stale() async throws {
        let scene = await Scene(pods: [])
        await AccountScene.zombie(scene, markedDaysAgo: 8)
        _ = try await scan(scene)
        // Dies at the save after its decision was stored.
        let run = MemoryRun(world: scene.world, stores: scene.stores, effects: scene.effects, failsAtSave: 1)
        await scene.world.change { $0.blockedDeletions = true }
        let request = JobRequest(ZombieVolumes.kind, target: AccountScene.account.description)
        await #expect(throws: (any Error).self) { try await scene.run(request, as: run) }
        await scene.world.change { world in
            world.blockedDeletions = false
            world.others.claims = [PersistentVolumeClaim(namespace: "web", name: "data", uid: "1")]
        }
        await scene.world.advance(.seconds(86_400))
        try await scene.run(request, checkpoint: run.lastCheckpoint)
        #expect(await scene.world.volumes["vol-1"] != nil)
        #expect(await calls(scene).contains("delete-volume vol-1") == false)
    }

    @Test("an account of another tenant, or without a cluster, is not scanned")
    func foreign() async throws {
        let scene = await Scene(pods: [])
        await AccountScene.zombie(scene, markedDaysAgo: 8)
        let request = JobRequest(ZombieVolumes.kind, target: AccountScene.account.description)
        let error = await #expect(throws: QueueError.self) { try await scene.run(request, tenant: "mallory") }
        #expect(error?.code == .notFound)
        // Mallory registers acme's account, and has no credentials for it.
        await scene.stores.add(Scene.registration("evil", tenant: "mallory", account: "999999999999"))
        let own = JobRequest(ZombieVolumes.kind, target: "account/mallory/999999999999/us-east-1")
        await #expect(throws: (any Error).self) { try await scene.run(own, tenant: "mallory") }
        #expect(await calls(scene).isEmpty)
    }
}
