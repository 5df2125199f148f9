import Foundation
import Infrastructure
import JobQueue
import Optimizer
import Testing

@testable import Jobs

@Suite("Remediating containers that ran out of memory")
struct RemediateOOMTests {
    static let now = RightsizeWorkloadsTests.now

    static func pod(_ name: String = "api-abc-1", at ago: Double = 20, limit: Int64 = 400, lifetime: Double = 60) -> Pod
    {
        var pod = Pod(namespace: "web", name: name, uid: "p-\(name)", nodeName: "node-1", ownerKind: "ReplicaSet")
        pod.labels = ["pod-template-hash": "abc"]
        pod.ownerName = "api-abc"
        var container = RightsizeWorkloadsTests.container(100, 200, limit: limit)
        let end = now.addingTimeInterval(-ago)
        container.lastTermination = ContainerTermination(
            reason: "OOMKilled", exitCode: 137, startedAt: end.addingTimeInterval(-lifetime), finishedAt: end)
        pod.containers = [container]
        return pod
    }

    static func scene(
        _ pods: [Pod], workload: Workload = RightsizeWorkloadsTests.workload("api", cpu: 100, memory: 200, limit: 400)
    )
        async -> Scene
    {
        let scene = await RightsizeWorkloadsTests.scene([workload], used: [:])
        await scene.world.change { world in
            world.pods = Dictionary(uniqueKeysWithValues: pods.map { ($0.name, $0) })
        }
        return scene
    }

    @discardableResult
    static func run(_ scene: Scene, lane: Lane = .interruption) async throws -> Outcome {
        try await scene.run(
            JobRequest(
                RemediateOOM.kind, parameters: JSONText(text: #"{"age_max_seconds":3600,"rollouts_max":1}"#),
                target: "prod"), lane: lane)
    }

    static func template(_ scene: Scene) async -> PodContainer {
        await scene.world.read { $0.workloads[0].template[0] }
    }

    @Test("the owner's template gets 20 % or 100 MiB more, request and limit; the same kill is answered once")
    func raises() async throws {
        let scene = await Self.scene([Self.pod(), Self.pod("api-abc-2", at: 40)])
        try await Self.run(scene)
        #expect(await Self.template(scene).limits.memory == .mebibytes(500))
        #expect(await Self.template(scene).requests.memory == .mebibytes(240))
        #expect(await scene.world.calls == ["patch api sizes"])
        let row = try #require(await scene.stores.raiseRows.first)
        #expect(row.record.limitBefore == .mebibytes(400) && row.record.limitAfter == .mebibytes(500))
        // The old pods are still there, with the old limit.
        try await Self.run(scene)
        #expect(await scene.world.calls.count == 1)
        #expect(try await Self.run(await Self.scene([])).isEmpty)
    }

    @Test(
        "who is down, or soon down again, gets more at once; who is served waits for a window",
        arguments: [(60.0, true, true), (60.0, false, true), (7_200.0, false, true), (7_200.0, true, false)])
    func windows(lifetime: Double, isReady: Bool, goes: Bool) async throws {
        var pod = Self.pod(lifetime: lifetime)
        pod.containers[0].isReady = isReady
        let scene = await Self.scene([pod])
        var policy = ClusterPolicy()
        let day = Self.now.addingTimeInterval(3 * 86_400).formatted(
            .dateTime.weekday(.abbreviated).locale(.init(identifier: "en_US")))
        policy.disruption.windows = WeeklySchedule([try #require(WeeklyWindow("\(day) 01:00-01:05 UTC"))])
        policy.disruption.evictionsPerHourMax = 0
        await scene.stores.set(policy)
        try await Self.run(scene, lane: .safety)
        #expect(await scene.world.calls == (goes ? ["patch api sizes"] : []))
        #expect(await scene.stores.taken.isEmpty)
        guard !goes else { return }
        #expect(await RightsizeWorkloadsTests.findings(scene).contains { $0.contains("waits") })
        policy.disruption = ClusterPolicy().disruption
        await scene.stores.set(policy)
        try await Self.run(scene, lane: .safety)
        #expect(await scene.world.calls == ["patch api sizes"])
    }

    @Test("a loop ends: what is killed as soon again after two raises is a leak, and is told")
    func leak() async throws {
        let scene = await Self.scene([])
        var limit: Int64 = 400
        for step in 0..<6 {
            let now = Self.now.addingTimeInterval(Double(step) * 1200)
            let pod = Self.pod("api-abc-\(step)", at: 20 - Double(step) * 1200, limit: limit, lifetime: 60)
            await scene.world.change { world in
                world.now = now
                world.pods = [pod.name: pod]
            }
            try await Self.run(scene)
            limit = await Self.template(scene).limits.memory.rawValue >> 20
        }
        #expect(await scene.world.calls == ["patch api sizes", "patch api sizes"])
        #expect(limit == 600)
        #expect(
            await RightsizeWorkloadsTests.findings(scene).contains {
                $0.contains("oom-leak-suspected") && $0.contains("critical")
            })
    }

    @Test("one rollout at a time, and none before the last is complete")
    func oneAtATime() async throws {
        var other = Self.pod("db-abc-1")
        other.labels = ["pod-template-hash": "abc"]
        let scene = await Self.scene([Self.pod(at: 50), other])
        await scene.world.change { world in
            world.workloads.append(RightsizeWorkloadsTests.workload("db", cpu: 100, memory: 200, limit: 400))
        }
        try await Self.run(scene)
        #expect(await scene.world.calls == ["patch api sizes"])
        await scene.world.change { $0.workloads[0].updatedReplicas = 1 }
        try await Self.run(scene)
        #expect(await scene.world.calls == ["patch api sizes"])
        await scene.world.change { $0.workloads[0].updatedReplicas = 4 }
        try await Self.run(scene)
        #expect(await scene.world.calls == ["patch api sizes", "patch db sizes"])
    }

    @Test("jobs, unknown owners and what a repository writes are told, not changed; other ends are no kills")
    func reported() async throws {
        var job = Self.pod("once-1")
        job.labels = ["batch.kubernetes.io/job-name": "once"]
        job.ownerKind = "Job"
        var bare = Self.pod("bare")
        bare.labels = [:]
        bare.ownerKind = nil
        var error = Self.pod("api-abc-9")
        error.containers[0].lastTermination?.reason = "Error"
        var evicted = Self.pod("api-abc-8")
        evicted.wasEvicted = true
        let scene = await Self.scene([job, bare, error, evicted])
        try await Self.run(scene)
        #expect(await scene.world.calls.isEmpty)
        #expect(await RightsizeWorkloadsTests.findings(scene).count { $0.contains("oom-reported") } == 2)
        var flux = RightsizeWorkloadsTests.workload("api", cpu: 100, memory: 200, limit: 400)
        flux.gitOps = .flux
        let git = await Self.scene([Self.pod()], workload: flux)
        try await Self.run(git)
        #expect(await git.world.calls.isEmpty)
        #expect(await RightsizeWorkloadsTests.findings(git).contains { $0.contains("a limit of 500Mi") })
    }
}
