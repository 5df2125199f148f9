import Foundation
import Infrastructure

/// A small cluster as a snapshot: three nodes in two zones, a few workloads, a volume.
enum SnapshotScene {
    static let now = Date(timeIntervalSince1970: 1_800_000_000)

    static func node(
        _ name: String, zone: String = "us-east-1a", type: String = "m5.xlarge", instance: InstanceID? = nil,
        labels: [String: String] = [:]
    ) -> Node {
        var node = Node(
            name: name, uid: "uid-\(name)", resourceVersion: "1", instance: instance,
            labels: labels.merging(
                [
                    "topology.kubernetes.io/zone": zone, "node.kubernetes.io/instance-type": type,
                    "kubernetes.io/hostname": name, "kubernetes.io/arch": "amd64", "note": "internal-words",
                ], uniquingKeysWith: { own, _ in own }),
            allocatable: Resources(cpu: 3920, memory: .mebibytes(14_000), pods: 58))
        node.capacity = Resources(cpu: 4000, memory: .mebibytes(16_000), pods: 58)
        return node
    }

    static func pod(_ name: String, on node: String?, owner: String? = "ReplicaSet", cpu: MilliCPU = 500) -> Pod {
        var pod = Pod(
            namespace: "shop", name: name, uid: "uid-\(name)", nodeName: node, ownerKind: owner, ownerUID: "uid-owner",
            requests: Resources(cpu: cpu, memory: .mebibytes(1_000), pods: 1),
            labels: ["app": "cart", "team": "secret-team"], ownerName: owner.map { _ in "cart-7d9" })
        pod.containers = [PodContainer(name: "main", requests: Resources(cpu: cpu, memory: .mebibytes(1_000)))]
        pod.placement.requiredAntiAffinity = [
            PodAffinityTerm(
                selector: LabelSelector(matchLabels: ["app": "cart"]), topologyKey: "kubernetes.io/hostname")
        ]
        return pod
    }

    static var registration: ClusterRegistration { Scene.registration() }

    static var objects: ClusterObjects {
        var objects = ClusterObjects()
        objects.nodes = [
            node("ip-10-0-0-1", instance: "i-00000000000000001"), node("ip-10-0-0-2", instance: "i-00000000000000002"),
            node("ip-10-0-0-3", zone: "us-east-1b", instance: "i-00000000000000003", labels: ["rack": "8"]),
        ]
        objects.pods = [
            pod("cart-1", on: "ip-10-0-0-1"), pod("cart-2", on: "ip-10-0-0-2"),
            pod("lonely", on: "ip-10-0-0-2", owner: nil), pod("waiting", on: nil),
        ]
        objects.pods[0].address = "10.0.7.7"
        objects.pods[0].placement.requiredNodeTerms = [
            NodeSelectorTerm(matchExpressions: [SelectorRequirement(key: "rack", .lessThan, values: ["9"])])
        ]
        var workload = Workload(.deployment, namespace: "shop", name: "cart", uid: "uid-cart", replicas: 2)
        workload.labels = ["team": "secret-team"]
        workload.annotations = ["cloudoptim.io/skip": "true"]
        objects.workloads = [workload]
        objects.budgets = [
            PodDisruptionBudget(
                namespace: "shop", name: "cart", disruptionsAllowed: 1,
                selector: LabelSelector(matchLabels: ["app": "cart"]), maxUnavailable: .count(1))
        ]
        objects.namespaces = [
            Namespace(name: "kube-system", uid: "uid-ks"),
            Namespace(name: "shop", uid: "uid-shop", labels: ["owner": "secret-team"]),
        ]
        objects.services = [Service(namespace: "shop", name: "cart", uid: "uid-svc", selector: ["app": "cart"])]
        objects.readings = [ClusterList.nodes, .pods, .deployments, .budgets, .namespaces].map {
            ListReading($0, .complete, count: 1, resourceVersion: "41", readAt: now)
        }
        objects.sort()
        return objects
    }

    static var snapshot: ClusterSnapshot {
        var snapshot = ClusterSnapshot(
            cluster: SnapshotSubject(registration), capturedAt: now, serverVersion: "v1.31.2", objects: objects,
            instances: [
                instance("i-00000000000000001", .onDemand), instance("i-00000000000000002", .onDemand),
                instance("i-00000000000000003", .spot, zone: "us-east-1b"),
            ])
        let pool = SpotPool(region: "us-east-1", zone: "us-east-1a", type: "m5.xlarge")
        snapshot.spotPrices = [
            SpotPrice(pool: pool, price: 80_000, since: now.addingTimeInterval(-6 * 86_400)),
            SpotPrice(pool: pool, price: 82_000, since: now.addingTimeInterval(-86_400), lastSeen: now),
        ]
        return snapshot
    }

    private static func instance(_ id: InstanceID, _ capacity: CapacityType, zone: String = "us-east-1a") -> Instance {
        Instance(
            id: id, state: .running, type: "m5.xlarge", zone: zone, subnet: "subnet-0123456789abcdef0",
            capacity: capacity,
            tags: [
                NodeOwner.ownTag: "prod", "kubernetes.io/cluster/prod-eks": "owned", "cost-centre": "secret-team",
            ], launchedAt: now.addingTimeInterval(-86_400), clientToken: "token-of-a-launch")
    }
}
