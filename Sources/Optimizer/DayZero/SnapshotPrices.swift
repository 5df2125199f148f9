import Foundation
import Infrastructure

/// What capacity costs by the word of a snapshot, and by the shipped tables where it says nothing.
public struct SnapshotPrices: Sendable {
    private let snapshot: ClusterSnapshot
    private let catalogue: InstanceCatalogue
    private let advisor: SpotAdvisor
    private let histories: [SpotPool: [SpotPrice]]

    /// Takes a snapshot.
    public init(
        _ snapshot: ClusterSnapshot, catalogue: InstanceCatalogue = .shipped, advisor: SpotAdvisor = .shipped
    ) {
        self.snapshot = snapshot
        self.catalogue = catalogue
        self.advisor = advisor
        histories = Dictionary(grouping: snapshot.spotPrices, by: \.pool)
    }

    /// On demand per hour; nil: neither the snapshot nor the table knows the type.
    public func onDemand(_ type: String) -> MicroDollars? {
        snapshot.onDemandPrices[type] ?? catalogue.type(named: type)?.onDemandUSEast1
    }

    /// Whether the on-demand price is the region's own, not us-east-1's for want of a better one.
    public func isRegional(_ type: String) -> Bool {
        snapshot.onDemandPrices[type] != nil || snapshot.cluster.region == "us-east-1"
    }

    /// The spot price of a pool per hour: the latest known, else on demand less what the Spot Advisor promises; nil: neither
    /// is known.
    public func spot(_ type: String, zone: String) -> (price: MicroDollars, isMeasured: Bool)? {
        let pool = SpotPool(region: snapshot.cluster.region, zone: zone, type: type)
        if let last = histories[pool]?.last { return (last.price, true) }
        guard let onDemand = onDemand(type), let advice = advisor.advice(type: type, region: snapshot.cluster.region)
        else { return nil }
        return (MicroDollars(rawValue: onDemand.rawValue * Int64(100 - advice.savingPercent) / 100), false)
    }

    /// How risky a pool is.
    public func risk(_ type: String, zone: String) -> SpotRisk {
        let pool = SpotPool(region: snapshot.cluster.region, zone: zone, type: type)
        let incidents = snapshot.unavailablePools.filter { $0.pool == pool && $0.capacity == .spot }.map {
            PoolIncident(pool: pool, .noCapacity, at: min($0.until, snapshot.capturedAt))
        }
        return SpotRisk(
            advice: advisor.advice(type: type, region: snapshot.cluster.region), history: histories[pool] ?? [],
            onDemand: onDemand(type), incidents: incidents, now: snapshot.capturedAt)
    }
}
