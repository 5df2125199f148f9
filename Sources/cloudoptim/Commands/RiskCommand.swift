import ArgumentParser
import Foundation
import Infrastructure
import JobQueue
import Jobs
import Optimizer
import Postgres
import Stores

/// `cloudoptim risk`
struct RiskCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "risk", abstract: "The risk of spot pools, and how right it was.",
        subcommands: [RiskPools.self, RiskCalibrationCommand.self], defaultSubcommand: RiskPools.self)
}

/// `cloudoptim risk pools`
struct RiskPools: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pools", abstract: "The risk of spot pools, term by term.",
        discussion: """
            risk = 0.60 P + 0.25 V + 0.10 G + 0.05 T, each from 0 (good) to 1 (bad); a ranking heuristic, no probability.

              P  how often the type is interrupted in the region:
                 the Spot Advisor's range, 0 to 4, over 4; unknown: 1
              V  how much the price moved in 7 days:
                 time-weighted deviation over mean, over 0.10; unknown: 0.5
              G  how near the spot price is to on demand: their ratio;
                 unknown: from the Spot Advisor's saving, else 0.5
              T  how lately the pool failed us: interruption 1, no capacity 0.8,
                 rebalance 0.5, times e^(-hours / 6)

            confidence = the weights of the terms whose inputs were real.

              cloudoptim risk --type 'm5.*' --region us-east-1
            """)
    @Option(help: "Instance types, such as m5.large or 'm5.*'.") var type: String
    @Option(help: "The region.") var region: String
    @Option(help: "Only this zone.") var zone: String?
    @Option(help: "The account whose zone names and incidents count; default our own names, no incidents.")
    var account = ""
    @OptionGroup var form: OutputOptions

    func run() async throws {
        let types = TypePattern.types([type])
        guard !types.isEmpty else { throw QueueError(.notFound, "no type of the catalogue fits '\(type)'") }
        let connection = try await PostgresConnection.connect(try Settings().database)
        let store = PriceStore(connection)
        guard let now = try await connection.query("SELECT world_now()").first?.date(0) else {
            throw QueueError(.unavailable, "the database tells no time")
        }
        let book = PoolBook(
            region: region,
            prices: try await store.spot(
                account: account, region: region, types: types, since: now - PoolBook.priceSpan.interval),
            onDemand: try await store.onDemand(region: region, types: types),
            advice: try await store.advice(region: region),
            incidents: try await store.incidents(
                account: account, region: region, since: now - PoolBook.incidentSpan.interval), now: now)
        let advisor = try await store.source("advisor")
        await connection.close()
        var lines: [Line] = []
        for type in types {
            // A type without prices is one line: its advice holds for every zone.
            let zones = book.zones(of: type)
            for zone in (zones.isEmpty ? ["-"] : zones) where self.zone == nil || self.zone == zone {
                lines.append(Line(type, zone, book))
            }
        }
        lines.sort {
            ($0.risk, $0.spot_dollars ?? .infinity, $0.type) < ($1.risk, $1.spot_dollars ?? .infinity, $1.type)
        }
        try Console.show(
            try lines.map { try JSONText(encoding: $0) },
            columns: [
                "type", "zone", "risk", "p", "v", "g", "t", "confidence", "spot_dollars", "on_demand_dollars", "why",
            ],
            as: form.output, whenEmpty: "no pools")
        if form.output == .table {
            let advice =
                advisor.map { "read \($0.at.formatted(.iso8601))" } ?? "the copy shipped with the program (2025-06-28)"
            Console.print("Spot Advisor: \(advice)")
        }
    }

    private struct Line: Encodable {
        var type: String
        var zone: String
        var risk: Double
        var p: Double
        var v: Double
        var g: Double
        var t: Double
        var confidence: Double
        var spot_dollars: Double?
        var on_demand_dollars: Double?
        var why: String

        init(_ type: String, _ zone: String, _ book: PoolBook) {
            func rounded(_ value: Double) -> Double { (value * 10_000).rounded() / 10_000 }
            let found = book.risk(type, zone: zone)
            self.type = type
            self.zone = zone
            risk = rounded(found.score)
            p = rounded(found.publicRate)
            v = rounded(found.volatility)
            g = rounded(found.gap)
            t = rounded(found.recency)
            confidence = rounded(found.confidence)
            spot_dollars = book.spot(type, zone: zone)?.dollars
            on_demand_dollars = book.onDemand(type)?.price.dollars
            why = found.explanation(
                advice: book.advice(for: type), hasPrice: spot_dollars != nil, isOwnRegion: book.onDemand(type)?.isOwn)
        }
    }
}

/// `cloudoptim prices`
struct PricesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prices", abstract: "What is known of prices.", subcommands: [Coverage.self])

    struct Coverage: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "How many types have spot prices of each day, and how many can never have any.",
            discussion: "Fill a gap: cloudoptim enqueue fill-price-gap --target region/us-east-1 "
                + "--parameters '{\"from\":\"2026-10-01\",\"until\":\"2026-10-28\",\"types\":[\"m5.*\"]}'")
        @Option(help: "Only this region.") var region: String?
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let connection = try await PostgresConnection.connect(try Settings().database)
            let rows = try await PriceStore(connection).coverage(region: region)
            try Console.show(
                rows, columns: ["region", "day", "types_filled", "types_unfillable"], as: form.output,
                whenEmpty: "no whole day was read yet")
            await connection.close()
        }
    }
}
