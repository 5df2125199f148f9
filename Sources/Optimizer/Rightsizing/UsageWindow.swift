import Foundation
import Infrastructure

/// What one container of a workload used within a window of whole days: the histograms of the days are kept apart, so
/// that the window is exact and old days drop out.
public struct UsageWindow: Hashable, Sendable, Codable {
    /// All samples of CPU.
    public var cpu = UsageHistogram()
    /// The most memory that any pod used.
    public var memoryMax: Bytes = 0
    /// Samples of CPU.
    public var samples = 0
    /// Seconds from the first sample of the window to now.
    public var age: TimeInterval = 0
    /// The share of the minutes since its first sample in which the cluster was sampled, 0 to 1: gaps of ours, not hours in
    /// which the workload slept.
    public var coverage = 0.0

    /// Sums up the days of a window that ends now.
    /// - Parameters:
    ///   - days: any days, in any order; each at most once.
    ///   - sampled: minutes in which the cluster was sampled, by day.
    ///   - length: how many days of UTC count, today included.
    public init(_ days: [UsageDay], sampled: [Int: Int], length: Int, now: Date) {
        let today = Int((now.timeIntervalSince1970 / 86_400).rounded(.down))
        var first: Date?
        for day in days where day.day <= today && day.day > today - length {
            cpu.merge(day.cpu)
            memoryMax = max(memoryMax, day.memoryMax)
            first = min(first ?? day.firstAt, day.firstAt)
        }
        samples = cpu.total
        guard let first else { return }
        age = max(0, now.timeIntervalSince(first))
        var expected = 0
        var found = 0
        for day in max(today - length + 1, Int((first.timeIntervalSince1970 / 86_400).rounded(.down)))...today {
            let start = max(first.timeIntervalSince1970, Double(day) * 86_400)
            let end = min(now.timeIntervalSince1970, Double(day + 1) * 86_400)
            let minutes = max(0, Int((end - start) / 60))
            expected += minutes
            found += min(minutes, sampled[day] ?? 0)
        }
        coverage = expected == 0 ? 0 : Double(found) / Double(expected)
    }
}

/// What bounds a container's size from outside: limit ranges, quotas, the largest node.
public struct SizeBounds: Hashable, Sendable, Codable {
    /// The least CPU.
    public var cpuMin: MilliCPU = 0
    /// The most CPU; nil: unbounded.
    public var cpuMax: MilliCPU?
    /// The least memory.
    public var memoryMin: Bytes = 0
    /// The most memory; nil: unbounded.
    public var memoryMax: Bytes?

    /// No bounds.
    public init() {}

    /// The tighter of both at each end.
    public func intersection(_ other: SizeBounds) -> SizeBounds {
        var result = SizeBounds()
        result.cpuMin = max(cpuMin, other.cpuMin)
        result.memoryMin = max(memoryMin, other.memoryMin)
        result.cpuMax = [cpuMax, other.cpuMax].compactMap { $0 }.min()
        result.memoryMax = [memoryMax, other.memoryMax].compactMap { $0 }.min()
        return result
    }
}
