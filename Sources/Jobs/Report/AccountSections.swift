import Foundation
import Infrastructure
import Optimizer

/// What the account holds that no cluster uses. One look: nothing is done before later looks agree and a grace is over.
extension ReportSections {
    /// How sure one look is: a second must agree before anything is touched.
    private static let oneLook = 0.5

    /// Volumes of the cluster that nothing uses.
    static func zombieVolumes(_ question: ReportQuestion) -> ReportSection {
        let snapshot = question.snapshot
        let grace = question.policy.volumes.grace
        guard let volumes = snapshot.volumes else {
            return ReportSection(
                "zombie-volumes", title: "Zombie volumes", summary: "The AWS account could not be read.",
                savingPerHour: .zero, confidence: 0)
        }
        let missing = snapshot.objects.incomplete(VolumeUses.lists)
        let uses = VolumeUses(snapshot.objects)
        let looks = volumes.map { volume in
            ZombieVolumeRules.Look(
                volume: volume,
                owner: VolumeOwner.of(volume.tags, clusters: [snapshot.cluster.name: snapshot.cluster.id]),
                use: uses.use(of: volume), policy: question.policy)
        }
        let verdicts = looks.map {
            ZombieVolumeRules.verdict($0, of: .replay(snapshot), gap: nil, now: snapshot.capturedAt).sighting
        }
        let zombies = verdicts.filter { $0.stage != .used && $0.stage != .kept }.sorted {
            ($1.savingPerHour, $0.volume) < ($0.savingPerHour, $1.volume)
        }
        var notes = [
            "Their grace of \(grace) runs from the tag that the job zombie-volumes sets; EBS tells no time of detachment."
        ]
        let kept = verdicts.filter { $0.stage == .kept }.count
        if kept > 0 {
            notes.append("\(kept) more are attached to nothing and stay: their tags, or no known cluster, keep them")
        }
        if !missing.isEmpty {
            notes.append(
                "the lists of \(missing.map(\.rawValue).joined(separator: ", ")) are not whole: some may be in use")
        }
        let saving = zombies.map(\.savingPerHour).reduce(.zero, +)
        return ReportSection(
            "zombie-volumes", title: "Zombie volumes",
            summary:
                "\(zombies.count) of \(volumes.count) unattached volumes belong to this cluster and nothing in it uses them.",
            savingPerHour: saving, confidence: missing.isEmpty ? oneLook : 0,
            columns: ["volume", "GiB", "$/month less", "state"],
            rows: zombies.map { row in
                [row.volume, "\(row.size.rawValue >> 30)", Money.monthly(row.savingPerHour), row.reason]
            }, notes: notes)
    }

    /// Instances that bear the cluster's tags and are none of its nodes.
    static func ghosts(_ question: ReportQuestion) -> ReportSection {
        let snapshot = question.snapshot
        guard snapshot.instances != nil else {
            return ReportSection(
                "ghosts", title: "Ghost instances", summary: "The AWS account could not be read.",
                savingPerHour: .zero, confidence: 0)
        }
        let outcome = GhostRules.outcome(.replay(snapshot, question.policy))
        let ghosts = outcome.verdicts.map(\.sighting).filter(\.ghostClass.mayEnd).sorted {
            ($1.perHour, $0.instance) < ($0.perHour, $1.instance)
        }
        var notes = [
            "\(question.policy.ghosts.scansMin) scans must agree, and a grace of \(question.policy.ghosts.grace) runs from the first."
        ]
        if let stopped = outcome.stopped { notes.append("nothing is counted: \(stopped)") }
        return ReportSection(
            "ghosts", title: "Ghost instances",
            summary: "\(ghosts.count) running instances bear this cluster's tags and are none of its nodes.",
            savingPerHour: ghosts.map(\.perHour).reduce(.zero, +), confidence: outcome.stopped == nil ? oneLook : 0,
            columns: ["instance", "type", "class", "$/month less", "state"],
            rows: ghosts.map { row in
                [row.instance.rawValue, row.type, row.ghostClass.rawValue, Money.monthly(row.perHour), row.reason]
            }, notes: notes)
    }
}
