import Foundation

/// A container that was killed for its memory, once.
public struct MemoryKill: Hashable, Sendable, Codable {
    /// The pod's UID, the container's name and the time it was killed: the identity of the kill.
    public var key: String
    /// When it was killed.
    public var at: Date
    /// Seconds from the container's start to the kill; nil: not told.
    public var lifetime: TimeInterval?

    /// Takes a kill as it was kept.
    public init(key: String, at: Date, lifetime: TimeInterval?) {
        self.key = key
        self.at = at
        self.lifetime = lifetime
    }

    /// Names a kill.
    public init(podUID: String, container: String, at: Date, startedAt: Date? = nil) {
        key = "\(podUID)/\(container)/\(Int64(at.timeIntervalSince1970))"
        self.at = at
        lifetime = startedAt.map { max(0, at.timeIntervalSince($0)) }
    }
}

/// A raise that was made, or asked for and withheld.
public struct MemoryRaiseRecord: Hashable, Sendable, Codable {
    /// The kill that led to it.
    public var kill: MemoryKill
    /// When it was made.
    public var at: Date
    /// The limit before; nil: none was set.
    public var limitBefore: Bytes?
    /// The limit after.
    public var limitAfter: Bytes?
    /// The request before; nil: none was set.
    public var requestBefore: Bytes?
    /// The request after.
    public var requestAfter: Bytes

    /// Records a raise.
    public init(
        kill: MemoryKill, at: Date, limitBefore: Bytes?, limitAfter: Bytes?, requestBefore: Bytes?, requestAfter: Bytes
    ) {
        self.kill = kill
        self.at = at
        self.limitBefore = limitBefore
        self.limitAfter = limitAfter
        self.requestBefore = requestBefore
        self.requestAfter = requestAfter
    }
}

/// A raise of one container of one owner, as the ledger keeps it.
public struct MemoryRaiseFact: Hashable, Sendable, Codable {
    /// The cluster.
    public var cluster: ClusterID
    /// The container.
    public var key: ContainerKey
    /// What was raised, and why.
    public var record: MemoryRaiseRecord

    /// Makes one.
    public init(cluster: ClusterID, key: ContainerKey, record: MemoryRaiseRecord) {
        self.cluster = cluster
        self.key = key
        self.record = record
    }
}

/// Raises of memory that were made.
public protocol MemoryRaises: Sendable {
    /// Those of a cluster, oldest first, as far as they are kept.
    func raises(in cluster: ClusterID) async throws -> [MemoryRaiseFact]
}
