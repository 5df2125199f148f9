import Foundation
import Infrastructure
import Testing

@testable import Optimizer

/// A volume's world under random events, and an oracle of its own that knows when a deletion is too early.
private struct VolumeStory {
    var now = Date(timeIntervalSince1970: 1_800_000_000)
    var volume = ZombieVolumeRulesTests.volume()
    var isAttached = false
    var isClaimed = false
    var owner = VolumeOwner.registered("prod")
    var gap: String?
    var row: VolumeSighting?
    var snapshots: [VolumeSnapshot] = []
    var isDeleted = false
    /// Whether tags can be taken off: a permission may be missing.
    var canUntag = true
    var canTag = true
    /// The oracle: the first scan since the last sign of life that found the volume unused with whole lists.
    var unusedSince: Date?
    var history: [String] = []

    var look: ZombieVolumeRules.Look {
        var volume = volume
        volume.attachments = isAttached ? ["i-1"] : []
        volume.state = isAttached ? "in-use" : "available"
        return ZombieVolumeRules.Look(
            volume: volume, owner: owner, use: isClaimed ? "a claim" : nil, snapshots: snapshots, sighting: row)
    }

    mutating func scan() -> String? {
        if isDeleted { return nil }
        if isAttached || isClaimed {
            unusedSince = nil
        } else if gap == nil {
            unusedSince = unusedSince ?? now
        }
        let verdict = ZombieVolumeRules.verdict(look, of: ZombieVolumeRulesTests.account, gap: gap, now: now)
        row = verdict.sighting
        switch verdict.step {
        case .wait: break
        case .unmark: if canUntag { volume.tags[VolumeTag.mark] = nil }
        case .mark(let date): if canTag { volume.tags[VolumeTag.mark] = ZombieVolumeRules.text(date) }
        case .snapshot(let key):
            if let wrong = tooEarly("snapshot") { return wrong }
            snapshots.append(
                VolumeSnapshot(
                    id: "snap-\(snapshots.count)", volume: volume.id, state: "pending", tags: [VolumeTag.effect: key]))
        case .delete(let id):
            if let wrong = tooEarly("deletion") { return wrong }
            guard snapshots.contains(where: { $0.id == id && $0.isCompleted }) else {
                return "deleted without a snapshot"
            }
            isDeleted = true
        }
        return nil
    }

    private func tooEarly(_ what: String) -> String? {
        if isAttached || isClaimed { return "\(what) of a volume in use" }
        if gap != nil { return "\(what) without whole lists" }
        if owner != .registered("prod") { return "\(what) of a volume that is not ours" }
        guard let since = unusedSince, now.timeIntervalSince(since) >= 7 * 86_400 else {
            return "\(what) before its seven days"
        }
        return nil
    }

    mutating func happen(_ random: inout SeededSource) {
        let event = random.next(below: 15)
        history.append("\(event)")
        switch event {
        case 0: isAttached.toggle()
        case 1: isClaimed.toggle()
        case 2: gap = gap == nil ? "a page is missing" : nil
        case 3: owner = owner == .registered("prod") ? .stranger("x") : .registered("prod")
        // Our rows are lost, as after a restore; only while no mark is left that should have been taken off.
        case 4: if volume.tags[VolumeTag.mark] == nil || unusedSince != nil && isFresh { row = nil }
        case 5: volume.tags[VolumeTag.mark] = nil
        case 6:
            for place in snapshots.indices where snapshots[place].state == "pending" {
                snapshots[place].state = "completed"
            }
        case 7: if let last = snapshots.indices.last { snapshots[last].state = "error" }
        case 8: if !snapshots.isEmpty { snapshots.removeLast() }
        case 9: canUntag.toggle()
        case 10: canTag.toggle()
        // Somebody writes another date, and our rows know better.
        case 11: if row?.markedAt != nil { volume.tags[VolumeTag.mark] = "2020-01-01T00:00:00Z" }
        default: break
        }
        now += Double(random.next(below: 40)) * 3600 / (event == 14 ? 1 : 4)
    }

    /// Whether the tag that is there is of the present life.
    private var isFresh: Bool {
        guard let date = volume.tags[VolumeTag.mark].flatMap(ZombieVolumeRules.date), let since = unusedSince else {
            return false
        }
        return date >= since
    }
}

/// splitmix64: small, and the same on every machine.
struct SeededSource {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
    mutating func next(below bound: UInt64) -> Int { Int(next() % bound) }
}

@Suite("Zombie volumes: whatever the order of events")
struct ZombieVolumeRulesPropertyTests {
    @Test("no snapshot and no deletion comes early, without whole lists, or of what is used")
    func neverEarly() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var deletions = 0
        for number in 0..<10_000 {
            var random = SeededSource(state: seed &+ UInt64(number))
            var story = VolumeStory()
            for _ in 0..<60 where !story.isDeleted {
                // Long quiet times, too: else nothing would ever be due.
                if random.next(below: 3) == 0 { story.happen(&random) } else { story.now += 86_400 / 3 }
                if let wrong = story.scan() {
                    Issue.record("seed \(seed &+ UInt64(number)): \(wrong) after \(story.history)")
                    return
                }
            }
            if story.isDeleted { deletions += 1 }
        }
        #expect(deletions > 100, "the stories hardly ever reach a deletion: they prove little")
    }
}
