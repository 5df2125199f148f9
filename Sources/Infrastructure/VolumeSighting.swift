import Foundation

/// Where a volume stands on its way from use to deletion.
public enum VolumeStage: String, Hashable, Sendable, Codable, CaseIterable {
    /// Something uses it, or may use it.
    case used
    /// Nothing uses it, and it may not be deleted: whose it is is not known, or a tag keeps it.
    case kept
    /// Found unused; it does not bear our mark yet.
    case seen
    /// It bears our mark and its grace runs.
    case marked
    /// Its grace is over; a snapshot of it is being made.
    case snapshotting
    /// Its snapshot is complete; it is deleted next.
    case deletable
}

/// What is kept about a volume between two scans. The mark itself is a tag on the volume; this row survives its loss.
public struct VolumeSighting: Hashable, Sendable, Codable {
    /// The account it is in.
    public var account: AccountTarget
    /// The volume's id.
    public var volume: String
    /// The cluster that owns it, by its tags; nil: none that is registered.
    public var cluster: ClusterID?
    /// Since when every scan found it unused; nil: the last one did not.
    public var unusedSince: Date?
    /// The date of our mark, as a scan read it on the volume; nil: none was read since it was last used.
    public var markedAt: Date?
    /// When a scan last found it used; nil: none did.
    public var usedAt: Date?
    /// Where it stands.
    public var stage: VolumeStage
    /// Why it stands there, one sentence for people.
    public var reason: String
    /// Its size.
    public var size: Bytes
    /// What deleting it would save per hour, its snapshot's storage taken off.
    public var savingPerHour: MicroDollars
    /// When it was last looked at.
    public var seenAt: Date

    /// Makes a row.
    public init(
        account: AccountTarget, volume: String, cluster: ClusterID? = nil, unusedSince: Date? = nil,
        markedAt: Date? = nil, usedAt: Date? = nil, stage: VolumeStage, reason: String, size: Bytes = .zero,
        savingPerHour: MicroDollars = .zero, seenAt: Date
    ) {
        self.account = account
        self.volume = volume
        self.cluster = cluster
        self.unusedSince = unusedSince
        self.markedAt = markedAt
        self.usedAt = usedAt
        self.stage = stage
        self.reason = reason
        self.size = size
        self.savingPerHour = savingPerHour
        self.seenAt = seenAt
    }
}

/// That a volume is not there any more.
public struct VolumeGone: Hashable, Sendable, Codable {
    /// The account it was in.
    public var account: AccountTarget
    /// The volume's id.
    public var volume: String

    /// Names it.
    public init(account: AccountTarget, volume: String) {
        self.account = account
        self.volume = volume
    }
}
