import Foundation
import Infrastructure
import JobQueue
import Postgres
import Testing

@testable import Jobs
@testable import Stores

@Suite("What scans of an account remember")
struct SightingStoreTests {
    static let account = AccountTarget(tenant: "acme", account: "123456789012", region: "us-east-1")

    static func volume(_ id: String, seen: Double = 0, stage: VolumeStage = .marked) -> VolumeSighting {
        VolumeSighting(
            account: account, volume: id, cluster: "prod", unusedSince: Scene.start,
            markedAt: Scene.start.addingTimeInterval(60), stage: stage, reason: "a 'reason'",
            size: .mebibytes(50 * 1024), savingPerHour: 2055, seenAt: Scene.start.addingTimeInterval(seen))
    }

    static func ghost(_ id: InstanceID, counted: Double = 0, scans: Int = 1) -> GhostSighting {
        GhostSighting(
            account: account, instance: id, cluster: nil, ghostClass: .orphan, firstSeenAt: Scene.start,
            countedAt: Scene.start.addingTimeInterval(counted), scans: scans, type: "m5.large", perHour: 96_000,
            reason: "its cluster is gone")
    }

    @Test(
        "rows come back as they were written; a later look replaces an earlier one and no later one; what is gone goes")
    func roundTrip() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            let store = SightingStore(scene.connection)
            try await scene.write(
                try StoreTests.facts([
                    .volumeSighting(SightingStoreTests.volume("vol-1")),
                    .ghostSighting(SightingStoreTests.ghost("i-1")),
                    .volumeSighting(SightingStoreTests.volume("vol-2", stage: .kept)),
                ]))
            #expect(
                try await store.volumes(of: SightingStoreTests.account)
                    == [SightingStoreTests.volume("vol-1"), SightingStoreTests.volume("vol-2", stage: .kept)])
            #expect(try await store.ghosts(of: SightingStoreTests.account) == [SightingStoreTests.ghost("i-1")])
            let later = SightingStoreTests.volume("vol-1", seen: 100, stage: .deletable)
            for row in [later, SightingStoreTests.volume("vol-1", seen: 50)] {
                try await scene.write(try StoreTests.facts([.volumeSighting(row)]))
            }
            let counted = SightingStoreTests.ghost("i-1", counted: 3600, scans: 2)
            for row in [counted, SightingStoreTests.ghost("i-1", counted: 1800)] {
                try await scene.write(try StoreTests.facts([.ghostSighting(row)]))
            }
            #expect(try await store.volumes(of: SightingStoreTests.account).first == later)
            #expect(try await store.ghosts(of: SightingStoreTests.account) == [counted])
            let other = AccountTarget(tenant: "acme", account: "123456789012", region: "eu-west-1")
            #expect(try await store.volumes(of: other).isEmpty)
            try await scene.write(
                try StoreTests.facts([
                    .volumeGone(VolumeGone(account: SightingStoreTests.account, volume: "vol-1")),
                    .ghostGone(GhostGone(account: SightingStoreTests.account, instance: "i-1")),
                ]))
            #expect(try await scene.count("volume_sighting") == 1)
            #expect(try await scene.count("ghost_sighting") == 0)
            let dollars = try await scene.connection.query("SELECT dollars_per_month::float8 FROM volume_status").first
            let perMonth = try #require(dollars).double(0)
            #expect(abs(perMonth - 1.5) < 0.001)
        }
    }

    @Test("rows about an account in which the job's tenant has no cluster are never written, nor deleted")
    func tenants() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            let facts = try StoreTests.facts([
                .volumeSighting(SightingStoreTests.volume("vol-1")), .ghostSighting(SightingStoreTests.ghost("i-1")),
            ])
            try await scene.write(facts, tenant: "mallory")
            #expect(try await scene.count("volume_sighting") == 0)
            try await scene.write(facts)
            try await scene.write(
                try StoreTests.facts([
                    .volumeGone(VolumeGone(account: SightingStoreTests.account, volume: "vol-1")),
                    .ghostGone(GhostGone(account: SightingStoreTests.account, instance: "i-1")),
                ]), tenant: "mallory")
            #expect(try await scene.count("volume_sighting") == 1)
            #expect(try await scene.count("ghost_sighting") == 1)
        }
    }
}
