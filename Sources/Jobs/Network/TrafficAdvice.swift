import Foundation
import Infrastructure
import Optimizer

/// What is advised about traffic between zones that was measured (domain-rules section 9, rule 2). Pure.
///
/// A receiver in one zone: its sender may prefer that zone. A receiver in several: it is for the Service before it to keep
/// traffic in its zone, and a sender that moved would gain nothing. Never a requirement, and never against a spread.
struct TrafficAdvice: Sendable {
    /// A pair that is worth a word.
    struct Item: Sendable {
        var pair: TrafficPair
        var gigabytesPerMonth: Double
        /// What it costs per hour.
        var perHour: MicroDollars
        /// What may be done, for people.
        var advice: String
        /// What is done where the policy allows it; nil: nothing.
        var change: AffinityChange?
    }

    let cluster: ClusterID
    let policy: ClusterPolicy
    let objects: ClusterObjects
    let measured: MeasuredTraffic

    /// The workload that people write: `namespace/kind/name`.
    static func workload(of pod: Pod) -> String {
        let owner = PodOwner(pod: pod.name, labels: pod.labels)
        return "\(pod.namespace)/\(owner?.kind ?? pod.ownerKind ?? "Pod")/\(owner?.name ?? pod.ownerName ?? pod.name)"
    }

    /// Pairs above the policy's volume, the dearest first.
    var items: [Item] {
        let price = policy.costs.dollarsPerCrossZoneGigabyte
        let zones = Dictionary(grouping: MeasuredTraffic.leases(objects), by: \.workload).mapValues {
            Set($0.map(\.zone))
        }
        let workloads = Dictionary(
            objects.workloads.map { ("\($0.namespace)/\($0.kind.rawValue)/\($0.name)", $0) },
            uniquingKeysWith: { first, _ in first })
        return measured.pairs.compactMap { pair in
            let perHour = Double(pair.crossBytes) / 1e9 / measured.hours
            let monthly = perHour * policy.saving.hoursPerMonth
            guard pair.crossBytes > 0, monthly >= policy.network.gigabytesPerMonthMin else { return nil }
            let (advice, change) = advise(
                pair, from: workloads[pair.source], to: workloads[pair.destination],
                zones: zones[pair.destination] ?? [])
            return Item(
                pair: pair, gigabytesPerMonth: monthly,
                perHour: MicroDollars(rawValue: Int64((perHour * price * 1e6).rounded())), advice: advice,
                change: change)
        }
    }

    private func advise(
        _ pair: TrafficPair, from source: Workload?, to destination: Workload?, zones: Set<String>
    ) -> (String, AffinityChange?) {
        guard zones.count == 1, let zone = zones.first else {
            return (
                "Its receiver runs in \(zones.count) zones: let its Service prefer the zone (network-potential).", nil
            )
        }
        guard let source, let destination, let labels = destination.selector?.matchLabels, !labels.isEmpty,
            let subject = SizeSubject(source, autoscalers: [], knowsAutoscalers: true, policy: policy)
        else {
            return ("Its receiver runs in \(zone) alone, and nothing we may write decides where its sender runs.", nil)
        }
        if source.annotations[AffinityChange.annotation] == pair.destination {
            return ("Its sender prefers that zone already; pods move as they are restarted.", nil)
        }
        let near = ZonePreference(namespace: destination.namespace, labels: labels)
        if let objection = subject.writeObjection ?? objection(source) {
            let rule = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
            return (
                "Its receiver runs in \(zone) alone. A preferred pod affinity of its sender by topology.kubernetes.io/zone to"
                    + " \(rule) in \(destination.namespace) would keep it there; not written by us: \(objection).", nil
            )
        }
        return (
            "Its receiver runs in \(zone) alone: let its sender prefer that zone by a preferred pod affinity.",
            AffinityChange(object: subject.object, near: near, peer: pair.destination, pods: subject.replicas)
        )
    }

    /// What speaks against moving a workload's pods.
    private func objection(_ workload: Workload) -> String? {
        let placement = workload.placement
        if workload.kind == .daemonSet { return "a DaemonSet runs on every node" }
        if (workload.replicas ?? 1) == 0 { return "it has no pods now" }
        if !placement.topologySpread.isEmpty { return "it spreads by a rule of its own" }
        if !placement.requiredAffinity.isEmpty || !placement.preferredAffinity.isEmpty
            || !placement.requiredAntiAffinity.isEmpty || !placement.preferredAntiAffinity.isEmpty
        {
            return "it has affinities of its own"
        }
        if placement.nodeSelector["topology.kubernetes.io/zone"] != nil
            || (placement.requiredNodeTerms ?? []).contains(where: { term in
                term.matchExpressions.contains { $0.key == "topology.kubernetes.io/zone" }
            })
        {
            return "it is bound to zones"
        }
        if placement.volumes.contains(where: { $0.claim != nil }) || workload.kind == .statefulSet {
            return "its volumes hold its pods in their zones"
        }
        return nil
    }

    /// What is told of a pair.
    func finding(_ item: Item) -> Finding {
        func text(_ value: Double) -> String { String(format: "%.2f", value) }
        let minutes = Int((measured.hours * 60).rounded())
        let monthly = item.perHour.dollars * policy.saving.hoursPerMonth
        return Finding(
            "network-measured", cluster: cluster, subject: "\(item.pair.source) -> \(item.pair.destination)", .info,
            "\(measured.isCut ? "At least " : "")\(text(Double(item.pair.crossBytes) / 1e9)) of \(text(Double(item.pair.bytes) / 1e9))"
                + " GB crossed zones in \(minutes) minutes: \(text(item.gigabytesPerMonth)) GB and \(text(monthly)) dollars a month"
                + " if it goes on so (\(measured.logs.joined(separator: ", "))). \(item.advice)",
            saving: item.perHour, confidence: (measured.confidence * 100).rounded() / 100)
    }

    /// The action of a pair; nil: none.
    func action(_ item: Item) -> Action? {
        item.change.map { change in
            Action(
                key: "prefer-zone/\(cluster)/\(change.object.uid)/\(change.peer)", .preferZone(change: change),
                reason: "\(change.object): \(String(format: "%.2f", item.gigabytesPerMonth)) GB a month cross zones to"
                    + " \(change.peer), which runs in one", saving: item.perHour)
        }
    }
}
