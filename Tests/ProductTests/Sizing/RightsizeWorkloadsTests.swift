import Foundation
import Infrastructure
import JobQueue
import Optimizer
import Testing

@testable import Jobs

@Suite("Rightsizing workloads")
struct RightsizeWorkloadsTests {
    static let now = Date(timeIntervalSince1970: 20_000.25 * 86_400)

    static func container(_ cpu: Int64, _ memory: Int64, limit: Int64 = 0, cpuLimit: Int64 = 0) -> PodContainer {
        PodContainer(
            name: "main", requests: Resources(cpu: MilliCPU(rawValue: cpu), memory: .mebibytes(memory)),
            limits: Resources(cpu: MilliCPU(rawValue: cpuLimit), memory: .mebibytes(limit)))
    }

    static func workload(_ name: String, cpu: Int64 = 1000, memory: Int64 = 1024, limit: Int64 = 1024) -> Workload {
        var workload = Workload(
            .deployment, namespace: "web", name: name, uid: "u-\(name)", replicas: 4,
            template: [container(cpu, memory, limit: limit)])
        workload.resourceVersion = "1"
        workload.readyReplicas = 4
        workload.updatedReplicas = 4
        return workload
    }

    /// Seven days of one container.
    static func days(cpu: Double, memory: Int64, count: Int = 7) -> [UsageDay] {
        (0..<count).map { ago in
            let day = 20_000 - ago
            var histogram = UsageHistogram()
            for _ in 0..<400 { histogram.add(cpu, scale: .milliCPU) }
            let first = Date(timeIntervalSince1970: Double(day) * 86_400)
            return UsageDay(
                day: day, cpu: histogram, memoryMax: .mebibytes(memory), minutes: 1440, firstAt: first,
                lastAt: first.addingTimeInterval(3600))
        }
    }

    static func scene(_ workloads: [Workload], used: [String: (Double, Int64)], autoscalers: [Autoscaler] = [])
        async -> Scene
    {
        let scene = await Scene(pods: [])
        var usage: [ContainerKey: [UsageDay]] = [.sampler: days(cpu: 0, memory: 0, count: 8)]
        for (name, amount) in used {
            let key = ContainerKey(namespace: "web", kind: "Deployment", workload: name, container: "main")
            usage[key] = days(cpu: amount.0, memory: amount.1)
        }
        await scene.stores.set(usage)
        var policy = ClusterPolicy()
        policy.saving.minimumDollarsPerMonth = 1
        await scene.stores.set(policy)
        await scene.world.change { world in
            world.now = now
            world.workloads = workloads
            world.autoscalers = autoscalers
            world.nodes["node-1"]?.labels["node.kubernetes.io/instance-type"] = "m5.xlarge"
            world.nodes["node-1"]?.allocatable = Resources(cpu: 3920, memory: .mebibytes(15_000), pods: 58)
        }
        return scene
    }

    static func run(_ scene: Scene) async throws {
        let request = JobRequest(RightsizeWorkloads.kind, parameters: JSONText(text: parameters), target: "prod")
        var outcome = try await scene.run(request)
        // A wait that ends a run is another run.
        for _ in 0..<20 {
            guard outcome.againAfter != nil else { return }
            outcome = try await scene.run(request)
        }
    }

    static let parameters = #"{"findings_max":100,"poll_seconds":300,"changes_max":20}"#

    static func findings(_ scene: Scene) async -> [String] {
        await scene.stores.records(of: "finding").map(\.value.text)
    }

    @Test("what nobody may write is recommended with what it saves; the rest is changed, watched and kept")
    func applies() async throws {
        var argo = Self.workload("argo")
        argo.gitOps = .argoCD
        let scene = await Self.scene([Self.workload("api"), argo], used: ["api": (100, 300), "argo": (100, 300)])
        try await Self.run(scene)
        let told = await Self.findings(scene).filter { $0.contains("\"code\":\"rightsize\"") }
        #expect(told.count == 2 && told.allSatisfy { $0.contains("\"saving\":") && $0.contains("confidence 100 %") })
        #expect(told.contains { $0.contains("argo-cd writes it") })
        #expect(await scene.world.calls == ["patch api sizes"])
        let (template, annotations) = await scene.world.read {
            ($0.workloads[0].template[0], $0.workloads[0].annotations)
        }
        #expect(template.requests.cpu == 128 && template.requests.memory == .mebibytes(345))
        #expect(template.limits.memory == .mebibytes(345) && template.limits.cpu == 0)
        #expect(annotations[SizeChange.causeAnnotation]?.hasPrefix("rightsizing@") == true)
        #expect(annotations[SizeChange.sizesAnnotation]?.contains("1000") == true)
    }

    @Test("what ran out of memory within the half hour gets back what it had, and is left alone for the cooldown")
    func rollsBack() async throws {
        let scene = await Self.scene([Self.workload("api")], used: ["api": (100, 300)])
        var pod = Pod(namespace: "web", name: "api-abc-1", uid: "p", nodeName: "node-1")
        pod.labels = ["pod-template-hash": "abc"]
        pod.createdAt = Self.now.addingTimeInterval(30)
        var container = Self.container(128, 345, limit: 345)
        container.lastTermination = ContainerTermination(
            reason: "OOMKilled", exitCode: 137, finishedAt: Self.now.addingTimeInterval(60))
        pod.containers = [container]
        let killed = pod
        await scene.world.change { $0.pods = ["api-abc-1": killed] }
        try await Self.run(scene)
        #expect(await scene.world.calls == ["patch api sizes", "patch api sizes"])
        #expect(await scene.world.read { $0.workloads[0].template[0] } == Self.container(1000, 1024, limit: 1024))
        #expect(await Self.findings(scene).contains { $0.contains("rightsize-rolled-back") })
        // The next day's run leaves it alone; so does one at once.
        await scene.world.change { $0.pods = [:] }
        try await Self.run(scene)
        #expect(await scene.world.calls.count == 2)
    }

    @Test("an autoscaler by utilisation, a vertical one, too short a history and a closed window are respected")
    func respects() async throws {
        var hpa = Autoscaler(
            .horizontal, namespace: "web", name: "h", uid: "h", targetKind: "Deployment", targetName: "api")
        hpa.metrics = [AutoscalerMetric(source: "Resource", resource: "cpu", target: "Utilization")]
        let vpa = Autoscaler(
            .vertical, namespace: "web", name: "v", uid: "v", targetKind: "Deployment", targetName: "sized")
        let scene = await Self.scene(
            [Self.workload("api", memory: 345, limit: 345), Self.workload("sized"), Self.workload("new")],
            used: ["api": (100, 300), "sized": (100, 300)], autoscalers: [hpa, vpa])
        let new = ContainerKey(namespace: "web", kind: "Deployment", workload: "new", container: "main")
        var usage = await scene.stores.usageRows
        usage[new] = Self.days(cpu: 100, memory: 300, count: 1)
        await scene.stores.set(usage)
        try await Self.run(scene)
        #expect(await scene.world.calls.isEmpty)
        let told = await Self.findings(scene).filter { $0.contains("\"code\":\"rightsize\"") }
        #expect(told.count == 1 && told[0].contains("Provisional") && told[0].contains("new"))

        let closed = await Self.scene([Self.workload("api")], used: ["api": (100, 300)])
        var policy = await closed.stores.policy
        // 06:00 UTC, a Thursday.
        policy.disruption.windows = WeeklySchedule([try #require(WeeklyWindow("daily 22:00-05:00 UTC"))])
        await closed.stores.set(policy)
        try await Self.run(closed)
        #expect(await closed.world.calls.isEmpty)
    }

    @Test("where the budget holds one change up, the other is watched to its end all the same")
    func heldUp() async throws {
        var one = Self.workload("api")
        var two = Self.workload("web")
        (one.replicas, two.replicas) = (2, 2)
        let scene = await Self.scene([one, two], used: ["api": (100, 300), "web": (100, 300)])
        var policy = await scene.stores.policy
        policy.rightsizing.workloadsAtOnceMax = 2
        policy.disruption.evictionsPerHourMax = 3
        await scene.stores.set(policy)
        let pods = ["api", "web"].map { name in
            var pod = Pod(namespace: "web", name: "\(name)-abc-1", uid: "p-\(name)", nodeName: "node-1")
            pod.labels = ["pod-template-hash": "abc"]
            pod.createdAt = Self.now.addingTimeInterval(30)
            var container = Self.container(128, 345, limit: 345)
            container.lastTermination = ContainerTermination(
                reason: "OOMKilled", exitCode: 137, finishedAt: Self.now.addingTimeInterval(60))
            pod.containers = [container]
            return pod
        }
        await scene.world.change { world in for pod in pods { world.pods[pod.name] = pod } }
        let request = JobRequest(
            RightsizeWorkloads.kind, parameters: JSONText(text: Self.parameters), target: "prod")
        try await scene.run(request, lane: .work)
        let told = await Self.findings(scene)
        #expect(told.contains { $0.contains("\"code\":\"waits\"") && $0.contains("budget of 3 evictions") })
        // One of the two was resized, and got back what it had; the other was not touched.
        let calls = await scene.world.calls
        #expect(calls.count == 2 && Set(calls).count == 1)
        #expect(told.contains { $0.contains("rightsize-rolled-back") })
    }

    @Test("what asks for too little is raised, whatever it costs")
    func raises() async throws {
        let scene = await Self.scene(
            [Self.workload("api", cpu: 50, memory: 200, limit: 400)], used: ["api": (900, 390)])
        try await Self.run(scene)
        let template = await scene.world.read { $0.workloads[0].template[0] }
        #expect(template.requests.cpu.rawValue > 1000 && template.requests.memory == .mebibytes(449))
        #expect(template.limits.memory == .mebibytes(898))
        #expect(await Self.findings(scene).contains { $0.contains("\"severity\":\"warning\"") })
    }
}
