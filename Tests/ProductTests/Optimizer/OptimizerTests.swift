import Foundation
import Infrastructure
import Testing

@testable import Optimizer

@Suite("Risk of spot pools")
struct SpotRiskTests {
    @Test(
        "gives the worked examples of the design",
        arguments: [
            (SpotRisk(publicRate: 0.5, volatility: 0.0042 / 0.10, gap: 0.509, recency: 0), 0.3614),
            (SpotRisk(publicRate: 0.5, volatility: 0.0132 / 0.10, gap: 0.638, recency: 0), 0.3968),
            (SpotRisk(publicRate: 0.5, volatility: 0.0132 / 0.10, gap: 0.638, recency: exp(-1.0 / 6)), 0.4391),
        ])
    func vectors(risk: SpotRisk, expected: Double) {
        #expect(abs(risk.score - expected) < 0.00006)
    }

    @Test("is 0.775 where nothing is known, with next to no confidence")
    func unknown() {
        let risk = SpotRisk(advice: nil, history: [], onDemand: nil, incidents: [], now: Date())
        #expect(abs(risk.score - 0.775) < 1e-9)
        #expect(abs(risk.confidence - 0.05) < 1e-9)
    }

    @Test("remembers an interruption of an hour ago by e to the minus a sixth")
    func recency() {
        let now = Date(timeIntervalSince1970: 1_800_000_000)
        let pool = SpotPool(region: "us-east-1", zone: "us-east-1a", type: "m5.large")
        let risk = SpotRisk(
            advice: .init(range: 2, savingPercent: 50), history: [], onDemand: nil,
            incidents: [
                PoolIncident(pool: pool, .rebalance, at: now),
                PoolIncident(pool: pool, .interruption, at: now.addingTimeInterval(-3600)),
            ], now: now)
        #expect(abs(risk.recency - exp(-1.0 / 6)) < 1e-9)
    }

    @Test("weighs each price by the time it was in force, within seven days")
    func timeWeighted() throws {
        let now = Date(timeIntervalSince1970: 1_800_000_000)
        let pool = SpotPool(region: "us-east-1", zone: "us-east-1a", type: "m5.large")
        func price(_ amount: Int64, daysAgo: Double) -> SpotPrice {
            SpotPrice(
                pool: pool, price: MicroDollars(rawValue: amount), since: now.addingTimeInterval(-daysAgo * 86_400))
        }
        // 100 for six days (clipped to the window), 170 for one: mean 110, deviation 24.49.
        let variation = try #require(
            SpotRisk.variation(of: [price(100, daysAgo: 30), price(170, daysAgo: 1)], now: now))
        #expect(abs(variation - 24.4949 / 110) < 1e-4)
        #expect(SpotRisk.variation(of: [price(100, daysAgo: 1)], now: now) == nil)
        #expect(SpotRisk.variation(of: [price(100, daysAgo: 3)], now: now) == 0)
    }
}

@Suite("The shipped facts")
struct ShippedFactsTests {
    @Test("the catalogue knows the common families, cheapest first, and what fits in them")
    func catalogue() throws {
        let catalogue = InstanceCatalogue.shipped
        #expect(catalogue.types.count > 800)
        #expect(
            catalogue.types == catalogue.types.sorted { ($0.onDemandUSEast1, $0.name) < ($1.onDemandUSEast1, $1.name) })
        let type = try #require(catalogue.type(named: "c5.2xlarge"))
        #expect(type.onDemandUSEast1 == 340_000)
        #expect(type.allocatable == Resources(cpu: 7910, memory: .mebibytes(14162), pods: 58))
        let need = Resources(cpu: 3000, memory: .mebibytes(20_000), pods: 12)
        let fitting = catalogue.carrying(need, architecture: "amd64", families: ["r5", "m5"])
        #expect(fitting.first?.name == "r5.xlarge")
        #expect(fitting.allSatisfy { need.fits(in: $0.allocatable) && $0.architecture == "amd64" })
    }

    @Test(
        "the Spot Advisor's ranges and savings are read back",
        arguments: [("c5a.2xlarge", 2, 52), ("m5.large", 3, 66)])
    func advisor(type: String, range: Int, saving: Int) throws {
        let advice = try #require(SpotAdvisor.shipped.advice(type: type, region: "us-east-1"))
        #expect(advice == .init(range: range, savingPercent: saving))
        #expect(SpotAdvisor.shipped.advice(type: type, region: "mars-north-1") == nil)
        #expect(SpotAdvisor.shipped.advice(type: "m99.large", region: "us-east-1") == nil)
    }
}

@Suite("Plans for a replacement")
struct ReplacementPlanTests {
    let now = Date(timeIntervalSince1970: 1_800_000_000)

    func question(zone: String? = nil, cpu: Int64 = 3000, families: [String] = []) -> ReplacementPlan.Question {
        ReplacementPlan.Question(
            requirement: ReplacementRequirement(
                moving: Resources(cpu: MilliCPU(rawValue: cpu), memory: .mebibytes(6000), pods: 8),
                daemons: Resources(cpu: 300, memory: .mebibytes(300), pods: 3), architecture: "amd64", zone: zone),
            zones: ["us-east-1a": "subnet-a", "us-east-1b": "subnet-b"], families: families,
            interrupted: SpotPool(region: "us-east-1", zone: "us-east-1a", type: "m5.xlarge"),
            book: PoolBook(region: "us-east-1", prices: [], now: now))
    }

    @Test("what work that could wait asks of a pool is asked before the best are chosen, not of the best alone")
    func admits() {
        var question = question()
        let ceiling = MicroDollars(rawValue: 80_000)
        question.capacity = .spot
        question.admits = { _, price in price <= ceiling }
        let plan = ReplacementPlan(for: question)
        #expect(plan.steps.allSatisfy { $0.capacity == .spot })
        let pools = plan.steps.flatMap(\.pools)
        #expect(!pools.isEmpty)
        #expect(
            pools.allSatisfy { question.book.expectedSpot($0.type, zone: $0.zone).map { $0 <= ceiling } ?? false })
        question.takesBurstable = false
        let steady = ReplacementPlan(for: question).steps.flatMap(\.pools).map(\.type)
        #expect(!steady.isEmpty && !steady.contains(where: InstanceType.isBurstable))
    }

    @Test("pods that need a GPU get the node's own type, which has it; where that is not known, nothing")
    func gpus() {
        var question = question()
        question.requirement.moving.extended = ["nvidia.com/gpu": 1]
        #expect(ReplacementPlan(for: question).steps.isEmpty)
        #expect(question.requirement.words.hasSuffix("1 nvidia.com/gpu"))
        let room = Resources(
            cpu: 7900, memory: .mebibytes(30_000), pods: 58, extended: ["nvidia.com/gpu": 1])
        question.requirement.own = .init(type: "g5.2xlarge", allocatable: room)
        let plan = ReplacementPlan(for: question)
        #expect(plan.steps.last?.capacity == .onDemand)
        #expect(!plan.steps.isEmpty && plan.steps.flatMap(\.pools).allSatisfy { $0.type == "g5.2xlarge" })
        question.requirement.moving.extended = ["nvidia.com/gpu": 2]
        #expect(ReplacementPlan(for: question).steps.isEmpty)
    }

    @Test("goes from spot of low risk to any spot to on demand, at most sixty pools each")
    func steps() {
        let plan = ReplacementPlan(for: question())
        #expect(plan.steps.map(\.capacity) == [.spot, .spot, .onDemand])
        #expect(plan.steps.map(\.number) == [0, 1, 2])
        #expect(plan.steps.allSatisfy { (1...60).contains($0.pools.count) })
    }

    @Test("takes only types that carry pods and daemons together")
    func fits() throws {
        let plan = ReplacementPlan(for: question())
        for pool in plan.steps.flatMap(\.pools) {
            let type = try #require(InstanceCatalogue.shipped.type(named: pool.type))
            #expect(type.allocatable.cpu >= 3300 && type.allocatable.memory >= .mebibytes(6300))
        }
    }

    @Test("never asks the interrupted spot pool, nor one that gave nothing lately")
    func excluded() {
        var question = question()
        let first = ReplacementPlan(for: question).steps[0].pools[0]
        let pool = SpotPool(region: "us-east-1", zone: first.zone, type: first.type)
        question.unavailable = [
            UnavailablePoolFact(
                account: "1", pool: pool, capacity: .spot, until: now.addingTimeInterval(1), reason: "x")
        ]
        let spot = ReplacementPlan(for: question).steps.filter { $0.capacity == .spot }.flatMap(\.pools)
        #expect(!spot.contains { $0.type == first.type && $0.zone == first.zone })
        #expect(!spot.contains { $0.type == "m5.xlarge" && $0.zone == "us-east-1a" })
        question.unavailable[0].until = now
        #expect(ReplacementPlan(for: question).steps[0].pools[0] == first)
    }

    @Test("stays in the zone that volumes bind pods to")
    func zone() {
        let plan = ReplacementPlan(for: question(zone: "us-east-1b"))
        #expect(!plan.steps.isEmpty)
        #expect(plan.steps.flatMap(\.pools).allSatisfy { $0.zone == "us-east-1b" && $0.subnet == "subnet-b" })
        #expect(ReplacementPlan(for: question(zone: "us-east-1z")).steps.isEmpty)
    }

    @Test("has no steps when nothing in the catalogue is large enough")
    func nothingFits() {
        #expect(ReplacementPlan(for: question(cpu: 1_000_000)).steps.isEmpty)
    }

    @Test("is the same plan however often it is made")
    func deterministic() {
        #expect(ReplacementPlan(for: question()) == ReplacementPlan(for: question()))
    }
}
