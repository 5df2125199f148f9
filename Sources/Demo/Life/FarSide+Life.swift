import Foundation

/// A Deployment or StatefulSet, as far as its size is of interest.
struct SeenWorkload: Decodable, Sendable, Equatable {
    struct Metadata: Decodable, Sendable, Equatable {
        var name: String
        var namespace: String
        var annotations: [String: String]?
    }
    struct Resources: Decodable, Sendable, Equatable {
        var requests: [String: String]?
        var limits: [String: String]?
    }
    struct Container: Decodable, Sendable, Equatable {
        var name: String
        var resources: Resources?
    }
    struct PodSpec: Decodable, Sendable, Equatable { var containers: [Container] }
    struct Template: Decodable, Sendable, Equatable { var spec: PodSpec }
    struct Spec: Decodable, Sendable, Equatable {
        var replicas: Int
        var template: Template
    }
    struct Status: Decodable, Sendable, Equatable {
        var readyReplicas: Int?
        var updatedReplicas: Int?
    }
    var metadata: Metadata
    var spec: Spec
    var status: Status?
    /// A StatefulSet otherwise.
    var isDeployment = true

    private enum CodingKeys: String, CodingKey { case metadata, spec, status }

    var name: String { "\(metadata.namespace)/\(metadata.name)" }
    var isReady: Bool { (status?.readyReplicas ?? 0) == spec.replicas }
    var isRolledOut: Bool { isReady && (status?.updatedReplicas ?? 0) == spec.replicas }
    /// Of the cluster's own machinery.
    var isSystem: Bool { metadata.namespace == "kube-system" }
    var isMarkedAsleep: Bool { metadata.annotations?["cloudoptim.io/asleep"] != nil }
    private var resources: Resources? { spec.template.spec.containers.first?.resources }

    /// The memory limit of its container, in mebibytes.
    var memoryLimit: Int? { resources?.limits?["memory"].flatMap(Self.mebibytes) }
    /// The CPU request of its container, in thousandths.
    var cpuRequest: Int? { resources?.requests?["cpu"].flatMap(Self.milliCPU) }
    /// The memory request of its container, in mebibytes.
    var memoryRequest: Int? { resources?.requests?["memory"].flatMap(Self.mebibytes) }

    /// `512Mi`, `1Gi` or bytes.
    static func mebibytes(_ text: String) -> Int? {
        if text.hasSuffix("Mi") { return Int(text.dropLast(2)) }
        if text.hasSuffix("Gi") { return Int(text.dropLast(2)).map { $0 * 1024 } }
        return Int(text).map { $0 >> 20 }
    }

    /// `250m` or whole CPUs.
    static func milliCPU(_ text: String) -> Int? {
        text.hasSuffix("m") ? Int(text.dropLast()) : Double(text).map { Int($0 * 1000) }
    }
}

/// A changing call of EC2 that the simulator saw, with its world time.
struct CloudCall: Decodable, Sendable {
    struct Page: Decodable, Sendable { var entries: [CloudCall] }
    var time: Date
    var executed: Bool
    var parameters: [String: String?]

    /// Whether one of its parameters is that resource.
    func names(_ resource: String) -> Bool { parameters.values.contains { $0 == resource } }
}

/// A changing call of Kubernetes that the simulator saw, with its world time.
struct ClusterCall: Decodable, Sendable {
    struct Page: Decodable, Sendable {
        var entries: [ClusterCall]
        var lastSequence: Int
    }
    var time: Date
    var method: String
    var path: String
    var executed: Bool

    /// Whether it changes a Deployment or a StatefulSet outside of kube-system.
    var isOfWorkload: Bool {
        (path.contains("/deployments/") || path.contains("/statefulsets/")) && !path.contains("/kube-system/")
    }
}

/// What the second part looks at.
extension FarSide {
    /// Deployments and StatefulSets.
    func workloads() async throws -> [SeenWorkload] {
        struct List: Decodable { var items: [SeenWorkload] }
        let deployments: List = try await kubernetes("/apis/apps/v1/deployments")
        let sets: List = try await kubernetes("/apis/apps/v1/statefulsets")
        let others = sets.items.map { set in
            var set = set
            set.isDeployment = false
            return set
        }
        return (deployments.items + others).sorted { $0.name < $1.name }
    }

    /// Changes of the cluster's objects that were carried out after a call.
    func clusterCalls(after sequence: Int) async throws -> ClusterCall.Page {
        try await control("GET", "log?endpoint=kubernetes&cluster=\(cluster.name)&after=\(sequence)&limit=100000")
    }

    /// When EC2 carried out calls of an action about a resource, in world time.
    func times(of action: String, about resource: String) async throws -> [Date] {
        let page: CloudCall.Page = try await control("GET", "log?endpoint=aws&action=\(action)&limit=100000")
        return page.entries.filter { $0.executed && $0.names(resource) }.map(\.time)
    }

    // MARK: Volumes, by moto

    /// A volume as moto knows it.
    struct Volume: Sendable, Equatable {
        var state: String
        var tags: [String: String]
    }

    /// Makes a volume as the cluster's storage driver does, for a claim that is gone since.
    func makeVolume(gibibytes: Int) async throws -> String {
        let answer = try await moto(
            "CreateVolume",
            [
                ("AvailabilityZone", cluster.region + "a"), ("Size", "\(gibibytes)"), ("VolumeType", "gp3"),
                ("TagSpecification.1.ResourceType", "volume"),
                ("TagSpecification.1.Tag.1.Key", "kubernetes.io/cluster/\(cluster.name)"),
                ("TagSpecification.1.Tag.1.Value", "owned"), ("TagSpecification.1.Tag.2.Key", "CSIVolumeName"),
                ("TagSpecification.1.Tag.2.Value", "pvc-of-a-test-that-is-over"),
            ])
        guard let id = answer.all("volumeId").first?.content else { throw DemoError("moto made no volume") }
        return id
    }

    /// nil: it is deleted.
    func volume(_ id: String) async throws -> Volume? {
        let answer = try await moto("DescribeVolumes", [("Filter.1.Name", "volume-id"), ("Filter.1.Value.1", id)])
        guard let item = answer.all("volumeSet").first?.children("item").first else { return nil }
        let state = item.text("status") ?? ""
        return state == "deleted" ? nil : Volume(state: state, tags: Self.tags(item))
    }

    /// How many snapshots there are of a volume.
    func snapshots(of volume: String) async throws -> Int {
        let answer = try await moto(
            "DescribeSnapshots", [("Filter.1.Name", "volume-id"), ("Filter.1.Value.1", volume)])
        return answer.all("snapshotSet").flatMap { $0.children("item") }.count
    }

    static func tags(_ item: XMLElementTree) -> [String: String] {
        var tags: [String: String] = [:]
        for pair in item.all("tagSet").flatMap({ $0.children("item") }) {
            tags[pair.text("key") ?? ""] = pair.text("value") ?? ""
        }
        return tags
    }
}
