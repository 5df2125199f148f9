/// The JSON of nodes and of what comes with them.
extension Templates {
    static func node(
        name: String, instance: LaunchedInstance, owner: NodeOwner, plan: SimulatedCluster, isReady: Bool,
        time: JSONValue
    ) -> JSONValue {
        let type = InstanceCatalogue.type(named: instance.type)
        let capacity: JSONValue = [
            "cpu": .string(String(type.vcpus)), "memory": .string("\(type.visibleMemoryMiB * 1024)Ki"),
            "pods": .string(String(type.podsMax)), "ephemeral-storage": "83873772Ki", "hugepages-1Gi": "0",
            "hugepages-2Mi": "0",
        ]
        let allocatable: JSONValue = [
            "cpu": .string("\(type.allocatableMilliCPU)m"), "memory": .string("\(type.allocatableMemoryMiB * 1024)Ki"),
            "pods": .string(String(type.podsMax)), "ephemeral-storage": "76224326324", "hugepages-1Gi": "0",
            "hugepages-2Mi": "0",
        ]
        let address = name.split(separator: ".").first?.dropFirst(3).map { $0 == "-" ? "." : String($0) }.joined() ?? ""
        var spec: JSONValue = ["providerID": .string("aws:///\(instance.zone)/\(instance.id)")]
        let taints = nodeTaints(instance, isReady: isReady, time: time)
        if !taints.isEmpty { spec["taints"] = .array(taints) }
        return [
            "metadata": [
                "name": .string(name), "labels": nodeLabels(name, instance, type, owner, plan),
                "annotations": [
                    "node.alpha.kubernetes.io/ttl": "0",
                    "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                ],
            ],
            "spec": spec,
            "status": [
                "capacity": capacity, "allocatable": allocatable,
                "addresses": [
                    ["type": "InternalIP", "address": .string(address)],
                    ["type": "InternalDNS", "address": .string(name)],
                    ["type": "Hostname", "address": .string(name)],
                ],
                "conditions": nodeConditions(isReady: isReady, time: time),
                "daemonEndpoints": ["kubeletEndpoint": ["Port": 10250]],
                "nodeInfo": [
                    "architecture": .string(type.architecture), "operatingSystem": "linux",
                    "kubeletVersion": "v1.35.0-eks-1a2b3c4",
                    "kubeProxyVersion": "v1.35.0-eks-1a2b3c4", "containerRuntimeVersion": "containerd://2.1.4",
                    "kernelVersion": "6.12.46-66.121.amzn2023.x86_64", "osImage": "Amazon Linux 2023.9.20250929",
                    "machineID": .string("ec2" + instance.id.dropFirst(2)),
                    "systemUUID": .string("ec2" + instance.id.dropFirst(2)), "bootID": .string(instance.id),
                ],
            ],
        ]
    }

    private static func nodeLabels(
        _ name: String, _ instance: LaunchedInstance, _ type: InstanceType, _ owner: NodeOwner, _ plan: SimulatedCluster
    ) -> JSONValue {
        let region = String(instance.zone.dropLast())
        var labels: [String: String] = [
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": type.architecture,
            "node.kubernetes.io/instance-type": type.name, "topology.kubernetes.io/zone": instance.zone,
            "topology.kubernetes.io/region": region, "beta.kubernetes.io/instance-type": type.name,
            "failure-domain.beta.kubernetes.io/zone": instance.zone, "failure-domain.beta.kubernetes.io/region": region,
            "topology.ebs.csi.aws.com/zone": instance.zone, "k8s.io/cloud-provider-aws": "simulated",
        ]
        switch owner {
        case .ours:
            labels["cloudoptim.io/pool"] = instance.tags["cloudoptim.io/pool"]
            labels["cloudoptim.io/capacity-type"] = instance.isSpot ? "spot" : "on-demand"
        case .managedNodeGroup:
            labels["eks.amazonaws.com/nodegroup"] = instance.tags["eks:nodegroup-name"]
            labels["eks.amazonaws.com/capacityType"] = instance.isSpot ? "SPOT" : "ON_DEMAND"
        case .karpenter:
            labels["karpenter.sh/nodepool"] = instance.tags["karpenter.sh/nodepool"]
            labels["karpenter.sh/capacity-type"] = instance.isSpot ? "spot" : "on-demand"
            labels["karpenter.sh/registered"] = "true"
            labels["karpenter.sh/initialized"] = "true"
        case .autoScalingGroup, .unknown: break
        }
        // The cluster autoscaler's convention for labels that user data would set.
        let marker = "k8s.io/cluster-autoscaler/node-template/label/"
        for (tag, value) in instance.tags where tag.hasPrefix(marker) {
            labels[String(tag.dropFirst(marker.count))] = value
        }
        return JSONValue(strings: labels)
    }

    private static func nodeTaints(_ instance: LaunchedInstance, isReady: Bool, time: JSONValue) -> [JSONValue] {
        let marker = "k8s.io/cluster-autoscaler/node-template/taint/"
        var taints: [JSONValue] = instance.tags.sorted { $0.key < $1.key }.compactMap { tag, value in
            let parts = value.split(separator: ":")
            guard tag.hasPrefix(marker), parts.count == 2 else { return nil }
            return [
                "key": .string(String(tag.dropFirst(marker.count))), "value": .string(String(parts[0])),
                "effect": .string(String(parts[1])),
            ]
        }
        if !isReady {
            taints.append(["key": "node.kubernetes.io/not-ready", "effect": "NoSchedule", "timeAdded": time])
        }
        return taints
    }

    static func nodeConditions(isReady: Bool, time: JSONValue) -> JSONValue {
        func condition(_ type: String, _ status: String, _ reason: String, _ message: String) -> JSONValue {
            [
                "type": .string(type), "status": .string(status), "reason": .string(reason),
                "message": .string(message),
                "lastHeartbeatTime": time, "lastTransitionTime": time,
            ]
        }
        return [
            condition(
                "MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            isReady
                ? condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")
                : condition("Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status."),
        ]
    }

    static func csiNode(name: String, uid: JSONValue, instance: LaunchedInstance) -> JSONValue {
        [
            "metadata": [
                "name": .string(name),
                "ownerReferences": [["apiVersion": "v1", "kind": "Node", "name": .string(name), "uid": uid]],
            ],
            "spec": [
                "drivers": [
                    [
                        "name": "ebs.csi.aws.com", "nodeID": .string(instance.id), "allocatable": ["count": 25],
                        "topologyKeys": ["topology.ebs.csi.aws.com/zone"],
                    ]
                ]
            ],
        ]
    }

    static func lease(node: String, time: JSONValue) -> JSONValue {
        [
            "metadata": ["name": .string(node), "namespace": "kube-node-lease"],
            "spec": ["holderIdentity": .string(node), "leaseDurationSeconds": 40, "renewTime": time],
        ]
    }

    /// One static pod, as bootstrap agents run them: its API object is only a mirror.
    static func mirrorPods(node: String) -> [JSONValue] {
        var pod: JSONValue = [
            "metadata": [
                "name": .string("node-proxy-" + node), "namespace": "kube-system",
                "labels": ["component": "node-proxy"],
                "annotations": [
                    "kubernetes.io/config.mirror": "2f4c1d7e5b", "kubernetes.io/config.source": "file",
                    "kubernetes.io/config.hash": "2f4c1d7e5b",
                ],
                "ownerReferences": [
                    [
                        "apiVersion": "v1", "kind": "Node", "name": .string(node), "uid": .string(node),
                        "controller": true,
                    ]
                ],
            ],
            "spec": [
                "nodeName": .string(node), "hostNetwork": true, "priorityClassName": "system-node-critical",
                "priority": 2_000_001_000, "tolerations": [["operator": "Exists"]],
                "containers": [
                    [
                        "name": "node-proxy", "image": "registry.k8s.io/node-proxy:1.0",
                        "resources": ["requests": ["cpu": "10m", "memory": "16Mi"]],
                    ]
                ],
            ],
        ]
        fillDefaults(&pod)
        return [pod]
    }
}
