import Foundation
import Infrastructure
import JobQueue

/// `fetch-spot-prices`: reads a region's spot price history since the last time, page by page.
public struct FetchSpotPrices: Job {
    /// The kind's name.
    public static let kind: JobKind = "fetch-spot-prices"

    /// What a request may say.
    public struct Parameters: Codable, Sendable {
        var history_days: Int?
        var types: [String]?
        var types_per_chunk: Int?
    }

    /// What a decision is made from.
    public struct Observation: Codable, Sendable {
        var now: Date
        var walk: PriceWalk
        var page: SpotPricePage?
        /// The zones of customers' accounts, read in the first round.
        var zones: [AccountZonesFact]
        /// Accounts that do not let us read their zones.
        var hidden: [String]
    }

    private let parameters: Parameters

    /// How far the first fetch reaches back: what V looks at, and a day.
    static let firstDays = 8
    /// How far a fetch reaches behind the last one: rows come late.
    static let overlap = TimeSpan.hours(2)

    /// Makes the job of one request.
    public init(_ parameters: Parameters) { self.parameters = parameters }

    /// Reads one page; in the first round also how far the last fetch came, and accounts' zones.
    public func observe(_ context: JobContext) async throws -> Observation {
        let region = try RegionTarget.region(of: context.target)
        var observation: Observation
        if let walk = try context.memory(as: PriceWalk.self) {
            observation = Observation(now: context.now, walk: walk, page: nil, zones: [], hidden: [])
        } else {
            let last = try await context.sources.prices.source("spot/\(region)")?.at
            let earliest = context.now - TimeSpan.days(Int64(FetchSpotPrices.firstDays)).interval
            var from = last.map { max(earliest, $0 - FetchSpotPrices.overlap.interval) } ?? earliest
            if let days = parameters.history_days { from = context.now - TimeSpan.days(Int64(days)).interval }
            let walk = PriceWalk(
                region: region, types: TypePattern.types(parameters.types ?? ["*"]),
                chunk: parameters.types_per_chunk ?? 100, spans: [.init(from: from, until: context.now, day: nil)],
                startedAt: context.now)
            observation = Observation(now: context.now, walk: walk, page: nil, zones: [], hidden: [])
            try await readZones(region, into: &observation, context)
        }
        guard let question = observation.walk.question else { return observation }
        observation.page = try await context.market(region: region).spotPrices(
            types: question.types, from: question.span.from, until: question.span.until, token: question.token)
        return observation
    }

    private func readZones(_ region: String, into observation: inout Observation, _ context: JobContext) async throws {
        var known: Set<String> = []
        for cluster in try await context.sources.registry.clusters(inRegion: region)
        where known.insert(cluster.account).inserted {
            do {
                let ids = try await context.cloud(cluster).zoneIDs()
                observation.zones.append(AccountZonesFact(account: cluster.account, region: region, ids: ids))
            } catch let error as FarSideError {
                observation.hidden.append("\(cluster.account): \(error)")
            }
        }
    }

    /// Keeps the page's rows, and goes on.
    public func decide(_ observation: Observation) throws -> Decision {
        var walk = observation.walk
        var decision = Decision()
        decision.facts = observation.zones.filter { !$0.zones.isEmpty }.map(Fact.accountZones)
        decision.findings = observation.hidden.map { why in
            Finding(
                "zones-unknown", cluster: nil, subject: String(why.prefix(12)), .warning,
                "The zones of an account cannot be read (ec2:DescribeAvailabilityZones), so prices are matched by zone names: \(why)"
            )
        }
        if let page = observation.page {
            let (rows, ended) = walk.take(page)
            if !rows.isEmpty { decision.facts.append(.spotPrices(SpotPriceFact(region: walk.region, rows: rows))) }
            if let ended {
                let days = FetchSpotPrices.wholeDays(ended.span)
                if !days.isEmpty {
                    decision.facts.append(
                        .priceDays(PriceDaysFact(region: walk.region, types: ended.types, days: days, isFilled: true)))
                }
            }
        }
        decision.progress = walk.progress(now: observation.now)
        guard walk.isOver else {
            decision.memory = try JSONText(encoding: walk)
            decision.next = .again(afterMilliseconds: 0)
            return decision
        }
        decision.facts.append(.priceSource(PriceSourceFact(name: "spot/\(walk.region)", at: walk.startedAt)))
        decision.result = JSONText(text: "{\"rows\":\(walk.rows),\"types\":\(walk.types.count)}")
        return decision
    }

    /// The UTC days that lie wholly in a span.
    static func wholeDays(_ span: PriceWalk.Span) -> [LocalDay] {
        let first = Int((span.from.timeIntervalSince1970 / 86_400).rounded(.up))
        let end = Int((span.until.timeIntervalSince1970 / 86_400).rounded(.down))
        return first < end ? (first..<end).map { LocalDay(number: $0) } : []
    }
}
