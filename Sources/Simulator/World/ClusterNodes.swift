import Foundation

/// Nodes join, stop reporting and go.
extension ClusterState {
    /// The instance registers as a node; Ready a little later.
    @discardableResult
    func join(_ instance: LaunchedInstance, name nodeName: String? = nil, isReady: Bool = false) -> String {
        let node = nodeName ?? newNodeName()
        let owner = NodeOwner(tags: instance.tags)
        record(instance, node: node, owner: owner.rawValue)
        create(
            .nodes,
            Templates.node(name: node, instance: instance, owner: owner, plan: plan, isReady: isReady, time: timestamp))
        let facts = ObjectKey(namespace: "", name: node)
        create(
            .csiNodes,
            Templates.csiNode(
                name: node, uid: object(.nodes, facts)?.value["metadata"]["uid"] ?? .null, instance: instance))
        create(.leases, Templates.lease(node: node, time: .string(Timestamp.microseconds(now))))
        if !isReady {
            timeline.schedule(after: random.double(in: 0.5...1.5), .nodeBecomesReady(cluster: name, node: node))
        }
        for pod in Templates.mirrorPods(node: node) {
            let stored = create(.pods, pod)
            let key = ObjectKey(namespace: "kube-system", name: stored.value["metadata"]["name"].string ?? "")
            timeline.schedule(
                after: 0.1, .podStarts(cluster: name, key: key, uid: stored.value["metadata"]["uid"].string ?? ""))
        }
        return node
    }

    func newNodeName() -> String {
        while true {
            let suffix = plan.region == "us-east-1" ? "ec2.internal" : "\(plan.region).compute.internal"
            let name = "ip-10-0-\(random.next() % 256)-\(random.next() % 254 + 1).\(suffix)"
            if nodes[name] == nil { return name }
        }
    }

    func makeReady(_ node: String) {
        let time = timestamp
        guard records[instanceID(ofNode: node)]?.terminatedAt == nil else { return }
        update(.nodes, ObjectKey(namespace: "", name: node)) { object in
            object["status"]["conditions"] = Templates.nodeConditions(isReady: true, time: time)
            object["spec"]["taints"] = withoutLifecycleTaints(object["spec"]["taints"])
        }
    }

    private func withoutLifecycleTaints(_ taints: JSONValue) -> JSONValue {
        let kept = taints.array.filter { $0["key"].string?.hasPrefix("node.kubernetes.io/not-ready") != true }
        return kept.isEmpty ? .null : .array(kept)
    }

    /// The instance is gone: everything that still ran on it died with it.
    /// - Parameters:
    ///   - actor: who ended it; an interruption is the cloud's own doing.
    ///   - isByClient: a client's call, for which budgets count.
    func instanceIsGone(_ id: String, actor: String, isByClient: Bool) {
        guard let record = records[id], record.terminatedAt == nil else { return }
        let node = record.node
        let uid = object(.nodes, ObjectKey(namespace: "", name: node))?.value["metadata"]["uid"].string ?? ""
        for key in (podsByNode[node] ?? []).sorted() {
            guard let pod = pods[key], pod.isEvictable else { continue }
            if isByClient { observeRemoval(of: pod, actor: actor, verb: "terminate-instance") }
            records[id]?.abruptDeaths.append(
                NodeRecord.AbruptDeath(
                    pod: key, at: now, cause: "instance terminated by \(actor)", wasTerminating: pod.isTerminating))
        }
        records[id]?.terminatedAt = now
        records[id]?.terminatedBy = actor
        timeline.schedule(after: random.double(in: 1...3), .nodeStopsReporting(cluster: name, node: node, uid: uid))
        timeline.schedule(
            after: random.double(in: plan.nodeRemovalSeconds), .nodeIsRemoved(cluster: name, node: node, uid: uid))
    }

    private func isNode(_ node: String, uid: String) -> Bool {
        object(.nodes, ObjectKey(namespace: "", name: node))?.value["metadata"]["uid"].string == uid
    }

    func stopReporting(_ node: String, uid: String) {
        guard isNode(node, uid: uid) else { return }
        let time = timestamp
        update(.nodes, ObjectKey(namespace: "", name: node)) { object in
            object["status"]["conditions"] = Templates.nodeConditions(isReady: false, time: time)
            let taint: JSONValue = ["key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": time]
            object["spec"]["taints"] = .array(object["spec"]["taints"].array + [taint])
        }
        for key in podsByNode[node] ?? [] { markNotReady(key, time: time) }
    }

    private func markNotReady(_ key: ObjectKey, time: JSONValue) {
        update(.pods, key) { pod in
            pod["status"]["conditions"] = .array(
                pod["status"]["conditions"].array.map { condition in
                    guard condition["type"] == "Ready", condition["status"] == "True" else { return condition }
                    var changed = condition
                    changed["status"] = "False"
                    changed["reason"] = "NodeNotReady"
                    changed["lastTransitionTime"] = time
                    return changed
                })
        }
    }

    /// The cloud controller removes the node of a terminated instance.
    func removeNode(_ node: String, uid: String) {
        guard isNode(node, uid: uid) else { return }
        deleteNode(node, actor: "system:cloud-controller-manager")
    }

    /// Pods of a node that no longer exists are collected a little later.
    func deleteNode(_ node: String, actor: String) {
        let id = instanceID(ofNode: node)
        if records[id]?.terminatedAt == nil {
            for key in (podsByNode[node] ?? []).sorted() {
                guard let pod = pods[key], pod.isEvictable else { continue }
                observeRemoval(of: pod, actor: actor, verb: "delete-node")
                records[id]?.abruptDeaths.append(
                    NodeRecord.AbruptDeath(
                        pod: key, at: now, cause: "node deleted by \(actor)", wasTerminating: pod.isTerminating))
            }
        }
        remove(.nodes, ObjectKey(namespace: "", name: node))
        remove(.csiNodes, ObjectKey(namespace: "", name: node))
        remove(.leases, ObjectKey(namespace: "kube-node-lease", name: node))
        timeline.schedule(after: random.double(in: 0.5...2), .podsAreCollected(cluster: name, node: node))
    }

    func collectPods(of node: String) {
        guard nodes[node] == nil else { return }
        for key in (podsByNode[node] ?? []).sorted() { remove(.pods, key) }
    }

    /// A spot warning (or another notice) was sent for the instance.
    func noteInterruption(_ id: String, kind: String, deadline: Date?) {
        guard let record = records[id] else { return }
        if record.interruptedAt == nil {
            records[id]?.interruptedAt = now
            records[id]?.interruptionKind = kind
            records[id]?.podsAtInterruption = (podsByNode[record.node] ?? []).count { pods[$0]?.isEvictable == true }
        }
        if let deadline { records[id]?.deadline = min(deadline, record.deadline ?? deadline) }
    }
}
