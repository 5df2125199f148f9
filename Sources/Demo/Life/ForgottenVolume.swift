import Foundation

/// What became of a volume that nobody used, by moto's books and the simulator's log.
struct VolumeStory: Sendable {
    static let graceDays = 7.0
    static let gibibytes = 50
    /// What it costs less what its snapshot costs, by the list prices of gp3 and of snapshots in us-east-1, 730 h a month.
    static let dollarsPerHour = Double(gibibytes) * (0.08 - 0.05) / 730

    var volume: String
    /// When our tag was set on it.
    var marked: [Date] = []
    /// Snapshots that moto knew at looks within the grace.
    var snapshotsTooEarly = 0
    /// Whether it was there at every look within the grace.
    var wasKept = true
    var snapshots: [Date] = []
    var deleted: [Date] = []
    /// Snapshots that moto has in the end.
    var snapshotsLeft = 0
    /// Whether moto still has the volume.
    var isThere = true

    var check: Judge.Check {
        let name = "a forgotten volume marked, watched for seven days, copied, then deleted"
        guard let mark = marked.first, let copy = snapshots.first, let end = deleted.first else {
            return Judge.Check(
                name: name, ok: false,
                detail: "\(volume): \(marked.count) marks, \(snapshots.count) snapshots, \(deleted.count) deletions")
        }
        let days = end.timeIntervalSince(mark) / 86_400
        let isOK =
            marked.count == 1 && snapshots.count == 1 && deleted.count == 1 && snapshotsLeft == 1 && !isThere && wasKept
            && snapshotsTooEarly == 0 && copy <= end && copy.timeIntervalSince(mark) >= Self.graceDays * 86_400
        return Judge.Check(
            name: name, ok: isOK,
            detail:
                "\(volume): one mark, one snapshot, one deletion \(Narrator.number(days)) days after the mark; moto "
                + "\(isThere ? "still has the volume" : "has the snapshot and no volume")")
    }
}

extension Life {
    /// A volume whose claim is gone: it is seen, and marked.
    func forgetVolume() async throws -> VolumeStory {
        narrator.heading("Things that are forgotten: a volume and an instance")
        let story = VolumeStory(volume: try await world.makeVolume(gibibytes: VolumeStory.gibibytes))
        let id = story.volume
        try await say(
            .volume,
            "a test is over; its disk \(id) (\(VolumeStory.gibibytes) GiB) stays behind, unused and paid"
        )
        try await cloudoptim(
            "policy", "set", DemoSettings.lifeCluster, "modes.volumes=apply", "modes.ghosts=apply", "--note",
            "what is forgotten may go")
        try await trigger("zombie-volumes", account)
        _ = try await until("the volume bears our mark") {
            try await world.volume(id)?.tags["cloudoptim:first-available"] != nil
        }
        try await say(
            .volume, "it is seen and marked with a tag: first found unused now. EBS itself does not tell since when")
        return story
    }

    /// The rest of its seven days: then a snapshot, then it goes.
    func followVolume(_ story: inout VolumeStory) async throws {
        narrator.heading("The volume's seven days")
        let id = story.volume
        for day in ["third", "fifth"] {
            try await jump(hours: 48, because: "the \(day) day after")
            _ = try await looked("zombie-volumes", account, after: try await now())
            story.snapshotsTooEarly += try await world.snapshots(of: id)
            story.wasKept = try await world.volume(id) != nil && story.wasKept
        }
        try await say(.volume, "every hour it is looked at again; any sign of life would have taken the mark off")
        try await jump(hours: 49, because: "the seven days are over")
        _ = try await until("a snapshot is made") { try await world.snapshots(of: id) == 1 }
        try await say(.volume, "still unused: a snapshot of all of it is made first")
        for _ in 0..<4 where try await world.volume(id) != nil {
            try await jump(hours: 1.1, because: "an hour later")
            _ = try await looked("zombie-volumes", account, after: try await now())
            _ = try await until("it is deleted", seconds: 8, isTold: false) { try await world.volume(id) == nil }
        }
        story.marked = try await world.times(of: "CreateTags", about: id)
        story.snapshots = try await world.times(of: "CreateSnapshot", about: id)
        story.deleted = try await world.times(of: "DeleteVolume", about: id)
        story.snapshotsLeft = try await world.snapshots(of: id)
        story.isThere = try await world.volume(id) != nil
        if !story.isThere {
            try await say(
                .volume, "the snapshot is whole, the volume deleted; who misses it makes it anew")
        }
    }
}
