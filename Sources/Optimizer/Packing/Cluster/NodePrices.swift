import Foundation
import Infrastructure

/// What a cluster's nodes cost per hour: spot by the pool's last price, else by the Spot Advisor's saving; on demand by
/// the region's price list, else by the shipped table.
public struct NodePrices: Sendable {
    private let snapshot: ClusterSnapshot
    private let spot: [SpotPool: MicroDollars]
    private let catalogue: InstanceCatalogue
    private let advisor: SpotAdvisor
    private let instances: [InstanceID: Instance]

    /// Learns a snapshot's prices.
    public init(
        _ snapshot: ClusterSnapshot, catalogue: InstanceCatalogue = .shipped, advisor: SpotAdvisor = .shipped
    ) {
        self.snapshot = snapshot
        self.catalogue = catalogue
        self.advisor = advisor
        var latest: [SpotPool: SpotPrice] = [:]
        for price in snapshot.spotPrices where latest[price.pool].map({ $0.since <= price.since }) ?? true {
            latest[price.pool] = price
        }
        spot = latest.mapValues(\.price)
        instances = Dictionary(
            (snapshot.instances ?? []).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The instance behind a node; nil: none, or EC2 does not know it.
    public func instance(of node: Node) -> Instance? { node.instance.flatMap { instances[$0] } }

    /// A type's price on demand; nil: neither the region's list nor the shipped table has it.
    public func onDemand(_ type: String) -> MicroDollars? {
        snapshot.onDemandPrices[type] ?? catalogue.type(named: type)?.onDemandUSEast1
    }

    /// A type's spot price in a zone; nil: unknown.
    public func spot(_ type: String, zone: String) -> MicroDollars? {
        if let known = spot[SpotPool(region: snapshot.cluster.region, zone: zone, type: type)] { return known }
        guard let advice = advisor.advice(type: type, region: snapshot.cluster.region), let full = onDemand(type) else {
            return nil
        }
        return MicroDollars(rawValue: full.rawValue * Int64(100 - advice.savingPercent) / 100)
    }

    /// What a node costs; nil: its instance or type is not known.
    public func price(of node: Node) -> MicroDollars? {
        guard let instance = instance(of: node) else { return nil }
        switch instance.capacity {
        case .spot: return spot(instance.type, zone: instance.zone) ?? onDemand(instance.type)
        case .onDemand: return onDemand(instance.type)
        }
    }

    /// Every node whose price is known, by name.
    public var byNode: [String: MicroDollars] {
        Dictionary(
            snapshot.objects.nodes.compactMap { node in price(of: node).map { (node.name, $0) } },
            uniquingKeysWith: { first, _ in first })
    }
}
