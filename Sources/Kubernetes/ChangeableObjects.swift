import Foundation
import Infrastructure

/// An object that actions change: its size and its template's requests, nothing else of its spec.
struct ChangeableObjectBody: Decodable, Sendable {
    struct Container: Decodable, Sendable {
        var name: String
        var resources: PodObject.Resources?
    }
    /// Whether it is there at all; nothing of it is kept.
    struct Presence: Decodable, Sendable {
        init(from decoder: any Decoder) throws {}
    }
    struct Affinity: Decodable, Sendable {
        var podAffinity: Presence?
        var podAntiAffinity: Presence?
    }
    struct PodSpec: Decodable, Sendable {
        var containers: [Container]?
        var affinity: Affinity?
        var topologySpreadConstraints: [Presence]?
    }
    struct Template: Decodable, Sendable {
        var spec: PodSpec?
    }
    struct JobSpec: Decodable, Sendable {
        var template: Template?
    }
    struct JobTemplate: Decodable, Sendable {
        var spec: JobSpec?
    }
    struct Spec: Decodable, Sendable {
        var replicas: Int32?
        var suspend: Bool?
        var minReplicas: Int32?
        var template: Template?
        var jobTemplate: JobTemplate?
        var trafficDistribution: String?
    }
    var metadata: ObjectMetadata
    var spec: Spec?

    func object(_ kind: ChangeableKind) -> ChangeableObject {
        let level: Int? =
            switch kind {
            case .deployment, .statefulSet: Int(spec?.replicas ?? 1)
            case .cronJob: spec?.suspend == true ? 0 : 1
            case .autoscaler: Int(spec?.minReplicas ?? 1)
            case .daemonSet, .service: nil
            }
        let template = kind == .cronJob ? spec?.jobTemplate?.spec?.template : spec?.template
        let containers = (template?.spec?.containers ?? []).map { ($0.name, ContainerSize($0.resources)) }
        return ChangeableObject(
            uid: metadata.uid, resourceVersion: metadata.resourceVersion, level: level,
            annotations: metadata.annotations.filter { $0.key.hasPrefix("cloudoptim.io/") },
            containers: Dictionary(containers, uniquingKeysWith: { first, _ in first }),
            trafficDistribution: spec?.trafficDistribution,
            hasPodPreferences: template?.spec.map {
                $0.affinity?.podAffinity != nil || $0.affinity?.podAntiAffinity != nil
                    || $0.topologySpreadConstraints?.isEmpty == false
            } ?? false)
    }
}

/// `autoscaling/v1` Scale.
struct ScaleBody: Decodable, Sendable {
    var metadata: ObjectMetadata
}

extension ContainerSize {
    fileprivate init(_ resources: PodObject.Resources?) {
        func cpu(_ amounts: [String: Quantity]?) -> MilliCPU? {
            amounts?["cpu"].map { MilliCPU(rawValue: $0.thousandths) }
        }
        func memory(_ amounts: [String: Quantity]?) -> Bytes? {
            amounts?["memory"].map { Bytes(rawValue: $0.units) }
        }
        self.init(
            cpuRequest: cpu(resources?.requests), cpuLimit: cpu(resources?.limits),
            memoryRequest: memory(resources?.requests), memoryLimit: memory(resources?.limits))
    }

    /// A container's `resources` in a strategic merge; null removes what was set.
    fileprivate var body: JSONValue {
        func text(_ cpu: MilliCPU?) -> JSONValue { cpu.map { .string("\($0.rawValue)m") } ?? .null }
        func text(_ memory: Bytes?) -> JSONValue {
            memory.map { bytes in
                .string(
                    bytes.rawValue % (1 << 20) == 0 ? "\(bytes.rawValue >> 20)Mi" : "\(bytes.rawValue)")
            } ?? .null
        }
        return [
            "requests": ["cpu": text(cpuRequest), "memory": text(memoryRequest)],
            "limits": ["cpu": text(cpuLimit), "memory": text(memoryLimit)],
        ]
    }
}

extension ObjectReference {
    fileprivate var resource: ResourceKind {
        switch kind {
        case .deployment: .deployments
        case .statefulSet: .statefulSets
        case .daemonSet: .daemonSets
        case .cronJob: ResourceKind(group: "batch", version: "v1", plural: "cronjobs")
        case .autoscaler: ResourceKind(group: "autoscaling", version: "v2", plural: "horizontalpodautoscalers")
        case .service: ResourceKind(group: "", version: "v1", plural: "services")
        }
    }
}

extension ObjectPatch {
    /// The body of a strategic merge: containers are merged by name.
    fileprivate func body(of object: ObjectReference) -> JSONValue {
        // Another object of the same name refuses a foreign UID.
        var metadata: [String: JSONValue] = ["uid": .string(object.uid)]
        if !annotations.isEmpty {
            metadata["annotations"] = .object(annotations.mapValues { $0.map(JSONValue.string) ?? .null })
        }
        var spec: [String: JSONValue] = [:]
        if let level {
            switch object.kind {
            case .cronJob: spec["suspend"] = .bool(level == 0)
            case .autoscaler: spec["minReplicas"] = .int(Int64(level))
            case .deployment, .statefulSet, .daemonSet, .service: break
            }
        }
        if let trafficDistribution {
            spec["trafficDistribution"] = trafficDistribution.isEmpty ? .null : .string(trafficDistribution)
        }
        var pod: [String: JSONValue] = [:]
        if !containers.isEmpty {
            let list = containers.sorted { $0.key < $1.key }.map { name, size -> JSONValue in
                ["name": .string(name), "resources": size.body]
            }
            pod["containers"] = .array(list)
        }
        if let preferredZone { pod["affinity"] = preferredZone.body }
        if !pod.isEmpty {
            let template: JSONValue = ["spec": .object(pod)]
            if object.kind == .cronJob {
                spec["jobTemplate"] = ["spec": ["template": template]]
            } else {
                spec["template"] = template
            }
        }
        var body: [String: JSONValue] = ["metadata": .object(metadata)]
        if !spec.isEmpty { body["spec"] = .object(spec) }
        return .object(body)
    }
}

extension ZonePreference {
    /// A pod's `affinity`.
    fileprivate var body: JSONValue {
        let term: JSONValue = [
            "topologyKey": "topology.kubernetes.io/zone", "namespaces": [.string(namespace)],
            "labelSelector": ["matchLabels": .object(labels.mapValues(JSONValue.string))],
        ]
        return [
            "podAffinity": [
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    ["weight": .int(Int64(weight)), "podAffinityTerm": term]
                ]
            ]
        ]
    }
}

extension RemoteCluster {
    /// An object that actions change; nil: there is none of that name.
    /// - Throws: `FarSideError`.
    public func object(_ reference: ObjectReference) async throws -> ChangeableObject? {
        try await far {
            do {
                return try await client.get(
                    ChangeableObjectBody.self, reference.resource, namespace: reference.namespace,
                    name: reference.name, options: options
                ).object(reference.kind)
            } catch let error as KubernetesError where error.code == .notFound {
                return nil
            }
        }
    }

    /// Patches an object under its UID and resourceVersion.
    /// - Throws: `FarSideError`, `conflict` when either differs.
    public func patch(
        _ reference: ObjectReference, _ patch: ObjectPatch, resourceVersion: String
    ) async throws -> ChangeableObject {
        try await far {
            try await client.patch(
                ChangeableObjectBody.self, reference.resource, namespace: reference.namespace, name: reference.name,
                .strategic(patch.body(of: reference)), resourceVersion: resourceVersion, options: options
            ).object(reference.kind)
        }
    }

    /// Sets the replicas of a Deployment or StatefulSet through its scale subresource, under its resourceVersion.
    /// - Throws: `FarSideError`, `conflict` when the object changed meanwhile.
    public func scale(_ reference: ObjectReference, to replicas: Int, resourceVersion: String) async throws {
        try await far {
            _ = try await client.patch(
                ScaleBody.self, reference.resource, namespace: reference.namespace, name: reference.name,
                subresource: "scale", .merge(["spec": ["replicas": .int(Int64(replicas))]]),
                resourceVersion: resourceVersion, options: options)
        }
    }
}
