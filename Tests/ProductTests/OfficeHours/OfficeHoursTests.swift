import Foundation
import Infrastructure
import JobQueue
import Optimizer
import Testing

@testable import Jobs

@Suite("Office hours")
struct OfficeHoursTests {
    /// A staging cluster in Berlin with office hours, and the jobs' view of it.
    static func scene(
        _ workloads: [Workload], autoscalers: [Autoscaler] = [], environment: String = "staging",
        namespaces: [String] = [], at start: String = "2026-11-24T12:00:00Z"
    ) async throws -> Scene {
        let scene = await Scene(pods: [])
        var registration = Scene.registration("dev")
        registration.environment = environment
        registration.timeZone = "Europe/Berlin"
        await scene.stores.add(registration)
        var policy = ClusterPolicy()
        policy.version = 4
        policy.officeHours.namespaces = namespaces
        await scene.stores.set(policy)
        let now = try Date(start, strategy: .iso8601)
        await scene.world.change { world in
            world.now = now
            world.workloads = workloads
            world.autoscalers = autoscalers
        }
        return scene
    }

    static func workload(
        _ name: String, _ kind: WorkloadKind = .deployment, replicas: Int? = 3, namespace: String = "web"
    ) -> Workload {
        var workload = Workload(kind, namespace: namespace, name: name, uid: "u-\(name)", replicas: replicas)
        workload.resourceVersion = "1"
        workload.readyReplicas = replicas ?? 0
        return workload
    }

    @discardableResult
    static func run(_ scene: Scene, at time: String, checkpoint: JSONText? = nil) async throws -> Outcome {
        let now = try Date(time, strategy: .iso8601)
        await scene.world.change { $0.now = now }
        return try await scene.run(JobRequest(OfficeHours.kind, target: "dev"), checkpoint: checkpoint)
    }

    static func levels(_ scene: Scene) async -> [String: Int] {
        await scene.world.read { world in
            Dictionary(
                uniqueKeysWithValues: world.workloads.map {
                    ($0.name, $0.kind == .cronJob ? ($0.isSuspended ? 0 : 1) : $0.replicas ?? -1)
                })
        }
    }

    static func getReady(_ scene: Scene) async {
        await scene.world.change { world in
            for index in world.workloads.indices {
                world.workloads[index].readyReplicas = world.workloads[index].replicas ?? 0
            }
        }
    }

    static func findings(_ scene: Scene) async -> [String] {
        await scene.stores.records(of: "finding").map(\.key)
    }

    @Test("an evening and a morning: all sleep, all come back as they were, a suspended CronJob stays suspended")
    func night() async throws {
        var off = Self.workload("off", .cronJob, replicas: nil)
        off.isSuspended = true
        let scene = try await Self.scene([
            Self.workload("api"), Self.workload("db", .statefulSet, replicas: 2),
            Self.workload("report", .cronJob, replicas: nil), off, Self.workload("idle", replicas: 0),
        ])
        #expect(try await Self.run(scene, at: "2026-11-24T16:59:59Z").isEmpty)
        #expect(await scene.world.calls.isEmpty)
        try await Self.run(scene, at: "2026-11-24T17:00:30Z")
        #expect(await Self.levels(scene) == ["api": 0, "db": 0, "report": 0, "off": 0, "idle": 0])
        let mark = await scene.world.read { $0.workloads[0].annotations[SleepMark.annotation] }
        #expect(mark == "3@2026-11-24T17:00:00Z")
        #expect(try await scene.stores.sleepers(in: "dev").map(\.record.state) == [.asleep, .asleep, .asleep])
        let calls = await scene.world.calls
        // Nothing changes through the night, however often it is looked at.
        #expect(try await Self.run(scene, at: "2026-11-25T03:00:00Z").isEmpty)
        #expect(await scene.world.calls == calls)

        try await Self.run(scene, at: "2026-11-25T07:45:00Z")
        #expect(await Self.levels(scene) == ["api": 3, "db": 2, "report": 1, "off": 0, "idle": 0])
        #expect(try await scene.stores.sleepers(in: "dev").map(\.record.state) == [.waking, .waking, .awake])
        try await Self.run(scene, at: "2026-11-25T08:01:00Z")
        #expect(await Self.findings(scene).contains { $0.hasPrefix("office-hours-not-ready") })
        await Self.getReady(scene)
        try await Self.run(scene, at: "2026-11-25T08:02:00Z")
        #expect(await scene.world.read { $0.workloads.allSatisfy { $0.annotations.isEmpty } })
        #expect(try await scene.stores.sleepers(in: "dev").allSatisfy { $0.record.state == .awake })
        #expect(try await Self.run(scene, at: "2026-11-25T08:03:00Z").isEmpty)
    }

    @Test("production does not sleep, except for namespaces listed by name; system namespaces never do")
    func production() async throws {
        let all = [
            Self.workload("api"), Self.workload("demo", namespace: "demo"),
            Self.workload("coredns", namespace: "kube-system"),
        ]
        for (environment, namespaces, asleep) in [
            ("production", [], []), ("production", ["demo", "kube-system"], ["demo"]), ("staging", ["demo"], ["demo"]),
            ("development", [], ["api", "demo"]),
        ] as [(String, [String], Set<String>)] {
            let scene = try await Self.scene(all, environment: environment, namespaces: namespaces)
            try await Self.run(scene, at: "2026-11-24T20:00:00Z")
            #expect(Set(await Self.levels(scene).filter { $0.value == 0 }.keys) == asleep, "\(environment)")
        }
    }

    @Test(
        "what would be undone, would lose data or fights with its autoscaler is left awake, and that is told once a night"
    )
    func refusals() async throws {
        var argo = Self.workload("argo")
        argo.gitOps = .argoCD
        var helm = Self.workload("helm")
        helm.gitOps = .helm
        var data = Self.workload("data", .statefulSet)
        data.deletesClaimsWhenScaled = true
        var owned = Self.workload("owned")
        owned.owner = ObjectOwner(kind: "Rollout", name: "r", uid: "u")
        var never = Self.workload("never")
        never.annotations[SleepMark.optOutAnnotation] = "never"
        var young = Self.workload("young")
        young.createdAt = try Date("2026-11-24T19:50:00Z", strategy: .iso8601)
        let zero = Autoscaler(
            .horizontal, namespace: "web", name: "h", uid: "h", targetKind: "Deployment", targetName: "zero",
            minReplicas: 0)
        let keda = Autoscaler(
            .keda, namespace: "web", name: "k", uid: "k", targetKind: "Deployment", targetName: "keda")
        let scene = try await Self.scene(
            [argo, helm, data, owned, never, young, Self.workload("zero"), Self.workload("keda")],
            autoscalers: [zero, keda])
        try await Self.run(scene, at: "2026-11-24T20:00:00Z")
        #expect(Set(await Self.levels(scene).filter { $0.value == 0 }.keys) == ["helm"])
        let told = await Self.findings(scene).filter { $0.hasPrefix("office-hours-refused") }
        #expect(told.count == 5)
        #expect(try await Self.run(scene, at: "2026-11-24T20:01:00Z").isEmpty)
        try await Self.run(scene, at: "2026-11-24T20:06:00Z")
        #expect(await Self.levels(scene)["young"] == 0)
    }

    @Test("a workload at zero leaves its autoscaler alone; one that keeps replicas is sized by its autoscaler's least")
    func autoscalers() async throws {
        var keep = Self.workload("keep", replicas: 4)
        keep.annotations[SleepMark.keepAnnotation] = "1"
        func scaler(_ name: String) -> Autoscaler {
            Autoscaler(
                .horizontal, namespace: "web", name: "\(name)-hpa", uid: "h-\(name)", targetKind: "Deployment",
                targetName: name, minReplicas: 2, maxReplicas: 8)
        }
        let scene = try await Self.scene(
            [Self.workload("api"), keep], autoscalers: [scaler("api"), scaler("keep")])
        try await Self.run(scene, at: "2026-11-24T20:00:00Z")
        #expect(await Self.levels(scene) == ["api": 0, "keep": 4])
        #expect(await scene.world.read { $0.autoscalers.map(\.minReplicas) } == [2, 1])
        try await Self.run(scene, at: "2026-11-25T08:00:00Z")
        #expect(await scene.world.read { $0.autoscalers.map(\.minReplicas) } == [2, 2])
        // Autoscalers that cannot be read: nothing is put to sleep, and what sleeps is woken all the same.
        let blind = try await Self.scene([Self.workload("api")], autoscalers: [scaler("api")])
        await blind.world.change { $0.readings = [.horizontalAutoscalers: .forbidden] }
        try await Self.run(blind, at: "2026-11-24T20:00:00Z")
        #expect(await Self.levels(blind) == ["api": 3])
    }

    @Test("a person who scales up at night wins until the next window")
    func human() async throws {
        let scene = try await Self.scene([Self.workload("api")])
        try await Self.run(scene, at: "2026-11-24T18:00:00Z")
        await scene.world.change { $0.workloads[0].replicas = 1 }
        try await Self.run(scene, at: "2026-11-24T19:00:00Z")
        try await Self.run(scene, at: "2026-11-24T20:00:00Z")
        #expect(await Self.levels(scene) == ["api": 1])
        #expect(await Self.findings(scene).contains { $0.hasPrefix("office-hours-overridden") })
        await Self.getReady(scene)
        try await Self.run(scene, at: "2026-11-25T12:00:00Z")
        #expect(await Self.levels(scene) == ["api": 1])
        try await Self.run(scene, at: "2026-11-25T18:00:00Z")
        #expect(await Self.levels(scene) == ["api": 0])
        try await Self.run(scene, at: "2026-11-26T08:00:00Z")
        #expect(await Self.levels(scene) == ["api": 1])
    }

    @Test("either of the two places brings it back; where they differ the larger counts and is told")
    func places() async throws {
        let lost = try await Self.scene([Self.workload("api")])
        try await Self.run(lost, at: "2026-11-24T18:00:00Z")
        await lost.stores.forgetSleepers()
        try await Self.run(lost, at: "2026-11-25T08:00:00Z")
        #expect(await Self.levels(lost) == ["api": 3])
        let bare = try await Self.scene([Self.workload("api")])
        try await Self.run(bare, at: "2026-11-24T18:00:00Z")
        await bare.world.change { $0.workloads[0].annotations = [:] }
        try await Self.run(bare, at: "2026-11-25T08:00:00Z")
        #expect(await Self.levels(bare) == ["api": 3])
        let edited = try await Self.scene([Self.workload("api")])
        try await Self.run(edited, at: "2026-11-24T18:00:00Z")
        await edited.world.change { $0.workloads[0].annotations[SleepMark.annotation] = "7@2026-11-24T17:00:00Z" }
        try await Self.run(edited, at: "2026-11-25T08:00:00Z")
        #expect(await Self.levels(edited) == ["api": 7])
        #expect(await Self.findings(edited).contains { $0.hasPrefix("office-hours-levels-differ") })
    }

    @Test("below 'apply' nothing is done, and what would be done is told")
    func observes() async throws {
        let scene = try await Self.scene([Self.workload("api")])
        await scene.stores.set(.observe)
        try await Self.run(scene, at: "2026-11-24T18:00:00Z")
        #expect(await scene.world.calls.isEmpty)
        #expect(await Self.findings(scene).contains { $0.hasPrefix("would-act") })
    }

    @Test("an object that changes in between is looked at anew, and never changed from an old view")
    func conflicts() async throws {
        let scene = try await Self.scene([Self.workload("api")])
        await scene.world.change { $0.changeErrors = [FarSideError(.conflict, "modified")] }
        try await Self.run(scene, at: "2026-11-24T18:00:00Z")
        #expect(await Self.levels(scene) == ["api": 0])
    }
}
