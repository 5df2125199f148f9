import Foundation
import Infrastructure

/// The borders of a histogram whose buckets grow by a constant factor, as the vertical pod autoscaler's do: bucket k
/// begins at `first * (growth^k - 1) / (growth - 1)`.
///
/// The width of bucket k is `first * growth^k`, which is `first + (growth - 1) * begin(k)`. So a quantile read as the end
/// of its bucket is never too low, and too high by at most `first + (growth - 1) * exact value`.
public struct UsageScale: Hashable, Sendable {
    /// The end of the first bucket.
    public let first: Double
    /// Each bucket is so many times as wide as the one before.
    public let growth: Double
    /// The number of buckets; what is beyond the last counts as in it.
    public let count: Int

    /// Makes a scale.
    public init(first: Double, growth: Double, count: Int) {
        self.first = first
        self.growth = growth
        self.count = count
    }

    /// Thousandths of a CPU: from 10 m, growing by 5 %, up to 1000 CPUs. Source: the vertical pod autoscaler.
    public static let milliCPU = UsageScale(first: 10, growth: 1.05, count: 176)

    /// Where a bucket begins.
    public func begin(_ index: Int) -> Double { first * (pow(growth, Double(index)) - 1) / (growth - 1) }

    /// The bucket that a value belongs to.
    public func index(of value: Double) -> Int {
        guard value > 0, value.isFinite else { return 0 }
        let exact = log1p(value / first * (growth - 1)) / log(growth)
        var index = min(count - 1, max(0, Int(exact)))
        // The logarithm may round across a border.
        while index > 0, begin(index) > value { index -= 1 }
        while index < count - 1, begin(index + 1) <= value { index += 1 }
        return index
    }

    /// How much too high a quantile may be read whose exact value is `value`.
    public func errorMax(at value: Double) -> Double { first + (growth - 1) * value }
}

extension UsageHistogram {
    /// Adds one sample.
    public mutating func add(_ value: Double, scale: UsageScale) { add(bucket: scale.index(of: value)) }

    /// The value that a share of the samples does not exceed (nearest rank), read as the end of its bucket: never too
    /// low within the scale, too high by at most `UsageScale.errorMax`. nil: no samples.
    public func quantile(_ share: Double, scale: UsageScale) -> Double? {
        let total = total
        guard total > 0 else { return nil }
        let rank = min(total, max(1, Int((share * Double(total)).rounded(.up))))
        var seen = 0
        for (index, count) in counts.enumerated() {
            seen += count
            if seen >= rank { return scale.begin(index + 1) }
        }
        return nil
    }
}
