import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs
@testable import Optimizer

@Suite("Measured savings")
struct SavingsMeasureTests {
    /// A UTC midnight.
    private static let start = Date(timeIntervalSince1970: 1_799_971_200)
    private static let day = LocalDay(start, in: .gmt)

    private static func saving(
        _ key: String, _ form: SavingFact.Form, subject: String, before: MicroDollars = 200_000, at hour: Double = 0
    ) -> SavingFact {
        SavingFact(
            key: key, cluster: "prod", feature: .packing, form, subject: subject, before: before, after: 80_000,
            since: start + hour * 3600)
    }

    private static func life(
        _ id: InstanceID, from: Double, to: Double, capacity: CapacityType? = .spot
    ) -> NodeLife {
        NodeLife(
            instance: id, type: "m5.xlarge", zone: "us-east-1a", capacity: capacity, firstSeen: start + from * 3600,
            lastSeen: start + to * 3600)
    }

    private static func measure(
        _ savings: [SavingFact], _ lives: [NodeLife] = [], prices: [(Double, MicroDollars)] = [],
        horizon: TimeSpan = .days(30)
    ) -> SavingsMeasure {
        let pool = SpotPool(region: "us-east-1", zone: "us-east-1a", type: "m5.xlarge")
        return SavingsMeasure(
            savings: savings, lives: lives,
            prices: prices.map { SpotPrice(pool: pool, price: $0.1, since: start + $0.0 * 3600) }, region: "us-east-1",
            horizon: horizon)
    }

    @Test("a cheaper node counts the hours it was a node, at the prices that were paid in them")
    func cheaper() throws {
        let saving = SavingsMeasureTests.saving("s", .cheaper, subject: "i-1")
        let rows = SavingsMeasureTests.measure(
            [saving], [SavingsMeasureTests.life("i-1", from: 2, to: 12)], prices: [(-5, 60_000), (7, 100_000)]
        ).measured(on: SavingsMeasureTests.day)
        let row = try #require(rows.first)
        #expect(row.hours == 10 && row.after == 80_000 && row.amount == 1_200_000)
        // On demand by its life, or without prices: the projection's price.
        let plain = SavingsMeasureTests.measure([saving], [SavingsMeasureTests.life("i-1", from: 2, to: 12)])
        #expect(plain.measured(on: SavingsMeasureTests.day).map(\.amount) == [1_200_000])
        #expect(SavingsMeasureTests.measure([saving]).measured(on: SavingsMeasureTests.day).isEmpty)
    }

    @Test("what turned out dearer is negative, and is not hidden")
    func dearer() {
        let rows = SavingsMeasureTests.measure(
            [SavingsMeasureTests.saving("s", .cheaper, subject: "i-1")],
            [SavingsMeasureTests.life("i-1", from: 0, to: 24)], prices: [(-5, 300_000)]
        ).measured(on: SavingsMeasureTests.day)
        #expect(rows.map(\.amount) == [-2_400_000])
    }

    @Test(
        "a removed node counts from when it was gone until another joins; each that joins ends one removal, the oldest")
    func removed() {
        let savings = [
            SavingsMeasureTests.saving("new", .removed, subject: "i-2", at: 4),
            SavingsMeasureTests.saving("old", .removed, subject: "i-1", at: 2),
        ]
        let lives = [
            SavingsMeasureTests.life("i-1", from: -9, to: 3), SavingsMeasureTests.life("i-2", from: -9, to: 4),
            SavingsMeasureTests.life("i-3", from: 10, to: 24),
        ]
        let rows = SavingsMeasureTests.measure(savings, lives).measured(on: SavingsMeasureTests.day)
        #expect(rows.map(\.key) == ["old", "new"])
        #expect(rows.map(\.hours) == [7, 20])
        #expect(rows.map(\.amount) == [1_400_000, 4_000_000])
    }

    @Test(
        "a replacement's own node ends no removal; nothing counts beyond the horizon; a later day does not see what ended"
    )
    func ends() {
        let savings = [
            SavingsMeasureTests.saving("gone", .gone, subject: "vol-1"),
            SavingsMeasureTests.saving("out", .removed, subject: "i-1"),
            SavingsMeasureTests.saving("in", .cheaper, subject: "i-9"),
        ]
        let lives = [SavingsMeasureTests.life("i-9", from: 1, to: 1)]
        let measure = SavingsMeasureTests.measure(savings, lives, horizon: .hours(36))
        #expect(measure.measured(on: SavingsMeasureTests.day).map(\.key) == ["gone", "out"])
        #expect(measure.measured(on: SavingsMeasureTests.day + 1).map(\.hours) == [12, 12])
        #expect(measure.measured(on: SavingsMeasureTests.day + 2).isEmpty)
        #expect(measure.measured(on: SavingsMeasureTests.day + -1).isEmpty)
    }

    /// An instance that slept from hour 1 to hour 9.
    private static func night(_ id: String, before: MicroDollars = 200_000) -> SavingFact {
        var fact = saving("night/\(id)", .asleep, subject: id, before: before, at: 1)
        fact.until = start + 9 * 3600
        return fact
    }

    @Test(
        "a node that slept counts from when it was really gone until its group was woken, a spot node at its pool's price"
    )
    func asleep() {
        let nights = ["i-1", "i-2", "i-stayed", "i-unseen"].map { SavingsMeasureTests.night($0) }
        let lives = [
            SavingsMeasureTests.life("i-1", from: -9, to: 2, capacity: .onDemand),
            SavingsMeasureTests.life("i-2", from: -9, to: 1), SavingsMeasureTests.life("i-stayed", from: -9, to: 24),
        ]
        let priced = SavingsMeasureTests.measure(nights, lives, prices: [(-5, 60_000), (5, 100_000)])
            .measured(on: SavingsMeasureTests.day)
        #expect(priced.map(\.key) == ["night/i-1", "night/i-2"])
        #expect(priced.map(\.hours) == [7, 8])
        #expect(priced.map(\.before) == [200_000, 80_000])
        #expect(priced.map(\.amount) == [1_400_000, 640_000])
        // What a spot node would have cost is not guessed.
        let unpriced = SavingsMeasureTests.measure(nights, lives).measured(on: SavingsMeasureTests.day)
        #expect(unpriced.map(\.key) == ["night/i-1"])
    }

    @Test("what packing removed counts there alone; nodes that come back in the morning end no removal, one more does")
    func asleepAndRemoved() {
        let savings = [
            SavingsMeasureTests.saving("packed", .removed, subject: "i-9", at: -20),
            SavingsMeasureTests.saving("also", .removed, subject: "i-2", at: 3), SavingsMeasureTests.night("i-1"),
            SavingsMeasureTests.night("i-2"),
        ]
        var lives = [
            SavingsMeasureTests.life("i-9", from: -40, to: -20),
            SavingsMeasureTests.life("i-1", from: -40, to: 1, capacity: .onDemand),
            SavingsMeasureTests.life("i-2", from: -40, to: 3, capacity: .onDemand),
            SavingsMeasureTests.life("i-3", from: 9.1, to: 24), SavingsMeasureTests.life("i-4", from: 9.2, to: 24),
        ]
        let day = SavingsMeasureTests.measure(savings, lives).measured(on: SavingsMeasureTests.day)
        #expect(day.map(\.key) == ["packed", "night/i-1", "also"])
        #expect(day.map(\.hours) == [24, 8, 21])
        lives.append(SavingsMeasureTests.life("i-5", from: 10, to: 24))
        let more = SavingsMeasureTests.measure(savings, lives).measured(on: SavingsMeasureTests.day)
        #expect(more.map(\.hours) == [10, 8, 21])
    }

    @Test("days add up to the hours there were, whatever the order of savings")
    func sum() {
        let saving = SavingsMeasureTests.saving("s", .gone, subject: "x", at: 5)
        let measure = SavingsMeasureTests.measure([saving], horizon: .days(3))
        let hours = (0..<6).flatMap { measure.measured(on: SavingsMeasureTests.day + $0) }.map(\.hours).reduce(0, +)
        #expect(hours == 72)
    }

    @Test("the job measures the last whole days only, and the refresh asks for every region once a day")
    func jobs() async throws {
        let scene = await Scene(pods: [])
        let saving = SavingFact(
            key: "s", cluster: "prod", feature: .volumes, .gone, subject: "vol-1", before: 100_000, after: 0,
            since: Scene.start - 20 * 86_400)
        await scene.stores.set(savings: [saving], lives: [])
        let outcome = try await scene.run(
            JobRequest(MeasureSavings.kind, parameters: JSONText(text: #"{"days":2}"#), target: "prod"))
        #expect(outcome.records.count == 2)
        #expect(outcome.records.allSatisfy { $0.value.text.contains("\"amount\":2400000") })
        // A region that was never read is left to its first fetch.
        #expect(try await scene.run(JobRequest(DailyRefresh.kind), tenant: "").followUps.isEmpty)
        let fetch = JobRequest(
            FetchSpotPrices.kind, parameters: JSONText(text: #"{"types":["m5.large"]}"#), target: "region/us-east-1")
        try await scene.run(fetch, tenant: "")
        let refresh = try await scene.run(JobRequest(DailyRefresh.kind), tenant: "")
        #expect(
            refresh.followUps.map { "\($0.kind) \($0.target)" } == [
                "fetch-advisor ", "fetch-spot-prices region/us-east-1", "fetch-on-demand-prices region/us-east-1",
            ])
        let again = try await scene.run(JobRequest(DailyRefresh.kind), tenant: "")
        #expect(refresh.followUps.map(\.key) == again.followUps.map(\.key))
        #expect(refresh.records.map(\.kind) == ["sweep"])
    }

    @Test("a gap is filled day by day; what is older than 90 days is marked and told")
    func gap() async throws {
        let scene = await Scene(pods: [])
        let outcome = try await scene.run(
            JobRequest(
                FillPriceGap.kind,
                parameters: JSONText(
                    text: #"{"from":"2026-10-10","until":"2026-10-19","types":["m5.large"],"types_per_chunk":1}"#),
                target: "region/us-east-1"), tenant: "")
        #expect(outcome.result != nil)
        // 2027-01-15: the oldest whole day AWS tells of is 2026-10-18.
        let days = await scene.stores.records(of: "price_days").map(\.value.text)
        #expect(days.count == 3)
        #expect(days.first?.contains("2026-10-17") == true && days.first?.contains("\"is_filled\":false") == true)
        #expect(days.dropFirst().allSatisfy { $0.contains("\"is_filled\":true") })
        #expect(await scene.stores.records(of: "finding").contains { $0.value.text.contains("price-gap-unfillable") })
        #expect(await scene.stores.records(of: "spot_prices").count == 4)
    }
}
