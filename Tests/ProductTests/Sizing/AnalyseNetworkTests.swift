import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

@Suite("Traffic between zones, analysed")
struct AnalyseNetworkTests {
    static func service(_ name: String) -> Service {
        Service(namespace: "web", name: name, uid: "s-\(name)", resourceVersion: "1", selector: ["app": name])
    }

    /// Two zones with a node each, pods on both, and services with endpoints in both.
    static func prepare(
        _ scene: Scene, services: [Service] = [service("api")], ready: [String: Int] = ["a": 2, "b": 2]
    )
        async
    {
        await scene.world.change { world in
            for zone in ["a", "b"] {
                world.nodes["node-\(zone)"] = Node(
                    name: "node-\(zone)", uid: "n-\(zone)", labels: ["topology.kubernetes.io/zone": zone])
                for index in 0..<3 {
                    let pod = Pod(
                        namespace: "web", name: "\(zone)-\(index)", uid: "\(zone)-\(index)", nodeName: "node-\(zone)")
                    world.pods[pod.name] = pod
                }
            }
            world.others.services = services
            world.others.endpoints = services.map {
                EndpointCount(namespace: "web", slice: "\($0.name)-1", service: $0.name, readyByZone: ready)
            }
        }
    }

    static func run(_ scene: Scene) async throws {
        try await scene.run(
            JobRequest(
                AnalyseNetwork.kind, parameters: JSONText(text: #"{"findings_max":50,"overload_max":1.5}"#),
                target: "prod"))
    }

    static func told(_ scene: Scene) async -> [String] {
        await scene.stores.records(of: "finding").map(\.value.text).filter { $0.contains("network-potential") }
    }

    @Test("a service of two zones is told with what it may save, and where allowed prefers the zone")
    func prefers() async throws {
        let scene = await Scene(pods: [])
        await Self.prepare(scene)
        try await Self.run(scene)
        let told = try #require(await Self.told(scene).first)
        // Half of 1,000 GB at 0.02 dollars.
        #expect(told.contains("10.0 dollars of each 1,000 GB") && told.contains("not what was measured"))
        #expect(await scene.world.calls == ["patch api traffic PreferClose"], "the server is of 1.31")
        try await Self.run(scene)
        #expect(await scene.world.calls.count == 1)
    }

    @Test("thin or overloaded zones are advised against; what somebody decided, and one zone, are left out")
    func respects() async throws {
        let thin = await Scene(pods: [])
        await Self.prepare(thin, ready: ["a": 1, "b": 5])
        try await Self.run(thin)
        #expect(await Self.told(thin).first?.contains("Not advised") == true)
        #expect(await thin.world.calls.isEmpty)
        var local = Self.service("local")
        local.internalTrafficPolicy = "Local"
        var decided = Self.service("decided")
        decided.trafficDistribution = "PreferClose"
        let quiet = await Scene(pods: [])
        await Self.prepare(quiet, services: [local, decided])
        try await Self.run(quiet)
        #expect(await Self.told(quiet).isEmpty)
        let one = await Scene(pods: [])
        await Self.prepare(one, ready: ["a": 4])
        try await Self.run(one)
        #expect(await Self.told(one).isEmpty)
    }
}
