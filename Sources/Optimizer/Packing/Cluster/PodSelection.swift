import Infrastructure

/// Which pods a rule is about, with everything resolved that depends on the pod that bears it.
struct PodSelection: Hashable, Sendable {
    /// One term's pods.
    struct Part: Hashable, Sendable {
        /// The namespaces, in order; nil: all.
        var namespaces: [String]?
        /// The selector, with the values of the bearer's own labels in it; nil: no pod.
        var selector: LabelSelector?
    }

    /// A pod must be meant by every one of them.
    var parts: [Part]

    /// Whether a pod of this namespace with these labels is meant.
    func matches(namespace: String, labels: [String: String]) -> Bool {
        parts.allSatisfy { part in
            guard let selector = part.selector, part.namespaces?.contains(namespace) ?? true else { return false }
            return selector.matches(labels)
        }
    }

    /// A term of pod affinity or anti-affinity, as the API server and the scheduler read it.
    static func part(_ term: PodAffinityTerm, of pod: Pod, namespaces: [Namespace]) -> Part {
        var names = Set(term.namespaces)
        if let selector = term.namespaceSelector {
            if selector.isEmpty { return Part(namespaces: nil, selector: resolved(term, pod)) }
            names.formUnion(namespaces.filter { selector.matches($0.labels) }.map(\.name))
        } else if names.isEmpty {
            names = [pod.namespace]
        }
        return Part(namespaces: names.sorted(), selector: resolved(term, pod))
    }

    private static func resolved(_ term: PodAffinityTerm, _ pod: Pod) -> LabelSelector? {
        guard var selector = term.selector else { return nil }
        for key in term.matchLabelKeys {
            if let value = pod.labels[key] {
                selector.matchExpressions.append(SelectorRequirement(key: key, .isIn, values: [value]))
            }
        }
        for key in term.mismatchLabelKeys {
            if let value = pod.labels[key] {
                selector.matchExpressions.append(SelectorRequirement(key: key, .notIn, values: [value]))
            }
        }
        return selector
    }

    /// The pods that a spread constraint counts: those of the pod's own namespace.
    static func of(_ spread: TopologySpread, pod: Pod) -> PodSelection {
        var selector = spread.selector
        for key in spread.matchLabelKeys {
            if let value = pod.labels[key] {
                selector?.matchExpressions.append(SelectorRequirement(key: key, .isIn, values: [value]))
            }
        }
        return PodSelection(parts: [Part(namespaces: [pod.namespace], selector: selector)])
    }
}

/// Which nodes a pod may be on, whatever else is there: what pods with the same rules share.
struct NodeRule: Hashable, Sendable {
    var nodeSelector: [String: String] = [:]
    /// Alternatives; nil: no such rule.
    var terms: [NodeSelectorTerm]?
    /// Preferred terms that hold where the pod is, and so must hold where it goes.
    var kept: [NodeSelectorTerm] = []
    var tolerations: [Toleration] = []
    /// Of each volume, the alternatives of which one must hold.
    var volumes: [[NodeSelectorTerm]] = []
    /// Whether `PreferNoSchedule` counts.
    var respectsPreferences = true

    /// Whether the node's labels are those that selector and affinity ask for.
    func selects(_ node: Node) -> PlacementRefusal? {
        if !nodeSelector.allSatisfy({ node.labels[$0.key] == $0.value }) { return .nodeSelector }
        func isMet(_ terms: [NodeSelectorTerm]) -> Bool {
            terms.contains { $0.matches(nodeName: node.name, labels: node.labels) }
        }
        if let terms, !isMet(terms) { return .nodeAffinity }
        if !kept.allSatisfy({ $0.matches(nodeName: node.name, labels: node.labels) }) { return .nodeAffinity }
        return nil
    }

    /// Whether a taint of the node keeps the pod away.
    func isRepelled(by node: Node, effects: Set<String>) -> Bool {
        node.taints.contains { taint in
            effects.contains(taint.effect) && !tolerations.contains { $0.tolerates(taint) }
        }
    }

    static let hardEffects: Set<String> = ["NoSchedule", "NoExecute"]
    static let allEffects: Set<String> = ["NoSchedule", "NoExecute", "PreferNoSchedule"]

    /// Why no pod under this rule may be placed on the node; nil: it may.
    func verdict(_ node: Node) -> PlacementRefusal? {
        if node.isDeleting { return .deleting }
        if !node.isReady { return .notReady }
        if node.isUnschedulable, !tolerations.contains(where: { $0.tolerates(PodMovability.cordon) }) {
            return .cordoned
        }
        if let refused = selects(node) { return refused }
        if isRepelled(by: node, effects: respectsPreferences ? NodeRule.allEffects : NodeRule.hardEffects) {
            return .taint
        }
        let isInReach = volumes.allSatisfy { alternatives in
            alternatives.contains { $0.matches(nodeName: node.name, labels: node.labels) }
        }
        return isInReach ? nil : .volumeZone
    }
}
