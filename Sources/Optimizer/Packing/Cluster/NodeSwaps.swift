import Foundation
import Infrastructure

/// One node replaced by another that costs less: launched first, and only then is the old one emptied.
public struct NodeSwap: Hashable, Sendable, Codable {
    /// The node that goes; its saving is net of what comes.
    public var removal: ClusterPlan.Removal
    /// What the new node must carry.
    public var requirement: ReplacementRequirement
    /// How it is launched: nothing in it is dearer than what the saving allows.
    public var launch: ReplacementPlan
    /// What the first pool costs per hour.
    public var price: MicroDollars
}

/// What a search for swaps found.
public struct NodeSwaps: Hashable, Sendable, Codable {
    /// The swaps, the one that saves most first.
    public var swaps: [NodeSwap] = []
    /// Why the other nodes stay, by name.
    public var stays: [String: NodeStay] = [:]
}

extension PackingPlanner {
    /// What is looked for.
    public enum SwapAim: Hashable, Sendable {
        /// A smaller or cheaper type, paid as the old one is.
        case cheaperType
        /// Spot instead of on demand.
        case spot
    }

    /// A spot node is replaced by spot only where so many types cost less, so that it does not race to the bottom of the
    /// price list and is interrupted there. Source: Karpenter's spot-to-spot consolidation.
    static let spotToSpotTypesMin = 15
    /// Nodes for which the search for a swap is made.
    static let swapTriesMax = 100

    /// Searches for nodes to be replaced one by one.
    /// - Parameter zones: subnets by zone that may be used; empty: those of the cluster's own instances.
    public func swaps(_ aim: SwapAim, zones: [String: String]) -> NodeSwaps {
        var found = NodeSwaps()
        let state = cluster.state
        let usable = zones.isEmpty ? ownZones : zones
        var tries = 0
        let order = cluster.nodes.indices.sorted { left, right in
            let prices = (cluster.problem.nodes[left].price, cluster.problem.nodes[right].price)
            return prices.0 != prices.1 ? prices.0 > prices.1 : left < right
        }
        for index in order {
            let node = cluster.nodes[index]
            if let stay = unfit(index, aim, state) {
                found.stays[node.name] = stay
                continue
            }
            guard tries < PackingPlanner.swapTriesMax else {
                found.stays[node.name] = .budget
                continue
            }
            tries += 1
            switch swap(index, aim, usable, state) {
            case .success(let swap): found.swaps.append(swap)
            case .failure(let stay): found.stays[node.name] = stay.stay
            }
        }
        found.swaps.sort {
            $0.removal.saving != $1.removal.saving
                ? $0.removal.saving > $1.removal.saving : $0.removal.node.name < $1.removal.node.name
        }
        return found
    }

    private struct Stays: Error {
        var stay: NodeStay
    }

    private var ownZones: [String: String] {
        var zones: [String: String] = [:]
        for instance in snapshot.instances ?? [] where instance.state == .running {
            if let subnet = instance.subnet, zones[instance.zone] == nil { zones[instance.zone] = subnet }
        }
        return zones
    }

    /// Why a node is not replaced, before any search.
    private func unfit(_ index: Int, _ aim: SwapAim, _ state: PackingState) -> NodeStay? {
        let node = cluster.nodes[index]
        if let reason = review.reason(node) { return reason }
        guard review.owner(of: node).mayReplace else { return .owner("its owner launches its nodes, not CloudOptim") }
        guard let instance = prices.instance(of: node) else { return .noPrice }
        let moving = self.moving(on: index, in: state)
        if moving.isEmpty { return .unsuitable("it is empty: packing removes it") }
        if let reason = unmovable(on: moving) { return reason }
        guard aim == .spot else { return nil }
        if instance.capacity == .spot { return .unsuitable("it is spot already") }
        let fallback = instance.tags["cloudoptim.io/replaces"] != nil
        if fallback, snapshot.capturedAt.timeIntervalSince(node.createdAt) < policy.spot.returnAfter.interval {
            return .unsuitable("it fell back to on demand within spot.return_after")
        }
        for pod in moving {
            let item = cluster.pods[pod]
            let siblings = cluster.pods.count { $0.ownerUID == item.ownerUID && $0.isReady && $0.deletedBy == nil }
            if siblings < 2 {
                return .unsuitable("\(item.reference) is the only pod of its owner: each interruption would stop it")
            }
        }
        return nil
    }

    private func swap(
        _ index: Int, _ aim: SwapAim, _ zones: [String: String], _ state: PackingState
    ) -> Result<NodeSwap, Stays> {
        let node = cluster.nodes[index]
        guard let instance = prices.instance(of: node), let old = prices.price(of: node) else {
            return .failure(Stays(stay: .noPrice))
        }
        let capacity: CapacityType = aim == .spot ? .spot : instance.capacity
        var moving: [String: [Int]] = [:]
        for zone in zones.keys.sorted() {
            if let pods = carried(index, zone: zone, capacity: capacity, state) { moving[zone] = pods }
        }
        guard let first = moving[instance.zone] ?? moving.sorted(by: { $0.key < $1.key }).first?.value, !first.isEmpty
        else {
            let pod = self.moving(on: index, in: state).first.map { cluster.pods[$0].reference.description } ?? ""
            return .failure(Stays(stay: .noPlace(pod: pod, ["a node like this one would not do"])))
        }
        let daemons = state.podsOn[index].map { cluster.pods[$0] }.filter { $0.isDaemon || $0.isMirror }
        let most = moving.values.map { pods in pods.map { cluster.pods[$0].requests }.reduce(Resources(), +) }
        let need = Resources(
            cpu: most.map(\.cpu).max() ?? .zero, memory: most.map(\.memory).max() ?? .zero,
            pods: most.map(\.pods).max() ?? 0)
        let requirement = ReplacementRequirement(
            moving: need, daemons: daemons.map(\.requests.core).reduce(Resources(), +),
            architecture: node.architecture ?? "amd64", zone: nil)
        let minimum = policy.saving.minimumPerHour
        let ceiling = MicroDollars(
            rawValue: min(
                (old - minimum).rawValue,
                aim == .spot ? Int64(Double(old.rawValue) * policy.spot.priceShareMax) : .max))
        let launch = launchPlan(
            requirement, capacity: capacity, ceiling: ceiling,
            zones: zones.filter { moving[$0.key] != nil }, old: instance)
        switch launch {
        case .failure(let stay): return .failure(stay)
        case .success(let plan):
            guard let pool = plan.steps.first?.pools.first, let price = price(pool, capacity) else {
                return .failure(Stays(stay: .noPrice))
            }
            return .success(
                NodeSwap(
                    removal: ClusterPlan.Removal(
                        node: NodeReference(name: node.name, uid: node.uid), instance: instance.id,
                        owner: review.owner(of: node), saving: old - price, score: 0,
                        moves: self.moving(on: index, in: state).map {
                            .init(
                                pod: cluster.pods[$0].reference, to: first.contains($0) ? "a new node" : "another node")
                        }), requirement: requirement, launch: plan, price: price))
        }
    }

    /// The pods that a new node of the old one's size in a zone would carry, when all others take what they can; nil: some
    /// pod would find no place even so.
    private func carried(_ index: Int, zone: String, capacity: CapacityType, _ state: PackingState) -> [Int]? {
        var trial = state
        let node = cluster.nodes[index]
        var imagined = node
        imagined.name = "new-\(zone)"
        imagined.labels["kubernetes.io/hostname"] = imagined.name
        imagined.labels["topology.kubernetes.io/zone"] = zone
        if node.labels["topology.ebs.csi.aws.com/zone"] != nil {
            imagined.labels["topology.ebs.csi.aws.com/zone"] = zone
        }
        // Which type it will be is open: whoever insists on one is not moved.
        for key in ["node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"] {
            imagined.labels[key] = ""
        }
        if imagined.labels["eks.amazonaws.com/capacityType"] != nil {
            imagined.labels["eks.amazonaws.com/capacityType"] = capacity == .spot ? "SPOT" : "ON_DEMAND"
        }
        let pods = moving(on: index, in: trial)
        for pod in pods { trial.remove(pod) }
        trial.close(index, because: .leaving)
        let new = cluster.imagine(imagined, price: .zero, in: &trial)
        let others = destinations.filter { $0 != index }
        let left = Packer(cluster.problem).place(pods, on: others + [new], in: &trial, by: .bestFit)
        return left.isEmpty ? trial.podsOn[new].sorted() : nil
    }

    private func price(_ pool: FleetOverride, _ capacity: CapacityType) -> MicroDollars? {
        capacity == .spot ? prices.spot(pool.type, zone: pool.zone) : prices.onDemand(pool.type)
    }

    /// Pools by risk and price, none above the ceiling and none that holds too many of our nodes already.
    private func launchPlan(
        _ requirement: ReplacementRequirement, capacity: CapacityType, ceiling: MicroDollars, zones: [String: String],
        old: Instance
    ) -> Result<ReplacementPlan, Stays> {
        let region = snapshot.cluster.region
        let history = Dictionary(grouping: snapshot.spotPrices, by: \.pool).mapValues {
            $0.sorted { $0.since < $1.since }
        }
        var plan = ReplacementPlan(
            for: .init(
                requirement: requirement, region: region, zones: zones.mapValues { Optional($0) },
                families: policy.spot.families.isEmpty ? snapshot.cluster.families : policy.spot.families,
                interrupted: SpotPool(region: region, zone: old.zone, type: old.type),
                unavailable: snapshot.unavailablePools, prices: history, onDemand: snapshot.onDemandPrices,
                risk: policy.spot, now: snapshot.capturedAt))
        let crowded = crowdedPools
        plan.steps = plan.steps.filter { $0.capacity == capacity }.map { step in
            var step = step
            step.pools = step.pools.filter { pool in
                let place = SpotPool(region: region, zone: pool.zone, type: pool.type)
                guard let price = price(pool, capacity), price <= ceiling, isSteady(pool.type, as: old.type) else {
                    return false
                }
                guard capacity == .spot else { return pool.type != old.type }
                let most = step.number == 0 ? policy.spot.riskMax : policy.spot.riskMaxRelaxed
                let risk = SpotRisk(
                    advice: SpotAdvisor.shipped.advice(type: pool.type, region: region), history: history[place] ?? [],
                    onDemand: prices.onDemand(pool.type), incidents: [], now: snapshot.capturedAt)
                return risk.score <= most && !crowded.contains(place)
            }
            return step
        }.filter { !$0.pools.isEmpty }
        for number in plan.steps.indices { plan.steps[number].number = number }
        guard let first = plan.steps.first else {
            let dollars = ceiling.dollars * policy.saving.hoursPerMonth
            return .failure(
                Stays(stay: .unsuitable("no pool of low enough risk costs less than \(Money.text(dollars)) $ a month")))
        }
        guard capacity == .spot else { return .success(plan) }
        if old.capacity == .spot, Set(first.pools.map(\.type)).count < PackingPlanner.spotToSpotTypesMin {
            return .failure(
                Stays(stay: .unsuitable("fewer than \(PackingPlanner.spotToSpotTypesMin) spot types cost less")))
        }
        guard plan.steps.contains(where: { $0.pools.count >= policy.spot.poolsMin }) else {
            return .failure(Stays(stay: .unsuitable("fewer than spot.pools_min pools would do")))
        }
        return .success(plan)
    }

    /// Burstable and flex types throttle whoever uses CPU all the time, and how much is used is not known here.
    private func isSteady(_ type: String, as old: String) -> Bool {
        func isBurstable(_ name: String) -> Bool { name.hasPrefix("t") || name.contains("-flex.") }
        return !isBurstable(type) || isBurstable(old)
    }

    /// Pools that hold more than their share of our spot nodes: one reclaim must not take many nodes at once.
    private var crowdedPools: Set<SpotPool> {
        let names = Set(snapshot.objects.nodes.compactMap(\.instance))
        let spot = (snapshot.instances ?? []).filter { $0.capacity == .spot && names.contains($0.id) }
        guard spot.count >= policy.spot.poolsMin, policy.spot.poolsMin > 1 else { return [] }
        let share = max(1, spot.count / policy.spot.poolsMin)
        let pools = Dictionary(grouping: spot) {
            SpotPool(region: snapshot.cluster.region, zone: $0.zone, type: $0.type)
        }
        return Set(pools.filter { $0.value.count > share }.keys)
    }
}
