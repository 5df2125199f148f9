import Foundation
import Infrastructure

/// A node that is paid on demand and could be spot: of the same type, in the same zone.
public struct SpotCandidate: Hashable, Sendable, Codable {
    /// The node.
    public var node: String
    /// The pool it would come from.
    public var pool: SpotPool
    /// Who launches and ends it.
    public var owner: NodeOwner
    /// How risky the pool is, term by term.
    public var risk: SpotRisk
    /// What it costs on demand per hour.
    public var onDemand: MicroDollars
    /// What it would cost as spot per hour.
    public var spot: MicroDollars
    /// Whether the spot price was seen; else it is on demand less what the Spot Advisor promises.
    public var isMeasured: Bool
    /// Why it should not be moved as things are; empty: nothing stands against it.
    public var obstacles: [String]

    /// What spot saves per hour.
    public var saving: MicroDollars { onDemand - spot }
    /// How sure the figures are, 0 to 1: the risk's confidence, less a third where the spot price was never seen.
    public var confidence: Double { isMeasured ? risk.confidence : risk.confidence * 2 / 3 }
}

/// Finds the nodes that could be spot (feature 1 on day zero). Nothing is moved by it.
public enum SpotCandidates {
    /// The candidates, those without obstacles first, then by what they save.
    /// - Parameter policy: its highest risk, price share and protection count; families do not, for the type stays.
    public static func find(
        in snapshot: ClusterSnapshot, policy: ClusterPolicy, prices: PoolBook
    ) -> [SpotCandidate] {
        let instances = snapshot.instancesByID
        let pods = Dictionary(grouping: snapshot.objects.pods) { $0.nodeName ?? "" }
        var candidates: [SpotCandidate] = []
        for node in snapshot.objects.nodes {
            let instance = node.instance.flatMap { instances[$0] }
            guard let type = instance?.type ?? node.instanceType, let zone = instance?.zone ?? node.zone,
                (instance?.capacity ?? node.capacityByLabel ?? .onDemand) == .onDemand,
                let onDemand = prices.onDemand(type)?.price, let spot = prices.expectedSpot(type, zone: zone),
                spot < onDemand
            else { continue }
            let owner = NodeOwner.of(
                node: node, instance: instance, cluster: snapshot.cluster.id,
                ownTemplate: snapshot.cluster.ownTemplate)
            guard owner != .fargate else { continue }
            let risk = prices.risk(type, zone: zone)
            var obstacles: [String] = []
            if risk.score > policy.spot.riskMax {
                obstacles.append("risk \(rounded(risk.score)) is above the policy's \(rounded(policy.spot.riskMax))")
            }
            if Double(spot.rawValue) > policy.spot.priceShareMax * Double(onDemand.rawValue) {
                obstacles.append("spot costs more than \(rounded(policy.spot.priceShareMax)) of on demand")
            }
            if let reason = policy.protected.reason(namespace: nil, labels: node.labels) { obstacles.append(reason) }
            if let tags = instance?.tags, let reason = policy.protected.reason(tags: tags) { obstacles.append(reason) }
            obstacles += reasons(of: pods[node.name] ?? [])
            candidates.append(
                SpotCandidate(
                    node: node.name, pool: SpotPool(region: snapshot.cluster.region, zone: zone, type: type),
                    owner: owner, risk: risk, onDemand: onDemand, spot: spot,
                    isMeasured: prices.spot(type, zone: zone) != nil,
                    obstacles: obstacles))
        }
        return candidates.sorted { left, right in
            if left.obstacles.isEmpty != right.obstacles.isEmpty { return left.obstacles.isEmpty }
            return left.saving != right.saving ? left.saving > right.saving : left.node < right.node
        }
    }

    /// What of a node's pods does not bear two minutes' notice, counted.
    private static func reasons(of pods: [Pod]) -> [String] {
        let moving = pods.filter { !$0.isDaemon && !$0.isMirror && !$0.isFinished }
        func count(_ what: String, _ holds: (Pod) -> Bool) -> String? {
            let number = moving.filter(holds).count
            return number == 0 ? nil : "\(number) pod\(number == 1 ? "" : "s") \(what)"
        }
        return [
            count("without an owner that would make them again") { $0.ownerKind == nil },
            count("asked not to be disturbed") { pod in
                pod.annotations["karpenter.sh/do-not-disrupt"] == "true"
                    || pod.annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
            },
            count("of Jobs, which would begin again") { $0.ownerKind == "Job" },
            count("that take over 120 s to end") { $0.graceSeconds > 120 },
        ].compactMap { $0 }
    }

    private static func rounded(_ value: Double) -> String {
        String(Double((value * 100).rounded()) / 100)
    }
}
