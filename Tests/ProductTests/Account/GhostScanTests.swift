import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

@Suite("Ghosts: the job")
struct GhostScanTests {
    @discardableResult
    private func scan(_ scene: Scene, after hours: Double = 0) async throws -> Outcome {
        await scene.world.advance(.seconds(Int64(hours * 3600)))
        return try await scene.run(JobRequest(GhostScan.kind, target: AccountScene.account.description))
    }

    private func calls(_ scene: Scene) async -> [String] { await scene.world.calls }

    @Test("a ghost through its day: two scans agree, 24 hours pass, it is ended, once")
    func theWay() async throws {
        let scene = await Scene(pods: [])
        try await AccountScene.ghost(scene)
        for _ in 0..<24 { try await scan(scene, after: 1) }
        #expect(await calls(scene).isEmpty)
        try await scan(scene, after: 1)
        #expect(await calls(scene) == ["terminate \(AccountScene.ghost)"])
        try await scan(scene, after: 1)
        #expect(await calls(scene).count == 1)
        #expect(await scene.stores.ghosts.isEmpty)
        let savings = try await scene.stores.records(of: "saving").map { try $0.value.decode(SavingFact.self) }
        #expect(savings.map(\.subject) == [AccountScene.ghost.rawValue] && savings.first?.form == .gone)
    }

    @Test("it joins after 23 hours: nothing is done and nothing is remembered")
    func joins() async throws {
        let scene = await Scene(pods: [])
        try await AccountScene.ghost(scene)
        for _ in 0..<23 { try await scan(scene, after: 1) }
        await scene.world.change { world in
            world.nodes["late"] = Node(name: "late", uid: "u-late", resourceVersion: "1", instance: AccountScene.ghost)
        }
        for _ in 0..<5 { try await scan(scene, after: 1) }
        #expect(await calls(scene).isEmpty)
        #expect(await scene.stores.ghosts.isEmpty)
    }

    @Test(
        "where the policy stops ghosts they keep their volumes: on demand is stopped, spot is only told, groups shrink")
    func stops() async throws {
        for (capacity, grouped, wanted) in [
            (CapacityType.onDemand, false, ["stop \(AccountScene.ghost)"]), (.spot, false, []),
            (.spot, true, ["terminate \(AccountScene.ghost)"]),
        ] {
            let scene = await Scene(pods: [])
            try await AccountScene.ghost(scene)
            var policy = await scene.stores.policy
            policy.ghosts.stops = true
            await scene.stores.set(policy)
            await scene.world.change { world in
                world.instances[AccountScene.ghost]?.capacity = capacity
                if grouped {
                    world.groups[AccountScene.ghost] = "workers"
                    world.instances[AccountScene.ghost]?.tags["aws:autoscaling:groupName"] = "workers"
                }
            }
            for _ in 0..<26 { try await scan(scene, after: 1) }
            #expect(await calls(scene) == wanted, "\(capacity)")
            guard capacity == .onDemand else { continue }
            // Started again, it is a ghost once more, from the beginning.
            await scene.world.change { $0.instances[AccountScene.ghost]?.state = .running }
            for _ in 0..<26 { try await scan(scene, after: 1) }
            #expect(await calls(scene).count == 2)
        }
    }

    @Test("one of an Auto Scaling group is ended by the group, which shrinks")
    func grouped() async throws {
        let scene = await Scene(pods: [])
        try await AccountScene.ghost(scene)
        await scene.world.change { $0.groups[AccountScene.ghost] = "workers" }
        for _ in 0..<26 { try await scan(scene, after: 1) }
        #expect(await scene.effects.keys == ["terminate/\(AccountScene.ghost)"])
        #expect(await calls(scene) == ["terminate \(AccountScene.ghost)"])
    }

    @Test("protected, requested persistently, of an existing cluster, of nobody: never ended")
    func spared() async throws {
        for change in 0..<4 {
            let scene = await Scene(pods: [])
            try await AccountScene.ghost(scene)
            await scene.world.change { world in
                world.clusterNames = ["living"]
                switch change {
                case 0: world.protected = [AccountScene.ghost]
                case 1: world.persistent = [AccountScene.ghost]
                case 2: world.instances[AccountScene.ghost]?.tags = ["eks:cluster-name": "living"]
                default: world.instances[AccountScene.ghost]?.tags = [:]
                }
            }
            for _ in 0..<30 { try await scan(scene, after: 1) }
            #expect(await calls(scene).isEmpty, "case \(change)")
        }
    }

    @Test("an orphan of an EKS cluster that is gone is ended for the whole account, where every cluster may act")
    func orphan() async throws {
        let scene = await Scene(pods: [])
        try await AccountScene.ghost(scene)
        await scene.world.change { $0.instances[AccountScene.ghost]?.tags = ["eks:cluster-name": "vanished"] }
        await scene.stores.add(Scene.registration("watched"))
        await scene.stores.set(.observe, of: "watched")
        for _ in 0..<26 { try await scan(scene, after: 1) }
        #expect(await calls(scene).isEmpty)
        await scene.stores.set(.apply, of: "watched")
        try await scan(scene, after: 1)
        #expect(await calls(scene) == ["terminate \(AccountScene.ghost)"])
    }

    @Test("nodes that cannot be listed completely: nothing is counted, nothing is ended, and it is told")
    func incomplete() async throws {
        let scene = await Scene(pods: [])
        try await AccountScene.ghost(scene, seenHoursAgo: 30)
        await scene.world.change { $0.readings[.nodes] = .partial }
        let ended = try await scan(scene)
        #expect(await calls(scene).isEmpty)
        #expect(ended.records.contains { $0.key.hasPrefix("ghosts-unsure/") })
        await scene.world.change { $0.readings = [:] }
        try await scan(scene)
        #expect(await calls(scene) == ["terminate \(AccountScene.ghost)"])
    }

    @Test("five ghosts of six instances: the breaker stops the scan, and a person is told")
    func breaker() async throws {
        let scene = await Scene(pods: [])
        try await AccountScene.ghost(scene, seenHoursAgo: 30)
        await scene.world.change { world in
            for number in 0..<4 {
                var other = world.instances[AccountScene.ghost]!
                other.id = InstanceID(rawValue: "i-0beef00000000000\(number)")
                world.instances[other.id] = other
            }
        }
        let ended = try await scan(scene)
        #expect(await calls(scene).isEmpty)
        #expect(ended.records.contains { $0.key.hasPrefix("ghost-breaker/") && $0.value.text.contains("critical") })
    }
}
