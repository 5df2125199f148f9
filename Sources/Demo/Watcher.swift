import Foundation

/// Turns two looks at the world into what happened between them. Pure: the same looks give the same lines.
struct Watcher {
    struct Line: Equatable {
        var topic: Narrator.Topic
        var text: String

        init(_ topic: Narrator.Topic, _ text: String) {
            self.topic = topic
            self.text = text
        }
    }

    /// A pod that was asked to leave, until its successor is ready.
    private struct Leaving {
        var pod: String
        var node: String
    }

    private var cordoned: Set<String> = []
    private var drained: Set<String> = []
    private var joined: Set<String> = []
    private var gone: Set<String> = []
    private var removed: Set<String> = []
    private var removalsTold: [String: Int] = [:]
    private var waiting: [String: Date] = [:]
    private var owners: [String: String] = [:]
    /// Where each pod was at the last look.
    private var places: [String: String] = [:]
    private var readyPods: Set<String> = []
    private var leaving: [String: [Leaving]] = [:]
    /// Successors that are ready and not told of yet, by the node their predecessors were on.
    private var arrivals: [String: [String]] = [:]
    private var arrivalsSince: [String: Date] = [:]

    static func short(_ node: String) -> String { String(node.prefix { $0 != "." }) }

    /// Notes who is where before anything happens.
    mutating func begin(pods: [SeenPod]) {
        for pod in pods where pod.isReady { readyPods.insert(pod.uid) }
        remember(pods)
    }

    /// What happened since the last look.
    mutating func lines(state: WorldState, calls: [LoggedCall], pods: [SeenPod]) -> [Line] {
        var lines: [Line] = []
        for node in state.nodes where node.interruptedAt != nil { lines += warned(node, state, calls) }
        for node in state.nodes where node.clientToken != nil { lines += launched(node) }
        lines += moves(pods, state)
        remember(pods)
        return lines
    }

    private mutating func remember(_ pods: [SeenPod]) {
        for pod in pods {
            owners[pod.name] = pod.owner
            places[pod.name] = pod.node
        }
    }

    // MARK: A warned node

    private mutating func warned(_ node: WorldState.Node, _ state: WorldState, _ calls: [LoggedCall]) -> [Line] {
        guard let since = node.interruptedAt else { return [] }
        let name = Self.short(node.node)
        var lines: [Line] = []
        if let at = node.cordonedAt, cordoned.insert(node.node).inserted {
            lines.append(
                Line(.cordon, "\(name) cordoned \(Self.seconds(since, at)) after its warning: no new pods come in"))
        }
        lines += removals(node, name)
        lines += refusals(node, name, state, calls)
        if let at = node.drainedAt, drained.insert(node.node).inserted, let deadline = node.deadline {
            let spare = "\(Int(deadline.timeIntervalSince(at))) s before its instance goes"
            let broken = state.pdbViolations.count { violation in node.removals.contains { $0.pod == violation.pod } }
            let budgets = broken == 0 ? "every budget kept" : "\(Narrator.count(broken, "budget")) broken"
            lines.append(
                Line(
                    .drain,
                    "\(name) is empty \(Self.seconds(since, at)) after its warning, \(spare): "
                        + "\(Narrator.count(node.removals.count, "pod")) left politely, \(budgets)"))
        }
        if node.terminatedAt != nil, gone.insert(node.node).inserted {
            let dead = node.abruptPodDeaths.count
            let toll = dead == 0 ? "nobody was on it" : "\(Narrator.count(dead, "pod")) died with it"
            lines.append(Line(.ended, "EC2 takes \(node.instanceID) (\(name)) back: \(toll)"))
        }
        if node.removedAt != nil, removed.insert(node.node).inserted {
            lines.append(Line(.ended, "\(name) is taken off the cluster's list of nodes"))
        }
        return lines
    }

    private mutating func removals(_ node: WorldState.Node, _ name: String) -> [Line] {
        let fresh = node.removals.dropFirst(removalsTold[node.node] ?? 0)
        removalsTold[node.node] = node.removals.count
        for removal in fresh {
            guard let owner = owners[removal.pod] else { continue }
            leaving[owner, default: []].append(Leaving(pod: removal.pod, node: node.node))
        }
        var lines: [Line] = []
        var allowed: [String] = []
        var asked: [String] = []
        for removal in fresh where removal.verb == "evict" {
            if let since = waiting.removeValue(forKey: removal.pod) {
                allowed.append("\(Self.brief(removal.pod)) (waited \(Self.seconds(since, removal.at)))")
            } else {
                asked.append(Self.brief(removal.pod))
            }
        }
        if !allowed.isEmpty {
            lines.append(Line(.budget, "\(name): \(Self.few(allowed)) may go now; no budget is broken by it"))
        }
        if !asked.isEmpty {
            let part = "\(node.removals.count) of \(Narrator.count(node.podsAtInterruption, "pod"))"
            lines.append(Line(.drain, "\(name): \(part) asked to leave: \(Self.few(asked))"))
        }
        let forced = fresh.filter { $0.verb == "delete" }.map { Self.brief($0.pod) }
        if !forced.isEmpty {
            lines.append(Line(.drain, "\(name): time is short, \(Self.few(forced)) deleted with the rest as grace"))
        }
        return lines
    }

    /// Evictions that the API server answered with 429.
    private mutating func refusals(
        _ node: WorldState.Node, _ name: String, _ state: WorldState, _ calls: [LoggedCall]
    ) -> [Line] {
        let here = Set(calls.filter { $0.status == 429 }.compactMap(\.evictedPod)).filter { pod in
            waiting[pod] == nil && places[pod] == node.node && !node.removals.contains { $0.pod == pod }
        }
        for pod in here { waiting[pod] = state.time }
        guard !here.isEmpty else { return [] }
        let verb = here.count == 1 ? "waits, its budget allows" : "wait, their budgets allow"
        return [Line(.budget, "\(name): \(Self.few(here.sorted().map(Self.brief))) \(verb) no more disruption now")]
    }

    // MARK: Replacements and successors

    private mutating func launched(_ node: WorldState.Node) -> [Line] {
        guard joined.insert(node.node).inserted else { return [] }
        return [
            Line(
                .launch,
                "\(node.instanceID) is in the cluster as \(Self.short(node.node)) "
                    + "(\(node.instanceType) \(node.capacityType), \(node.zone))")
        ]
    }

    /// Told a handful at a time.
    private mutating func moves(_ pods: [SeenPod], _ state: WorldState) -> [Line] {
        for pod in pods {
            guard pod.isReady, readyPods.insert(pod.uid).inserted, let owner = pod.owner, let node = pod.node,
                let from = leaving[owner]?.first
            else { continue }
            leaving[owner]?.removeFirst()
            arrivals[from.node, default: []].append("\(Self.brief(pod.name)) on \(Self.short(node))")
            if arrivalsSince[from.node] == nil { arrivalsSince[from.node] = state.time }
        }
        var lines: [Line] = []
        for (node, since) in arrivalsSince.sorted(by: { $0.key < $1.key }) {
            guard let moved = arrivals[node], moved.count >= 5 || state.time.timeIntervalSince(since) > 2.5 else {
                continue
            }
            arrivals[node] = nil
            arrivalsSince[node] = nil
            let verb = moved.count == 1 ? "runs" : "run"
            lines.append(Line(.moved, "from \(Self.short(node)): \(Self.few(moved, most: 3)) \(verb) again"))
        }
        return lines
    }

    // MARK: Words

    static func seconds(_ from: Date, _ to: Date) -> String {
        Narrator.number(to.timeIntervalSince(from)) + " s"
    }

    /// A pod of a Deployment without the hash of its template: `shop/cart-x7k2p`.
    static func brief(_ pod: String) -> String {
        var parts = pod.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[parts.count - 2].count == 10, parts[parts.count - 1].count == 5 else {
            return pod
        }
        parts.remove(at: parts.count - 2)
        return parts.joined(separator: "-")
    }

    /// The first few by name, the rest by number.
    static func few(_ names: [String], most: Int = 4) -> String {
        guard names.count > most + 1 else { return Narrator.list(names) }
        return names.prefix(most).joined(separator: ", ") + " and \(names.count - most) more"
    }
}
