import Foundation

/// How often a container used how much, in buckets whose borders its reader knows. Adding is exact and in any order; only
/// reading rounds.
public struct UsageHistogram: Hashable, Sendable, Codable {
    /// Samples by bucket; the last is not 0.
    public private(set) var counts: [Int]

    /// Takes counts.
    public init(counts: [Int] = []) {
        self.counts = counts
        while self.counts.last == 0 { self.counts.removeLast() }
    }

    /// The number of samples.
    public var total: Int { counts.reduce(0, +) }

    /// Adds one sample to a bucket.
    public mutating func add(bucket: Int) {
        if counts.count <= bucket { counts += Array(repeating: 0, count: bucket + 1 - counts.count) }
        counts[bucket] += 1
    }

    /// Adds all samples of another.
    public mutating func merge(_ other: UsageHistogram) {
        if counts.count < other.counts.count {
            counts += Array(repeating: 0, count: other.counts.count - counts.count)
        }
        for (index, count) in other.counts.enumerated() { counts[index] += count }
    }
}

/// A container of a workload, all its pods together: what usage is kept by.
public struct ContainerKey: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    /// Namespace.
    public var namespace: String
    /// `Deployment`, `StatefulSet`, …: the owner that people write.
    public var kind: String
    /// Its name.
    public var workload: String
    /// The container's name.
    public var container: String

    /// Names one.
    public init(namespace: String, kind: String, workload: String, container: String) {
        self.namespace = namespace
        self.kind = kind
        self.workload = workload
        self.container = container
    }

    /// The row that counts the minutes in which the cluster itself was sampled.
    public static let sampler = ContainerKey(namespace: "", kind: "Cluster", workload: "", container: "")

    /// `namespace/kind/workload/container`.
    public var description: String { "\(namespace)/\(kind)/\(workload)/\(container)" }
    /// Orders by the text.
    public static func < (left: ContainerKey, right: ContainerKey) -> Bool { left.description < right.description }
}

/// What one container of a workload used on one day of UTC; as a fact: what is added to it.
public struct UsageDay: Hashable, Sendable, Codable {
    /// Days since 1970-01-01.
    public var day: Int
    /// CPU, in buckets.
    public var cpu: UsageHistogram
    /// The most memory that any pod used.
    public var memoryMax: Bytes
    /// Minutes in which at least one sample was taken.
    public var minutes: Int
    /// The first sample's time.
    public var firstAt: Date
    /// The newest sample's time: what is not newer is not added again.
    public var lastAt: Date

    /// Makes a day.
    public init(day: Int, cpu: UsageHistogram, memoryMax: Bytes, minutes: Int, firstAt: Date, lastAt: Date) {
        self.day = day
        self.cpu = cpu
        self.memoryMax = memoryMax
        self.minutes = minutes
        self.firstAt = firstAt
        self.lastAt = lastAt
    }
}

/// Samples of one minute to be added to a container's day. A repeat adds nothing: `usage.firstAt` must be later than what
/// is there.
public struct UsageFact: Hashable, Sendable, Codable {
    /// The cluster.
    public var cluster: ClusterID
    /// The container.
    public var key: ContainerKey
    /// What is added.
    public var usage: UsageDay

    /// Makes one.
    public init(cluster: ClusterID, key: ContainerKey, usage: UsageDay) {
        self.cluster = cluster
        self.key = key
        self.usage = usage
    }
}

/// What containers used.
public protocol UsageHistory: Sendable {
    /// The newest sample of each container of a cluster since a day.
    func lastSamples(in cluster: ClusterID, sinceDay day: Int) async throws -> [ContainerKey: Date]
    /// The days of each container of a cluster since a day, `ContainerKey.sampler` included.
    func usage(in cluster: ClusterID, sinceDay day: Int) async throws -> [ContainerKey: [UsageDay]]
}
