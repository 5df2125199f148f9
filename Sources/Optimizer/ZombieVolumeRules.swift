import Foundation
import Infrastructure

/// Volumes that nothing uses: seen, marked, given a grace, copied into a snapshot, deleted. Pure: one look in, one step
/// out; days pass between two looks, and nothing but the volume's tag and its row is remembered.
///
/// EBS tells no time of detachment, so the grace runs from the mark that we set when we first found the volume unused
/// (domain-rules section 7). Every doubt keeps the volume.
public enum ZombieVolumeRules {
    /// Hours in a month of an AWS bill.
    static let monthHours = 730.0
    /// A snapshot that none can see any more is asked for again after so many seconds.
    static let snapshotPatience: TimeInterval = 86_400

    /// One volume, as one scan found it.
    public struct Look: Hashable, Sendable, Codable {
        /// The volume.
        public var volume: Volume
        /// Whose it is.
        public var owner: VolumeOwner
        /// What uses it besides an attachment, in words; nil: nothing that could be listed.
        public var use: String?
        /// Snapshots of it that bear our tag.
        public var snapshots: [VolumeSnapshot]
        /// What was kept of it; nil: nothing.
        public var sighting: VolumeSighting?
        /// What the owner's policy says; the defaults where nobody owns it.
        public var policy: ClusterPolicy

        /// Makes a look.
        public init(
            volume: Volume, owner: VolumeOwner, use: String? = nil, snapshots: [VolumeSnapshot] = [],
            sighting: VolumeSighting? = nil, policy: ClusterPolicy = ClusterPolicy()
        ) {
            self.volume = volume
            self.owner = owner
            self.use = use
            self.snapshots = snapshots
            self.sighting = sighting
            self.policy = policy
        }
    }

    /// What is done about a volume now.
    public enum Step: Hashable, Sendable, Codable {
        /// Nothing.
        case wait
        /// Our mark is taken off.
        case unmark
        /// It is marked with this date.
        case mark(Date)
        /// A snapshot is begun under this effect key.
        case snapshot(key: String)
        /// It is deleted.
        case delete(snapshot: String)
    }

    /// A look's outcome.
    public struct Verdict: Hashable, Sendable, Codable {
        /// What is done.
        public var step: Step
        /// What is kept.
        public var sighting: VolumeSighting
    }

    /// Decides about one volume.
    /// - Parameters:
    ///   - gap: why what the account's clusters use could not be listed completely; nil: it could.
    ///   - now: world time.
    public static func verdict(_ look: Look, of account: AccountTarget, gap: String?, now: Date) -> Verdict {
        let volume = look.volume
        var row =
            look.sighting ?? VolumeSighting(account: account, volume: volume.id, stage: .seen, reason: "", seenAt: now)
        row.size = volume.size
        row.savingPerHour = saving(look)
        row.seenAt = now
        row.cluster = if case .registered(let id) = look.owner { id } else { nil }
        let isTagged = volume.tags[VolumeTag.mark] != nil

        func end(_ stage: VolumeStage, _ reason: String, _ step: Step) -> Verdict {
            row.stage = stage
            row.reason = reason
            return Verdict(step: step, sighting: row)
        }
        if let sign = signOfLife(look) {
            row.unusedSince = nil
            row.markedAt = nil
            row.usedAt = now
            return end(.used, sign, isTagged ? .unmark : .wait)
        }
        if let gap { return end(row.stage, "left as it is: \(gap)", .wait) }
        row.unusedSince = row.unusedSince ?? now
        if let reason = reasonToKeep(look) {
            row.markedAt = nil
            return end(.kept, reason, isTagged ? .unmark : .wait)
        }
        guard let mark = mark(look) else {
            let date = ZombieVolumeRules.wholeSecond(now)
            return end(
                .seen, "unused since \(ZombieVolumeRules.text(row.unusedSince ?? now)); to be marked", .mark(date))
        }
        row.markedAt = mark
        guard volume.tags[VolumeTag.mark] == ZombieVolumeRules.text(mark) else {
            return end(.seen, "its mark is lost or older than ours; to be set again", .mark(mark))
        }
        let due = mark.addingTimeInterval(look.policy.volumes.grace.interval)
        guard now >= due else { return end(.marked, "its grace runs until \(ZombieVolumeRules.text(due))", .wait) }
        let prefix = snapshotKey(volume.id, mark)
        let copies = look.snapshots.filter {
            $0.volume == volume.id && ($0.tags[VolumeTag.effect] ?? "").hasPrefix(prefix)
        }
        if let copy = copies.first(where: \.isCompleted) {
            return end(.deletable, "its grace is over and \(copy.id) holds all of it", .delete(snapshot: copy.id))
        }
        if let copy = copies.first(where: { $0.state != "error" }) {
            return end(.snapshotting, "its snapshot \(copy.id) is \(copy.state)", .wait)
        }
        // A new key each day: one whose snapshot failed, or was deleted by somebody, is not asked for again.
        let day = Int(now.timeIntervalSince(due) / snapshotPatience)
        return end(.snapshotting, "its grace is over; a snapshot is begun", .snapshot(key: "\(prefix)/\(day)"))
    }

    /// Decides about all volumes of an account. Where a limit of the owner's policy is reached, the volumes marked last
    /// wait for the next scan; the first deletion of a scan is of any size.
    public static func verdicts(
        _ looks: [Look], of account: AccountTarget, gap: String?, now: Date
    ) -> [Verdict] {
        struct Spent {
            var snapshots = 0
            var deletions = 0
            var bytes = Bytes.zero
        }
        var spent: [ClusterID?: Spent] = [:]
        let all = looks.map { ($0, verdict($0, of: account, gap: gap, now: now)) }.sorted {
            ($0.1.sighting.markedAt ?? .distantFuture, $0.0.volume.id)
                < ($1.1.sighting.markedAt ?? .distantFuture, $1.0.volume.id)
        }
        return all.map { look, verdict in
            var verdict = verdict
            let limits = look.policy.volumes
            var sum = spent[verdict.sighting.cluster] ?? Spent()
            switch verdict.step {
            case .snapshot where sum.snapshots >= limits.deletionsPerRunMax:
                verdict.step = .wait
                verdict.sighting.reason = "its grace is over; the scan's limit is reached"
            case .snapshot: sum.snapshots += 1
            case .delete:
                let bytes = sum.bytes + verdict.sighting.size
                let most = Bytes.mebibytes(Int64(limits.gibibytesPerRunMax) * 1024)
                if sum.deletions >= limits.deletionsPerRunMax || sum.deletions > 0 && bytes > most {
                    verdict.step = .wait
                    verdict.sighting.reason = "to be deleted; the scan's limit is reached"
                } else {
                    sum.deletions += 1
                    sum.bytes = bytes
                }
            case .wait, .unmark, .mark: break
            }
            spent[verdict.sighting.cluster] = sum
            return verdict
        }
    }

    /// Whether anything uses the volume or is about to.
    private static func signOfLife(_ look: Look) -> String? {
        let volume = look.volume
        if let instance = volume.attachments.first { return "attached to \(instance)" }
        if volume.state != "available" { return "its state is '\(volume.state)'" }
        return look.use.map { "used by \($0)" }
    }

    private static func reasonToKeep(_ look: Look) -> String? {
        let tags = look.volume.tags
        let prefixes = look.policy.volumes.excludedTagPrefixes
        if let tag = tags.keys.sorted().first(where: { tag in prefixes.contains { tag.hasPrefix($0) } }) {
            return "the tag '\(tag)' keeps it"
        }
        if let reason = look.policy.protected.reason(tags: tags) { return reason }
        if look.volume.isMultiAttach { return "several instances may use it at once" }
        if look.volume.isFastRestored { return "it was made by a fast snapshot restore" }
        switch look.owner {
        case .registered: break
        case .stranger(let name): return "it belongs to the cluster '\(name)', which is not registered here"
        case .unknown: return "no tag tells which cluster it belongs to"
        }
        if saving(look) <= .zero { return "its snapshot would cost as much as the volume" }
        return nil
    }

    /// The date of the mark in force: of the tag and the row the later one, and neither if the volume was found in use,
    /// or made, after it.
    private static func mark(_ look: Look) -> Date? {
        let tag = look.volume.tags[VolumeTag.mark].flatMap(ZombieVolumeRules.date)
        let floor = max(look.sighting?.usedAt ?? .distantPast, look.volume.createdAt ?? .distantPast)
        return [tag, look.sighting?.markedAt].compactMap { $0 }.filter { $0 > floor }.max()
    }

    /// What deleting the volume saves per hour: its price less that of a snapshot of all of it, which is the most that a
    /// snapshot costs.
    private static func saving(_ look: Look) -> MicroDollars {
        let costs = look.policy.costs
        let gibibytes = Double(look.volume.size.rawValue) / Double(1 << 30)
        return .dollars(
            (costs.dollarsPerGibibyteMonth - costs.dollarsPerSnapshotGibibyteMonth) * gibibytes / monthHours)
    }

    // MARK: Names

    /// How the effect keys of its snapshots begin.
    public static func snapshotKey(_ volume: String, _ mark: Date) -> String { "snapshot/\(volume)/\(text(mark))" }

    /// A date as the tag holds it.
    public static func text(_ date: Date) -> String { date.formatted(.iso8601) }

    /// Reads the tag; nil: it is no date.
    public static func date(_ text: String) -> Date? {
        // Whatever else stands there is not our mark.
        try? Date(text, strategy: .iso8601)
    }

    /// The next whole second: a mark is never earlier than its scan.
    public static func wholeSecond(_ date: Date) -> Date {
        Date(timeIntervalSince1970: date.timeIntervalSince1970.rounded(.up))
    }
}
