import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `measure-savings`: measures what a cluster's savings brought on the last whole days. A day that is measured again
/// replaces what was measured before. It also keeps what the risk score says of the spot pools in use, so that what
/// happens can be compared with it.
public struct MeasureSavings: Job {
    /// The kind's name.
    public static let kind: JobKind = "measure-savings"

    /// What a request may say.
    public struct Parameters: Codable, Sendable {
        var days: Int?
        var horizon_days: Int?
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var region: String
        var account: String
        var savings: [SavingFact]
        var lives: [NodeLife]
        var prices: [SpotPrice]
        var onDemand: [String: MicroDollars]
        var advice: [String: SpotAdvice]
        var incidents: [PoolIncident]
    }

    /// A node that was seen so lately is there, in seconds.
    static let presentSeconds: Double = 3600

    private let parameters: Parameters
    private var days: Int { max(1, min(30, parameters.days ?? 3)) }
    private var horizon: TimeSpan { .days(Int64(max(1, parameters.horizon_days ?? 30))) }

    /// Makes the job of one request.
    public init(_ parameters: Parameters) { self.parameters = parameters }

    /// Reads savings, node lives and prices over the horizon.
    public func observe(_ context: JobContext) async throws -> Observation {
        let registration = try await context.registration()
        let start = context.now - horizon.interval - Double(days + 1) * 86_400
        let savings = try await context.sources.savings.savings(of: registration.id, since: start)
        let lives = try await context.sources.savings.lives(of: registration.id, since: start)
        let subjects = Set(savings.filter { $0.form == .cheaper || $0.form == .asleep }.map(\.subject))
        let counted = lives.filter { life in
            subjects.contains(life.instance.rawValue) || MeasureSavings.isPresentSpot(life, context.now)
        }
        let types = Set(counted.compactMap(\.type)).sorted()
        var seen = Observation(
            now: context.now, region: registration.region, account: registration.account, savings: savings,
            lives: lives, prices: [], onDemand: [:], advice: [:], incidents: [])
        if types.isEmpty { return seen }
        let prices = context.sources.prices
        seen.prices = try await prices.spot(
            account: registration.account, region: registration.region, types: types,
            since: context.now - max(Double(days + 1) * 86_400, PoolBook.priceSpan.interval))
        seen.onDemand = try await prices.onDemand(region: registration.region, types: types)
        seen.advice = try await prices.advice(region: registration.region)
        seen.incidents = try await prices.incidents(
            account: registration.account, region: registration.region,
            since: context.now - PoolBook.incidentSpan.interval)
        return seen
    }

    /// Measures the last whole days.
    public func decide(_ observation: Observation) throws -> Decision {
        let measure = SavingsMeasure(
            savings: observation.savings, lives: observation.lives, prices: observation.prices,
            region: observation.region, horizon: horizon)
        let today = Int((observation.now.timeIntervalSince1970 / 86_400).rounded(.down))
        let facts = (today - days..<today).flatMap { measure.measured(on: LocalDay(number: $0)) }
        let predictions = predictions(observation, today: today)
        let sum = facts.map(\.amount).reduce(.zero, +)
        return Decision(
            facts: facts.map(Fact.savingDay) + predictions.map(Fact.riskPrediction),
            result: JSONText(
                text: JSONValue.object([
                    "rows": .number("\(facts.count)"), "dollars": .number("\(sum.dollars)"),
                    "formula": .string(SavingsMeasure.formula),
                ]).canonical), isEmpty: facts.isEmpty && predictions.isEmpty)
    }

    private static func isPresentSpot(_ life: NodeLife, _ now: Date) -> Bool {
        life.capacity == .spot && now.timeIntervalSince(life.lastSeen) < presentSeconds
    }

    /// One prediction for each pool that holds a node now.
    private func predictions(_ observation: Observation, today: Int) -> [RiskPrediction] {
        let book = PoolBook(
            region: observation.region, prices: observation.prices, onDemand: observation.onDemand,
            advice: observation.advice, incidents: observation.incidents, now: observation.now)
        let pools = Set(
            observation.lives.compactMap { life -> SpotPool? in
                guard MeasureSavings.isPresentSpot(life, observation.now), let type = life.type, let zone = life.zone
                else { return nil }
                return SpotPool(region: observation.region, zone: zone, type: type)
            })
        return pools.sorted().map { pool in
            let risk = book.risk(pool.type, zone: pool.zone)
            return RiskPrediction(
                account: observation.account, pool: pool, day: LocalDay(number: today), at: observation.now,
                score: risk.score, confidence: risk.confidence)
        }
    }
}
