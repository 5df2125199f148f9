import Testing

@testable import Simulator

@Suite("Placement of pods")
struct PlacementTests {
    private func node(_ name: String, zone: String = "a", cpu: String = "2", _ extra: JSONValue = .object([:]))
        -> NodeFacts
    {
        NodeFacts(
            name: name,
            node: Patch.merge(
                [
                    "metadata": [
                        "labels": [
                            "topology.kubernetes.io/zone": .string(zone), "kubernetes.io/hostname": .string(name),
                        ]
                    ],
                    "status": [
                        "allocatable": ["cpu": .string(cpu), "memory": "4Gi", "pods": "10"],
                        "conditions": [["type": "Ready", "status": "True"]],
                    ],
                ], extra))
    }

    private func pod(_ name: String, on node: String? = nil, cpu: String = "500m", _ spec: JSONValue = .object([:]))
        -> PodFacts
    {
        PodFacts(
            key: ObjectKey(namespace: "default", name: name),
            pod: [
                "metadata": ["uid": .string(name), "labels": ["app": "web"]],
                "spec": Patch.merge(
                    [
                        "containers": [
                            ["name": "c", "resources": ["requests": ["cpu": .string(cpu), "memory": "128Mi"]]]
                        ],
                        "nodeName": node.map { .string($0) } ?? .null,
                    ], spec),
            ])
    }

    private func choice(_ pod: PodFacts, _ nodes: [NodeFacts], placed: [PodFacts] = [], zones: Set<String>? = nil)
        -> String?
    {
        var requested: [String: ResourceAmounts] = [:]
        for other in placed {
            requested[other.node ?? "", default: ResourceAmounts()] =
                (requested[other.node ?? ""] ?? ResourceAmounts()) + other.requests
        }
        let placement = Placement(
            nodes: nodes, requested: requested, placed: ["default": placed],
            antiAffine: placed.filter { !$0.antiAffinity.isEmpty })
        return try? placement.choose(for: pod, volumeZones: zones).get()
    }

    @Test("the emptier node wins, and a full one is no choice")
    func resources() {
        let nodes = [node("n1"), node("n2")]
        #expect(choice(pod("p"), nodes, placed: [pod("a", on: "n1")]) == "n2")
        #expect(choice(pod("p", cpu: "1800m"), nodes, placed: [pod("a", on: "n1"), pod("b", on: "n2")]) == nil)
    }

    @Test("cordoned, unready and tainted nodes are no choice, unless the taint is tolerated")
    func taints() {
        let cordoned = node("n1", ["spec": ["unschedulable": true]])
        let unready = node("n2", ["status": ["conditions": [["type": "Ready", "status": "Unknown"]]]])
        let tainted = node("n3", ["spec": ["taints": [["key": "gpu", "value": "yes", "effect": "NoSchedule"]]]])
        #expect(choice(pod("p"), [cordoned, unready, tainted]) == nil)
        let tolerations: JSONValue = [["key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"]]
        #expect(choice(pod("p", ["tolerations": tolerations]), [cordoned, unready, tainted]) == "n3")
    }

    @Test("node selectors, required affinity and volume zones bind a pod to nodes")
    func binding() {
        let nodes = [node("n1", zone: "a"), node("n2", zone: "b"), node("n3", zone: "c")]
        #expect(choice(pod("p", ["nodeSelector": ["kubernetes.io/hostname": "n2"]]), nodes) == "n2")
        let term: JSONValue = [
            "matchExpressions": [["key": "topology.kubernetes.io/zone", "operator": "NotIn", "values": ["a", "b"]]]
        ]
        let affinity: JSONValue = [
            "nodeAffinity": ["requiredDuringSchedulingIgnoredDuringExecution": ["nodeSelectorTerms": [term]]]
        ]
        #expect(choice(pod("p", ["affinity": affinity]), nodes) == "n3")
        #expect(choice(pod("p"), nodes, zones: ["b"]) == "n2")
        #expect(choice(pod("p"), nodes, zones: ["d"]) == nil)
    }

    @Test("required anti-affinity holds for the pod and for those already there")
    func antiAffinity() {
        let nodes = [node("n1"), node("n2")]
        let spec: JSONValue = ["affinity": Workload.antiAffinity("web")]
        #expect(choice(pod("p", spec), nodes, placed: [pod("a", on: "n1")]) == "n2")
        #expect(choice(pod("p"), nodes, placed: [pod("a", on: "n1", spec)]) == "n2")
        #expect(choice(pod("p", spec), nodes, placed: [pod("a", on: "n1"), pod("b", on: "n2")]) == nil)
    }

    @Test("a topology spread keeps the skew between zones")
    func spread() {
        let nodes = [node("n1", zone: "a", cpu: "8"), node("n2", zone: "b", cpu: "1")]
        let spec: JSONValue = ["topologySpreadConstraints": Workload.zoneSpread("web")]
        #expect(choice(pod("p", spec), nodes, placed: [pod("a", on: "n1")]) == "n2")
        #expect(choice(pod("p", cpu: "900m", spec), nodes, placed: [pod("a", on: "n1"), pod("b", on: "n2")]) == "n1")
        #expect(
            choice(
                pod("p", cpu: "900m", spec), [nodes[0], node("n2", zone: "b", cpu: "100m")],
                placed: [pod("a", on: "n1")]) == nil)
    }

    @Test("requests are those of containers and sidecars, or of the largest init container")
    func requests() {
        let initial: JSONValue = [
            ["name": "big", "resources": ["requests": ["cpu": "3"]]],
            ["name": "sidecar", "restartPolicy": "Always", "resources": ["requests": ["cpu": "250m"]]],
        ]
        let facts = pod("p", ["initContainers": initial, "overhead": ["cpu": "100m"]])
        #expect(facts.requests.milliCPU == 3100)
        #expect(facts.requests.memory == 128 << 20)
    }

    @Test(
        "allocatable follows the EKS formula",
        arguments: [
            ("t3.small", 1930, 1_471_488 / 1024), ("m5.xlarge", 3920, 16384 * 934 / 1000 - 255 - 11 * 58 - 100),
        ])
    func allocatable(type: String, milliCPU: Int, memoryMiB: Int) {
        let type = InstanceCatalogue.type(named: type)
        #expect(type.allocatableMilliCPU == milliCPU)
        #expect(abs(type.allocatableMemoryMiB - memoryMiB) <= 1)
    }
}
