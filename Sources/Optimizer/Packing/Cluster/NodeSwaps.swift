import Foundation
import Infrastructure

/// One or several nodes replaced by another that costs less: launched first, and only then are the old ones emptied.
public struct NodeSwap: Hashable, Sendable, Codable {
    /// The nodes that go; their savings add up to what they cost less what comes.
    public var removals: [ClusterPlan.Removal]
    /// What the new node must carry.
    public var requirement: ReplacementRequirement
    /// How it is launched: nothing in it is dearer than what the saving allows.
    public var launch: ReplacementPlan
    /// What the first pool costs per hour.
    public var price: MicroDollars

    /// Per hour.
    public var saving: MicroDollars { removals.reduce(.zero) { $0 + $1.saving } }
    /// The name of the first node that goes: what ties are broken by.
    var name: String { removals.first?.node.name ?? "" }
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
        found.swaps.sort { $0.saving != $1.saving ? $0.saving > $1.saving : $0.name < $1.name }
        return found
    }

    /// Why there is no swap.
    struct Stays: Error {
        var stay: NodeStay
    }

    var ownZones: [String: String] {
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
        guard let instance = review.instance(of: node) else { return .noPrice }
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
        guard let instance = review.instance(of: node) else { return .failure(Stays(stay: .noPrice)) }
        let price = cluster.problem.nodes[index].price
        let share = aim == .spot ? policy.spot.priceShareMax : 1
        let ceiling = min(price - policy.saving.minimumPerHour, .init(rawValue: Int64(Double(price.rawValue) * share)))
        return replacement(
            of: [index], by: aim == .spot ? .spot : instance.capacity, room: node.allocatable, ceiling: ceiling, zones,
            state)
    }

    /// One new node in place of some, which carries what finds no room on the others.
    /// - Parameters:
    ///   - room: what pods could use of it, at most.
    ///   - ceiling: what it may cost per hour.
    func replacement(
        of old: [Int], by capacity: CapacityType, room: Resources, ceiling: MicroDollars, _ zones: [String: String],
        _ state: PackingState
    ) -> Result<NodeSwap, Stays> {
        guard let index = old.first, let instance = review.instance(of: cluster.nodes[index]) else {
            return .failure(Stays(stay: .noPrice))
        }
        let node = cluster.nodes[index]
        var trials: [String: Relocation] = [:]
        for zone in zones.keys.sorted() {
            trials[zone] = relocation(of: old, room: room, zone: zone, capacity: capacity, state)
        }
        guard let trial = trials[instance.zone] ?? trials.min(by: { $0.key < $1.key })?.value else {
            let pod = moving(on: index, in: state).first.map { cluster.pods[$0].reference.description } ?? ""
            return .failure(Stays(stay: .noPlace(pod: pod, ["a node like this one would not do"])))
        }
        guard !trial.carried.isEmpty else {
            return .failure(Stays(stay: .unsuitable("its pods find room on the others: packing empties it")))
        }
        let coming = cluster.daemons(on: imagined(like: node, room, instance.zone, capacity))
        let requirement = requirement(node, trials.values.map(\.carried), state.podsOn[index], coming)
        switch launchPlan(
            requirement, capacity: capacity, ceiling: ceiling, zones: zones.filter { trials[$0.key] != nil }, old: old)
        {
        case .failure(let stay): return .failure(stay)
        case .success(let plan):
            guard let pool = plan.steps.first?.pools.first,
                let price = prices.price(pool.type, zone: pool.zone, capacity)
            else { return .failure(Stays(stay: .noPrice)) }
            return .success(
                NodeSwap(
                    removals: removals(old, trial.moves, price), requirement: requirement, launch: plan, price: price))
        }
    }

    /// What the new node must carry, wherever it comes up: the daemons of the old one, and those that come to it.
    private func requirement(
        _ node: Node, _ carried: [[Int]], _ present: [Int], _ coming: Resources
    ) -> ReplacementRequirement {
        let sums = carried.map { pods in pods.map { cluster.pods[$0].requests.shape }.reduce(Resources(), +) }
        var daemons = present.map { cluster.pods[$0] }.filter { $0.isDaemon || $0.isMirror }
            .map(\.requests.shape).reduce(Resources(), +)
        daemons.cpu = max(daemons.cpu, coming.cpu)
        daemons.memory = max(daemons.memory, coming.memory)
        daemons.pods = max(daemons.pods, coming.pods)
        var extended: [String: Int64] = [:]
        for sum in sums { extended.merge(sum.extended) { max($0, $1) } }
        return ReplacementRequirement(
            moving: Resources(
                cpu: sums.map(\.cpu).max() ?? .zero, memory: sums.map(\.memory).max() ?? .zero,
                pods: sums.map(\.pods).max() ?? 0, extended: extended),
            daemons: daemons, architecture: node.architecture ?? "amd64", zone: nil,
            own: node.instanceType.map { .init(type: $0, allocatable: node.allocatable.shape) })
    }

    /// What each of the nodes saves: what it costs, less its share of what comes.
    private func removals(
        _ old: [Int], _ moves: [Int: [ClusterPlan.Move]], _ price: MicroDollars
    ) -> [ClusterPlan.Removal] {
        let all = old.reduce(MicroDollars.zero) { $0 + cluster.problem.nodes[$1].price }
        var left = price
        return old.enumerated().compactMap { number, index in
            let node = cluster.nodes[index]
            let cost = cluster.problem.nodes[index].price
            let part =
                number == old.count - 1 || all <= .zero
                ? left
                : MicroDollars(rawValue: Int64(Double(price.rawValue) * Double(cost.rawValue) / Double(all.rawValue)))
            left = left - part
            guard let instance = node.instance else { return nil }
            return ClusterPlan.Removal(
                node: NodeReference(name: node.name, uid: node.uid), instance: instance, owner: review.owner(of: node),
                cost: cost, saving: cost - part, score: 0, moves: moves[index] ?? [])
        }
    }

    /// Where the pods of some nodes would go if a new one were there.
    struct Relocation {
        /// The pods that the new node would carry.
        var carried: [Int]
        /// By node that goes.
        var moves: [Int: [ClusterPlan.Move]]
        /// The state afterwards.
        var state: PackingState
    }

    /// The name that a node which is not there yet has in plans.
    static let newNode = "a new node"

    /// Moves the pods of some nodes to the others and to a new node in a zone, those that the others take first; nil: some
    /// pod would find no place even so.
    func relocation(
        of old: [Int], room: Resources, zone: String, capacity: CapacityType, _ state: PackingState
    ) -> Relocation? {
        guard let index = old.first else { return nil }
        var trial = state
        let new = cluster.imagine(imagined(like: cluster.nodes[index], room, zone, capacity), price: .zero, in: &trial)
        guard
            let moves = Consolidation.relocate(
                old.map { ($0, moving(on: $0, in: state)) }, receiving: destinations, last: new, in: &trial)
        else { return nil }
        let grouped = Dictionary(grouping: moves, by: \.from).mapValues { moves in
            moves.map { move in
                ClusterPlan.Move(
                    pod: cluster.pods[move.pod].reference,
                    to: move.to == new ? PackingPlanner.newNode : cluster.nodes[move.to].name)
            }
        }
        return Relocation(carried: trial.podsOn[new].sorted(), moves: grouped, state: trial)
    }

    /// A node that the launch template of another would make.
    func imagined(like node: Node, _ room: Resources, _ zone: String, _ capacity: CapacityType) -> Node {
        var imagined = node
        imagined.name = "new-\(zone)"
        imagined.uid = imagined.name
        imagined.instance = nil
        imagined.allocatable = room
        imagined.labels["kubernetes.io/hostname"] = imagined.name
        for key in ["topology.kubernetes.io/zone", "topology.ebs.csi.aws.com/zone"] where node.labels[key] != nil {
            imagined.labels[key] = zone
        }
        imagined.labels["topology.kubernetes.io/zone"] = zone
        // Which type it will be is open: whoever insists on one is not moved.
        for key in ["node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"] {
            imagined.labels[key] = ""
        }
        if imagined.labels["eks.amazonaws.com/capacityType"] != nil {
            imagined.labels["eks.amazonaws.com/capacityType"] = capacity == .spot ? "SPOT" : "ON_DEMAND"
        }
        return imagined
    }

    /// Pools by risk and price, none above the ceiling and none that holds too many of our nodes already.
    private func launchPlan(
        _ requirement: ReplacementRequirement, capacity: CapacityType, ceiling: MicroDollars, zones: [String: String],
        old: [Int]
    ) -> Result<ReplacementPlan, Stays> {
        let region = snapshot.cluster.region
        let instances = old.compactMap { review.instance(of: cluster.nodes[$0]) }
        let crowded = capacity == .spot ? crowdedPools : []
        // Of a type that goes only what is cheaper than what goes: otherwise nodes would be exchanged for their like.
        var cheapest: [String: MicroDollars] = [:]
        for (node, instance) in zip(old, instances) {
            let price = cluster.problem.nodes[node].price
            cheapest[instance.type] = min(cheapest[instance.type] ?? price, price)
        }
        let same = cheapest
        let cost = old.reduce(MicroDollars.zero) { $0 + cluster.problem.nodes[$1].price }
        let plan = ReplacementPlan(
            for: .init(
                requirement: requirement, zones: zones.mapValues { Optional($0) },
                families: policy.spot.families.isEmpty ? snapshot.cluster.families : policy.spot.families,
                interrupted: instances.first.flatMap {
                    $0.capacity == .spot ? SpotPool(region: region, zone: $0.zone, type: $0.type) : nil
                }, unavailable: snapshot.unavailablePools, risk: policy.spot, book: prices,
                // How much of its CPU a node uses is not known here.
                takesBurstable: instances.allSatisfy { InstanceType.isBurstable($0.type) }, capacity: capacity,
                admits: { pool, price in
                    price <= ceiling && price < cost && !crowded.contains(pool)
                        && same[pool.type].map { price < $0 } ?? true
                }))
        guard let first = plan.steps.first else {
            let asked = requirement.total.extended.keys.sorted().joined(separator: ", ")
            let dollars = ceiling.dollars * policy.saving.hoursPerMonth
            return .failure(
                Stays(
                    stay: .unsuitable(
                        asked.isEmpty
                            ? "no pool of low enough risk costs less than \(Money.text(dollars)) $ a month"
                            : "its pods ask for \(asked), and its own type is nowhere cheaper than \(Money.text(dollars)) $ a month"
                    )))
        }
        guard capacity == .spot else { return .success(plan) }
        if instances.contains(where: { $0.capacity == .spot }),
            Set(first.pools.map(\.type)).count < PackingPlanner.spotToSpotTypesMin
        {
            return .failure(
                Stays(stay: .unsuitable("fewer than \(PackingPlanner.spotToSpotTypesMin) spot types cost less")))
        }
        guard plan.steps.contains(where: { $0.pools.count >= policy.spot.poolsMin }) else {
            return .failure(Stays(stay: .unsuitable("fewer than spot.pools_min pools would do")))
        }
        return .success(plan)
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
