/// How the world starts, what it says of itself, and the slices behind its services.
extension ClusterState {
    var summary: JSONValue {
        [
            "name": .string(name), "account": .string(plan.account), "region": .string(plan.region),
            "nodes": .integer(nodes.count), "nodesReady": .integer(nodes.values.count(where: \.isReady)),
            "nodesCordoned": .integer(nodes.values.count(where: \.isUnschedulable)), "pods": .integer(pods.count),
            "podsReady": .integer(pods.values.count(where: \.isReady)),
            "podsPending": .integer(pods.values.count { $0.phase == "Pending" }),
            "podsTerminating": .integer(pods.values.count(where: \.isTerminating)),
        ]
    }

    /// The world starts settled: everything is placed and runs.
    func startEverything() {
        reconcile()
        for _ in 0..<10 {
            schedulePods()
            for key in pods.keys.sorted() {
                guard let pod = pods[key], pod.node != nil, pod.phase == "Pending" else { continue }
                startPod(key, uid: pod.uid)
            }
            reconcile()
            if ownersToReconcile.isEmpty, !schedulingIsDue { break }
        }
        updateEndpoints()
    }

    /// EndpointSlices of the services whose pods changed.
    func updateEndpoints() {
        let due = servicesToUpdate.sorted()
        servicesToUpdate = []
        for service in due {
            let slice = ObjectKey(namespace: service.namespace, name: service.name + "-endpoints")
            guard object(.services, service) != nil else {
                remove(.endpointSlices, slice)
                continue
            }
            let members = serviceIndex.pods(selectedBy: service).sorted().compactMap { pods[$0] }
            let endpoints = JSONValue.array(members.filter { $0.phase == "Running" }.compactMap(endpoint))
            guard object(.endpointSlices, slice) == nil else {
                update(.endpointSlices, slice) { $0["endpoints"] = endpoints }
                continue
            }
            create(
                .endpointSlices,
                [
                    "metadata": [
                        "name": .string(slice.name), "namespace": .string(slice.namespace),
                        "labels": ["kubernetes.io/service-name": .string(service.name)],
                    ],
                    "addressType": "IPv4", "ports": [["name": "http", "port": 8080, "protocol": "TCP"]],
                    "endpoints": endpoints,
                ])
        }
    }

    private func endpoint(_ pod: PodFacts) -> JSONValue? {
        guard let address = object(.pods, pod.key)?.value["status"]["podIP"] else { return nil }
        return [
            "addresses": [address], "nodeName": pod.node.map { .string($0) } ?? .null,
            "zone": pod.node.flatMap { nodes[$0]?.zone }.map { .string($0) } ?? .null,
            "conditions": [
                "ready": .bool(pod.isReady && !pod.isTerminating), "serving": .bool(pod.isReady),
                "terminating": .bool(pod.isTerminating),
            ],
            "targetRef": [
                "kind": "Pod", "namespace": .string(pod.key.namespace), "name": .string(pod.key.name),
                "uid": .string(pod.uid),
            ],
        ]
    }
}
