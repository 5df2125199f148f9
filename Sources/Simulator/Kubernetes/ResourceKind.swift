/// One kind of object that the API serves.
struct ResourceKind: Sendable {
    var group: String
    var version: String
    var plural: String
    var kind: String
    var isNamespaced: Bool
    var shortNames: [String] = []
    var subresources: [String] = []
    var categories: [String] = []
    /// Served from live figures, never stored (metrics.k8s.io).
    var isComputed = false

    /// Key of its table.
    var id: String { group.isEmpty ? plural : group + "/" + plural }
    var groupVersion: String { group.isEmpty ? version : group + "/" + version }
    /// As error texts name it.
    var qualifiedPlural: String { group.isEmpty ? plural : plural + "." + group }
    var singular: String { kind.lowercased() }
}

extension ResourceKind {
    static let nodes = core("nodes", "Node", namespaced: false, ["no"], ["status"])
    static let pods = core("pods", "Pod", namespaced: true, ["po"], ["status", "eviction", "resize"], ["all"])
    static let namespaces = core("namespaces", "Namespace", namespaced: false, ["ns"])
    static let services = core("services", "Service", namespaced: true, ["svc"], ["status"], ["all"])
    static let volumes = core("persistentvolumes", "PersistentVolume", namespaced: false, ["pv"], ["status"])
    static let claims = core("persistentvolumeclaims", "PersistentVolumeClaim", namespaced: true, ["pvc"], ["status"])
    static let events = core("events", "Event", namespaced: true, ["ev"])
    static let limitRanges = core("limitranges", "LimitRange", namespaced: true, ["limits"])
    static let deployments = ResourceKind(
        group: "apps", version: "v1", plural: "deployments", kind: "Deployment", isNamespaced: true,
        shortNames: ["deploy"],
        subresources: ["scale", "status"], categories: ["all"])
    static let replicaSets = ResourceKind(
        group: "apps", version: "v1", plural: "replicasets", kind: "ReplicaSet", isNamespaced: true, shortNames: ["rs"],
        subresources: ["scale", "status"], categories: ["all"])
    static let statefulSets = ResourceKind(
        group: "apps", version: "v1", plural: "statefulsets", kind: "StatefulSet", isNamespaced: true,
        shortNames: ["sts"],
        subresources: ["scale", "status"], categories: ["all"])
    static let daemonSets = ResourceKind(
        group: "apps", version: "v1", plural: "daemonsets", kind: "DaemonSet", isNamespaced: true, shortNames: ["ds"],
        subresources: ["status"], categories: ["all"])
    static let budgets = ResourceKind(
        group: "policy", version: "v1", plural: "poddisruptionbudgets", kind: "PodDisruptionBudget", isNamespaced: true,
        shortNames: ["pdb"], subresources: ["status"])
    static let autoscalers = ResourceKind(
        group: "autoscaling", version: "v2", plural: "horizontalpodautoscalers", kind: "HorizontalPodAutoscaler",
        isNamespaced: true, shortNames: ["hpa"], subresources: ["status"], categories: ["all"])
    static let cronJobs = ResourceKind(
        group: "batch", version: "v1", plural: "cronjobs", kind: "CronJob", isNamespaced: true, shortNames: ["cj"],
        subresources: ["status"], categories: ["all"])
    static let storageClasses = ResourceKind(
        group: "storage.k8s.io", version: "v1", plural: "storageclasses", kind: "StorageClass", isNamespaced: false,
        shortNames: ["sc"])
    static let csiNodes = ResourceKind(
        group: "storage.k8s.io", version: "v1", plural: "csinodes", kind: "CSINode", isNamespaced: false)
    static let priorityClasses = ResourceKind(
        group: "scheduling.k8s.io", version: "v1", plural: "priorityclasses", kind: "PriorityClass",
        isNamespaced: false,
        shortNames: ["pc"])
    static let endpointSlices = ResourceKind(
        group: "discovery.k8s.io", version: "v1", plural: "endpointslices", kind: "EndpointSlice", isNamespaced: true)
    static let leases = ResourceKind(
        group: "coordination.k8s.io", version: "v1", plural: "leases", kind: "Lease", isNamespaced: true)
    static let nodeMetrics = ResourceKind(
        group: "metrics.k8s.io", version: "v1beta1", plural: "nodes", kind: "NodeMetrics", isNamespaced: false,
        isComputed: true)
    static let podMetrics = ResourceKind(
        group: "metrics.k8s.io", version: "v1beta1", plural: "pods", kind: "PodMetrics", isNamespaced: true,
        isComputed: true)

    /// Everything that is served, in the order of discovery.
    static let all: [ResourceKind] = [
        nodes, pods, namespaces, services, volumes, claims, events, limitRanges,
        core("resourcequotas", "ResourceQuota", namespaced: true, ["quota"]),
        core("replicationcontrollers", "ReplicationController", namespaced: true, ["rc"]),
        core("configmaps", "ConfigMap", namespaced: true, ["cm"]),
        core("serviceaccounts", "ServiceAccount", namespaced: true, ["sa"]),
        deployments, replicaSets, statefulSets, daemonSets, budgets, autoscalers,
        ResourceKind(
            group: "batch", version: "v1", plural: "jobs", kind: "Job", isNamespaced: true, subresources: ["status"],
            categories: ["all"]),
        cronJobs,
        storageClasses, csiNodes,
        ResourceKind(
            group: "storage.k8s.io", version: "v1", plural: "volumeattachments", kind: "VolumeAttachment",
            isNamespaced: false),
        priorityClasses, endpointSlices, leases, nodeMetrics, podMetrics,
    ]

    static let byID: [String: ResourceKind] = Dictionary(
        uniqueKeysWithValues: all.map { ($0.groupVersion + "/" + $0.plural, $0) })

    private static func core(
        _ plural: String, _ kind: String, namespaced: Bool, _ shortNames: [String] = [], _ subresources: [String] = [],
        _ categories: [String] = []
    ) -> ResourceKind {
        ResourceKind(
            group: "", version: "v1", plural: plural, kind: kind, isNamespaced: namespaced, shortNames: shortNames,
            subresources: subresources, categories: categories)
    }
}
