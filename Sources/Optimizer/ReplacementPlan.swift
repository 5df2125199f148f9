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
        /// The subnet of each zone that may be used; a nil value is the launch template's own.
        public var zones: [String: String?]
        /// Families that may be used; empty: all.
        public var families: [String]
        /// The pool that is being interrupted.
        public var interrupted: SpotPool?
        /// Pools not to be asked now.
        public var unavailable: [UnavailablePoolFact]
        /// Up to which score pools are asked first, and at all before on demand.
        public var risk: SpotPolicy?
        /// What the region's capacity costs and how risky it is, now.
        public var book: PoolBook
        /// Whether types that throttle whoever uses CPU all the time will do.
        public var takesBurstable: Bool
        /// How it must be paid; nil: spot first, on demand where there is none.
        public var capacity: CapacityType?
        /// What a pool must be besides, for work that could wait: asked with its price per hour, paid in that way, before
        /// the best are chosen. A pool whose price is not known is not asked for.
        public var admits: (@Sendable (SpotPool, MicroDollars) -> Bool)?

        /// Makes a question.
        public init(
            requirement: ReplacementRequirement, zones: [String: String?], families: [String] = [],
            interrupted: SpotPool? = nil, unavailable: [UnavailablePoolFact] = [], risk: SpotPolicy? = nil,
            book: PoolBook, takesBurstable: Bool = true, capacity: CapacityType? = nil,
            admits: (@Sendable (SpotPool, MicroDollars) -> Bool)? = nil
        ) {
            self.requirement = requirement
            self.zones = zones
            self.families = families
            self.interrupted = interrupted
            self.unavailable = unavailable
            self.risk = risk
            self.book = book
            self.takesBurstable = takesBurstable
            self.capacity = capacity
            self.admits = admits
        }
    }

    /// CreateFleet takes more, but longer lists only slow it down (Karpenter's limit).
    public static let poolsMax = 60
    /// The first step takes pools up to this score only; the second takes any.
    public static let riskMax = 0.50
    /// A pool whose type costs more on demand than so many times the cheapest that fits is not worth its lower risk.
    public static let priceFactorMax = 2.0

    /// The types that are looked at for a requirement, the cheapest first: those that carry it and are not too dear. No
    /// table tells who has GPUs and their like: where those are asked for it is the node's own type, or none.
    /// - Parameter takesBurstable: whether types that throttle will do.
    public static func candidates(
        for requirement: ReplacementRequirement, families: [String] = [], takesBurstable: Bool = true,
        catalogue: InstanceCatalogue = .shipped
    ) -> [String] {
        guard requirement.total.extended.isEmpty else {
            guard let own = requirement.own, requirement.total.fits(in: own.allocatable) else { return [] }
            return [own.type]
        }
        let fitting = catalogue.carrying(
            requirement.total, architecture: requirement.architecture, families: families,
            takesBurstable: takesBurstable)
        guard let cheapest = fitting.first else { return [] }
        let priceMax = Int64(Double(cheapest.onDemandUSEast1.rawValue) * priceFactorMax)
        return fitting.filter { $0.onDemandUSEast1.rawValue <= priceMax }.map(\.name)
    }

    /// Plans a replacement: spot of low risk, then any spot, then on demand. No steps: nothing in the catalogue fits.
    ///
    /// Pools are ranked by risk in steps of 0.05, then price, then type and zone: risks are coarse and tie in masses.
    public init(for question: Question, catalogue: InstanceCatalogue = .shipped) {
        let zones = question.requirement.zone.map { zone in question.zones.filter { $0.key == zone } } ?? question.zones
        let types = ReplacementPlan.candidates(
            for: question.requirement, families: question.families, takesBurstable: question.takesBurstable,
            catalogue: catalogue)
        guard !types.isEmpty, !zones.isEmpty else {
            steps = []
            return
        }
        let book = question.book
        let pools = types.flatMap { type in
            zones.keys.map { Ranked(SpotPool(region: book.region, zone: $0, type: type), book) }
        }
        let blocked = Set(question.unavailable.filter { $0.until > book.now }.map { Blocked($0.pool, $0.capacity) })
        func isAdmitted(_ pool: Ranked, _ capacity: CapacityType) -> Bool {
            guard question.capacity ?? capacity == capacity, !blocked.contains(Blocked(pool.pool, capacity)) else {
                return false
            }
            guard let admits = question.admits else { return true }
            return book.price(pool.pool.type, zone: pool.pool.zone, capacity).map { admits(pool.pool, $0) } ?? false
        }
        let share = question.risk?.priceShareMax ?? 1
        let spot = pools.filter {
            $0.isOffered && $0.pool != question.interrupted && $0.isWorthIt(share) && isAdmitted($0, .spot)
        }.sorted(by: Ranked.isBetter)
        let onDemand = pools.filter { isAdmitted($0, .onDemand) }.sorted {
            ($0.onDemand ?? .max, $0.pool) < ($1.onDemand ?? .max, $1.pool)
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
                    FleetOverride(type: $0.pool.type, zone: $0.pool.zone, subnet: zones[$0.pool.zone] ?? nil)
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
        let risk: Double
        /// The spot price as far as it can be guessed, else what it costs on demand.
        let price: Int64
        /// In micro-dollars per hour; nil: unknown.
        let onDemand: Int64?
        let isOffered: Bool

        init(_ pool: SpotPool, _ book: PoolBook) {
            self.pool = pool
            risk = book.risk(pool.type, zone: pool.zone).score
            onDemand = book.onDemand(pool.type)?.price.rawValue
            price = book.expectedSpot(pool.type, zone: pool.zone)?.rawValue ?? onDemand ?? .max
            isOffered = book.isOffered(pool.type, zone: pool.zone)
        }

        /// Whether spot costs at most that share of on demand; where that is not known, it is taken to.
        func isWorthIt(_ share: Double) -> Bool { onDemand.map { Double(price) <= share * Double($0) } ?? true }

        static func isBetter(_ left: Ranked, _ right: Ranked) -> Bool {
            let leftBand = (left.risk / 0.05).rounded(.down)
            let rightBand = (right.risk / 0.05).rounded(.down)
            return leftBand != rightBand
                ? leftBand < rightBand : (left.price, left.pool) < (right.price, right.pool)
        }
    }
}
