/// The controllers that name their pods or place them themselves: they roll a new template out one pod at a time.
extension ClusterState {
    /// Which template a pod was made of.
    static let revisionLabel = "controller-revision-hash"

    func reconcileStatefulSet(_ key: ObjectKey) {
        guard let set = object(.statefulSets, key)?.value else { return }
        let wanted = set["spec"]["replicas"].int ?? 1
        let isParallel = set["spec"]["podManagementPolicy"] == "Parallel"
        for ordinal in 0..<wanted {
            let podKey = ObjectKey(namespace: key.namespace, name: "\(key.name)-\(ordinal)")
            if let pod = pods[podKey] {
                if !isParallel, !pod.isReady { break }
                continue
            }
            for template in set["spec"]["volumeClaimTemplates"].array { createClaim(template, pod: podKey, set: set) }
            createPod(of: set, kind: "StatefulSet", name: podKey.name)
            if !isParallel { break }
        }
        let owned = ownedPods(set)
        for pod in owned where !pod.isTerminating && ordinal(pod) >= wanted { deletePod(pod.key, graceSeconds: nil) }
        let hash = templateHash(key, set, kind: "StatefulSet")
        let isRolling = set["spec"]["updateStrategy"]["type"] != "OnDelete"
        let outdated = owned.filter { $0.labels[Self.revisionLabel] != hash && ordinal($0) < wanted }
        // From the highest ordinal down, each once all are ready.
        let settled = owned.count(where: { $0.isReady && !$0.isTerminating })
        if isRolling, outdated.allSatisfy({ !$0.isTerminating }), settled >= wanted,
            let next = outdated.max(by: { ordinal($0) < ordinal($1) })
        {
            deletePod(next.key, graceSeconds: nil)
        }
        let ready = owned.count { $0.isReady && !$0.isTerminating }
        let updated = owned.count { $0.labels[Self.revisionLabel] == hash }
        update(.statefulSets, key) { set in
            let newest = JSONValue.string("\(key.name)-\(hash)")
            let before = set["status"]["currentRevision"]
            set["status"] = [
                "replicas": .integer(owned.count), "readyReplicas": .integer(ready),
                "availableReplicas": .integer(ready),
                "currentReplicas": .integer(owned.count - updated), "updatedReplicas": .integer(updated),
                "observedGeneration": set["metadata"]["generation"],
                "currentRevision": updated >= wanted || before.isNull ? newest : before, "updateRevision": newest,
                "collisionCount": 0,
            ]
        }
    }

    private func ordinal(_ pod: PodFacts) -> Int { pod.key.name.split(separator: "-").last.flatMap { Int($0) } ?? 0 }

    func reconcileDaemonSet(_ key: ObjectKey) {
        guard let set = object(.daemonSets, key)?.value else { return }
        let owned = ownedPods(set)
        let template = PodFacts(key: key, pod: set["spec"]["template"])
        let suitable = nodes.values.filter { node in
            template.nodeSelector.allSatisfy { node.labels[$0.key] == $0.value }
                && node.taints.allSatisfy {
                    $0.effect == "PreferNoSchedule" || $0.isTolerated(by: template.tolerations)
                }
        }
        let served = Set(owned.compactMap(\.node))
        for node in suitable.map(\.name).sorted() where !served.contains(node) {
            createPod(of: set, kind: "DaemonSet", name: key.name + "-" + random.suffix(5), node: node)
        }
        let hash = templateHash(key, set, kind: "DaemonSet")
        let outdated = owned.filter { $0.labels[Self.revisionLabel] != hash }
        if outdated.allSatisfy({ !$0.isTerminating }), owned.allSatisfy({ $0.isReady }),
            let next = outdated.min(by: { $0.key < $1.key })
        {
            deletePod(next.key, graceSeconds: nil)
        }
        let ready = owned.count { $0.isReady && !$0.isTerminating }
        update(.daemonSets, key) { set in
            set["status"] = [
                "currentNumberScheduled": .integer(served.count), "desiredNumberScheduled": .integer(suitable.count),
                "numberMisscheduled": 0, "numberReady": .integer(ready), "numberAvailable": .integer(ready),
                "updatedNumberScheduled": .integer(owned.count - outdated.count),
                "observedGeneration": set["metadata"]["generation"],
            ]
        }
    }
}
