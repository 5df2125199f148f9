import Foundation
import Infrastructure
import Testing

@testable import Optimizer

@Suite("Zombie volumes: the rules")
struct ZombieVolumeRulesTests {
    static let account = AccountTarget(tenant: "acme", account: "123456789012", region: "us-east-1")
    static let start = Date(timeIntervalSince1970: 1_800_000_000)
    static let owned = ["kubernetes.io/cluster/prod-eks": "owned", "CSIVolumeName": "pvc-1"]

    static func volume(_ tags: [String: String] = owned, state: String = "available") -> Volume {
        Volume(
            id: "vol-1", state: state, size: .mebibytes(10 * 1024), zone: "us-east-1a", tags: tags, type: "gp3",
            createdAt: start.addingTimeInterval(-1000))
    }

    private func step(
        _ look: ZombieVolumeRules.Look, gap: String? = nil, after days: Double = 0
    ) -> ZombieVolumeRules.Verdict {
        ZombieVolumeRules.verdict(
            look, of: ZombieVolumeRulesTests.account, gap: gap,
            now: ZombieVolumeRulesTests.start.addingTimeInterval(days * 86_400))
    }

    @Test("owners are told by the tags of every driver; shared is no ownership, and a stranger's name wins")
    func owners() {
        let clusters: [String: ClusterID] = ["prod-eks": "prod", "other": "two"]
        #expect(VolumeOwner.of(["kubernetes.io/cluster/prod-eks": "owned"], clusters: clusters) == .registered("prod"))
        #expect(VolumeOwner.of(["ebs.csi.aws.com/cluster-name": "prod-eks"], clusters: clusters) == .registered("prod"))
        #expect(VolumeOwner.of(["KubernetesCluster": "prod-eks"], clusters: clusters) == .registered("prod"))
        #expect(VolumeOwner.of(["kubernetes.io/cluster/prod-eks": "shared"], clusters: clusters) == .unknown)
        #expect(VolumeOwner.of(["ebs.csi.aws.com/cluster": "true"], clusters: clusters) == .unknown)
        #expect(VolumeOwner.of(["eks:cluster-name": "gone"], clusters: clusters) == .stranger("gone"))
        let two = ["kubernetes.io/cluster/prod-eks": "owned", "kubernetes.io/cluster/other": "owned"]
        #expect(VolumeOwner.of(two, clusters: clusters) != .registered("prod"))
        #expect(VolumeOwner.of([:], clusters: clusters) == .unknown)
    }

    @Test(
        "volumes are matched by id, by the driver's name, by the claim's UID; a later claim of the same name is another"
    )
    func uses() {
        var objects = ClusterObjects()
        objects.volumes = [
            PersistentVolume(name: "pv-a", uid: "u", driver: "ebs.csi.aws.com", volumeID: "vol-a"),
            PersistentVolume(name: "pv-b", uid: "u2"),
        ]
        objects.claims = [
            PersistentVolumeClaim(namespace: "web", name: "data-0", uid: "c1", volumeName: "pv-b"),
            PersistentVolumeClaim(namespace: "web", name: "data-1", uid: "c2", phase: "Pending"),
            PersistentVolumeClaim(namespace: "web", name: "data-2", uid: "c3", phase: "Lost", volumeName: "pv-lost"),
        ]
        objects.attachments = [
            VolumeAttachment(
                name: "a", attacher: "ebs.csi.aws.com", nodeName: "n", volumeName: "pv-x", isAttached: false)
        ]
        objects.snapshotContents = [VolumeSnapshotContent(name: "s", volumeID: "vol-s")]
        let uses = VolumeUses(objects)
        func volume(_ id: String, _ tags: [String: String] = [:]) -> Volume {
            Volume(id: id, state: "available", size: .zero, zone: "", tags: tags)
        }
        func claimed(_ name: String, pv: String) -> [String: String] {
            [
                "kubernetes.io/created-for/pvc/namespace": "web", "kubernetes.io/created-for/pvc/name": name,
                "CSIVolumeName": pv,
            ]
        }
        #expect(uses.use(of: volume("vol-a")) == "the persistent volume pv-a")
        #expect(uses.use(of: volume("vol-s")) != nil)
        #expect(uses.use(of: volume("vol-z")) == nil)
        #expect(uses.use(of: volume("vol-z", ["CSIVolumeName": "pv-b"])) != nil)
        #expect(uses.use(of: volume("vol-z", ["CSIVolumeName": "pvc-c2"])) != nil)
        #expect(uses.use(of: volume("vol-z", ["CSIVolumeName": "pv-lost"])) != nil)
        #expect(uses.use(of: volume("vol-z", ["CSIVolumeName": "pv-x"])) == "an attachment to n")
        #expect(uses.use(of: volume("vol-z", claimed("data-0", pv: "pv-old"))) == nil)
        #expect(uses.use(of: volume("vol-z", claimed("data-1", pv: "pv-old"))) != nil)
    }

    @Test("marked, seven days, snapshot, deletion: each step in its time")
    func theWay() {
        var look = ZombieVolumeRules.Look(volume: ZombieVolumeRulesTests.volume(), owner: .registered("prod"))
        let seen = step(look)
        #expect(seen.step == .mark(ZombieVolumeRulesTests.start))
        #expect(seen.sighting.stage == .seen)
        look.volume.tags[VolumeTag.mark] = ZombieVolumeRules.text(ZombieVolumeRulesTests.start)
        look.sighting = seen.sighting
        for days in [0.1, 3, 6.999] {
            let waiting = step(look, after: days)
            #expect(waiting.step == .wait)
            #expect(waiting.sighting.stage == .marked)
            look.sighting = waiting.sighting
        }
        let key = "snapshot/vol-1/\(ZombieVolumeRules.text(ZombieVolumeRulesTests.start))"
        #expect(step(look, after: 7).step == .snapshot(key: "\(key)/0"))
        look.snapshots = [
            VolumeSnapshot(id: "snap-1", volume: "vol-1", state: "pending", tags: [VolumeTag.effect: "\(key)/0"])
        ]
        #expect(step(look, after: 7.1).step == .wait)
        look.snapshots[0].state = "error"
        #expect(step(look, after: 7.1).step == .snapshot(key: "\(key)/0"))
        #expect(step(look, after: 8.1).step == .snapshot(key: "\(key)/1"))
        look.snapshots[0].state = "completed"
        #expect(step(look, after: 7.1).step == .delete(snapshot: "snap-1"))
        // A snapshot under another mark is of an earlier life.
        look.snapshots[0].tags[VolumeTag.effect] = "snapshot/vol-1/2020-01-01T00:00:00Z/0"
        #expect(step(look, after: 7.1).step == .snapshot(key: "\(key)/0"))
    }

    @Test("the grace survives the loss of our rows, by the tag, and the loss of the tag, by our rows")
    func losses() {
        let mark = ZombieVolumeRulesTests.start
        var tagged = ZombieVolumeRulesTests.volume()
        tagged.tags[VolumeTag.mark] = ZombieVolumeRules.text(mark)
        let withoutRow = ZombieVolumeRules.Look(volume: tagged, owner: .registered("prod"))
        #expect(step(withoutRow, after: 6.9).step == .wait)
        #expect(step(withoutRow, after: 7).step == .snapshot(key: "snapshot/vol-1/\(ZombieVolumeRules.text(mark))/0"))
        let row = step(withoutRow, after: 6).sighting
        let withoutTag = ZombieVolumeRules.Look(
            volume: ZombieVolumeRulesTests.volume(), owner: .registered("prod"), sighting: row)
        #expect(step(withoutTag, after: 8).step == .mark(mark))
        // Both, and they differ: the later counts.
        var other = withoutRow
        other.sighting = row
        other.volume.tags[VolumeTag.mark] = ZombieVolumeRules.text(mark.addingTimeInterval(86_400))
        #expect(step(other, after: 7.5).step == .wait)
        other.volume.tags[VolumeTag.mark] = ZombieVolumeRules.text(mark.addingTimeInterval(-86_400 * 30))
        #expect(step(other, after: 6.5).step == .mark(mark))
        // Nonsense is no mark.
        other.volume.tags[VolumeTag.mark] = "yesterday"
        #expect(step(other, after: 6.5).step == .mark(mark))
    }

    @Test("a mark that is older than the last sign of life, or than the volume, begins anew")
    func staleMark() {
        var look = ZombieVolumeRules.Look(volume: ZombieVolumeRulesTests.volume(), owner: .registered("prod"))
        look.volume.tags[VolumeTag.mark] = ZombieVolumeRules.text(ZombieVolumeRulesTests.start)
        look.volume.attachments = ["i-1"]
        look.volume.state = "in-use"
        let used = step(look, after: 5)
        #expect(used.step == .unmark)
        look.sighting = used.sighting
        look.volume.attachments = []
        look.volume.state = "available"
        // The mark could not be taken off, and bears its old date.
        let now = ZombieVolumeRulesTests.start.addingTimeInterval(9 * 86_400)
        #expect(step(look, after: 9).step == .mark(now))
        var young = ZombieVolumeRules.Look(volume: ZombieVolumeRulesTests.volume(), owner: .registered("prod"))
        young.volume.tags[VolumeTag.mark] = "2020-01-01T00:00:00Z"
        #expect(step(young, after: 9).step == .mark(now))
    }

    @Test(
        "what keeps a volume: a tag, a policy, its kind, a stranger, nobody",
        arguments: [
            (["Backup": "1"], VolumeOwner.registered("prod")),
            (["aws:cloudformation:stack-name": "s"], .registered("prod")),
            (["dlm": "x"], .registered("prod")), (["cloudoptim.io/protected": ""], .registered("prod")),
            ([:], .stranger("elsewhere")), ([:], .unknown),
        ])
    func kept(tags: [String: String], owner: VolumeOwner) {
        var look = ZombieVolumeRules.Look(
            volume: ZombieVolumeRulesTests.volume(ZombieVolumeRulesTests.owned.merging(tags) { $1 }), owner: owner)
        #expect(step(look, after: 30).step == .wait)
        #expect(step(look, after: 30).sighting.stage == .kept)
        look.volume.tags[VolumeTag.mark] = ZombieVolumeRules.text(ZombieVolumeRulesTests.start)
        #expect(step(look, after: 30).step == .unmark)
    }

    @Test("a list that is not whole stops everything but signs of life")
    func gap() {
        var look = ZombieVolumeRules.Look(volume: ZombieVolumeRulesTests.volume(), owner: .registered("prod"))
        #expect(step(look, gap: "no permission").step == .wait)
        look.volume.tags[VolumeTag.mark] = ZombieVolumeRules.text(ZombieVolumeRulesTests.start)
        #expect(step(look, gap: "no permission", after: 30).step == .wait)
        look.use = "the persistent volume pv-1"
        #expect(step(look, gap: "no permission", after: 30).step == .unmark)
    }

    @Test("limits of a scan: the volumes that were marked first go first, one of any size always may")
    func limits() {
        var policy = ClusterPolicy()
        policy.volumes.deletionsPerRunMax = 2
        policy.volumes.gibibytesPerRunMax = 15
        let looks = (0..<4).map { number in
            let mark = ZombieVolumeRulesTests.start.addingTimeInterval(Double(-number) * 3600)
            let id = "vol-\(number)"
            var volume = ZombieVolumeRulesTests.volume()
            volume.id = id
            volume.createdAt = nil
            volume.tags[VolumeTag.mark] = ZombieVolumeRules.text(mark)
            return ZombieVolumeRules.Look(
                volume: volume, owner: .registered("prod"),
                snapshots: [
                    VolumeSnapshot(
                        id: "snap-\(number)", volume: id, state: "completed",
                        tags: [VolumeTag.effect: "snapshot/\(id)/\(ZombieVolumeRules.text(mark))/0"])
                ], policy: policy)
        }
        func deleted(_ looks: [ZombieVolumeRules.Look]) -> [String] {
            ZombieVolumeRules.verdicts(
                looks, of: ZombieVolumeRulesTests.account, gap: nil,
                now: ZombieVolumeRulesTests.start.addingTimeInterval(8 * 86_400)
            ).filter { if case .delete = $0.step { true } else { false } }.map(\.sighting.volume)
        }
        #expect(deleted(looks) == ["vol-3"])
        var roomy = looks
        for place in roomy.indices { roomy[place].policy.volumes.gibibytesPerRunMax = 1000 }
        #expect(deleted(roomy) == ["vol-3", "vol-2"])
        var huge = looks
        for place in huge.indices { huge[place].volume.size = .mebibytes(1 << 20) }
        #expect(deleted(huge) == ["vol-3"])
    }
}
