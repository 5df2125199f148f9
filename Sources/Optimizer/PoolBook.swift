import Foundation
import Infrastructure

/// Everything that is known of what a region's capacity costs at one moment, on demand and spot, and how risky its spot
/// pools are: the one place where prices are looked up. Zones are named as in the account that asks.
public struct PoolBook: Sendable {
    /// How long before now a pool's incidents count: T has decayed below 1 % by then.
    public static let incidentSpan = TimeSpan.hours(28)
    /// How far prices reach back: the seven days of V, and a day for the price in force when they began.
    public static let priceSpan = TimeSpan.days(8)
    /// A price that was not seen for so long says nothing of now.
    public static let staleAfter = TimeSpan.days(2)

    /// The region.
    public let region: String
    private let histories: [SpotPool: [SpotPrice]]
    private let listed: [String: MicroDollars]
    private let advice: [String: SpotAdvice]
    private let incidents: [SpotPool: [PoolIncident]]
    private let catalogue: InstanceCatalogue
    private let shipped: SpotAdvisor
    /// The moment, world time.
    public let now: Date

    /// Collects what is known.
    /// - Parameters:
    ///   - prices: in any order.
    ///   - onDemand: listed prices by type; what is missing is looked up in the shipped table, which is of us-east-1.
    ///   - advice: by type; empty: the shipped copy's.
    ///   - incidents: what pools did to us.
    public init(
        region: String, prices: [SpotPrice], onDemand: [String: MicroDollars] = [:], advice: [String: SpotAdvice] = [:],
        incidents: [PoolIncident] = [], now: Date, catalogue: InstanceCatalogue = .shipped,
        shipped: SpotAdvisor = .shipped
    ) {
        self.region = region
        histories = Dictionary(grouping: prices, by: \.pool).mapValues { $0.sorted { $0.since < $1.since } }
        listed = onDemand
        self.advice = advice
        self.incidents = Dictionary(grouping: incidents, by: \.pool)
        self.catalogue = catalogue
        self.shipped = shipped
        self.now = now
    }

    /// What a snapshot knows, at the time it was taken.
    public init(
        _ snapshot: ClusterSnapshot, catalogue: InstanceCatalogue = .shipped, shipped: SpotAdvisor = .shipped
    ) {
        self.init(
            region: snapshot.cluster.region, prices: snapshot.spotPrices, onDemand: snapshot.onDemandPrices,
            advice: snapshot.spotAdvice ?? [:], incidents: snapshot.poolIncidents ?? [], now: snapshot.capturedAt,
            catalogue: catalogue, shipped: shipped)
    }

    /// What the Spot Advisor says of a type; nil: nothing.
    public func advice(for type: String) -> SpotAdvice? {
        advice.isEmpty ? shipped.advice(type: type, region: region) : advice[type]
    }

    /// The price on demand per hour, and whether it is this region's own; nil: unknown.
    public func onDemand(_ type: String) -> (price: MicroDollars, isOwn: Bool)? {
        if let price = listed[type] { return (price, true) }
        return catalogue.type(named: type).map { ($0.onDemandUSEast1, region == "us-east-1") }
    }

    /// The spot price in force; nil: unknown.
    public func spot(_ type: String, zone: String) -> MicroDollars? {
        history(type, zone).last { $0.since <= now }?.price
    }

    /// The best guess of the spot price: the one in force, else on demand less what the Spot Advisor says; nil: neither.
    public func expectedSpot(_ type: String, zone: String) -> MicroDollars? {
        if let known = spot(type, zone: zone) { return known }
        guard let base = onDemand(type)?.price, let advice = advice(for: type) else { return nil }
        return MicroDollars(rawValue: Int64(Double(base.rawValue) * (1 - Double(advice.savingPercent) / 100)))
    }

    /// The best guess of what a type costs in a zone, paid in that way; nil: unknown.
    public func price(_ type: String, zone: String, _ capacity: CapacityType) -> MicroDollars? {
        switch capacity {
        case .spot: expectedSpot(type, zone: zone)
        case .onDemand: onDemand(type)?.price
        }
    }

    /// What an instance costs per hour; a spot instance of which nothing is known, what it would on demand; nil: unknown.
    public func price(of instance: Instance) -> MicroDollars? {
        price(instance.type, zone: instance.zone, instance.capacity) ?? onDemand(instance.type)?.price
    }

    /// What a snapshot's nodes cost per hour, by name, as far as their instances and prices are known.
    public func byNode(_ snapshot: ClusterSnapshot) -> [String: MicroDollars] {
        let instances = snapshot.instancesByID
        let prices = snapshot.objects.nodes.compactMap { node in
            node.instance.flatMap { instances[$0] }.flatMap { price(of: $0) }.map { (node.name, $0) }
        }
        return Dictionary(prices, uniquingKeysWith: { first, _ in first })
    }

    /// Whether the pool is known to be sold.
    public func isOffered(_ type: String, zone: String) -> Bool {
        advice(for: type) != nil || !history(type, zone).isEmpty
    }

    /// The zones that have prices for a type.
    public func zones(of type: String) -> [String] {
        histories.keys.filter { $0.type == type }.map(\.zone).sorted()
    }

    /// The pool's score, term by term.
    public func risk(_ type: String, zone: String) -> SpotRisk {
        SpotRisk(
            advice: advice(for: type), history: history(type, zone), onDemand: onDemand(type)?.price,
            incidents: incidents[SpotPool(region: region, zone: zone, type: type)] ?? [], now: now)
    }

    private func history(_ type: String, _ zone: String) -> [SpotPrice] {
        let found = histories[SpotPool(region: region, zone: zone, type: type)] ?? []
        guard let last = found.last else { return [] }
        let seen = last.lastSeen ?? now
        return now.timeIntervalSince(seen) > PoolBook.staleAfter.interval ? [] : found
    }
}

/// Runs of one price, as they are kept: a row for each change, and how long it was seen.
public enum PriceRuns {
    /// Drops doubled rows and joins rows of one pool that follow each other at the same price.
    /// - Returns: by pool, oldest first.
    public static func compressed(_ rows: [SpotPriceRow]) -> [SpotPriceRow] {
        var result: [SpotPriceRow] = []
        let sorted = rows.sorted {
            ($0.type, $0.zoneID ?? $0.zone, $0.at, $0.price) < ($1.type, $1.zoneID ?? $1.zone, $1.at, $1.price)
        }
        for row in sorted {
            guard let last = result.last, last.type == row.type, last.zone == row.zone, last.zoneID == row.zoneID else {
                result.append(row)
                continue
            }
            if last.at == row.at { continue }
            if last.price == row.price {
                result[result.count - 1].lastSeen = max(last.lastSeen, row.lastSeen)
            } else {
                result.append(row)
            }
        }
        return result
    }
}
