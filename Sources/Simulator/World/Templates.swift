/// The JSON of objects that controllers and kubelets write.
enum Templates {
    static func pod(of owner: JSONValue, kind: String, name: String, node: String?, timestamp: JSONValue) -> JSONValue {
        let template = owner["spec"]["template"]
        var metadata = template["metadata"]
        let ownerName = owner["metadata"]["name"].string ?? ""
        metadata["name"] = .string(name)
        metadata["namespace"] = owner["metadata"]["namespace"]
        if kind != "StatefulSet" { metadata["generateName"] = .string(ownerName + "-") }
        metadata["ownerReferences"] = [controller(owner, kind: kind)]
        var spec = template["spec"]
        if kind == "StatefulSet" {
            metadata["labels"]["statefulset.kubernetes.io/pod-name"] = .string(name)
            spec["hostname"] = .string(name)
            let volumes = owner["spec"]["volumeClaimTemplates"].array.map { claim -> JSONValue in
                let volume = claim["metadata"]["name"].string ?? "data"
                return ["name": .string(volume), "persistentVolumeClaim": ["claimName": .string(volume + "-" + name)]]
            }
            if !volumes.isEmpty { spec["volumes"] = .array(spec["volumes"].array + volumes) }
        }
        var pod: JSONValue = ["metadata": metadata, "spec": spec]
        fillDefaults(&pod)
        if let node {
            pod["spec"]["nodeName"] = .string(node)
            pod["status"]["conditions"] = [["type": "PodScheduled", "status": "True", "lastTransitionTime": timestamp]]
        }
        return pod
    }

    static func controller(_ owner: JSONValue, kind: String) -> JSONValue {
        [
            "apiVersion": "apps/v1", "kind": .string(kind), "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
        ]
    }

    /// What the API server fills into every new pod.
    static func fillDefaults(_ pod: inout JSONValue) {
        var spec = pod["spec"]
        let defaults: [(String, JSONValue)] = [
            ("restartPolicy", "Always"), ("dnsPolicy", "ClusterFirst"), ("schedulerName", "default-scheduler"),
            ("terminationGracePeriodSeconds", 30), ("serviceAccountName", "default"), ("serviceAccount", "default"),
            ("securityContext", .object([:])), ("enableServiceLinks", true), ("priority", 0),
            ("preemptionPolicy", "PreemptLowerPriority"),
        ]
        for (key, value) in defaults where spec[key].isNull { spec[key] = value }
        let tolerations = spec["tolerations"].array
        let automatic: [JSONValue] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].compactMap {
            key in
            if tolerations.contains(where: {
                $0["key"].string == key || ($0["operator"] == "Exists" && $0["key"].isNull)
            }) {
                return nil
            }
            return ["key": .string(key), "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300]
        }
        if !automatic.isEmpty { spec["tolerations"] = .array(tolerations + automatic) }
        spec["containers"] = .array(
            spec["containers"].array.map { container in
                var container = container
                let defaults: [(String, JSONValue)] = [
                    ("imagePullPolicy", "IfNotPresent"), ("terminationMessagePath", "/dev/termination-log"),
                    ("terminationMessagePolicy", "File"), ("resources", .object([:])),
                ]
                for (key, value) in defaults where container[key].isNull { container[key] = value }
                return container
            })
        pod["spec"] = spec
        if pod["status"]["phase"].isNull {
            pod["status"] = ["phase": "Pending", "qosClass": .string(qualityOfService(spec))]
        }
    }

    private static func qualityOfService(_ spec: JSONValue) -> String {
        let resources = spec["containers"].array.map { $0["resources"] }
        if resources.allSatisfy({ $0["requests"].isNull && $0["limits"].isNull }) { return "BestEffort" }
        let isGuaranteed = resources.allSatisfy { resource in
            ["cpu", "memory"].allSatisfy {
                !resource["limits"][$0].isNull && resource["requests"][$0] == resource["limits"][$0]
            }
        }
        return isGuaranteed ? "Guaranteed" : "Burstable"
    }

    /// The kubelet's status of a pod that runs.
    static func start(
        _ pod: inout JSONValue, time: JSONValue, podIP: String, hostIP: JSONValue, random: inout SeededRandom
    ) {
        let isHostNetwork = pod["spec"]["hostNetwork"].bool == true
        let address: JSONValue = isHostNetwork ? hostIP : .string(podIP)
        func condition(_ type: String) -> JSONValue {
            ["type": .string(type), "status": "True", "lastTransitionTime": time]
        }
        pod["status"]["phase"] = "Running"
        pod["status"]["conditions"] = .array(
            ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map(condition))
        pod["status"]["startTime"] = time
        pod["status"]["podIP"] = address
        pod["status"]["podIPs"] = [["ip": address]]
        pod["status"]["hostIP"] = hostIP
        pod["status"]["hostIPs"] = [["ip": hostIP]]
        pod["status"]["containerStatuses"] = .array(
            pod["spec"]["containers"].array.map { container in
                let digest = String(random.next(), radix: 16) + String(random.next(), radix: 16)
                return [
                    "name": container["name"], "image": container["image"], "ready": true, "started": true,
                    "restartCount": 0,
                    "imageID": .string((container["image"].string ?? "") + "@sha256:" + digest),
                    "containerID": .string("containerd://" + digest), "state": ["running": ["startedAt": time]],
                    "lastState": .object([:]),
                ]
            })
    }

    static func replicaSet(of deployment: JSONValue, hash: String, replicas: Int) -> JSONValue {
        var template = deployment["spec"]["template"]
        template["metadata"]["labels"]["pod-template-hash"] = .string(hash)
        var selector = deployment["spec"]["selector"]
        selector["matchLabels"]["pod-template-hash"] = .string(hash)
        return [
            "metadata": [
                "name": .string((deployment["metadata"]["name"].string ?? "") + "-" + hash),
                "namespace": deployment["metadata"]["namespace"], "labels": template["metadata"]["labels"],
                "annotations": [
                    "deployment.kubernetes.io/desired-replicas": .string(
                        String(deployment["spec"]["replicas"].int ?? 1)),
                    "deployment.kubernetes.io/revision": "1",
                ],
                "ownerReferences": [controller(deployment, kind: "Deployment")],
            ],
            "spec": ["replicas": .integer(replicas), "selector": selector, "template": template],
            "status": ["replicas": 0],
        ]
    }

    static func claim(_ template: JSONValue, key: ObjectKey, labels: JSONValue) -> JSONValue {
        var spec = template["spec"]
        spec["volumeMode"] = "Filesystem"
        return [
            "metadata": [
                "name": .string(key.name), "namespace": .string(key.namespace), "labels": labels,
                "finalizers": ["kubernetes.io/pvc-protection"],
                "annotations": ["volume.kubernetes.io/storage-provisioner": "ebs.csi.aws.com"],
            ],
            "spec": spec, "status": ["phase": "Pending"],
        ]
    }

    static func volume(claim: JSONValue, zone: String, id: String) -> JSONValue {
        let uid = claim["metadata"]["uid"].string ?? ""
        return [
            "metadata": [
                "name": .string("pvc-" + uid), "finalizers": ["kubernetes.io/pv-protection"],
                "annotations": ["pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"],
            ],
            "spec": [
                "capacity": claim["spec"]["resources"]["requests"], "accessModes": claim["spec"]["accessModes"],
                "claimRef": [
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim["metadata"]["name"],
                    "namespace": claim["metadata"]["namespace"], "uid": .string(uid),
                ],
                "csi": ["driver": "ebs.csi.aws.com", "volumeHandle": .string(id), "fsType": "ext4"],
                "nodeAffinity": [
                    "required": [
                        "nodeSelectorTerms": [
                            [
                                "matchExpressions": [
                                    ["key": "topology.kubernetes.io/zone", "operator": "In", "values": [.string(zone)]]
                                ]
                            ]
                        ]
                    ]
                ],
                "persistentVolumeReclaimPolicy": "Delete", "storageClassName": claim["spec"]["storageClassName"],
                "volumeMode": "Filesystem",
            ],
            "status": ["phase": "Bound"],
        ]
    }
}
