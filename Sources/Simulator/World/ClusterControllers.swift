import Foundation

/// The workload controllers: they keep as many pods as their objects ask for.
extension ClusterState {
    /// Bounds one pass; a pass that is cut short goes on at the next tick.
    private static let roundsPerPassMax = 50

    /// In order, so that the same seed gives the same names.
    func reconcile() {
        var rounds = 0
        while rounds < Self.roundsPerPassMax, !ownersToReconcile.isEmpty {
            rounds += 1
            let due = ownersToReconcile.sorted()
            ownersToReconcile = []
            for owner in due {
                let key = ObjectKey(namespace: owner.namespace, name: owner.name)
                switch owner.kind {
                case "ReplicaSet": reconcileReplicaSet(key)
                case "Deployment": reconcileDeployment(key)
                case "StatefulSet": reconcileStatefulSet(key)
                case "DaemonSet": reconcileDaemonSet(key)
                default: break
                }
            }
        }
        updateBudgetStatuses()
    }

    func ownedPods(_ owner: JSONValue) -> [PodFacts] {
        (podsByOwner[owner["metadata"]["uid"].string ?? ""] ?? []).compactMap { pods[$0] }
    }

    private func reconcileReplicaSet(_ key: ObjectKey) {
        guard let set = object(.replicaSets, key)?.value else { return }
        let living = ownedPods(set).filter { !$0.isTerminating && !$0.isDone }
        let wanted = set["spec"]["replicas"].int ?? 1
        if living.count < wanted {
            for _ in living.count..<wanted {
                createPod(of: set, kind: "ReplicaSet", name: key.name + "-" + random.suffix(5))
            }
        } else if living.count > wanted {
            // As the real controller: first what is not ready, then the fullest node's.
            let order = living.sorted { left, right in
                if (left.node == nil) != (right.node == nil) { return left.node == nil }
                if left.isReady != right.isReady { return !left.isReady }
                return left.key > right.key
            }
            for pod in order.prefix(living.count - wanted) { deletePod(pod.key, graceSeconds: nil) }
        }
        let now = ownedPods(set).filter { !$0.isTerminating && !$0.isDone }
        let ready = now.count(where: \.isReady)
        update(.replicaSets, key) { set in
            set["status"] = [
                "replicas": .integer(now.count), "fullyLabeledReplicas": .integer(now.count),
                "readyReplicas": ready > 0 ? .integer(ready) : .null,
                "availableReplicas": ready > 0 ? .integer(ready) : .null,
                "observedGeneration": set["metadata"]["generation"],
            ]
        }
        if let deployment = set["metadata"]["ownerReferences"].array.first?["name"].string {
            ownersToReconcile.insert(OwnerReference(kind: "Deployment", namespace: key.namespace, name: deployment))
        }
        // Its budgets count by the wanted replicas.
        if let pod = now.first { budgetsToUpdate.formUnion(budgetIndex.objects(selecting: pod.key)) }
    }

    private func reconcileDeployment(_ key: ObjectKey) {
        guard let deployment = object(.deployments, key)?.value else { return }
        let hash = templateHash(key, deployment, kind: "Deployment")
        let wanted = deployment["spec"]["replicas"].int ?? 1
        var sets = (replicaSetsByDeployment[key] ?? []).sorted()
        let current = ObjectKey(namespace: key.namespace, name: key.name + "-" + hash)
        if !sets.contains(current) {
            create(.replicaSets, Templates.replicaSet(of: deployment, hash: hash, replicas: sets.isEmpty ? wanted : 0))
            sets.append(current)
        }
        let old = sets.filter { $0 != current }
        func replicas(_ key: ObjectKey) -> Int { object(.replicaSets, key)?.value["spec"]["replicas"].int ?? 0 }
        func ready(_ key: ObjectKey) -> Int { object(.replicaSets, key)?.value["status"]["readyReplicas"].int ?? 0 }
        // Rolling update with the default quarter of surge and of unavailability.
        let oldReplicas = old.map(replicas).reduce(0, +)
        let surge = (wanted + 3) / 4
        setReplicas(
            current, oldReplicas == 0 ? wanted : min(wanted, max(replicas(current), wanted + surge - oldReplicas)))
        var excess = sets.map(ready).reduce(0, +) - (wanted - wanted / 4)
        for set in old where replicas(set) > 0 && excess > 0 {
            let removed = min(excess, replicas(set))
            setReplicas(set, replicas(set) - removed)
            excess -= removed
        }
        let readyTotal = sets.map(ready).reduce(0, +)
        let total = sets.map { object(.replicaSets, $0)?.value["status"]["replicas"].int ?? 0 }.reduce(0, +)
        let updated = object(.replicaSets, current)?.value["status"]["replicas"].int ?? 0
        let time = timestamp
        update(.deployments, key) { deployment in
            let isAvailable = readyTotal >= wanted - wanted / 4
            let previous = deployment["status"]["conditions"].array.first
            let since = previous?["status"] == (isAvailable ? "True" : "False") ? previous?["lastTransitionTime"] : nil
            deployment["status"] = [
                "observedGeneration": deployment["metadata"]["generation"], "replicas": .integer(total),
                "updatedReplicas": .integer(updated), "readyReplicas": readyTotal > 0 ? .integer(readyTotal) : .null,
                "availableReplicas": readyTotal > 0 ? .integer(readyTotal) : .null,
                "unavailableReplicas": wanted > readyTotal ? .integer(wanted - readyTotal) : .null,
                "conditions": [
                    [
                        "type": "Available", "status": isAvailable ? "True" : "False",
                        "reason": isAvailable ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                        "message": isAvailable
                            ? "Deployment has minimum availability." : "Deployment does not have minimum availability.",
                        "lastTransitionTime": since ?? time, "lastUpdateTime": since ?? time,
                    ]
                ],
            ]
        }
    }

    private func setReplicas(_ key: ObjectKey, _ replicas: Int) {
        update(.replicaSets, key) { $0["spec"]["replicas"] = .integer(replicas) }
    }

    func templateHash(_ key: ObjectKey, _ owner: JSONValue, kind: String) -> String {
        let generation = owner["metadata"]["generation"].int ?? 0
        let place = ObjectKey(namespace: "\(kind)/\(key.namespace)", name: key.name)
        if let known = templateHashes[place], known.generation == generation { return known.hash }
        let sum = owner["spec"]["template"].bytes.reduce(UInt64(0xCBF2_9CE4_8422_2325)) {
            ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3
        }
        var letters = SeededRandom(seed: sum)
        let hash = letters.suffix(10)
        templateHashes[place] = (generation, hash)
        return hash
    }

    func createPod(of owner: JSONValue, kind: String, name: String, node: String? = nil) {
        var pod = Templates.pod(of: owner, kind: kind, name: name, node: node, timestamp: timestamp)
        if kind != "ReplicaSet" {
            let key = ObjectKey(
                namespace: owner["metadata"]["namespace"].string ?? "", name: owner["metadata"]["name"].string ?? "")
            pod["metadata"]["labels"][Self.revisionLabel] = .string(templateHash(key, owner, kind: kind))
        }
        let stored = create(.pods, pod)
        if node != nil, let uid = stored.value["metadata"]["uid"].string {
            let key = ObjectKey(namespace: stored.value["metadata"]["namespace"].string ?? "", name: name)
            timeline.schedule(after: startDelay(), .podStarts(cluster: self.name, key: key, uid: uid))
        }
    }

    func startDelay() -> Double { random.double(in: plan.podStartSeconds) }

    func createClaim(_ template: JSONValue, pod: ObjectKey, set: JSONValue) {
        let claim = ObjectKey(
            namespace: pod.namespace, name: (template["metadata"]["name"].string ?? "data") + "-" + pod.name)
        guard object(.claims, claim) == nil else { return }
        create(.claims, Templates.claim(template, key: claim, labels: set["spec"]["selector"]["matchLabels"]))
    }
}
