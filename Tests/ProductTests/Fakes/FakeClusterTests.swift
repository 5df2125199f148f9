import Infrastructure
import TestSupport
import Testing

/// The fake cluster that jobs are tested with, held to what the real one is held to
/// (`Tests/KubernetesTests/ClusterContractTests.swift`).
@Suite("Cluster contract, over the fake")
struct FakeClusterTests {
    private func contract() async -> ClusterContract {
        let scene = await Scene(pods: [Scene.pod("a"), Scene.pod("b")])
        return ClusterContract(FakeCluster(world: scene.world)) { await scene.world.advance(.seconds(1)) }
    }

    @Test("nodes and pods are listed whole, one is found by name, and an unknown one is nil")
    func reads() async throws { #expect(try await contract().reads() == []) }

    @Test("a node patch holds under its resource version, and a stale one is a conflict")
    func patches() async throws { #expect(try await contract().patches() == []) }

    @Test("an eviction is obeyed, is gone when repeated, and never meets another pod of the same name")
    func evictions() async throws { #expect(try await contract().evictions() == []) }
}
