/// Where a pod may run: the filters and the score of a scheduler, over facts only.
struct Placement {
    /// Nodes that take pods at all.
    private let open: [NodeFacts]
    /// Why the others do not, counted.
    private let closed: [String: Int]
    private let nodes: [NodeFacts]
    /// What the pods already on each node ask for.
    var requested: [String: ResourceAmounts]
    /// Pods with a node, by namespace.
    var placed: [String: [PodFacts]]
    /// Pods with a node and a required anti-affinity, of all namespaces.
    var antiAffine: [PodFacts]
    /// Host ports in use by node.
    var hostPorts: [String: Set<String>] = [:]
    private var nodesByName: [String: NodeFacts] = [:]

    init(
        nodes: [NodeFacts], requested: [String: ResourceAmounts], placed: [String: [PodFacts]], antiAffine: [PodFacts],
        hostPorts: [String: Set<String>] = [:]
    ) {
        self.nodes = nodes
        open = nodes.filter { $0.isReady && !$0.isUnschedulable }
        closed = Dictionary(
            grouping: nodes.filter { !$0.isReady || $0.isUnschedulable },
            by: { $0.isUnschedulable ? "node(s) were unschedulable" : "node(s) were not ready" }
        ).mapValues(\.count)
        self.requested = requested
        self.placed = placed
        self.antiAffine = antiAffine
        self.hostPorts = hostPorts
        nodesByName = Dictionary(nodes.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Why no node would do, counted, in the words of the real scheduler.
    struct Unschedulable: Error, Equatable {
        var message: String
    }

    /// - Parameter volumeZones: the zones that its volumes allow; nil for any.
    func choose(for pod: PodFacts, volumeZones: Set<String>?) -> Result<String, Unschedulable> {
        var reasons = closed
        var best: (node: String, score: Double)?
        let siblings = open.isEmpty ? [:] : siblingCounts(pod)
        let spreads = open.isEmpty ? [] : pod.spread.map { SpreadCounts($0, pod: pod, placement: self) }
        for node in open {
            if let reason = obstacle(pod, node, volumeZones) ?? spreads.lazy.compactMap({ $0.obstacle(node) }).first {
                reasons[reason, default: 0] += 1
                continue
            }
            let used = (requested[node.name] ?? ResourceAmounts()) + pod.requests
            let load =
                Double(used.milliCPU) / Double(max(1, node.allocatable.milliCPU))
                + Double(used.memory) / Double(max(1, node.allocatable.memory))
            let score = load + Double(siblings[node.name] ?? 0) * 10
            if best.map({ score < $0.score || (score == $0.score && node.name < $0.node) }) ?? true {
                best = (node.name, score)
            }
        }
        if let best { return .success(best.node) }
        let causes = reasons.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        return .failure(Unschedulable(message: "0/\(nodes.count) nodes are available: \(causes)."))
    }

    /// The default soft spread: pods of one owner avoid each other.
    private func siblingCounts(_ pod: PodFacts) -> [String: Int] {
        guard let owner = pod.owner?.uid else { return [:] }
        var counts: [String: Int] = [:]
        for other in placed[pod.key.namespace] ?? [] where other.owner?.uid == owner {
            if let node = other.node { counts[node, default: 0] += 1 }
        }
        return counts
    }

    private func obstacle(_ pod: PodFacts, _ node: NodeFacts, _ volumeZones: Set<String>?) -> String? {
        if let taint = node.taints.first(where: {
            $0.effect != "PreferNoSchedule" && !$0.isTolerated(by: pod.tolerations)
        }) {
            return "node(s) had untolerated taint {\(taint.key): \(taint.value)}"
        }
        guard pod.nodeSelector.allSatisfy({ node.labels[$0.key] == $0.value }), Self.nodeMatches(pod.nodeTerms, node)
        else {
            return "node(s) didn't match Pod's node affinity/selector"
        }
        let free = node.allocatable - (requested[node.name] ?? ResourceAmounts())
        if let shortage = free.shortage(of: pod.requests) { return shortage }
        if let zones = volumeZones, !zones.contains(node.zone) { return "node(s) had volume node affinity conflict" }
        if !pod.hostPorts.isDisjoint(with: hostPorts[node.name] ?? []) {
            return "node(s) didn't have free ports for the requested pod ports"
        }
        return affinityObstacle(pod, node)
    }

    static func nodeMatches(_ terms: [JSONValue], _ node: NodeFacts) -> Bool {
        terms.isEmpty
            || terms.contains { term in
                let labels = term["matchExpressions"].array.compactMap(LabelSelector.Requirement.init)
                let fields = term["matchFields"].array.compactMap(LabelSelector.Requirement.init)
                guard !labels.isEmpty || !fields.isEmpty else { return false }
                return labels.allSatisfy { $0.matches(node.labels) }
                    && fields.allSatisfy { $0.matches(["metadata.name": node.name]) }
            }
    }

    private func affinityObstacle(_ pod: PodFacts, _ node: NodeFacts) -> String? {
        for term in pod.antiAffinity where isMatched(term, of: pod, near: node) {
            return "node(s) didn't match pod anti-affinity rules"
        }
        for term in pod.affinity where !isMatched(term, of: pod, near: node) {
            // The first pod of a group that matches its own term may go anywhere.
            let selector = LabelSelector(term["labelSelector"])
            let nobody = !namespaces(term, pod).contains { namespace in
                (placed[namespace] ?? []).contains { selector?.matches($0.labels) == true }
            }
            if !(nobody && selector?.matches(pod.labels) == true) { return "node(s) didn't match pod affinity rules" }
        }
        for other in antiAffine {
            for term in other.antiAffinity where namespaces(term, other).contains(pod.key.namespace) {
                guard LabelSelector(term["labelSelector"])?.matches(pod.labels) == true else { continue }
                if sameDomain(term, node, other) { return "node(s) didn't satisfy existing pods anti-affinity rules" }
            }
        }
        return nil
    }

    private func namespaces(_ term: JSONValue, _ pod: PodFacts) -> [String] {
        let named = term["namespaces"].array.compactMap(\.string)
        if !term["namespaceSelector"].isNull { return Array(placed.keys) }
        return named.isEmpty ? [pod.key.namespace] : named
    }

    private func sameDomain(_ term: JSONValue, _ node: NodeFacts, _ other: PodFacts) -> Bool {
        guard let key = term["topologyKey"].string, let domain = node.labels[key], let otherNode = other.node else {
            return false
        }
        return nodesByName[otherNode]?.labels[key] == domain
    }

    private func isMatched(_ term: JSONValue, of pod: PodFacts, near node: NodeFacts) -> Bool {
        guard let selector = LabelSelector(term["labelSelector"]) else { return false }
        return namespaces(term, pod).contains { namespace in
            (placed[namespace] ?? []).contains { selector.matches($0.labels) && sameDomain(term, node, $0) }
        }
    }

    /// Matching pods per domain of one topology spread constraint.
    private struct SpreadCounts {
        var topologyKey: String
        var maxSkew: Int
        var counts: [String: Int]
        var isOwnMatch: Bool
        var minDomains: Int

        init(_ constraint: JSONValue, pod: PodFacts, placement: Placement) {
            topologyKey = constraint["topologyKey"].string ?? ""
            maxSkew = constraint["maxSkew"].int ?? 1
            minDomains = constraint["minDomains"].int ?? 1
            let selector = LabelSelector(constraint["labelSelector"])
            isOwnMatch = selector?.matches(pod.labels) == true
            counts = [:]
            for node in placement.nodes where Placement.nodeMatches(pod.nodeTerms, node) {
                guard pod.nodeSelector.allSatisfy({ node.labels[$0.key] == $0.value }) else { continue }
                if let domain = node.labels[topologyKey] { counts[domain, default: 0] += 0 }
            }
            for other in placement.placed[pod.key.namespace] ?? []
            where !other.isTerminating && selector?.matches(other.labels) == true {
                guard let name = other.node, let domain = placement.nodesByName[name]?.labels[topologyKey] else {
                    continue
                }
                if counts[domain] != nil { counts[domain, default: 0] += 1 }
            }
        }

        func obstacle(_ node: NodeFacts) -> String? {
            guard let domain = node.labels[topologyKey], let count = counts[domain] else {
                return "node(s) didn't match pod topology spread constraints (missing required label)"
            }
            let least = counts.count < minDomains ? 0 : counts.values.min() ?? 0
            let skew = count + (isOwnMatch ? 1 : 0) - least
            return skew > maxSkew ? "node(s) didn't match pod topology spread constraints" : nil
        }
    }
}
