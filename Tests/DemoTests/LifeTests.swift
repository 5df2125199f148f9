import Foundation
import Testing

@testable import Demo

@Suite("The judge of a cluster's life")
struct LifeTests {
    private static let start = Date(timeIntervalSince1970: 1_800_000_000)
    private static func after(days: Double) -> Date { start.addingTimeInterval(days * 86_400) }

    private static let volume = VolumeStory(
        volume: "vol-1", marked: [start], snapshots: [after(days: 7)], deleted: [after(days: 7.1)], snapshotsLeft: 1,
        isThere: false)

    @Test("A volume: one mark, seven days, one snapshot, one deletion; anything else fails")
    func volumes() {
        #expect(Self.volume.check.ok)
        let faults: [(String, (inout VolumeStory) -> Void)] = [
            ("a snapshot after six days", { $0.snapshots = [Self.after(days: 6)] }),
            ("deleted before its snapshot", { $0.deleted = [Self.after(days: 6.9)] }),
            ("two snapshots", { $0.snapshots.append(Self.after(days: 7.05)) }),
            ("marked twice", { $0.marked.append(Self.after(days: 1)) }),
            ("never deleted", { $0.deleted = [] }),
            ("still there", { $0.isThere = true }),
            ("the snapshot is gone", { $0.snapshotsLeft = 0 }),
            ("away in between", { $0.wasKept = false }),
        ]
        for (name, spoil) in faults {
            var story = Self.volume
            spoil(&story)
            #expect(!story.check.ok, "\(name)")
        }
    }

    @Test("A ghost: ended once, not before 25 hours, running until then, and no node with it")
    func ghosts() {
        let good = GhostStory(
            instance: "i-1", launched: Self.start, states: ["running", "running"], ended: [Self.after(days: 1.1)],
            state: "terminated")
        #expect(good.check.ok)
        let faults: [(String, (inout GhostStory) -> Void)] = [
            ("after a day alone", { $0.ended = [Self.after(days: 1)] }), ("twice", { $0.ended.append(Self.start) }),
            ("not by moto", { $0.state = "running" }), ("stopped before", { $0.states = ["running", "stopped"] }),
            ("never watched", { $0.states = [] }), ("a node as well", { $0.nodesEnded = 1 }),
        ]
        for (name, spoil) in faults {
            var story = good
            spoil(&story)
            #expect(!story.check.ok, "\(name)")
        }
    }

    @Test("A night: asleep from six, awake before nine and not before the lead, nothing earlier")
    func nights() {
        let evening = Self.start
        let morning = evening.addingTimeInterval(14 * 3600)
        let good = Night(
            season: "spring", evening: evening, morning: morning, workloads: 3, lowered: [evening + 20],
            raised: [morning - 890], asleep: 3, asleepBeforeLead: 3, awakeAt: morning - 800)
        #expect(good.check.ok)
        let faults: [(String, (inout Night) -> Void)] = [
            ("one stayed awake", { $0.asleep = 2 }), ("an hour late", { $0.lowered = [evening + 3600] }),
            ("an hour early", { $0.raised = [morning - 4490] }), ("an hour late up", { $0.raised = [morning + 2710] }),
            ("awake too early", { $0.asleepBeforeLead = 0 }), ("never ready", { $0.awakeAt = nil }),
            ("ready after nine", { $0.awakeAt = morning + 1 }),
            ("touched in the afternoon", { $0.changesTooEarly = 1 }),
        ]
        for (name, spoil) in faults {
            var night = good
            spoil(&night)
            #expect(!night.check.ok, "\(name)")
        }
    }

    @Test("Memory: the right raise, then an end to raises; a leak that is fed for ever fails")
    func memory() {
        let good = MemoryStory(
            workload: "shop/api", limitBefore: 200, needed: 250, limitAfter: 300, limitsWhileLeaking: [300, 400],
            killsAfterStop: 3, isTold: true)
        #expect(good.check.ok)
        let faults: [(String, (inout MemoryStory) -> Void)] = [
            ("too little", { $0.limitAfter = 240 }), ("it went on dying", { $0.restartsAfter = 1 }),
            ("raised again", { $0.changesAfterStop = 1 }), ("not told", { $0.isTold = false }),
            ("over the cap", { $0.limitsWhileLeaking = [300, 900] }),
            ("too often", { $0.limitsWhileLeaking = [300, 400, 500, 600] }),
            ("it did not leak at all", { $0.killsAfterStop = 0 }),
        ]
        for (name, spoil) in faults {
            var story = good
            spoil(&story)
            #expect(!story.check.ok, "\(name)")
        }
    }

    @Test("The statement: its lines make its sums, and each is what the world's books say")
    func statement() {
        let good = Statement(
            lines: [
                .init(
                    feature: "ghosts", projected_dollars: 69.12, realised_dollars: 69.12, realised_hours: 720,
                    freed_dollars: 0),
                .init(
                    feature: "office-hours", projected_dollars: 0, realised_dollars: 0, realised_hours: 0,
                    freed_dollars: 12),
            ], outside: ["ghosts": 69.1], printed: [69.12, 69.12])
        #expect(good.check.ok)
        let faults: [(String, (inout Statement) -> Void)] = [
            ("a tenth too much", { $0.lines[0].realised_dollars = 76 }),
            ("freed room in the sum", { $0.printed = [81.12, 81.12] }),
            ("a feature is missing", { $0.outside["volumes"] = 1.48 }),
            ("one that nobody knows of", { $0.lines[1].realised_dollars = 5 }),
            ("more realised than projected", { $0.lines[0].projected_dollars = 30 }),
            ("nothing saved", { $0.lines = [] }), ("no sums", { $0.printed = [] }),
        ]
        for (name, spoil) in faults {
            var statement = good
            spoil(&statement)
            #expect(!statement.check.ok, "\(name)")
        }
    }

    @Test("Quantities of Kubernetes, and times as people in Berlin read them")
    func words() throws {
        #expect(SeenWorkload.mebibytes("512Mi") == 512 && SeenWorkload.mebibytes("2Gi") == 2048)
        #expect(SeenWorkload.milliCPU("250m") == 250 && SeenWorkload.milliCPU("2") == 2000)
        let berlin = try #require(TimeZone(identifier: "Europe/Berlin"))
        let instant = try Date("2027-03-28T06:45:00Z", strategy: .iso8601)
        #expect(Narrator.clock(instant, berlin) == "28 Mar 08:45")
    }
}
