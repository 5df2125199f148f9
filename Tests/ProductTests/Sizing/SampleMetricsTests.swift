import Foundation
import Infrastructure
import JobQueue
import Optimizer
import Testing

@testable import Jobs

@Suite("Sampling metrics")
struct SampleMetricsTests {
    static func usage(_ pod: String, at: Date, cpu: Int64 = 100, memory: Int64 = 50) -> PodUsage {
        var usage = PodUsage(
            namespace: "web", pod: "api-abc-\(pod)", at: at, windowSeconds: 15,
            containers: [ContainerUsage(name: "main", cpu: MilliCPU(rawValue: cpu), memory: .mebibytes(memory))])
        usage.labels = ["pod-template-hash": "abc"]
        return usage
    }

    static let key = ContainerKey(namespace: "web", kind: "Deployment", workload: "api", container: "main")

    func sample(_ scene: Scene, _ usage: [PodUsage]) async throws {
        await scene.world.change { $0.others.usage = usage }
        try await scene.run(JobRequest(SampleMetrics.kind, target: "prod"))
    }

    @Test("each pod's sample is added once to its workload's day; a repeat adds nothing, a new day begins anew")
    func adds() async throws {
        let scene = await Scene(pods: [])
        let start = Date(timeIntervalSince1970: 20_000 * 86_400 + 86_000)
        await scene.world.change { $0.now = start }
        try await sample(scene, [Self.usage("a", at: start), Self.usage("b", at: start, cpu: 900, memory: 70)])
        try await sample(scene, [Self.usage("a", at: start), Self.usage("b", at: start, cpu: 900, memory: 70)])
        var days = try #require(await scene.stores.usageRows[Self.key])
        #expect(days.count == 1 && days[0].cpu.total == 2 && days[0].memoryMax == .mebibytes(70))
        #expect(await scene.stores.usageRows[.sampler]?.first?.minutes == 1)
        let next = start.addingTimeInterval(60)
        await scene.world.change { $0.now = next }
        // One pod was measured anew, the other not.
        try await sample(scene, [Self.usage("a", at: next), Self.usage("b", at: start, cpu: 900, memory: 70)])
        days = try #require(await scene.stores.usageRows[Self.key])
        #expect(days[0].cpu.total == 3 && days[0].minutes == 2)
        let tomorrow = start.addingTimeInterval(600)
        await scene.world.change { $0.now = tomorrow }
        try await sample(scene, [Self.usage("a", at: tomorrow)])
        #expect(await scene.stores.usageRows[Self.key]?.map(\.day) == [20_000, 20_001])
    }

    @Test("a cluster without metrics is told of, and nothing is added")
    func noMetrics() async throws {
        let scene = await Scene(pods: [])
        await scene.world.change { $0.readings[.usage] = .absent }
        try await sample(scene, [])
        #expect(await scene.stores.usageRows.isEmpty)
        #expect(await scene.stores.records(of: "finding").first?.key.hasPrefix("no-metrics") == true)
    }
}
