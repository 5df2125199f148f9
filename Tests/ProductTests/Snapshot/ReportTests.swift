import Foundation
import Infrastructure
import JobQueue
import Optimizer
import Testing

@testable import Jobs

@Suite("Day zero")
struct ReportTests {
    @Test("nodes are counted by type, payment and owner, with what they cost")
    func inventory() throws {
        let snapshot = SnapshotScene.snapshot
        let inventory = NodeInventory(snapshot, prices: PoolBook(snapshot))
        // m5.xlarge costs $0.192 on demand in us-east-1.
        let onDemand = try #require(inventory.groups.first)
        #expect(onDemand.capacity == .onDemand && onDemand.nodes == 2 && onDemand.owner == .ours)
        #expect(onDemand.perHour == 384_000 && onDemand.onDemandPerHour == 384_000)
        #expect(onDemand.requested.cpu == 1500 && onDemand.allocatable.cpu == 7840)
        let spot = inventory.groups[1]
        #expect(spot.capacity == .spot && spot.nodes == 1 && spot.onDemandPerHour == 192_000)
        #expect((spot.perHour ?? .zero) > .zero && (spot.perHour ?? .zero) < 192_000)
        #expect(inventory.unknownCapacity == 0 && inventory.unpriced == 0)
        var blind = snapshot
        blind.instances = nil
        #expect(NodeInventory(blind, prices: PoolBook(blind)).unknownCapacity == 3)
    }

    @Test("spot candidates are nodes on demand, with risk, price, and what stands against them")
    func candidates() throws {
        let snapshot = SnapshotScene.snapshot
        var policy = ClusterPolicy()
        policy.spot.riskMax = 1
        let found = SpotCandidates.find(in: snapshot, policy: policy, prices: PoolBook(snapshot))
        #expect(found.map(\.node) == ["ip-10-0-0-1", "ip-10-0-0-2"])
        #expect(found[0].obstacles == [] && found[0].spot == 82_000 && found[0].isMeasured)
        #expect(found[0].saving == 110_000 && found[0].confidence == found[0].risk.confidence)
        #expect(found[1].obstacles == ["1 pod without an owner that would make them again"])
        policy.spot.riskMax = 0
        let strict = SpotCandidates.find(in: snapshot, policy: policy, prices: PoolBook(snapshot))
        #expect(strict.allSatisfy { $0.obstacles.contains { $0.hasPrefix("risk ") } })
        var unseen = snapshot
        unseen.spotPrices = []
        let guess = SpotCandidates.find(in: unseen, policy: ClusterPolicy(), prices: PoolBook(unseen))
        #expect(guess.allSatisfy { !$0.isMeasured && $0.confidence < $0.risk.confidence })
    }

    @Test("the report says what each section is worth and how sure, the same for the same snapshot")
    func report() throws {
        var policy = ClusterPolicy()
        policy.spot.riskMax = 1
        let report = try ClusterReport(SnapshotScene.snapshot, policy: policy)
        #expect(report.sections.map(\.id).prefix(2) == ["nodes", "spot-candidates"])
        let spot = try #require(report.sections.first { $0.id == "spot-candidates" })
        #expect(spot.savingPerHour == 110_000 && (spot.confidence ?? 0) > 0.9)
        #expect(spot.summary == "1 of 2 nodes on demand could be spot, which saves $80.30 a month.")
        #expect(report.sections.allSatisfy { section in section.rows.allSatisfy { $0.count == section.columns.count } })
        let text = report.text
        #expect(text.contains("Spot candidates: $80.30 a month, confidence"))
        #expect(text.contains("ip-10-0-0-2") && text.contains("1 pod without an owner"))
        let again = try ClusterReport(
            SnapshotDocument.read(SnapshotDocument.text(of: SnapshotScene.snapshot)), policy: policy)
        #expect(try JSONText(encoding: again) == JSONText(encoding: report))
    }

    @Test(
        "volumes and instances that nothing uses are seen, with their grace; what is not known whole is worth nothing")
    func account() throws {
        var snapshot = SnapshotScene.snapshot
        let owned = ["kubernetes.io/cluster/prod-eks": "owned"]
        snapshot.volumes = [
            Volume(
                id: "vol-00000000000000001", state: "available", size: .mebibytes(100 * 1024), zone: "us-east-1a",
                tags: owned),
            Volume(
                id: "vol-00000000000000002", state: "available", size: .mebibytes(1024), zone: "us-east-1a", tags: owned
            ),
            Volume(id: "vol-00000000000000003", state: "available", size: .mebibytes(1024), zone: "us-east-1a"),
        ]
        snapshot.objects.volumes = [
            PersistentVolume(name: "pv", uid: "uid-pv", volumeID: "vol-00000000000000002")
        ]
        snapshot.instances?.append(
            Instance(
                id: "i-00000000000000009", state: .running, type: "m5.xlarge", zone: "us-east-1a", capacity: .onDemand,
                tags: owned, launchedAt: SnapshotScene.now.addingTimeInterval(-86_400)))
        snapshot.objects.readings += VolumeUses.lists.sorted().map {
            ListReading($0, .complete, resourceVersion: "41", readAt: SnapshotScene.now)
        }
        let report = try ClusterReport(snapshot, policy: ClusterPolicy())
        let volumes = try #require(report.sections.first { $0.id == "zombie-volumes" })
        #expect(volumes.rows.map(\.[0]) == ["vol-00000000000000001"] && volumes.confidence == 0.5)
        // 100 GiB at $0.08 less a snapshot's $0.05 a month.
        #expect(volumes.rows.first?[2] == "$3.00")
        #expect(volumes.notes.contains { $0.hasPrefix("1 more are attached to nothing and stay") })
        let ghosts = try #require(report.sections.first { $0.id == "ghosts" })
        #expect(ghosts.rows.map(\.[0]) == ["i-00000000000000009"] && ghosts.savingPerHour == 192_000)
        snapshot.objects.readings = []
        let blind = try ClusterReport(snapshot, policy: ClusterPolicy())
        #expect(
            blind.sections.filter { ["zombie-volumes", "ghosts"].contains($0.id) }.allSatisfy { $0.confidence == 0 })
        #expect(blind.sections.first { $0.id == "ghosts" }?.rows == [])
    }

    @Test("a cluster without anything has a report, too")
    func empty() throws {
        let bare = ClusterSnapshot(
            cluster: SnapshotSubject(SnapshotScene.registration), capturedAt: SnapshotScene.now,
            objects: ClusterObjects())
        let report = try ClusterReport(bare, policy: ClusterPolicy())
        #expect(report.costPerHour == .zero && report.text.contains("0 nodes cost $0.00 a month"))
    }
}
