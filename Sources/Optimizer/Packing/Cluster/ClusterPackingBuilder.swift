import Foundation
import Infrastructure

/// Interns a snapshot's names and puts its rules in numbers. Lists are gone through in the order of names, so that the
/// same snapshot gives the same problem to the byte.
struct ClusterPackingBuilder {
    let snapshot: ClusterSnapshot
    let policy: ClusterPolicy
    let nodes: [Node]
    let pods: [Pod]
    let nodeIndex: [String: Int]
    private(set) var unmovable: [Unmovable?] = []

    private var rules = Interned<NodeRule>()
    private var keys = Interned<String>()
    private var groups = Interned<ClusterPacking.GroupDraft>()
    private var kinds = Interned<PackingProblem.Kind>()
    private var ports = Interned<HostPort>()
    private var podKinds: [Int] = []
    private var podVolumes: [[PackingProblem.VolumeUse]] = []
    private var volumes: VolumeRules
    private var neighbourhoods: [Neighbourhood: [String: Int]] = [:]
    private(set) var daemons: [ClusterPacking.Daemon] = []
    private var resources: [String] = []

    init(_ snapshot: ClusterSnapshot, policy: ClusterPolicy) {
        self.snapshot = snapshot
        self.policy = policy
        nodes = snapshot.objects.nodes.sorted { ($0.name, $0.uid) < ($1.name, $1.uid) }
        nodeIndex = Dictionary(
            nodes.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
        let known = nodeIndex
        pods = snapshot.objects.pods.filter { pod in
            !pod.isFinished && pod.nodeName.map { known[$0] != nil } ?? false
        }.sorted { ($0.namespace, $0.name, $0.uid) < ($1.namespace, $1.name, $1.uid) }
        volumes = VolumeRules(snapshot)
    }

    private var respects: Bool { policy.packing.preferences == .respect }

    mutating func build() {
        let extended = Set(nodes.flatMap { $0.allocatable.extended.keys } + pods.flatMap { $0.requests.extended.keys })
        resources = Resources.named + extended.sorted()
        let movability = PodMovability(snapshot, policy: policy)
        var drafts: [Draft] = []
        for pod in pods {
            var reason = PodMovability.endsWithNode(pod) ? nil : movability.reason(pod)
            let found = volumes.uses(of: pod, on: pod.nodeName.flatMap { nodeIndex[$0] }.map { nodes[$0] })
            if reason == nil, !PodMovability.endsWithNode(pod), let unknown = found.unknown {
                reason = .unknownVolume(unknown)
            }
            unmovable.append(reason)
            podVolumes.append(found.uses)
            drafts.append(draft(pod, volumeTerms: found.terms))
        }
        // Every rule is known now: which pods each group counts.
        var memo: [Labelled: [Int]] = [:]
        for (pod, draft) in zip(pods, drafts) {
            let labelled = Labelled(
                namespace: pod.namespace, labels: pod.labels, isEnding: pod.deletedBy != nil)
            let counted = memo[labelled] ?? countedIn(labelled)
            memo[labelled] = counted
            var kind = draft.kind
            kind.countedIn = counted
            kind.needsItself = draft.needs.map { $0.matches(namespace: pod.namespace, labels: pod.labels) } ?? false
            kind.spreads = kind.spreads.map { spread in
                var spread = spread
                spread.countsItself = groups.values[spread.group].selection
                    .matches(namespace: pod.namespace, labels: pod.labels)
                return spread
            }
            podKinds.append(kinds.intern(kind))
        }
        findDaemons()
    }

    private struct Labelled: Hashable {
        var namespace: String
        var labels: [String: String]
        var isEnding: Bool
    }

    /// The groups whose selection means such a pod. One that is ending is not counted by spread constraints.
    private func countedIn(_ pod: Labelled) -> [Int] {
        groups.values.indices.filter { index in
            let group = groups.values[index]
            if pod.isEnding, group.counting != nil { return false }
            return group.selection.matches(namespace: pod.namespace, labels: pod.labels)
        }
    }

    // MARK: One pod's rules

    private struct Draft {
        var kind: PackingProblem.Kind
        /// All terms of its required affinity together.
        var needs: PodSelection?
    }

    private mutating func draft(_ pod: Pod, volumeTerms: [[NodeSelectorTerm]]) -> Draft {
        // What ends with its node never goes anywhere: only that others avoid it and count it matters.
        if PodMovability.endsWithNode(pod) {
            let rule = rules.intern(NodeRule())
            let avoids = avoidedGroups(pod.placement.requiredAntiAffinity, of: pod)
            return Draft(kind: PackingProblem.Kind(rule: rule, avoids: avoids, ports: portNumbers(pod)), needs: nil)
        }
        let placement = pod.placement
        let home = pod.nodeName.flatMap { nodeIndex[$0] }.map { nodes[$0] }
        var rule = NodeRule(
            nodeSelector: placement.nodeSelector, terms: placement.requiredNodeTerms, tolerations: pod.tolerations,
            volumes: volumeTerms, respectsPreferences: respects)
        let bare = rule
        if respects, let home {
            rule.kept = placement.preferredNodeTerms.map(\.term).filter {
                $0.matches(nodeName: home.name, labels: home.labels)
            }
        }
        var kind = PackingProblem.Kind(rule: rules.intern(rule))
        var avoided = placement.requiredAntiAffinity
        var needed = placement.requiredAffinity
        var spreads = placement.topologySpread.filter(\.isRequired)
        if respects, let home {
            for term in placement.preferredAntiAffinity.map(\.term) where neighbours(term, of: pod, home) == 0 {
                avoided.append(term)
            }
            for term in placement.preferredAffinity.map(\.term) where neighbours(term, of: pod, home) > 0 {
                needed.append(term)
            }
            spreads += placement.topologySpread.filter { !$0.isRequired }
        }
        kind.avoids = avoidedGroups(avoided, of: pod)
        var needs: PodSelection?
        if !needed.isEmpty {
            let selection = PodSelection(parts: needed.map { part($0, pod) })
            needs = selection
            for key in needed.map(\.topologyKey) {
                let index = groups.intern(.init(selection: selection, key: keys.intern(key), counting: nil))
                if !kind.needs.contains(index) { kind.needs.append(index) }
            }
            kind.needs.sort()
        }
        let spreadKeys = spreads.map(\.topologyKey).sorted()
        for spread in spreads {
            let counting = ClusterPacking.CountingRule(
                rule: NodeRule(nodeSelector: bare.nodeSelector, terms: bare.terms, tolerations: bare.tolerations),
                honorsAffinity: spread.honorsNodeAffinity, honorsTaints: spread.honorsNodeTaints, keys: spreadKeys)
            let index = groups.intern(
                .init(selection: .of(spread, pod: pod), key: keys.intern(spread.topologyKey), counting: counting))
            kind.spreads.append(
                PackingProblem.Spread(
                    group: index, maxSkew: spread.maxSkew, minDomains: spread.minDomains ?? 1, countsItself: false))
        }
        kind.ports = portNumbers(pod)
        return Draft(kind: kind, needs: needs)
    }

    private func part(_ term: PodAffinityTerm, _ pod: Pod) -> PodSelection.Part {
        PodSelection.part(term, of: pod, namespaces: snapshot.objects.namespaces)
    }

    private mutating func avoidedGroups(_ terms: [PodAffinityTerm], of pod: Pod) -> [Int] {
        var found: Set<Int> = []
        for term in terms {
            let selection = PodSelection(parts: [part(term, pod)])
            found.insert(
                groups.intern(.init(selection: selection, key: keys.intern(term.topologyKey), counting: nil)))
        }
        return found.sorted()
    }

    private struct Neighbourhood: Hashable {
        var selection: PodSelection
        var key: String
    }

    /// Other pods of a selection in the domain that a pod is in now: whether a preference holds.
    private mutating func neighbours(_ term: PodAffinityTerm, of pod: Pod, _ home: Node) -> Int {
        guard let domain = home.labels[term.topologyKey] else { return 0 }
        let selection = PodSelection(parts: [part(term, pod)])
        let place = Neighbourhood(selection: selection, key: term.topologyKey)
        if neighbourhoods[place] == nil {
            var counts: [String: Int] = [:]
            for other in pods where selection.matches(namespace: other.namespace, labels: other.labels) {
                guard let node = other.nodeName.flatMap({ nodeIndex[$0] }),
                    let found = nodes[node].labels[term.topologyKey]
                else { continue }
                counts[found, default: 0] += 1
            }
            neighbourhoods[place] = counts
        }
        let itself = selection.matches(namespace: pod.namespace, labels: pod.labels) ? 1 : 0
        return (neighbourhoods[place]?[domain] ?? 0) - itself
    }

    private mutating func portNumbers(_ pod: Pod) -> [Int] {
        var numbers: [Int] = []
        for port in pod.placement.hostPorts { numbers.append(ports.intern(port)) }
        return numbers
    }

    // MARK: Nodes

    private mutating func findDaemons() {
        daemons = snapshot.objects.workloads.filter { $0.kind == .daemonSet }.sorted { $0.uid < $1.uid }.map { set in
            // A daemon is placed on nodes that are cordoned, not ready or under pressure as well.
            ClusterPacking.Daemon(
                uid: set.uid, requests: set.podRequests,
                rule: NodeRule(
                    nodeSelector: set.placement.nodeSelector, terms: set.placement.requiredNodeTerms,
                    tolerations: set.tolerations + [
                        Toleration(key: "node.kubernetes.io/unschedulable", operator: "Exists")
                    ],
                    respectsPreferences: false))
        }
    }

    /// What daemons that are not there yet will take of a node.
    private func awaited(on node: Int, present: Set<String>) -> Resources {
        daemons.filter { !present.contains($0.uid) && $0.rule.verdict(nodes[node]) == nil }
            .map(\.requests).reduce(Resources(), +)
    }

    func problem(prices: [String: MicroDollars]) -> PackingProblem {
        var present = Array(repeating: Set<String>(), count: nodes.count)
        for pod in pods where pod.isDaemon {
            if let node = pod.nodeName.flatMap({ nodeIndex[$0] }), let owner = pod.ownerUID {
                present[node].insert(owner)
            }
        }
        let packed = nodes.enumerated().map { index, node in
            let taken = awaited(on: index, present: present[index])
            return PackingProblem.Node(
                name: node.name,
                capacity: resources.map { node.allocatable.amount(of: $0) - taken.amount(of: $0) },
                attachLimits: volumes.limits(on: node), price: prices[node.name] ?? .zero)
        }
        let items = pods.indices.map { index in
            PackingProblem.Pod(
                name: pods[index].reference.description,
                requests: resources.map { pods[index].requests.amount(of: $0) }, kind: podKinds[index],
                volumes: podVolumes[index], node: pods[index].nodeName.flatMap { nodeIndex[$0] })
        }
        let domains = self.domains
        return PackingProblem(
            resources: resources, nodes: packed, pods: items, kinds: kinds.values,
            groups: groups.values.map { draft in
                PackingProblem.Group(
                    key: draft.key, counts: draft.counting.map { rule in nodes.map(rule.counts) } ?? [])
            },
            ruleCount: rules.values.count,
            verdicts: nodes.flatMap { node in rules.values.map { $0.verdict(node) } }, keyCount: keys.values.count,
            domains: nodes.flatMap { node in
                keys.values.indices.map { key in
                    node.labels[keys.values[key]].flatMap { domains[key][$0] } ?? -1
                }
            },
            domainCounts: domains.map(\.count),
            portConflicts: ports.values.map { port in
                ports.values.indices.filter { ports.values[$0].conflicts(with: port) }
            },
            volumeCount: volumes.count, driverCount: volumes.drivers.count)
    }

    /// By topology key: the number of each value.
    private var domains: [[String: Int32]] {
        keys.values.map { key in
            let values = Set(nodes.compactMap { $0.labels[key] }).sorted()
            return Dictionary(uniqueKeysWithValues: values.enumerated().map { ($1, Int32($0)) })
        }
    }

    var frame: ClusterPacking.Frame {
        ClusterPacking.Frame(
            rules: rules.values, keys: keys.values, domains: domains, groups: groups.values, daemons: daemons,
            resources: resources)
    }
}

extension HostPort {
    /// Whether two pods cannot hold both on one node; `0.0.0.0` is every address.
    func conflicts(with other: HostPort) -> Bool {
        guard port == other.port, self.protocol == other.protocol else { return false }
        let all: Set<String> = ["0.0.0.0", "", "::"]
        return address == other.address || all.contains(address) || all.contains(other.address)
    }
}

/// Numbers for values, in the order they come.
struct Interned<Value: Hashable> {
    private(set) var values: [Value] = []
    private var numbers: [Value: Int] = [:]

    /// The value's number.
    mutating func intern(_ value: Value) -> Int {
        if let known = numbers[value] { return known }
        numbers[value] = values.count
        values.append(value)
        return values.count - 1
    }
}

extension Interned: Sendable where Value: Sendable {}
