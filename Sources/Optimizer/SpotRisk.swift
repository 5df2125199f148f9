import Foundation
import Infrastructure

/// How risky a spot pool is: `0.60 P + 0.25 V + 0.10 G + 0.05 T`, each from 0 (good) to 1 (bad).
///
/// A ranking heuristic and no probability: price barely predicts interruptions since AWS smoothed spot prices.
/// Source: the specification's formula; the terms by domain-rules section 11.
public struct SpotRisk: Hashable, Sendable, Codable {
    /// How often the type is interrupted in its region: the Spot Advisor's range over 4; 1 when unknown.
    public var publicRate: Double
    /// How much the price moved in seven days; 0.5 with less than two days of prices.
    public var volatility: Double
    /// How near the spot price is to on demand; 0.5 when neither is known.
    public var gap: Double
    /// How lately this pool failed us.
    public var recency: Double
    /// The sum of the weights whose inputs were real, 0 to 1.
    public var confidence: Double

    /// The score, 0 to 1, higher is worse.
    public var score: Double { 0.60 * publicRate + 0.25 * volatility + 0.10 * gap + 0.05 * recency }

    /// Scores a pool.
    /// - Parameters:
    ///   - advice: of the Spot Advisor; nil: unknown.
    ///   - history: the pool's prices, oldest first, with the one in force when the seven days began.
    ///   - onDemand: the type's price on demand; nil: unknown.
    ///   - incidents: what the pool did to us.
    public init(
        advice: SpotAdvisor.Advice?, history: [SpotPrice], onDemand: MicroDollars?, incidents: [PoolIncident], now: Date
    ) {
        var confidence = 0.05
        if let advice {
            publicRate = Double(advice.range) / 4
            confidence += 0.60
        } else {
            publicRate = 1
        }
        if let variation = SpotRisk.variation(of: history, now: now) {
            volatility = min(1, variation / 0.10)
            confidence += 0.25
        } else {
            volatility = 0.5
        }
        if let price = history.last(where: { $0.since <= now })?.price, let onDemand, onDemand > .zero {
            gap = min(1, max(0, Double(price.rawValue) / Double(onDemand.rawValue)))
            confidence += 0.10
        } else if let advice {
            gap = min(1, max(0, 1 - Double(advice.savingPercent) / 100))
            confidence += 0.10
        } else {
            gap = 0.5
        }
        recency =
            incidents.map { incident in
                incident.kind.weight * exp(-max(0, now.timeIntervalSince(incident.at)) / (6 * 3600))
            }.max() ?? 0
        self.confidence = confidence
    }

    /// Takes the terms as they are.
    public init(publicRate: Double, volatility: Double, gap: Double, recency: Double, confidence: Double = 1) {
        self.publicRate = publicRate
        self.volatility = volatility
        self.gap = gap
        self.recency = recency
        self.confidence = confidence
    }

    /// The time-weighted coefficient of variation over the last seven days: prices change at irregular times, so each
    /// weighs the seconds it was in force. nil: less than two days are covered.
    static func variation(of history: [SpotPrice], now: Date) -> Double? {
        let start = now.addingTimeInterval(-7 * 86_400)
        var covered = 0.0
        var sum = 0.0
        var squares = 0.0
        for (index, step) in history.enumerated() {
            let from = max(step.since, start)
            let to = min(index + 1 < history.count ? history[index + 1].since : now, now)
            let seconds = to.timeIntervalSince(from)
            guard seconds > 0 else { continue }
            let price = Double(step.price.rawValue)
            covered += seconds
            sum += seconds * price
            squares += seconds * price * price
        }
        guard covered >= 2 * 86_400, sum > 0 else { return nil }
        let mean = sum / covered
        return max(0, squares / covered - mean * mean).squareRoot() / mean
    }
}

extension PoolIncident.Kind {
    /// How much it counts in T.
    var weight: Double {
        switch self {
        case .interruption: 1.0
        case .noCapacity: 0.8
        case .rebalance: 0.5
        }
    }
}

extension SpotRisk {
    /// The score term by term, for people.
    /// - Parameters:
    ///   - advice: what P was made from.
    ///   - hasPrice: whether G was made from a spot price.
    ///   - isOwnRegion: whether the on-demand price is the region's own; nil: it is unknown.
    public func explanation(advice: SpotAdvice?, hasPrice: Bool, isOwnRegion: Bool?) -> String {
        let ranges = ["below 5 %", "5-10 %", "10-15 %", "15-20 %", "above 20 %"]
        let rate = advice.map { "interrupted \(ranges[min(4, max(0, $0.range))])" } ?? "interruption rate unknown"
        let moved =
            volatility == 0.5 && confidence < 0.99 ? "price history short" : "price moved \(percent(volatility * 0.10))"
        let price =
            hasPrice
            ? "spot at \(percent(gap)) of on demand\(isOwnRegion == false ? " of us-east-1" : "")"
            : advice == nil ? "price unknown" : "saving by the Spot Advisor"
        let lately = recency > 0.001 ? "failed us lately" : "no incident of ours"
        return "\(rate); \(moved); \(price); \(lately)"
    }

    private func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }
}
