import Foundation
import Infrastructure

/// Random clusters with every kind of constraint, the same for the same seed.
struct RandomCluster {
    private var random: SeededNumbers
    static let now = Date(timeIntervalSince1970: 1_800_000_000)
    static let zones = ["z-a", "z-b", "z-c"]

    init(seed: UInt64) { random = SeededNumbers(seed: seed) }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
    private mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    private mutating func one<Value>(of values: [Value]) -> Value { values[number(0...(values.count - 1))] }

    mutating func snapshot() -> ClusterSnapshot {
        var objects = ClusterObjects()
        objects.namespaces = ["east", "west", "north"].map { name in
            Namespace(name: name, uid: "ns-\(name)", labels: ["team": name == "north" ? "blue" : "red"])
        }
        let nodes = (0..<number(5...12)).map { node($0) }
        objects.nodes = nodes
        objects.volumeLimits = nodes.filter { _ in chance(50) }.map {
            VolumeLimits(nodeName: $0.name, countMaxByDriver: ["ebs.csi.aws.com": number(1...3)])
        }
        if chance(60) {
            var daemon = Workload(.daemonSet, namespace: "east", name: "agent", uid: "ds-agent")
            daemon.podRequests = Resources(cpu: 200, memory: .mebibytes(200), pods: 1)
            if chance(40) { daemon.placement.nodeSelector = ["disk": "ssd"] }
            objects.workloads = [daemon]
        }
        for app in 0..<number(3...7) { add(app: app, nodes: nodes, to: &objects) }
        let registration = ClusterRegistration(
            id: "random", tenant: "acme", name: "random", account: "123456789012", region: "us-east-1",
            endpoint: "https://random.example")
        return ClusterSnapshot(
            cluster: SnapshotSubject(registration), capturedAt: RandomCluster.now, objects: objects,
            instances: nodes.compactMap { node in
                node.instance.map {
                    Instance(
                        id: $0, state: .running, type: node.instanceType ?? "", zone: node.zone ?? "",
                        capacity: .onDemand, tags: [NodeOwner.poolTag: "default"])
                }
            })
    }

    private mutating func node(_ index: Int) -> Node {
        let name = "node-\(index)"
        var labels = [
            "kubernetes.io/hostname": name, "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": one(of: ["m5.xlarge", "m5.2xlarge", "c5.2xlarge"]),
            "generation": "\(number(3...7))",
        ]
        if !chance(5) { labels["topology.kubernetes.io/zone"] = one(of: RandomCluster.zones) }
        if chance(60) { labels["disk"] = one(of: ["ssd", "hdd"]) }
        var taints: [Taint] = []
        if chance(20) {
            taints.append(Taint(key: "dedicated", value: one(of: ["gpu", "batch"]), effect: "NoSchedule"))
        }
        if chance(8) { taints.append(Taint(key: "draining", effect: "NoExecute")) }
        let size = Int64(one(of: [4, 8, 8]))
        return Node(
            name: name, uid: "uid-\(name)",
            instance: InstanceID(rawValue: "i-\(String(0x1000_0000 + index, radix: 16))"),
            labels: labels, taints: taints, isUnschedulable: chance(6), isReady: !chance(5),
            allocatable: Resources(
                cpu: MilliCPU(rawValue: size * 1000), memory: .mebibytes(size * 2048), pods: number(6...30),
                ephemeralStorage: .mebibytes(50_000), extended: chance(25) ? ["nvidia.com/gpu": 2] : [:]))
    }

    private mutating func expression() -> SelectorRequirement {
        switch number(0...5) {
        case 0: SelectorRequirement(key: "disk", .isIn, values: [one(of: ["ssd", "hdd"])])
        case 1: SelectorRequirement(key: "disk", .notIn, values: ["hdd"])
        case 2: SelectorRequirement(key: "disk", .exists)
        case 3: SelectorRequirement(key: "disk", .doesNotExist)
        case 4: SelectorRequirement(key: "generation", .greaterThan, values: ["\(number(3...5))"])
        default: SelectorRequirement(key: "generation", .lessThan, values: ["\(number(5...7))"])
        }
    }

    private mutating func term(_ app: Int, key: String) -> PodAffinityTerm {
        var term = PodAffinityTerm(
            selector: LabelSelector(matchLabels: ["app": "app-\(chance(70) ? app : number(0...6))"]), topologyKey: key)
        switch number(0...5) {
        case 0: term.namespaces = ["east", "west"]
        case 1: term.namespaceSelector = LabelSelector(matchLabels: ["team": "red"])
        case 2: term.namespaceSelector = LabelSelector()
        case 3: term.matchLabelKeys = ["version"]
        case 4: term.mismatchLabelKeys = ["version"]
        default: break
        }
        return term
    }

    private mutating func key() -> String { one(of: ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]) }

    /// One application: pods of one template, with some of every rule there is.
    private mutating func add(app: Int, nodes: [Node], to objects: inout ClusterObjects) {
        let namespace = one(of: ["east", "west", "north"])
        var rules = PodPlacement()
        if chance(15) { rules.nodeSelector = ["disk": "ssd"] }
        if chance(20) {
            rules.requiredNodeTerms = (0..<number(1...2)).map { _ in
                NodeSelectorTerm(matchExpressions: (0..<number(1...2)).map { _ in expression() })
            }
        }
        if chance(20) { rules.requiredAntiAffinity = [term(app, key: key())] }
        if chance(20) { rules.requiredAffinity = (0..<number(1...2)).map { _ in term(app, key: key()) } }
        if chance(30) {
            rules.topologySpread = (0..<number(1...2)).map { _ in
                TopologySpread(
                    maxSkew: number(1...3), topologyKey: key(),
                    selector: LabelSelector(matchLabels: ["app": "app-\(app)"]),
                    minDomains: chance(20) ? number(2...4) : nil, honorsNodeAffinity: !chance(25),
                    honorsNodeTaints: chance(25), matchLabelKeys: chance(20) ? ["version"] : [])
            }
        }
        if chance(15) {
            rules.hostPorts = [
                HostPort(
                    port: number(8000...8001), protocol: one(of: ["TCP", "UDP"]),
                    address: one(of: ["0.0.0.0", "10.0.0.1"]))
            ]
        }
        if chance(4) { rules.unknownConstraints = ["affinity.fooAffinity"] }
        if chance(4) { rules.schedulerName = "other" }
        let tolerations =
            chance(40)
            ? [Toleration(key: "dedicated", operator: one(of: ["Exists", "Equal"]), value: "gpu", effect: "")] : []
        let requests = Resources(
            cpu: MilliCPU(rawValue: Int64(number(1...8) * 250)), memory: .mebibytes(Int64(number(1...16) * 256)),
            pods: 1,
            ephemeralStorage: chance(20) ? .mebibytes(Int64(number(1...20) * 1000)) : .zero,
            extended: chance(10) ? ["nvidia.com/gpu": 1] : [:])
        let shared = chance(30)
        let hasVolume = chance(25)
        if chance(30) {
            objects.budgets.append(
                PodDisruptionBudget(
                    namespace: namespace, name: "budget-\(app)", disruptionsAllowed: number(0...2),
                    selector: LabelSelector(matchLabels: ["app": "app-\(app)"])))
        }
        for index in 0..<number(1...7) {
            let home = one(of: nodes)
            var pod = Pod(
                namespace: namespace, name: "app-\(app)-\(index)", uid: "pod-\(app)-\(index)", nodeName: home.name,
                ownerKind: chance(93) ? "ReplicaSet" : nil, ownerUID: "rs-\(app)", requests: requests,
                labels: ["app": "app-\(app)", "version": "\(number(1...2))"], tolerations: tolerations)
            pod.placement = rules
            if hasVolume { addVolume(to: &pod, app: app, index: index, home: home, isShared: shared, &objects) }
            if chance(5) { pod.annotations["karpenter.sh/do-not-disrupt"] = "true" }
            if chance(5) { pod.placement.volumes.append(PodVolume(kind: "emptyDir")) }
            if chance(3) { pod.deletedBy = RandomCluster.now.addingTimeInterval(20) }
            objects.pods.append(pod)
        }
    }

    private mutating func addVolume(
        to pod: inout Pod, app: Int, index: Int, home: Node, isShared: Bool, _ objects: inout ClusterObjects
    ) {
        let name = isShared ? "vol-\(app)" : "vol-\(app)-\(index)"
        pod.placement.volumes = [PodVolume(kind: "persistentVolumeClaim", claim: name)]
        guard !objects.claims.contains(where: { $0.name == name }) else { return }
        let modes = [one(of: ["ReadWriteOnce", "ReadWriteMany"])]
        var volume = PersistentVolume(
            name: "pv-\(name)", uid: "uid-\(name)", accessModes: modes, driver: chance(70) ? "ebs.csi.aws.com" : nil)
        if let zone = home.zone, chance(80) {
            volume.nodeTerms = [
                NodeSelectorTerm(matchExpressions: [
                    SelectorRequirement(key: "topology.kubernetes.io/zone", .isIn, values: [zone])
                ])
            ]
        }
        objects.volumes.append(volume)
        objects.claims.append(
            PersistentVolumeClaim(
                namespace: pod.namespace, name: name, uid: "claim-\(name)", volumeName: volume.name, accessModes: modes)
        )
    }
}
