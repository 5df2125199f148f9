import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs
@testable import Optimizer

/// Section 11's vectors from a real price file: c5a.2xlarge in us-east-1, 49 days of 2023, five zones.
@Suite("Risk from real prices")
struct RiskVectorTests {
    private static let type = "c5a.2xlarge"

    private static func rows() throws -> [SpotPriceRow] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Resources/c5a.2xlarge_us-east-1_dec2023.csv")
        return try String(contentsOf: file, encoding: .utf8).split(whereSeparator: \.isNewline).dropFirst().map {
            line in
            let fields = line.split(separator: ",").map(String.init)
            let at = try Date(
                fields[0].replacing(" ", with: "T").replacing("+00:00", with: "Z"), strategy: .iso8601)
            let price = try #require(Double(fields[3]))
            return SpotPriceRow(
                zone: fields[4].trimmingCharacters(in: .whitespaces), zoneID: nil, type: fields[1],
                price: .dollars(price), at: at)
        }
    }

    private static func book(incidents: [PoolIncident] = [], now: Date, rows: [SpotPriceRow]) -> PoolBook {
        PoolBook(
            region: "us-east-1",
            prices: PriceRuns.compressed(rows).map {
                SpotPrice(
                    pool: SpotPool(region: "us-east-1", zone: $0.zone, type: $0.type), price: $0.price, since: $0.at,
                    lastSeen: max($0.lastSeen, now))
            }, onDemand: [type: 308_000], advice: [type: SpotAdvice(range: 2, savingPercent: 40)], incidents: incidents,
            now: now)
    }

    @Test("the four test vectors come out of the real file")
    func vectors() throws {
        let rows = try RiskVectorTests.rows()
        #expect(rows.count == 869)
        let now = try #require(rows.map(\.at).max())
        let book = RiskVectorTests.book(now: now, rows: rows)
        let zoneE = book.risk(RiskVectorTests.type, zone: "us-east-1e")
        #expect(abs(zoneE.volatility * 0.10 - 0.0042) < 0.00005)
        #expect(abs(zoneE.gap - 0.509) < 0.0005)
        #expect(abs(zoneE.score - 0.3614) < 0.0002, "\(zoneE)")
        let zoneB = book.risk(RiskVectorTests.type, zone: "us-east-1b")
        #expect(abs(zoneB.volatility * 0.10 - 0.0132) < 0.00005)
        #expect(abs(zoneB.gap - 0.638) < 0.0005)
        #expect(abs(zoneB.score - 0.3968) < 0.0002, "\(zoneB)")
        let pool = SpotPool(region: "us-east-1", zone: "us-east-1b", type: RiskVectorTests.type)
        let hurt = RiskVectorTests.book(
            incidents: [PoolIncident(pool: pool, .interruption, at: now - 3600)], now: now, rows: rows)
        #expect(abs(hurt.risk(RiskVectorTests.type, zone: "us-east-1b").score - 0.4391) < 0.0002)
        #expect(hurt.risk(RiskVectorTests.type, zone: "us-east-1e") == zoneE)
        #expect(zoneB.confidence == 1)
        let unknown = PoolBook(region: "mars-1", prices: [], now: now).risk("m99.large", zone: "a")
        #expect(abs(unknown.score - 0.775) < 1e-9)
        #expect(unknown.confidence < 0.06)
        #expect(
            zoneB.explanation(advice: book.advice(for: RiskVectorTests.type), hasPrice: true, isOwnRegion: true)
                == "interrupted 10-15 %; price moved 1.3 %; spot at 63.8 % of on demand; no incident of ours")
    }

    @Test("doubled rows and runs of one price are one row; nothing else is lost")
    func compression() throws {
        let rows = try RiskVectorTests.rows()
        let once = PriceRuns.compressed(rows)
        #expect(once == PriceRuns.compressed(rows + rows.shuffled()))
        #expect(once == PriceRuns.compressed(once))
        let at = Date(timeIntervalSince1970: 1_700_000_000)
        let run = [(5, 0.0), (5, 100), (6, 200), (5, 300)].map {
            SpotPriceRow(zone: "a", zoneID: "z", type: "t", price: MicroDollars(rawValue: Int64($0.0)), at: at + $0.1)
        }
        let kept = PriceRuns.compressed(run)
        #expect(kept.map(\.price) == [5, 6, 5])
        #expect(kept[0].lastSeen == at + 100)
    }

    @Test("a price that was not seen for two days says nothing of now")
    func stale() {
        let now = Date(timeIntervalSince1970: 1_700_000_000)
        let pool = SpotPool(region: "us-east-1", zone: "us-east-1a", type: "m5.large")
        let old = SpotPrice(pool: pool, price: 40_000, since: now - 86_400 * 5, lastSeen: now - 86_400 * 3)
        let book = PoolBook(region: "us-east-1", prices: [old], now: now)
        #expect(book.spot("m5.large", zone: "us-east-1a") == nil)
        #expect(book.expectedSpot("m5.large", zone: "us-east-1a") != nil)
        #expect(book.onDemand("m5.large")?.isOwn == true)
        #expect(PoolBook(region: "eu-west-1", prices: [], now: now).onDemand("m5.large")?.isOwn == false)
    }
}

@Suite("Walks through price history")
struct PriceWalkTests {
    private let start = Date(timeIntervalSince1970: 1_799_971_200)

    private func walk(types: [String] = ["a", "b", "c"], days: Int = 2) -> PriceWalk {
        PriceWalk(
            region: "r", types: types, chunk: 2,
            spans: (0..<days).map { day in
                let from = start + Double(day) * 86_400
                return .init(from: from, until: from + 86_400, day: LocalDay(from, in: .gmt))
            }, startedAt: start)
    }

    private func row(_ type: String, at seconds: Double, price: MicroDollars = 5) -> SpotPriceRow {
        SpotPriceRow(zone: "z", zoneID: "z1", type: type, price: price, at: start + seconds)
    }

    @Test("it goes day by day and chunk by chunk, and tells when each ended")
    func order() {
        var walk = walk()
        #expect(walk.total == 4)
        var seen: [String] = []
        while let question = walk.question {
            seen.append("\(question.span.day?.description ?? "-") \(question.types.joined())")
            #expect(walk.take(SpotPricePage(rows: [])).ended != nil)
        }
        #expect(seen.count == 4 && Set(seen).count == 4 && walk.isOver)
        #expect(seen[0].hasSuffix("ab") && seen[1].hasSuffix("c"))
    }

    @Test("empty pages with new tokens are followed, one that repeats its token empty is the end")
    func emptyPages() {
        var walk = walk(types: ["a"], days: 1)
        #expect(walk.take(SpotPricePage(rows: [], next: "1")).ended == nil)
        #expect(walk.question?.token == "1")
        #expect(walk.take(SpotPricePage(rows: [row("a", at: 10)], next: "1")).ended == nil)
        #expect(walk.take(SpotPricePage(rows: [], next: "1")).ended != nil)
        #expect(walk.isOver && walk.rows == 1)
        var endless = self.walk(types: ["a"], days: 1)
        var pages = 0
        while !endless.isOver {
            _ = endless.take(SpotPricePage(rows: [], next: "\(pages)"))
            pages += 1
        }
        #expect(pages == PriceWalk.emptyPagesMax)
    }

    @Test("the newest row of each pool is in force until the step's end, also when it came on an earlier page")
    func lastSeen() {
        var walk = walk(types: ["a"], days: 1)
        let first = walk.take(SpotPricePage(rows: [row("a", at: 500, price: 7)], next: "n")).rows
        #expect(first.map(\.lastSeen) == [start + 86_400])
        let second = walk.take(SpotPricePage(rows: [row("a", at: 100)])).rows
        #expect(second.map(\.lastSeen) == [start + 100])
    }

    @Test("progress tells what is done, and how long the rest takes at the rate so far")
    func progress() {
        var walk = walk()
        _ = walk.take(SpotPricePage(rows: []))
        let progress = walk.progress(now: start + 60)
        #expect(progress.done == 1 && progress.total == 4)
        #expect(progress.note?.contains("about 3m left") == true, "\(progress.note ?? "")")
    }

    @Test(
        "patterns",
        arguments: [
            ("m5.*", "m5.large", true), ("m5.*", "m5a.large", false), ("*", "x", true), ("*.large", "c5.large", true),
            ("*.large", "c5.xlarge", false), ("m5.large", "m5.large", true), ("m*.x*", "m5.xlarge", true),
            ("a*a", "a", false),
        ])
    func patterns(pattern: String, name: String, fits: Bool) { #expect(TypePattern.matches(pattern, name) == fits) }
}
