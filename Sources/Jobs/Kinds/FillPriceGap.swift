import Foundation
import Infrastructure
import JobQueue

/// `fill-price-gap`: reads the spot prices of past days, day by day and chunk of types by chunk; a day that is older than
/// AWS tells is marked unfillable.
public struct FillPriceGap: Job {
    /// The kind's name.
    public static let kind: JobKind = "fill-price-gap"

    /// What a request may say.
    public struct Parameters: Codable, Sendable {
        var from: String
        var until: String
        var types: [String]?
        var types_per_chunk: Int?
        var days_max: Int?
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var region: String
        var types: [String]
        /// nil: the first round.
        var walk: PriceWalk?
        var page: SpotPricePage?
    }

    private let parameters: Parameters

    /// Days that AWS tells of.
    public static let historyDays = 90

    /// Makes the job of one request.
    public init(_ parameters: Parameters) { self.parameters = parameters }

    /// Reads one page.
    public func observe(_ context: JobContext) async throws -> Observation {
        let region = try RegionTarget.region(of: context.target)
        let walk = try context.memory(as: PriceWalk.self)
        var observation = Observation(
            now: context.now, region: region, types: TypePattern.types(parameters.types ?? ["*"]), walk: walk, page: nil
        )
        if let question = walk?.question {
            observation.page = try await context.market(region: region).spotPrices(
                types: question.types, from: question.span.from, until: question.span.until, token: question.token)
        }
        return observation
    }

    /// Marks what can never be had, then keeps page after page.
    public func decide(_ observation: Observation) throws -> Decision {
        guard var walk = observation.walk else { return try begin(observation) }
        var decision = Decision()
        if let page = observation.page {
            let (rows, ended) = walk.take(page)
            if !rows.isEmpty { decision.facts.append(.spotPrices(SpotPriceFact(region: walk.region, rows: rows))) }
            if let ended, let day = ended.span.day {
                decision.facts.append(
                    .priceDays(PriceDaysFact(region: walk.region, types: ended.types, days: [day], isFilled: true)))
            }
        }
        decision.progress = walk.progress(now: observation.now)
        if walk.isOver {
            decision.result = JSONText(text: "{\"rows\":\(walk.rows),\"days\":\(walk.spans.count)}")
            return decision
        }
        decision.memory = try JSONText(encoding: walk)
        decision.next = .again(afterMilliseconds: 0)
        return decision
    }

    private func begin(_ observation: Observation) throws -> Decision {
        guard let from = LocalDay(parameters.from), let until = LocalDay(parameters.until), from <= until else {
            throw QueueError(
                .invalid,
                "from '\(parameters.from)' until '\(parameters.until)': wanted two days such as 2026-10-01, in order")
        }
        guard !observation.types.isEmpty else {
            throw QueueError(.invalid, "no type of the catalogue fits \(parameters.types ?? [])")
        }
        let today = Int((observation.now.timeIntervalSince1970 / 86_400).rounded(.down))
        let last = min(until.number, today - 1)
        guard from.number <= last else { return Decision(result: JSONText(text: "{\"days\":0,\"rows\":0}")) }
        guard last - from.number < parameters.days_max ?? 400 else {
            throw QueueError(.invalid, "\(last - from.number + 1) days, wanted at most \(parameters.days_max ?? 400)")
        }
        let days = (from.number...last).map { LocalDay(number: $0) }
        // The whole day must lie within what AWS tells.
        let oldest = Int(
            ((observation.now.timeIntervalSince1970) / 86_400 - Double(FillPriceGap.historyDays)).rounded(.up))
        let lost = days.filter { $0.number < oldest }
        let walk = PriceWalk(
            region: observation.region, types: observation.types, chunk: parameters.types_per_chunk ?? 100,
            spans: days.filter { $0.number >= oldest }.map { day in
                let start = Date(timeIntervalSince1970: Double(day.number) * 86_400)
                return .init(from: start, until: start + 86_400, day: day)
            }, startedAt: observation.now)
        var decision = Decision(memory: try JSONText(encoding: walk))
        if let first = lost.first, let end = lost.last {
            decision.facts.append(
                .priceDays(
                    PriceDaysFact(region: observation.region, types: observation.types, days: lost, isFilled: false)))
            decision.findings.append(
                Finding(
                    "price-gap-unfillable", cluster: nil, subject: observation.region, .warning,
                    "The spot prices of \(observation.region) from \(first) to \(end) cannot be had any more: AWS tells of the last \(FillPriceGap.historyDays) days."
                ))
        }
        decision.progress = walk.progress(now: observation.now)
        decision.next = walk.isOver ? .done : .again(afterMilliseconds: 0)
        return decision
    }
}
