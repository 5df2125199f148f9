import Infrastructure

/// How the risk scores of the past compare with what happened. The score is a ranking heuristic and no probability; taken
/// as one all the same, its Brier score says how far off it was, and a later model how much better it is.
///
/// Source: domain-rules section 11; Brier, Verification of forecasts expressed in terms of probability, 1950.
public struct RiskCalibration: Hashable, Sendable, Codable {
    /// Predictions of about the same score.
    public struct Band: Hashable, Sendable, Codable {
        /// From this score on.
        public var from: Double
        /// To below this score; the last band holds 1 as well.
        public var to: Double
        /// How many.
        public var predictions: Int
        /// How many of their pools were interrupted.
        public var interrupted: Int
        /// The mean score.
        public var meanScore: Double

        /// The share that was interrupted, 0 to 1.
        public var rate: Double { predictions > 0 ? Double(interrupted) / Double(predictions) : 0 }
    }

    /// Bands of the score.
    public static let bandCount = 5

    /// How many predictions' time is over.
    public let predictions: Int
    /// The share that was interrupted, 0 to 1.
    public let baseRate: Double
    /// The mean of (score - what happened) squared, 0 (right every time) to 1.
    public let brier: Double
    /// The same for one who had said the base rate every time: what a useful prediction must be below.
    public let brierOfBaseRate: Double
    /// How often, of a pool that was interrupted and one that was not, the former had the higher score; equal ones count
    /// half. 0.5 is chance; nil: all or none were interrupted.
    public let ranking: Double?
    /// The bands that have predictions, from low to high.
    public let bands: [Band]

    /// Compares.
    public init(_ outcomes: [RiskOutcome]) {
        predictions = outcomes.count
        let hits = outcomes.filter(\.wasInterrupted)
        let count = Double(max(1, outcomes.count))
        let rate = Double(hits.count) / count
        baseRate = rate
        let squares = outcomes.map { outcome in
            let error = outcome.score - (outcome.wasInterrupted ? 1 : 0)
            return error * error
        }
        brier = squares.reduce(0, +) / count
        brierOfBaseRate = rate * (1 - rate)
        ranking = RiskCalibration.ranking(outcomes)
        let bandCount = RiskCalibration.bandCount
        let grouped = Dictionary(grouping: outcomes) { min(bandCount - 1, Int($0.score * Double(bandCount))) }
        bands = grouped.sorted { $0.key < $1.key }.map { number, members in
            Band(
                from: Double(number) / Double(bandCount), to: Double(number + 1) / Double(bandCount),
                predictions: members.count, interrupted: members.count { $0.wasInterrupted },
                meanScore: members.reduce(0) { $0 + $1.score } / Double(members.count))
        }
    }

    /// The area under the receiver's curve, by ranks (Mann-Whitney).
    private static func ranking(_ outcomes: [RiskOutcome]) -> Double? {
        let hits = outcomes.count { $0.wasInterrupted }
        guard hits > 0, hits < outcomes.count else { return nil }
        let sorted = outcomes.sorted { $0.score < $1.score }
        var sum = 0.0
        var start = 0
        while start < sorted.count {
            var end = start
            while end < sorted.count, sorted[end].score == sorted[start].score { end += 1 }
            // Ranks from 1; equal scores have the mean of theirs.
            sum += Double(sorted[start..<end].count { $0.wasInterrupted }) * Double(start + 1 + end) / 2
            start = end
        }
        return (sum - Double(hits * (hits + 1)) / 2) / Double(hits * (outcomes.count - hits))
    }
}
