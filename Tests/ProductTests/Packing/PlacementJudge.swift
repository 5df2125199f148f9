import Foundation
import Infrastructure

/// Judges a placement by the words of the Kubernetes documentation and nothing of the packer's: plain loops over the
/// snapshot's own objects. Slow on purpose.
struct PlacementJudge {
    let snapshot: ClusterSnapshot
    /// Where each pod is, by UID.
    var places: [String: String]

    init(_ snapshot: ClusterSnapshot) {
        self.snapshot = snapshot
        places = Dictionary(
            uniqueKeysWithValues: snapshot.objects.pods.compactMap { pod in
                pod.isFinished ? nil : pod.nodeName.map { (pod.uid, $0) }
            })
    }

    private var nodes: [Node] { snapshot.objects.nodes }
    private func node(_ name: String) -> Node? { nodes.first { $0.name == name } }
    private func others(than pod: Pod) -> [(pod: Pod, node: Node)] {
        snapshot.objects.pods.compactMap { other in
            guard other.uid != pod.uid, let place = places[other.uid], let node = node(place) else { return nil }
            return (other, node)
        }
    }

    /// Everything that forbids the pod to be on the node, with every other pod where it is.
    func objections(to pod: Pod, on name: String) -> [String] {
        guard let node = node(name) else { return ["there is no such node"] }
        return room(pod, node) + nodeRules(pod, node) + podRules(pod, node) + spread(pod, node) + ports(pod, node)
            + volumes(pod, node)
    }

    // MARK: Room

    private func amounts(_ resources: Resources) -> [String: Int64] {
        var all = resources.extended
        all["cpu"] = resources.cpu.rawValue
        all["memory"] = resources.memory.rawValue
        all["pods"] = Int64(resources.pods)
        all["ephemeral-storage"] = resources.ephemeralStorage.rawValue
        return all
    }

    private func room(_ pod: Pod, _ node: Node) -> [String] {
        var used: [String: Int64] = [:]
        let here = others(than: pod).filter { $0.node.name == node.name }.map(\.pod)
        for other in here { used.merge(amounts(other.requests), uniquingKeysWith: +) }
        for set in snapshot.objects.workloads where set.kind == .daemonSet {
            if here.contains(where: { $0.ownerUID == set.uid }) || !daemonComes(set, node) { continue }
            used.merge(amounts(set.podRequests), uniquingKeysWith: +)
        }
        let have = amounts(node.allocatable)
        return amounts(pod.requests).filter { $0.value > 0 && (used[$0.key] ?? 0) + $0.value > have[$0.key] ?? 0 }
            .map { "not enough \($0.key)" }
    }

    private func daemonComes(_ set: Workload, _ node: Node) -> Bool {
        node.isReady && !node.isDeleting
            && set.placement.nodeSelector.allSatisfy { node.labels[$0.key] == $0.value }
            && (set.placement.requiredNodeTerms.map { $0.contains { holds($0, node) } } ?? true)
            && node.taints.allSatisfy { taint in
                taint.effect == "PreferNoSchedule" || set.tolerations.contains { tolerates($0, taint) }
            }
    }

    // MARK: Nodes

    private func nodeRules(_ pod: Pod, _ node: Node) -> [String] {
        var wrong: [String] = []
        if !node.isReady { wrong.append("not ready") }
        if node.isDeleting { wrong.append("deleting") }
        let cordon = Taint(key: "node.kubernetes.io/unschedulable", effect: "NoSchedule")
        if node.isUnschedulable, !pod.tolerations.contains(where: { tolerates($0, cordon) }) {
            wrong.append("cordoned")
        }
        for taint in node.taints where taint.effect != "PreferNoSchedule" {
            if !pod.tolerations.contains(where: { tolerates($0, taint) }) { wrong.append("taint \(taint.key)") }
        }
        for (key, value) in pod.placement.nodeSelector where node.labels[key] != value { wrong.append("selector") }
        if let terms = pod.placement.requiredNodeTerms, !terms.contains(where: { holds($0, node) }) {
            wrong.append("node affinity")
        }
        return wrong
    }

    private func tolerates(_ toleration: Toleration, _ taint: Taint) -> Bool {
        if !toleration.effect.isEmpty, toleration.effect != taint.effect { return false }
        if toleration.operator == "Exists" { return toleration.key.isEmpty || toleration.key == taint.key }
        return toleration.key == taint.key && toleration.value == taint.value
    }

    private func holds(_ term: NodeSelectorTerm, _ node: Node) -> Bool {
        if term.matchExpressions.isEmpty, term.matchFields.isEmpty { return false }
        for rule in term.matchExpressions where !holds(rule, node.labels) { return false }
        for rule in term.matchFields where !holds(rule, ["metadata.name": node.name]) { return false }
        return true
    }

    private func holds(_ rule: SelectorRequirement, _ labels: [String: String]) -> Bool {
        switch (rule.operator, labels[rule.key]) {
        case (.isIn, let value?): rule.values.contains(value)
        case (.isIn, nil): false
        case (.notIn, let value?): !rule.values.contains(value)
        case (.notIn, nil): true
        case (.exists, let value): value != nil
        case (.doesNotExist, let value): value == nil
        case (.greaterThan, let value): (Int(value ?? "") ?? .min) > (Int(rule.values[0]) ?? .max)
        case (.lessThan, let value): (Int(value ?? "") ?? .max) < (Int(rule.values[0]) ?? .min)
        }
    }

    private func holds(_ selector: LabelSelector?, _ labels: [String: String]) -> Bool {
        guard let selector else { return false }
        for (key, value) in selector.matchLabels where labels[key] != value { return false }
        for rule in selector.matchExpressions where !holds(rule, labels) { return false }
        return true
    }

    // MARK: Pods

    /// Whether `term`, as `owner` bears it, means `other`.
    private func means(_ term: PodAffinityTerm, of owner: Pod, _ other: Pod) -> Bool {
        var names = term.namespaces
        if let selector = term.namespaceSelector {
            for space in snapshot.objects.namespaces where holds(selector, space.labels) { names.append(space.name) }
            if selector.matchLabels.isEmpty, selector.matchExpressions.isEmpty { names.append(other.namespace) }
        } else if names.isEmpty {
            names = [owner.namespace]
        }
        guard names.contains(other.namespace), holds(term.selector, other.labels) else { return false }
        for key in term.matchLabelKeys {
            if let own = owner.labels[key], other.labels[key] != own { return false }
        }
        for key in term.mismatchLabelKeys {
            if let own = owner.labels[key], other.labels[key] == own { return false }
        }
        return true
    }

    private func podRules(_ pod: Pod, _ node: Node) -> [String] {
        var wrong: [String] = []
        let others = others(than: pod)
        func near(_ other: Node, _ key: String) -> Bool {
            node.labels[key] != nil && node.labels[key] == other.labels[key]
        }
        for term in pod.placement.requiredAntiAffinity {
            if others.contains(where: { near($0.node, term.topologyKey) && means(term, of: pod, $0.pod) }) {
                wrong.append("anti-affinity")
            }
        }
        for other in others {
            for term in other.pod.placement.requiredAntiAffinity
            where near(other.node, term.topologyKey) && means(term, of: other.pod, pod) {
                wrong.append("anti-affinity of \(other.pod.name)")
            }
        }
        let terms = pod.placement.requiredAffinity
        guard !terms.isEmpty else { return wrong }
        func meansAll(_ other: Pod) -> Bool { terms.allSatisfy { means($0, of: pod, other) } }
        // A friend counts where it stands in some domain of a term's topology.
        let friends = others.filter { meansAll($0.pod) }
        let isFirst = friends.isEmpty && meansAll(pod)
        for term in terms {
            if node.labels[term.topologyKey] == nil {
                wrong.append("affinity: no \(term.topologyKey)")
            } else if !isFirst, !friends.contains(where: { near($0.node, term.topologyKey) }) {
                wrong.append("affinity")
            }
        }
        return wrong
    }

    private func spread(_ pod: Pod, _ node: Node) -> [String] {
        let rules = pod.placement.topologySpread.filter(\.isRequired)
        let keys = rules.map(\.topologyKey)
        return rules.compactMap { rule in
            guard let here = node.labels[rule.topologyKey] else { return "spread: no \(rule.topologyKey)" }
            func means(_ other: Pod) -> Bool {
                other.namespace == pod.namespace && holds(rule.selector, other.labels)
                    && rule.matchLabelKeys.allSatisfy { pod.labels[$0] == nil || other.labels[$0] == pod.labels[$0] }
            }
            func counts(_ other: Node) -> Bool {
                guard keys.allSatisfy({ other.labels[$0] != nil }) else { return false }
                if rule.honorsNodeAffinity {
                    guard pod.placement.nodeSelector.allSatisfy({ other.labels[$0.key] == $0.value }),
                        pod.placement.requiredNodeTerms.map({ $0.contains { holds($0, other) } }) ?? true
                    else { return false }
                }
                guard rule.honorsNodeTaints else { return true }
                let cordon = Taint(key: "node.kubernetes.io/unschedulable", effect: "NoSchedule")
                let taints = other.taints.filter { $0.effect != "PreferNoSchedule" }
                return (taints + (other.isUnschedulable ? [cordon] : [])).allSatisfy { taint in
                    pod.tolerations.contains { tolerates($0, taint) }
                }
            }
            var domains: [String: Int] = [:]
            for other in nodes where counts(other) { domains[other.labels[rule.topologyKey] ?? "", default: 0] += 0 }
            for other in others(than: pod) where counts(other.node) && means(other.pod) && other.pod.deletedBy == nil {
                domains[other.node.labels[rule.topologyKey] ?? "", default: 0] += 1
            }
            let least = domains.count < rule.minDomains ?? 1 ? 0 : domains.values.min() ?? 0
            let after = (domains[here] ?? 0) + (means(pod) ? 1 : 0)
            return after - least > rule.maxSkew ? "spread over \(rule.topologyKey)" : nil
        }
    }

    // MARK: Ports and volumes

    private func ports(_ pod: Pod, _ node: Node) -> [String] {
        let held = others(than: pod).filter { $0.node.name == node.name }.flatMap(\.pod.placement.hostPorts)
        return pod.placement.hostPorts.filter { port in
            held.contains {
                $0.port == port.port && $0.protocol == port.protocol
                    && ($0.address == port.address || $0.address == "0.0.0.0" || port.address == "0.0.0.0")
            }
        }.map { "port \($0.port)" }
    }

    private func volumeNames(_ pod: Pod) -> [String] {
        pod.placement.volumes.compactMap(\.claim).compactMap { claim in
            snapshot.objects.claims.first { $0.namespace == pod.namespace && $0.name == claim }?.volumeName
        }
    }

    private func volumes(_ pod: Pod, _ node: Node) -> [String] {
        var wrong: [String] = []
        let others = others(than: pod)
        var held = Set(others.filter { $0.node.name == node.name }.flatMap { volumeNames($0.pod) })
        for name in Set(volumeNames(pod)) {
            guard let volume = snapshot.objects.volumes.first(where: { $0.name == name }) else { continue }
            if let terms = volume.nodeTerms, !terms.contains(where: { holds($0, node) }) { wrong.append("volume zone") }
            let users = others.filter { volumeNames($0.pod).contains(name) }
            if !volume.accessModes.contains("ReadWriteMany"), !users.isEmpty,
                !users.contains(where: { $0.node.name == node.name })
            {
                wrong.append("volume in use")
            }
            guard let driver = volume.driver, !held.contains(name),
                let limit = snapshot.objects.volumeLimits.first(where: { $0.nodeName == node.name })?
                    .countMaxByDriver[driver]
            else { continue }
            let count = held.count { other in
                snapshot.objects.volumes.first { $0.name == other }?.driver == driver
            }
            if count >= limit { wrong.append("attach limit") }
            held.insert(name)
        }
        return wrong
    }
}
