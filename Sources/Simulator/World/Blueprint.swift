/// The first objects of a cluster, made from a seed and nothing else.
struct Blueprint {
    /// A group of like instances, launched by one call.
    struct NodeGroup: Equatable, Sendable {
        var type: String
        var zone: String
        var isSpot: Bool
        var owner: NodeOwner
        var count: Int
    }

    var groups: [NodeGroup] = []
    /// In the order of creation.
    var objects: [(kind: ResourceKind, object: JSONValue)] = []

    private static let nodeTypes = [
        "m5.xlarge", "m5.2xlarge", "c5.2xlarge", "r5.xlarge", "m6i.xlarge", "c5a.2xlarge", "m5a.xlarge",
    ]
    private static let namespaces = ["shop", "payments", "search", "media", "ledger"]
    private static let words = [
        "api", "web", "worker", "gateway", "cache", "indexer", "mailer", "billing", "feed", "auth",
    ]

    init(plan: SimulatedCluster, seed: UInt64) {
        var random = SeededRandom(seed: seed, for: "blueprint/" + plan.name)
        groups = Self.nodeGroups(plan, &random)
        addClusterObjects()
        addWorkloads(plan, &random)
        add(
            .cronJobs,
            Workload.cronJob(
                name: "nightly-report", namespace: "ledger", schedule: "30 1 * * *",
                spec: Workload.podSpec(
                    image: "registry.example.com/ledger/report:1", cpu: "100m", memory: "128Mi", graceSeconds: 30)))
        if plan.hasAwkwardPods { addAwkwardPods() }
    }

    private static func nodeGroups(_ plan: SimulatedCluster, _ random: inout SeededRandom) -> [NodeGroup] {
        let owners = plan.owners.flatMap { Array(repeating: $0.owner, count: max(0, $0.weight)) }
        var groups: [NodeGroup] = []
        let spotCount = Int((Double(plan.nodeCount) * plan.spotShare).rounded())
        for index in 0..<plan.nodeCount {
            let group = NodeGroup(
                type: random.pick(nodeTypes), zone: plan.zones[index % plan.zones.count], isSpot: index < spotCount,
                owner: owners.isEmpty ? .ours : owners[index % owners.count], count: 1)
            if let same = groups.firstIndex(where: {
                $0.type == group.type && $0.zone == group.zone && $0.isSpot == group.isSpot && $0.owner == group.owner
            }) {
                groups[same].count += 1
            } else {
                groups.append(group)
            }
        }
        return groups
    }

    private mutating func add(_ kind: ResourceKind, _ object: JSONValue) { objects.append((kind, object)) }

    private mutating func addClusterObjects() {
        for namespace in ["default", "kube-system", "kube-public", "kube-node-lease"] + Self.namespaces {
            add(
                .namespaces,
                [
                    "metadata": [
                        "name": .string(namespace), "labels": ["kubernetes.io/metadata.name": .string(namespace)],
                    ],
                    "spec": ["finalizers": ["kubernetes"]], "status": ["phase": "Active"],
                ])
        }
        add(
            .storageClasses,
            [
                "metadata": ["name": "gp3", "annotations": ["storageclass.kubernetes.io/is-default-class": "true"]],
                "provisioner": "ebs.csi.aws.com", "parameters": ["type": "gp3"], "reclaimPolicy": "Delete",
                "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true,
            ])
        for (name, value) in [
            ("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000), ("batch-low", -100),
        ] {
            add(
                .priorityClasses,
                ["metadata": ["name": .string(name)], "value": .integer(value), "globalDefault": false])
        }
        add(
            .limitRanges,
            [
                "metadata": ["name": "limits", "namespace": "payments"],
                "spec": [
                    "limits": [
                        ["type": "Container", "default": ["memory": "512Mi"], "max": ["cpu": "4", "memory": "8Gi"]]
                    ]
                ],
            ])
        for (name, cpu, memory) in [
            ("aws-node", "50m", "64Mi"), ("kube-proxy", "100m", "64Mi"), ("ebs-csi-node", "30m", "120Mi"),
        ] {
            var spec = Workload.podSpec(
                image: "602401143452.dkr.ecr.us-east-1.amazonaws.com/\(name):v1.21", cpu: cpu, memory: memory,
                graceSeconds: 10)
            spec["hostNetwork"] = true
            spec["tolerations"] = [["operator": "Exists"]]
            spec["priorityClassName"] = "system-node-critical"
            spec["priority"] = 2_000_001_000
            add(.daemonSets, Workload.daemonSet(name: name, namespace: "kube-system", spec: spec))
        }
        var dns = Workload.podSpec(image: "registry.k8s.io/coredns:1.12", cpu: "100m", memory: "70Mi", graceSeconds: 15)
        dns["priorityClassName"] = "system-cluster-critical"
        dns["priority"] = 2_000_000_000
        dns["tolerations"] = [["key": "CriticalAddonsOnly", "operator": "Exists"]]
        add(.deployments, Workload.deployment(name: "coredns", namespace: "kube-system", replicas: 2, spec: dns))
        add(.budgets, Workload.budget(name: "coredns", namespace: "kube-system", ["maxUnavailable": 1]))
    }

    private mutating func addWorkloads(_ plan: SimulatedCluster, _ random: inout SeededRandom) {
        let capacity = groups.map { InstanceCatalogue.type(named: $0.type).allocatableMilliCPU * $0.count }.reduce(0, +)
        let share = max(20, capacity * 55 / 100 / max(1, plan.podCount))
        var left = plan.podCount
        var index = 0
        while left > 0 {
            let namespace = Self.namespaces[index % Self.namespaces.count]
            let name =
                Self.words[index / Self.namespaces.count % Self.words.count] + (index < 50 ? "" : "-\(index / 50 + 1)")
            let replicas = min(left, Int(random.next() % 9) + 2)
            let isStateful = index % 6 == 5 && replicas >= 3
            let milli = min(3000, max(10, share * Int(random.next() % 100 + 50) / 100))
            let spec = Workload.podSpec(
                image: "registry.example.com/\(namespace)/\(name):1.\(random.next() % 30)", cpu: "\(milli)m",
                memory: "\(max(32, milli * Int(random.next() % 3 + 1)))Mi",
                graceSeconds: random.pick([30, 30, 30, 20, 10, 5]))
            addWorkload(
                name, namespace, isStateful: isStateful, replicas: isStateful ? min(5, replicas) : replicas,
                index: index,
                spec: spec, &random)
            left -= isStateful ? min(5, replicas) : replicas
            index += 1
        }
    }

    private mutating func addWorkload(
        _ name: String, _ namespace: String, isStateful: Bool, replicas: Int, index: Int, spec: JSONValue,
        _ random: inout SeededRandom
    ) {
        var spec = spec
        if isStateful {
            add(.statefulSets, Workload.statefulSet(name: name, namespace: namespace, replicas: replicas, spec: spec))
        } else {
            switch index % 7 {
            case 1: spec["topologySpreadConstraints"] = Workload.zoneSpread(name)
            case 3 where replicas <= 3: spec["affinity"] = Workload.antiAffinity(name)
            case 4: spec["volumes"] = [["name": "scratch", "emptyDir": .object([:])]]
            default: break
            }
            add(.deployments, Workload.deployment(name: name, namespace: namespace, replicas: replicas, spec: spec))
            if index % 5 == 0 {
                add(.autoscalers, Workload.autoscaler(name: name, namespace: namespace, replicas: replicas))
            }
        }
        add(.services, Workload.service(name: name, namespace: namespace, number: index))
        if replicas > 1, random.next() % 3 != 0 || isStateful {
            let bounds: [JSONValue] = [["maxUnavailable": 1], ["minAvailable": "50%"], ["maxUnavailable": "25%"]]
            add(
                .budgets,
                Workload.budget(name: name, namespace: namespace, isStateful ? bounds[0] : random.pick(bounds)))
        }
    }

    /// What real clusters hold against every drain.
    private mutating func addAwkwardPods() {
        let spec = Workload.podSpec(
            image: "registry.example.com/awkward:1", cpu: "20m", memory: "32Mi", graceSeconds: 20)
        add(.deployments, Workload.deployment(name: "twice-guarded", namespace: "default", replicas: 2, spec: spec))
        add(.budgets, Workload.budget(name: "twice-guarded", namespace: "default", ["maxUnavailable": 1]))
        add(
            .budgets,
            Workload.budget(
                name: "twice-guarded-too", namespace: "default", ["maxUnavailable": 1], app: "twice-guarded"))
        add(.deployments, Workload.deployment(name: "immovable", namespace: "default", replicas: 2, spec: spec))
        add(.budgets, Workload.budget(name: "immovable", namespace: "default", ["maxUnavailable": 0]))
        for index in 0..<2 {
            var pod: JSONValue = [
                "metadata": ["name": .string("bare-\(index)"), "namespace": "default", "labels": ["app": "bare"]],
                "spec": spec,
            ]
            Templates.fillDefaults(&pod)
            add(.pods, pod)
        }
    }
}
