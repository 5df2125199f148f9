import Foundation
import Infrastructure
import JobQueue

@testable import Jobs

/// An account with something to clean up.
enum AccountScene {
    static let account = AccountTarget(tenant: "acme", account: "123456789012", region: "us-east-1")

    /// Every feature may act.
    static var policy: ClusterPolicy {
        var policy = ClusterPolicy()
        policy.modes = ["volumes": .apply, "ghosts": .apply]
        return policy
    }

    /// A volume of the cluster that nothing uses.
    static func zombie(_ scene: Scene, _ id: String = "vol-1", markedDaysAgo days: Double? = nil) async {
        await scene.stores.set(policy)
        await scene.world.change { world in
            var tags = ["kubernetes.io/cluster/prod-eks": "owned", "CSIVolumeName": "pvc-1", "team": "web"]
            if let days { tags[VolumeTag.mark] = world.now.addingTimeInterval(-days * 86_400).formatted(.iso8601) }
            world.volumes[id] = Volume(
                id: id, state: "available", size: .mebibytes(50 * 1024), zone: "us-east-1a", tags: tags, type: "gp3",
                createdAt: world.now.addingTimeInterval(-60 * 86_400))
        }
    }

    static let ghost: InstanceID = "i-0dead000000000000"

    /// An instance of the cluster that is not one of its nodes.
    static func ghost(_ scene: Scene, seenHoursAgo hours: Double? = nil) async throws {
        await scene.stores.set(policy)
        let now = await scene.world.now
        await scene.world.change { world in
            world.instances[ghost] = Instance(
                id: ghost, state: .running, type: "m5.xlarge", zone: "us-east-1a", capacity: .onDemand,
                tags: ["kubernetes.io/cluster/prod-eks": "owned"], launchedAt: world.now.addingTimeInterval(-90_000))
        }
        guard let hours else { return }
        let seen = now.addingTimeInterval(-hours * 3600)
        try await scene.stores.take([
            FactRecords.record(
                of: .ghostSighting(
                    GhostSighting(
                        account: account, instance: ghost, cluster: "prod", ghostClass: .own, firstSeenAt: seen,
                        countedAt: seen, scans: 1)))
        ])
    }
}
