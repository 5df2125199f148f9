import Foundation
import Infrastructure

/// Several nodes replaced by one that costs less than all of them: Karpenter's multi-node consolidation (domain-rules
/// section 4).
extension PackingPlanner {
    /// Nodes that the search looks at, those that cost most for their disruption first.
    static let mergeCandidatesMax = 100

    /// The best merge, if there is one: as many nodes as a binary search over the candidates finds to work, each probe a
    /// whole simulation.
    ///
    /// Anti-churn: the nodes are those that any plan may empty (age, cooldown, protection), the saving must be the
    /// policy's least beyond what evictions are taken to cost, its score at least 1 / k, and of a type that goes only a
    /// cheaper one comes.
    /// - Parameters:
    ///   - zones: subnets by zone that may be used; empty: those of the cluster's own instances.
    ///   - nodesMax: what is left of the hour's nodes.
    ///   - evictionsMax: what is left of the hour's evictions.
    public func merge(zones: [String: String], nodesMax: Int = .max, evictionsMax: Int = .max) -> NodeSwap? {
        let usable = zones.isEmpty ? ownZones : zones
        let most = min(policy.packing.nodesPerPlanMax, nodesMax, PackingPlanner.mergeCandidatesMax)
        let evictions = min(policy.disruption.evictionsPerHourMax, evictionsMax)
        var best: NodeSwap?
        for group in mergeGroups() {
            _ = Consolidation.largestPrefix(of: 2...max(2, min(most, group.count)), within: min(most, group.count)) {
                count in
                guard let found = merge(Array(group.prefix(count)), usable, evictionsMax: evictions) else {
                    return false
                }
                if best.map({ $0.saving < found.saving }) ?? true { best = found }
                return true
            }
        }
        return best
    }

    /// A node that may be merged.
    private struct Candidate {
        var index: Int
        var disruption: Double
        /// What it costs for what it disturbs.
        var worth: Double
    }

    /// Nodes whose like one new node can be: launched from one template, with equal labels, taints and way of paying. In
    /// each group those that cost most for their disruption come first.
    private func mergeGroups() -> [[Candidate]] {
        struct Key: Hashable {
            var capacity: CapacityType
            var template: LaunchTemplate?
            var pool: String?
            var labels: [String: String]
            var taints: [Taint]
        }
        let state = cluster.state
        var groups: [Key: [Candidate]] = [:]
        for (index, node) in cluster.nodes.enumerated() {
            guard review.reason(node) == nil, review.owner(of: node).mayReplace,
                let instance = review.instance(of: node)
            else { continue }
            let moving = self.moving(on: index, in: state)
            guard unmovable(on: moving) == nil else { continue }
            let key = Key(
                capacity: instance.capacity, template: instance.launchTemplate,
                pool: instance.tags[NodeOwner.poolTag], labels: node.labels.filter { isOfTheTemplate($0.key) },
                taints: node.taints.sorted { ($0.key, $0.effect) < ($1.key, $1.effect) })
            let disruption = self.disruption(moving)
            let price = Double(cluster.problem.nodes[index].price.rawValue)
            groups[key, default: []].append(
                Candidate(index: index, disruption: disruption, worth: price / disruption))
        }
        return groups.values.filter { $0.count > 1 }.map { group in
            group.sorted { $0.worth != $1.worth ? $0.worth > $1.worth : $0.index < $1.index }
        }.sorted { ($0.first?.index ?? 0) < ($1.first?.index ?? 0) }
    }

    /// Whether nodes of one template have the label alike: it does not tell of the instance.
    private func isOfTheTemplate(_ label: String) -> Bool {
        let ofTheInstance = [
            "kubernetes.io/hostname", "topology.kubernetes.io/", "topology.ebs.csi.aws.com/", "topology.k8s.aws/",
            "failure-domain.beta.kubernetes.io/", "node.kubernetes.io/instance-type",
            "beta.kubernetes.io/instance-type", "karpenter.k8s.aws/instance-",
        ]
        return !ofTheInstance.contains { label.hasPrefix($0) }
    }

    /// One merge, tried.
    private func merge(_ group: [Candidate], _ zones: [String: String], evictionsMax: Int) -> NodeSwap? {
        let indices = group.map(\.index)
        guard let first = indices.first, let instance = review.instance(of: cluster.nodes[first]) else { return nil }
        let cost = indices.reduce(MicroDollars.zero) { $0 + cluster.problem.nodes[$1].price }
        let state = cluster.state
        let evictions = indices.reduce(0) { $0 + moving(on: $1, in: state).count }
        guard evictions <= evictionsMax else { return nil }
        let price = policy.costs.dollarsPerEviction * Double(evictions) / policy.saving.hoursPerMonth
        let ceiling = cost - policy.saving.minimumPerHour - .dollars(price)
        let architecture = cluster.nodes[first].architecture ?? "amd64"
        let room = largest(architecture, instance.capacity, under: ceiling, zones.keys.sorted())
        guard
            case .success(let swap) = replacement(
                of: indices, by: instance.capacity, room: room, ceiling: ceiling, zones, state)
        else { return nil }
        let disruption = group.reduce(0) { $0 + $1.disruption }
        let score = consolidation().score(saving: swap.saving, disruption: disruption)
        guard score >= 1 / policy.saving.scoreFactor, leavesHeadroom(indices, swap) else { return nil }
        var scored = swap
        for index in scored.removals.indices { scored.removals[index].score = score }
        return scored
    }

    /// Of each resource the most that a type has which costs less.
    private func largest(
        _ architecture: String, _ capacity: CapacityType, under ceiling: MicroDollars, _ zones: [String]
    ) -> Resources {
        var room = Resources()
        for type in InstanceCatalogue.shipped.types where type.architecture == architecture {
            let price = zones.compactMap { prices.price(type.name, zone: $0, capacity) }.min()
            guard let price, price <= ceiling else { continue }
            room.cpu = max(room.cpu, type.allocatable.cpu)
            room.memory = max(room.memory, type.allocatable.memory)
            room.pods = max(room.pods, type.allocatable.pods)
        }
        // Local disk comes with the template, which is theirs.
        room.ephemeralStorage = cluster.nodes.map(\.allocatable.ephemeralStorage).max() ?? .zero
        return room
    }

    /// Whether the share that the policy wants free is free afterwards, with nothing free on the new node.
    private func leavesHeadroom(_ gone: [Int], _ swap: NodeSwap) -> Bool {
        guard policy.packing.headroom > 0 else { return true }
        let staying = cluster.nodes.indices.filter { !gone.contains($0) }
        let new = swap.requirement.total
        return ["cpu", "memory"].allSatisfy { resource in
            let had = staying.reduce(Int64(0)) { $0 + cluster.nodes[$1].allocatable.amount(of: resource) }
            let asked = cluster.pods.reduce(Int64(0)) { $0 + $1.requests.amount(of: resource) }
            let free = had - (asked - new.amount(of: resource))
            return Double(free) >= Double(had + new.amount(of: resource)) * policy.packing.headroom
        }
    }
}
