/// What a pod asks of a node, or a node gives.
struct ResourceAmounts: Sendable, Equatable {
    var milliCPU = 0
    var memory = 0
    var ephemeralStorage = 0
    var pods = 0
    /// Extended resources and huge pages, by name.
    var others: [String: Int] = [:]

    init() {}

    init(list: JSONValue) {
        for (name, quantity) in list.object {
            switch name {
            case "cpu": milliCPU = Quantity.milli(quantity)
            case "memory": memory = Quantity.whole(quantity)
            case "ephemeral-storage": ephemeralStorage = Quantity.whole(quantity)
            case "pods": pods = Quantity.whole(quantity)
            default: others[name] = Quantity.whole(quantity)
            }
        }
    }

    static func + (left: ResourceAmounts, right: ResourceAmounts) -> ResourceAmounts { left.combined(right, +) }
    static func - (left: ResourceAmounts, right: ResourceAmounts) -> ResourceAmounts { left.combined(right, -) }

    func atLeast(_ other: ResourceAmounts) -> ResourceAmounts { combined(other, max) }

    private func combined(_ other: ResourceAmounts, _ operation: (Int, Int) -> Int) -> ResourceAmounts {
        var result = ResourceAmounts()
        result.milliCPU = operation(milliCPU, other.milliCPU)
        result.memory = operation(memory, other.memory)
        result.ephemeralStorage = operation(ephemeralStorage, other.ephemeralStorage)
        result.pods = operation(pods, other.pods)
        if !others.isEmpty || !other.others.isEmpty {
            for name in Set(others.keys).union(other.others.keys) {
                result.others[name] = operation(others[name] ?? 0, other.others[name] ?? 0)
            }
        }
        return result
    }

    /// The first resource of which `self` has less than `wanted`, as the scheduler names it.
    func shortage(of wanted: ResourceAmounts) -> String? {
        if wanted.pods > pods { return "Too many pods" }
        if wanted.milliCPU > milliCPU { return "Insufficient cpu" }
        if wanted.memory > memory { return "Insufficient memory" }
        if wanted.ephemeralStorage > ephemeralStorage { return "Insufficient ephemeral-storage" }
        return wanted.others.keys.sorted().first { (wanted.others[$0] ?? 0) > (others[$0] ?? 0) }.map {
            "Insufficient \($0)"
        }
    }
}

struct Taint: Sendable, Equatable {
    var key: String
    var value: String
    var effect: String

    init(_ json: JSONValue) {
        key = json["key"].string ?? ""
        value = json["value"].string ?? ""
        effect = json["effect"].string ?? ""
    }

    func isTolerated(by tolerations: [JSONValue]) -> Bool {
        tolerations.contains { toleration in
            if let effect = toleration["effect"].string, !effect.isEmpty, effect != self.effect { return false }
            let wanted = toleration["key"].string ?? ""
            if toleration["operator"] == "Exists" { return wanted.isEmpty || wanted == key }
            return wanted == key && (toleration["value"].string ?? "") == value
        }
    }
}

/// The facts of a pod that controllers and the scheduler need, read once when it changes.
struct PodFacts: Sendable {
    var key: ObjectKey
    var uid: String
    var labels: [String: String]
    var node: String?
    var phase: String
    var isReady: Bool
    var isTerminating: Bool
    var owner: (kind: String, name: String, uid: String)?
    var isMirror: Bool
    var graceSeconds: Int
    var requests: ResourceAmounts
    var tolerations: [JSONValue]
    var nodeSelector: [String: String]
    var nodeTerms: [JSONValue]
    var affinity: [JSONValue]
    var antiAffinity: [JSONValue]
    var spread: [JSONValue]
    var hostPorts: Set<String>
    var claims: [String]

    var isDone: Bool { phase == "Succeeded" || phase == "Failed" }
    /// A drain has to move it: neither done, nor bound to its node.
    var isEvictable: Bool { !isDone && !isMirror && owner?.kind != "DaemonSet" }

    init(key: ObjectKey, pod: JSONValue) {
        let metadata = pod["metadata"]
        let spec = pod["spec"]
        self.key = key
        uid = metadata["uid"].string ?? ""
        labels = metadata["labels"].strings
        node = spec["nodeName"].string
        phase = pod["status"]["phase"].string ?? "Pending"
        isReady = pod["status"]["conditions"].array.contains { $0["type"] == "Ready" && $0["status"] == "True" }
        isTerminating = !metadata["deletionTimestamp"].isNull
        owner = metadata["ownerReferences"].array.first { $0["controller"] == true }
            .map { ($0["kind"].string ?? "", $0["name"].string ?? "", $0["uid"].string ?? "") }
        isMirror = !metadata["annotations"]["kubernetes.io/config.mirror"].isNull
        graceSeconds = spec["terminationGracePeriodSeconds"].int ?? 30
        requests = Self.requests(spec)
        tolerations = spec["tolerations"].array
        nodeSelector = spec["nodeSelector"].strings
        let required = "requiredDuringSchedulingIgnoredDuringExecution"
        nodeTerms = spec["affinity"]["nodeAffinity"][required]["nodeSelectorTerms"].array
        affinity = spec["affinity"]["podAffinity"][required].array
        antiAffinity = spec["affinity"]["podAntiAffinity"][required].array
        spread = spec["topologySpreadConstraints"].array.filter { $0["whenUnsatisfiable"] == "DoNotSchedule" }
        hostPorts = Set(
            spec["containers"].array.flatMap { $0["ports"].array }.compactMap { port in
                port["hostPort"].int.map { "\(port["protocol"].string ?? "TCP")/\($0)" }
            })
        claims = spec["volumes"].array.compactMap { $0["persistentVolumeClaim"]["claimName"].string }
    }

    /// max(containers + sidecars, each init container) + overhead, and one pod.
    private static func requests(_ spec: JSONValue) -> ResourceAmounts {
        func amounts(_ container: JSONValue) -> ResourceAmounts {
            ResourceAmounts(list: container["resources"]["requests"])
        }
        let initial = spec["initContainers"].array
        let sidecars = initial.filter { $0["restartPolicy"] == "Always" }
        let running = (spec["containers"].array + sidecars).map(amounts).reduce(ResourceAmounts(), +)
        var total = initial.filter { $0["restartPolicy"] != "Always" }.map(amounts).reduce(running) { $0.atLeast($1) }
        total = total + ResourceAmounts(list: spec["overhead"])
        total.pods = 1
        return total
    }
}

/// The facts of a node that the scheduler needs.
struct NodeFacts: Sendable {
    var name: String
    var labels: [String: String]
    var taints: [Taint]
    var isUnschedulable: Bool
    var isReady: Bool
    var allocatable: ResourceAmounts
    var instanceID: String?

    var zone: String { labels["topology.kubernetes.io/zone"] ?? "" }

    init(name: String, node: JSONValue) {
        self.name = name
        labels = node["metadata"]["labels"].strings
        taints = node["spec"]["taints"].array.map(Taint.init)
        isUnschedulable = node["spec"]["unschedulable"].bool ?? false
        isReady = node["status"]["conditions"].array.contains { $0["type"] == "Ready" && $0["status"] == "True" }
        allocatable = ResourceAmounts(list: node["status"]["allocatable"])
        let last = (node["spec"]["providerID"].string ?? "").split(separator: "/").last.map(String.init)
        instanceID = last.flatMap { $0.hasPrefix("i-") ? $0 : nil }
    }
}
