import Foundation

/// An EBS volume: an allow-list of fields.
public struct Volume: Hashable, Sendable, Codable {
    /// The id: `vol-…`.
    public var id: String
    /// `available`, `in-use`, `creating`, `deleting`, `deleted`, `error`.
    public var state: String
    /// The size.
    public var size: Bytes
    /// The zone's name.
    public var zone: String
    /// Tags.
    public var tags: [String: String]
    /// Instances it is attached to, or being attached to or detached from.
    public var attachments: [InstanceID]
    /// `gp3`, `io2`, …; empty: not told.
    public var type: String
    /// When it was made; nil: not told.
    public var createdAt: Date?
    /// Whether several instances may use it at once.
    public var isMultiAttach: Bool
    /// Whether it was made by a fast snapshot restore.
    public var isFastRestored: Bool

    /// Makes a volume.
    public init(
        id: String, state: String, size: Bytes, zone: String, tags: [String: String] = [:],
        attachments: [InstanceID] = [], type: String = "", createdAt: Date? = nil, isMultiAttach: Bool = false,
        isFastRestored: Bool = false
    ) {
        self.id = id
        self.state = state
        self.size = size
        self.zone = zone
        self.tags = tags
        self.attachments = attachments
        self.type = type
        self.createdAt = createdAt
        self.isMultiAttach = isMultiAttach
        self.isFastRestored = isFastRestored
    }
}

/// A snapshot of an EBS volume.
public struct VolumeSnapshot: Hashable, Sendable, Codable {
    /// The id: `snap-…`.
    public var id: String
    /// The volume it was made of.
    public var volume: String
    /// `pending`, `completed`, `error`, `recoverable`, `recovering`.
    public var state: String
    /// Tags.
    public var tags: [String: String]

    /// Makes a snapshot.
    public init(id: String, volume: String, state: String, tags: [String: String] = [:]) {
        self.id = id
        self.volume = volume
        self.state = state
        self.tags = tags
    }

    /// Whether all of it can be restored.
    public var isCompleted: Bool { state == "completed" }
}

/// The tags that CloudOptim sets on volumes and their snapshots.
public enum VolumeTag {
    /// On a volume that nothing uses: the date from which its grace runs, RFC 3339 in whole seconds.
    public static let mark = "cloudoptim:first-available"
    /// The job that set the mark, or made the snapshot.
    public static let job = "cloudoptim:job"
    /// On a snapshot: the effect that made it.
    public static let effect = "cloudoptim:effect"
}
