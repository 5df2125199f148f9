import Foundation
import Infrastructure
import JobQueue
import Optimizer

/// `measure-savings`: measures what a cluster's savings brought on the last whole days. A day that is measured again
/// replaces what was measured before.
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
        var savings: [SavingFact]
        var lives: [NodeLife]
        var prices: [SpotPrice]
    }

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
        let subjects = Set(savings.filter { $0.form == .cheaper }.map(\.subject))
        let types = Set(lives.filter { subjects.contains($0.instance.rawValue) }.compactMap(\.type)).sorted()
        let prices =
            types.isEmpty
            ? []
            : try await context.sources.prices.spot(
                account: registration.account, region: registration.region, types: types,
                since: context.now - Double(days + 1) * 86_400)
        return Observation(
            now: context.now, region: registration.region, savings: savings, lives: lives, prices: prices)
    }

    /// Measures the last whole days.
    public func decide(_ observation: Observation) throws -> Decision {
        let measure = SavingsMeasure(
            savings: observation.savings, lives: observation.lives, prices: observation.prices,
            region: observation.region, horizon: horizon)
        let today = Int((observation.now.timeIntervalSince1970 / 86_400).rounded(.down))
        let facts = (today - days..<today).flatMap { measure.measured(on: LocalDay(number: $0)) }
        let sum = facts.map(\.amount).reduce(.zero, +)
        return Decision(
            facts: facts.map(Fact.savingDay),
            result: JSONText(
                text: JSONValue.object([
                    "rows": .number("\(facts.count)"), "dollars": .number("\(sum.dollars)"),
                    "formula": .string(SavingsMeasure.formula),
                ]).canonical), isEmpty: facts.isEmpty)
    }
}
