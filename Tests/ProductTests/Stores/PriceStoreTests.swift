import Foundation
import Infrastructure
import JobQueue
import Optimizer
import Postgres
import Testing

@testable import Jobs
@testable import Stores

@Suite("Stored prices")
struct PriceStoreTests {
    private func row(
        _ price: MicroDollars, at seconds: Double, lastSeen: Double? = nil, id: String? = "use1-az1",
        zone: String = "us-east-1a"
    ) -> SpotPriceRow {
        SpotPriceRow(
            zone: zone, zoneID: id, type: "m5.large", price: price, at: Scene.start + seconds,
            lastSeen: lastSeen.map { Scene.start + $0 })
    }

    private func write(_ rows: [SpotPriceRow], _ scene: StoreScene) async throws {
        let fact = Fact.spotPrices(SpotPriceFact(region: "us-east-1", rows: PriceRuns.compressed(rows)))
        try await scene.write([try FactRecords.record(of: fact)], tenant: "")
    }

    private func spot(_ scene: StoreScene, since: Double = 0, account: String = "123456789012") async throws
        -> [SpotPrice]
    {
        try await scene.prices.spot(
            account: account, region: "us-east-1", types: ["m5.large"], since: Scene.start + since)
    }

    @Test(
        "rows come once; a row that goes on with the price before it moves its last sighting; a return to an old price is kept"
    )
    func compression() async throws {
        try await StoreScene.with { scene in
            try await write([row(30, at: 0), row(20, at: 100)], scene)
            try await write([row(20, at: 100), row(20, at: 200, lastSeen: 250)], scene)
            try await write([row(40, at: 300), row(20, at: 400)], scene)
            let found = try await spot(scene)
            #expect(found.map(\.price) == [30, 20, 40, 20])
            #expect(found[1].lastSeen == Scene.start + 250)
            // Again, in one batch: nothing changes.
            try await write([row(30, at: 0), row(20, at: 100), row(40, at: 300), row(20, at: 400)], scene)
            #expect(try await spot(scene).map(\.price) == [30, 20, 40, 20])
        }
    }

    @Test("the price in force at the start comes along; zones bear the account's own names")
    func reading() async throws {
        try await StoreScene.with { scene in
            try await write(
                [row(30, at: 0), row(20, at: 100), row(70, at: 50, id: "use1-az2", zone: "us-east-1b")], scene)
            #expect(try await spot(scene, since: 60).map(\.price) == [30, 20, 70])
            #expect(try await spot(scene, since: 500).map(\.price) == [20, 70])
            let zones = Fact.accountZones(
                AccountZonesFact(account: "123456789012", region: "us-east-1", ids: ["us-east-1f": "use1-az1"]))
            try await scene.write([try FactRecords.record(of: zones)], tenant: "")
            #expect(try await spot(scene, since: 500).map(\.pool.zone) == ["us-east-1f"])
            #expect(
                try await spot(scene, since: 500, account: "999999999999").map(\.pool.zone) == [
                    "us-east-1a", "us-east-1b",
                ])
        }
    }

    @Test("advice of a region is replaced as a whole; on-demand prices by type; sources remember their tag")
    func lists() async throws {
        try await StoreScene.with { scene in
            func write(_ facts: [Fact]) async throws {
                try await scene.write(try facts.map { try FactRecords.record(of: $0) }, tenant: "")
            }
            try await write([
                .advice(
                    AdviceFact(
                        region: "us-east-1",
                        advice: [
                            "a.large": SpotAdvice(range: 1, savingPercent: 60),
                            "b.large": SpotAdvice(range: 4, savingPercent: -5),
                        ])),
                .onDemandPrices(OnDemandFact(region: "us-east-1", prices: ["a.large": 96_000], at: Scene.start)),
                .priceSource(PriceSourceFact(name: "advisor", tag: "t1", at: Scene.start)),
                .priceDays(
                    PriceDaysFact(
                        region: "us-east-1", types: ["a.large", "b.large"],
                        days: [try #require(LocalDay("2026-10-01"))], isFilled: false)),
            ])
            try await write([
                .advice(AdviceFact(region: "us-east-1", advice: ["b.large": SpotAdvice(range: 3, savingPercent: 10)])),
                .priceDays(
                    PriceDaysFact(
                        region: "us-east-1", types: ["a.large"], days: [try #require(LocalDay("2026-10-01"))],
                        isFilled: true)),
            ])
            #expect(
                try await scene.prices.advice(region: "us-east-1") == [
                    "b.large": SpotAdvice(range: 3, savingPercent: 10)
                ])
            #expect(
                try await scene.prices.onDemand(region: "us-east-1", types: ["a.large", "x"]) == ["a.large": 96_000])
            #expect(try await scene.prices.source("advisor")?.tag == "t1")
            #expect(try await scene.prices.source("other") == nil)
            #expect(
                try await scene.prices.coverage(region: "us-east-1").map(\.text) == [
                    #"{"day":"2026-10-01","region":"us-east-1","types_filled":1,"types_unfillable":1}"#
                ])
        }
    }

    @Test("own events feed T: interruptions, no capacity and rebalances of the account's pools, nobody else's")
    func incidents() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            let index = Fact.indexedInstance(
                IndexedInstance(
                    instance: Scene.instance, cluster: "prod", node: "n", nodeUID: "u", seenAt: Scene.start,
                    type: "m5.large",
                    zone: "us-east-1a"))
            try await scene.write([try FactRecords.record(of: index)])
            for (key, kind) in [("e1", "spot-warning"), ("e2", "rebalance"), ("e3", "maintenance")] {
                let event = Fact.event(
                    EventFact(
                        key: key, queue: "q", kind: kind, account: "123456789012", region: "us-east-1",
                        instances: [Scene.instance], cluster: "prod", at: Scene.start, outcome: .accepted))
                try await scene.write([try FactRecords.record(of: event)])
                try await scene.write([try FactRecords.record(of: event)])
                try await scene.write([try FactRecords.record(of: event)], tenant: "other")
            }
            let empty = Fact.unavailablePool(
                UnavailablePoolFact(
                    account: "123456789012", pool: SpotPool(region: "us-east-1", zone: "us-east-1b", type: "c5.large"),
                    capacity: .spot, until: Scene.start, reason: "InsufficientInstanceCapacity"))
            try await scene.write([try FactRecords.record(of: empty)])
            let found = try await scene.prices.incidents(
                account: "123456789012", region: "us-east-1", since: Date(timeIntervalSince1970: 0))
            #expect(found.map(\.kind.rawValue).sorted() == ["interruption", "no-capacity", "rebalance"])
            #expect(
                try await scene.prices.incidents(account: "999", region: "us-east-1", since: Scene.start - 9).isEmpty)
        }
    }

    @Test("a prediction of risk is kept once a day, by its own tenant, and compared with what happened a day later")
    func predictions() async throws {
        try await StoreScene.with { scene in
            try await scene.clusters.add(Scene.registration(), credential: nil)
            let now = try #require(try await scene.connection.query("SELECT world_now()").first).date(0)
            func record(_ type: String, hoursAgo: Double, score: Double) throws -> Record {
                let at = now - hoursAgo * 3600
                let day = LocalDay(number: Int((at.timeIntervalSince1970 / 86_400).rounded(.down)))
                return try FactRecords.record(
                    of: .riskPrediction(
                        RiskPrediction(
                            account: "123456789012",
                            pool: SpotPool(region: "us-east-1", zone: "us-east-1a", type: type), day: day, at: at,
                            score: score, confidence: 1)))
            }
            let records = try [
                record("a.large", hoursAgo: 30, score: 0.9), record("b.large", hoursAgo: 30, score: 0.2),
                record("c.large", hoursAgo: 2, score: 0.5),
            ]
            try await scene.write(records, tenant: "other")
            #expect(try await scene.count("risk_prediction") == 0)
            try await scene.write(records)
            // Said again later that day: the first word counts.
            try await scene.write([try record("a.large", hoursAgo: 30, score: 0.1)])
            for (type, hours) in [("a.large", 20.0), ("b.large", 3.0), ("c.large", 1.0)] {
                let incident = PoolIncident(
                    pool: SpotPool(region: "us-east-1", zone: "us-east-1a", type: type), .interruption,
                    at: now - hours * 3600)
                try await scene.write([
                    try FactRecords.record(of: .poolIncident(account: "123456789012", incident))
                ])
            }
            let found = try await scene.prices.outcomes(region: "us-east-1", since: now - 90 * 86_400)
                .sorted { $0.score < $1.score }
            #expect(found.map(\.score) == [0.2, 0.9])
            #expect(found.map(\.wasInterrupted) == [false, true], "27 hours later is too late")
            #expect(try await scene.prices.outcomes(region: "eu-west-1", since: now - 90 * 86_400).isEmpty)
        }
    }

    private actor Shelf: ValueCache {
        var values: [String: [UInt8]] = [:]
        var isAway = false
        private(set) var hits = 0
        func value(_ key: String) -> [UInt8]? {
            if isAway { return nil }
            if values[key] != nil { hits += 1 }
            return values[key]
        }
        func keep(_ value: [UInt8], as key: String, for time: TimeSpan) { if !isAway { values[key] = value } }
        func spoil() { for key in values.keys { values[key] = Array("rubbish".utf8) } }
        func set(away: Bool) { isAway = away }
    }

    @Test("a cache that is full, away or spoiled gives the same prices; only hits are spared")
    func cache() async throws {
        let (stores, shelf) = (MemoryStores(), Shelf())
        let pool = SpotPool(region: "us-east-1", zone: "us-east-1a", type: "m5.large")
        let price = SpotPrice(pool: pool, price: 40_000, since: Scene.start, lastSeen: Scene.start)
        await stores.set(prices: [price], advice: ["m5.large": SpotAdvice(range: 1, savingPercent: 50)])
        let prices = CachedPrices(stores, cache: shelf)
        func ask() async throws -> [SpotPrice] {
            try await prices.spot(account: "1", region: "us-east-1", types: ["m5.large"], since: Scene.start)
        }
        #expect(try await ask() == [price])
        #expect(try await ask() == [price])
        #expect(await shelf.hits == 1)
        await shelf.spoil()
        #expect(try await ask() == [price])
        await shelf.set(away: true)
        #expect(try await ask() == [price])
        #expect(try await prices.advice(region: "us-east-1").count == 1)
    }
}
