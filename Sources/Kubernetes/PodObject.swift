/// A pod as the API server tells it, narrowed to what placement, draining and out-of-memory repair need. Commands,
/// arguments, environment and probes have no field here, so they are never decoded.
struct PodObject: Decodable, Sendable, Equatable {
    struct Resources: Decodable, Sendable, Equatable {
        var requests: [String: Quantity]?
        var limits: [String: Quantity]?
    }
    struct Port: Decodable, Sendable, Equatable {
        var hostPort: Int32?
        var hostIP: String?
        var `protocol`: String?
    }
    struct Container: Decodable, Sendable, Equatable {
        var name: String
        var resources: Resources?
        var ports: [Port]?
        /// `Always` on an init container makes it a sidecar that runs as long as the pod.
        var restartPolicy: String?
    }
    struct Toleration: Decodable, Sendable, Equatable {
        var key: String?
        var `operator`: String?
        var value: String?
        var effect: String?
        var tolerationSeconds: Int64?
    }
    struct Gate: Decodable, Sendable, Equatable {
        var name: String
    }
    /// A resource claim's name is all we read: a pod that has one is not movable by our arithmetic.
    struct ResourceClaim: Decodable, Sendable, Equatable {
        var name: String
    }
    struct Spec: Decodable, Sendable, Equatable {
        var nodeName: String?
        var containers: [Container]
        var initContainers: [Container]?
        var overhead: [String: Quantity]?
        var resources: Resources?
        var terminationGracePeriodSeconds: Int64?
        var priority: Int32?
        var priorityClassName: String?
        var preemptionPolicy: String?
        var schedulerName: String?
        var schedulingGates: [Gate]?
        var resourceClaims: [ResourceClaim]?
        var nodeSelector: [String: String]?
        var tolerations: [Toleration]?
        var affinity: PodAffinityRules?
        var topologySpreadConstraints: [SpreadConstraint]?
        var volumes: [VolumeObject]?
        var hostNetwork: Bool?
    }
    struct Condition: Decodable, Sendable, Equatable {
        var type: String
        var status: String
        var reason: String?
        var lastTransitionTime: Timestamp?
    }
    struct Terminated: Decodable, Sendable, Equatable {
        var reason: String?
        var exitCode: Int32
        var startedAt: Timestamp?
        var finishedAt: Timestamp?
    }
    struct Running: Decodable, Sendable, Equatable {
        var startedAt: Timestamp?
    }
    struct ContainerState: Decodable, Sendable, Equatable {
        var running: Running?
        var terminated: Terminated?
    }
    struct ContainerStatus: Decodable, Sendable, Equatable {
        var name: String
        var ready: Bool?
        var restartCount: Int32?
        var state: ContainerState?
        var lastState: ContainerState?
        var allocatedResources: [String: Quantity]?
    }
    struct Status: Decodable, Sendable, Equatable {
        var phase: String?
        var reason: String?
        var qosClass: String?
        var nominatedNodeName: String?
        var podIP: String?
        var conditions: [Condition]?
        var containerStatuses: [ContainerStatus]?
        var initContainerStatuses: [ContainerStatus]?
    }

    var metadata: ObjectMetadata
    var spec: Spec
    var status: Status?
    /// Fields of the spec that we do not know: a newer Kubernetes may rule with them where the pod may run.
    var unknownFields: [String]

    private enum Key: String, CodingKey { case metadata, spec, status }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        metadata = try container.decode(ObjectMetadata.self, forKey: .metadata)
        let whole = try container.decode(PodSpecObject.self, forKey: .spec)
        spec = whole.spec
        unknownFields = whole.unknownFields
        status = try container.decodeIfPresent(Status.self, forKey: .status)
    }

    var isReady: Bool { status?.conditions?.contains { $0.type == "Ready" && $0.status == "True" } ?? false }
    /// A static pod's shadow in the API: only its node's kubelet can end it.
    var isMirror: Bool {
        metadata.annotations["kubernetes.io/config.mirror"] != nil || metadata.owners.contains { $0.kind == "Node" }
    }
    /// The host ports it holds on its node.
    var hostPorts: [Port] {
        (spec.containers + (spec.initContainers ?? [])).flatMap { $0.ports ?? [] }.filter { ($0.hostPort ?? 0) > 0 }
    }
}

/// A pod's spec, and which of its fields we do not know.
struct PodSpecObject: Decodable, Sendable, Equatable {
    var spec: PodObject.Spec
    var unknownFields: [String]

    /// Every field of Kubernetes 1.35 that we reckon with or that says nothing about where a pod may run. Two are missing on
    /// purpose: `workloadRef` (pods that are scheduled together) and, where it is not empty, `resourceClaims`.
    static let knownFields: Set<String> = [
        "activeDeadlineSeconds", "affinity", "automountServiceAccountToken", "containers", "dnsConfig", "dnsPolicy",
        "enableServiceLinks", "ephemeralContainers", "hostAliases", "hostIPC", "hostNetwork", "hostPID", "hostUsers",
        "hostname", "hostnameOverride", "imagePullSecrets", "initContainers", "nodeName", "nodeSelector", "os",
        "overhead", "preemptionPolicy", "priority", "priorityClassName", "readinessGates", "resourceClaims",
        "resources", "restartPolicy", "runtimeClassName", "schedulerName", "schedulingGates", "securityContext",
        "serviceAccount", "serviceAccountName", "setHostnameAsFQDN", "shareProcessNamespace", "subdomain",
        "terminationGracePeriodSeconds", "tolerations", "topologySpreadConstraints", "volumes",
    ]

    init(from decoder: any Decoder) throws {
        spec = try PodObject.Spec(from: decoder)
        unknownFields = try decoder.unknownKeys(besides: PodSpecObject.knownFields)
    }
}

/// A volume of a pod: its kind, and the claim's name where it has one; no content, secret name or path is decoded.
struct VolumeObject: Decodable, Sendable, Equatable {
    /// The volume source's field name: emptyDir, persistentVolumeClaim, hostPath, ephemeral, csi, …
    var kind: String
    var name: String
    var claimName: String?

    private struct Claim: Decodable {
        var claimName: String
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: AnyKey.self)
        name = try container.decode(String.self, forKey: AnyKey("name"))
        kind = container.allKeys.map(\.stringValue).filter { $0 != "name" }.sorted().first ?? "emptyDir"
        claimName =
            kind == "persistentVolumeClaim"
            ? try container.decode(Claim.self, forKey: AnyKey(kind)).claimName : nil
    }
}
