import Foundation
import Infrastructure

/// How an interrupted instance is to be replaced: a few launch steps, tried in order, each with its own token.
public struct ReplacementPlan: Hashable, Sendable, Codable {
    /// One launch.
    public struct Step: Hashable, Sendable, Codable {
        /// The step's number, part of its effect key.
        public var number: Int
        /// Spot or on demand.
        public var capacity: CapacityType
        /// The pools, the best first, at most 60.
        public var pools: [FleetOverride]
        /// What it is, for people.
        public var summary: String
    }

    /// The steps, in order.
    public var steps: [Step]

    /// What a plan is made from.
    public struct Question: Sendable {
        /// What the new node must carry.
        public var requirement: ReplacementRequirement
        /// The region.
        public var region: String
        /// The subnet of each zone that may be used; a nil value is the launch template's own.
        public var zones: [String: String?]
        /// Families that may be used; empty: all.
        public var families: [String]
        /// The pool that is being interrupted.
        public var interrupted: SpotPool?
        /// Pools not to be asked now.
        public var unavailable: [UnavailablePoolFact]
        /// Price histories by pool, oldest first.
        public var prices: [SpotPool: [SpotPrice]]
        /// On-demand prices by type, as far as they were listed for the region.
        public var onDemand: [String: MicroDollars]
        /// The Spot Advisor's advice by type; empty: the shipped copy's.
        public var advice: [String: SpotAdvice]
        /// What pools did to us lately.
        public var incidents: [PoolIncident]
        /// Up to which score pools are asked first, and at all before on demand.
        public var risk: SpotPolicy?
        /// World time.
        public var now: Date

        /// Makes a question.
        public init(
            requirement: ReplacementRequirement, region: String, zones: [String: String?], families: [String] = [],
            interrupted: SpotPool? = nil, unavailable: [UnavailablePoolFact] = [],
            prices: [SpotPool: [SpotPrice]] = [:], onDemand: [String: MicroDollars] = [:],
            advice: [String: SpotAdvice] = [:], incidents: [PoolIncident] = [], risk: SpotPolicy? = nil, now: Date
        ) {
            self.requirement = requirement
            self.region = region
            self.zones = zones
            self.families = families
            self.interrupted = interrupted
            self.unavailable = unavailable
            self.prices = prices
            self.onDemand = onDemand
            self.advice = advice
            self.incidents = incidents
            self.risk = risk
            self.now = now
        }
    }

    /// CreateFleet takes more, but longer lists only slow it down (Karpenter's limit).
    public static let poolsMax = 60
    /// The first step takes pools up to this score only; the second takes any.
    public static let riskMax = 0.50
    /// A pool whose type costs more on demand than so many times the cheapest that fits is not worth its lower risk.
    public static let priceFactorMax = 2.0

    /// The types that are looked at for a requirement, the cheapest first: those that carry it and are not too dear.
    public static func candidates(
        for requirement: ReplacementRequirement, families: [String] = [], catalogue: InstanceCatalogue = .shipped
    ) -> [InstanceType] {
        let fitting = catalogue.carrying(
            requirement.total, architecture: requirement.architecture, families: families)
        guard let cheapest = fitting.first else { return [] }
        let priceMax = Int64(Double(cheapest.onDemandUSEast1.rawValue) * priceFactorMax)
        return fitting.filter { $0.onDemandUSEast1.rawValue <= priceMax }
    }

    /// Plans a replacement: spot of low risk, then any spot, then on demand. No steps: nothing in the catalogue fits.
    ///
    /// Pools are ranked by risk in steps of 0.05, then price, then type and zone: risks are coarse and tie in masses.
    public init(
        for question: Question, catalogue: InstanceCatalogue = .shipped, advisor: SpotAdvisor = .shipped
    ) {
        let zones = question.requirement.zone.map { zone in question.zones.filter { $0.key == zone } } ?? question.zones
        let types = ReplacementPlan.candidates(
            for: question.requirement, families: question.families, catalogue: catalogue)
        guard !types.isEmpty, !zones.isEmpty else {
            steps = []
            return
        }
        let book = PoolBook(
            region: question.region, prices: question.prices.values.flatMap(\.self), onDemand: question.onDemand,
            advice: question.advice, incidents: question.incidents, now: question.now, catalogue: catalogue,
            shipped: advisor)
        var pools: [Ranked] = []
        for type in types {
            let onDemand = book.onDemand(type.name)?.price ?? type.onDemandUSEast1
            for zone in zones.keys {
                pools.append(
                    Ranked(
                        pool: SpotPool(region: question.region, zone: zone, type: type.name), type: type,
                        risk: book.risk(type.name, zone: zone).score,
                        price: (book.expectedSpot(type.name, zone: zone) ?? onDemand).rawValue, onDemand: onDemand,
                        isOffered: book.isOffered(type.name, zone: zone)))
            }
        }
        let blocked = Set(question.unavailable.filter { $0.until > question.now }.map { Blocked($0.pool, $0.capacity) })
        let spot = pools.filter {
            $0.isOffered && $0.pool != question.interrupted && !blocked.contains(Blocked($0.pool, .spot))
                && Double($0.price) <= (question.risk?.priceShareMax ?? 1) * Double($0.onDemand.rawValue)
        }.sorted(by: Ranked.isBetter)
        let onDemand = pools.filter { !blocked.contains(Blocked($0.pool, .onDemand)) }.sorted {
            ($0.onDemand, $0.pool) < ($1.onDemand, $1.pool)
        }
        let riskMax = question.risk?.riskMax ?? ReplacementPlan.riskMax
        let relaxed = question.risk?.riskMaxRelaxed ?? 1
        let low = spot.filter { $0.risk <= riskMax }
        let wide = spot.filter { $0.risk <= relaxed }
        let drafts: [(CapacityType, [Ranked], String)] = [
            (.spot, low, "spot, risk up to \(riskMax)"),
            (.spot, wide, relaxed < 1 ? "spot, risk up to \(relaxed)" : "spot, any risk"),
            (.onDemand, onDemand, "on demand"),
        ]
        steps = drafts.filter { !$0.1.isEmpty }.enumerated().map { number, draft in
            Step(
                number: number, capacity: draft.0,
                pools: draft.1.prefix(ReplacementPlan.poolsMax).map {
                    FleetOverride(type: $0.type.name, zone: $0.pool.zone, subnet: zones[$0.pool.zone] ?? nil)
                }, summary: draft.2)
        }
    }

    private struct Blocked: Hashable {
        let pool: SpotPool
        let capacity: CapacityType
        init(_ pool: SpotPool, _ capacity: CapacityType) {
            self.pool = pool
            self.capacity = capacity
        }
    }

    private struct Ranked {
        let pool: SpotPool
        let type: InstanceType
        let risk: Double
        let price: Int64
        let onDemand: MicroDollars
        let isOffered: Bool

        static func isBetter(_ left: Ranked, _ right: Ranked) -> Bool {
            let leftBand = (left.risk / 0.05).rounded(.down)
            let rightBand = (right.risk / 0.05).rounded(.down)
            return leftBand != rightBand
                ? leftBand < rightBand : (left.price, left.pool) < (right.price, right.pool)
        }
    }
}
