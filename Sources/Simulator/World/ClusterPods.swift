import Foundation

/// The scheduler and the kubelets: pods are placed, start, stop and die.
extension ClusterState {
    /// Places what waits for a node.
    func schedulePods() {
        guard schedulingIsDue else { return }
        schedulingIsDue = false
        let waiting = unscheduled.compactMap { pods[$0] }.sorted { $0.key < $1.key }
        guard !waiting.isEmpty else { return }
        let namespaces = Set(waiting.map(\.key.namespace))
        var placed: [String: [PodFacts]] = [:]
        for namespace in namespaces {
            placed[namespace] = (podsByNamespace[namespace] ?? []).compactMap { pods[$0] }.filter {
                $0.node != nil && !$0.isDone
            }
        }
        let antiAffine = pods.values.filter { !$0.antiAffinity.isEmpty && $0.node != nil && !$0.isDone }
        var ports: [String: Set<String>] = [:]
        for pod in pods.values where !pod.hostPorts.isEmpty {
            if let node = pod.node { ports[node, default: []].formUnion(pod.hostPorts) }
        }
        var placement = Placement(
            nodes: nodes.values.sorted { $0.name < $1.name }, requested: requested, placed: placed,
            antiAffine: antiAffine,
            hostPorts: ports)
        for pod in waiting {
            switch placement.choose(for: pod, volumeZones: volumeZones(of: pod)) {
            case .success(let node):
                bind(pod, to: node)
                guard let bound = pods[pod.key] else { continue }
                placement.requested[node] = requested[node]
                placement.placed[pod.key.namespace, default: []].append(bound)
                placement.hostPorts[node, default: []].formUnion(bound.hostPorts)
                if !bound.antiAffinity.isEmpty { placement.antiAffine.append(bound) }
            case .failure(let why): noteUnschedulable(pod.key, why.message)
            }
        }
    }

    private func volumeZones(of pod: PodFacts) -> Set<String>? {
        var zones: Set<String>?
        for claim in pod.claims {
            let key = ObjectKey(namespace: pod.key.namespace, name: claim)
            guard let volume = object(.claims, key)?.value["spec"]["volumeName"].string,
                let terms = object(.volumes, ObjectKey(namespace: "", name: volume))?
                    .value["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"].array
            else { continue }
            let allowed = Set(
                terms.flatMap { $0["matchExpressions"].array }
                    .filter { $0["key"].string?.hasSuffix("/zone") == true }
                    .flatMap { $0["values"].array.compactMap(\.string) })
            zones = zones?.intersection(allowed) ?? allowed
        }
        return zones
    }

    private func bind(_ pod: PodFacts, to node: String) {
        let time = timestamp
        for claim in pod.claims {
            provisionVolume(for: ObjectKey(namespace: pod.key.namespace, name: claim), zone: nodes[node]?.zone ?? "")
        }
        update(.pods, pod.key) { object in
            object["spec"]["nodeName"] = .string(node)
            object["status"]["conditions"] = [["type": "PodScheduled", "status": "True", "lastTransitionTime": time]]
        }
        timeline.schedule(after: startDelay(), .podStarts(cluster: name, key: pod.key, uid: pod.uid))
    }

    private func provisionVolume(for claim: ObjectKey, zone: String) {
        guard let stored = object(.claims, claim), stored.value["spec"]["volumeName"].isNull else { return }
        let volume = Templates.volume(
            claim: stored.value, zone: zone, id: "vol-" + String(random.next() | 1 << 63, radix: 16) + "a")
        let created = create(.volumes, volume)
        update(.claims, claim) { object in
            object["spec"]["volumeName"] = created.value["metadata"]["name"]
            object["status"] = [
                "phase": "Bound", "accessModes": object["spec"]["accessModes"],
                "capacity": object["spec"]["resources"]["requests"],
            ]
        }
    }

    private func noteUnschedulable(_ key: ObjectKey, _ message: String) {
        let time = timestamp
        update(.pods, key) { pod in
            let previous = pod["status"]["conditions"].array.first { $0["type"] == "PodScheduled" }
            let since = previous?["status"] == "False" ? previous?["lastTransitionTime"] ?? time : time
            pod["status"]["conditions"] = [
                [
                    "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": .string(message),
                    "lastTransitionTime": since,
                ]
            ]
        }
    }

    func startPod(_ key: ObjectKey, uid: String) {
        guard let pod = pods[key], pod.uid == uid, !pod.isTerminating, let node = pod.node, nodes[node]?.isReady == true
        else {
            retryStart(key, uid: uid)
            return
        }
        let time = timestamp
        let address = "10.\(random.next() % 64 + 64).\(random.next() % 256).\(random.next() % 254 + 1)"
        let nodeAddress = object(.nodes, ObjectKey(namespace: "", name: node))?.value["status"]["addresses"].array
            .first?["address"]
        var salt = random
        update(.pods, key) {
            Templates.start(&$0, time: time, podIP: address, hostIP: nodeAddress ?? .null, random: &salt)
        }
        random = salt
        if let started = pods[key] { scheduleMemoryKill(started) }
    }

    /// A node that is not ready yet starts its pods when it is.
    private func retryStart(_ key: ObjectKey, uid: String) {
        guard let pod = pods[key], pod.uid == uid, !pod.isTerminating, let node = pod.node, nodes[node] != nil,
            records[instanceID(ofNode: node)]?.terminatedAt == nil
        else { return }
        timeline.schedule(after: 1, .podStarts(cluster: name, key: key, uid: uid))
    }

    /// Asks a pod to stop, as `DELETE` does: it stays, terminating, for as long as its containers need.
    /// - Parameter graceSeconds: nil for the pod's own; 0 removes it at once.
    func deletePod(_ key: ObjectKey, graceSeconds: Int?) {
        guard let pod = pods[key] else { return }
        let grace = max(0, graceSeconds ?? pod.graceSeconds)
        if grace == 0 || pod.node == nil || pod.isDone {
            remove(.pods, key)
            return
        }
        let end = now.addingTimeInterval(TimeInterval(grace))
        if pod.isTerminating {
            let present = object(.pods, key)?.value["metadata"]["deletionTimestamp"].string.flatMap(Timestamp.parse)
            guard let present, end < present else { return }
        }
        update(.pods, key) { object in
            object["metadata"]["deletionTimestamp"] = .string(Timestamp.seconds(end))
            object["metadata"]["deletionGracePeriodSeconds"] = .integer(grace)
        }
        // The same pod always needs the same part of its grace.
        var habit = SeededRandom(seed: 0, for: pod.uid)
        let seconds = Double(grace) * habit.double(in: plan.podStopFraction)
        timeline.schedule(after: seconds, .podStops(cluster: name, key: key, uid: pod.uid))
    }

    func stopPod(_ key: ObjectKey, uid: String) {
        guard let pod = pods[key], pod.uid == uid, let node = pod.node else { return }
        let record = records[instanceID(ofNode: node)]
        guard record?.kubeletIsDead != true, record?.terminatedAt == nil else { return }
        guard object(.pods, key)?.value["metadata"]["finalizers"].array.isEmpty != false else { return }
        remove(.pods, key)
    }
}
