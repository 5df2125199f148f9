/// The objects of a cluster, each list in the order of (kind,) namespace and name, and how far each list was read.
public struct ClusterObjects: Hashable, Sendable, Codable {
    /// How far each list that was asked for was read, in the order of their names.
    public var readings: [ListReading] = []
    /// Nodes.
    public var nodes: [Node] = []
    /// Pods.
    public var pods: [Pod] = []
    /// Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs and CronJobs.
    public var workloads: [Workload] = []
    /// PodDisruptionBudgets that have a selector.
    public var budgets: [PodDisruptionBudget] = []
    /// Horizontal and vertical autoscalers, and KEDA's.
    public var autoscalers: [Autoscaler] = []
    /// PersistentVolumes.
    public var volumes: [PersistentVolume] = []
    /// PersistentVolumeClaims.
    public var claims: [PersistentVolumeClaim] = []
    /// StorageClasses.
    public var storageClasses: [StorageClass] = []
    /// VolumeAttachments.
    public var attachments: [VolumeAttachment] = []
    /// What CSINodes say.
    public var volumeLimits: [VolumeLimits] = []
    /// VolumeSnapshotContents.
    public var snapshotContents: [VolumeSnapshotContent] = []
    /// PriorityClasses.
    public var priorityClasses: [PriorityClass] = []
    /// Namespaces.
    public var namespaces: [Namespace] = []
    /// Items of LimitRanges.
    public var limitRanges: [LimitRangeItem] = []
    /// ResourceQuotas.
    public var quotas: [ResourceQuota] = []
    /// Services.
    public var services: [Service] = []
    /// EndpointSlices, counted.
    public var endpoints: [EndpointCount] = []
    /// What pods used lately.
    public var usage: [PodUsage] = []

    /// Without any object.
    public init() {}

    /// How far a list was read; nil: it was not asked for.
    public func reading(_ list: ClusterList) -> ListReading? { readings.first { $0.list == list } }

    /// Whether every one of these lists is whole; of what need not be installed, absent counts as whole and empty.
    /// Nothing may be deleted or evicted on the word of a list that is not.
    public func isComplete(_ lists: Set<ClusterList>) -> Bool { incomplete(lists).isEmpty }

    /// Those of the lists that are not whole, in the order of their names.
    public func incomplete(_ lists: Set<ClusterList>) -> [ClusterList] {
        lists.filter { list in
            switch reading(list)?.outcome {
            case .complete: false
            case .absent: !ClusterList.optional.contains(list)
            case .partial, .forbidden, .failed, nil: true
            }
        }.sorted()
    }

    /// Puts every list in its order.
    public mutating func sort() {
        readings.sort { $0.list < $1.list }
        nodes.sort { $0.name < $1.name }
        pods.sort { ($0.namespace, $0.name, $0.uid) < ($1.namespace, $1.name, $1.uid) }
        workloads.sort { ($0.kind, $0.namespace, $0.name) < ($1.kind, $1.namespace, $1.name) }
        budgets.sort { ($0.namespace, $0.name) < ($1.namespace, $1.name) }
        autoscalers.sort {
            ($0.kind.rawValue, $0.namespace, $0.name) < ($1.kind.rawValue, $1.namespace, $1.name)
        }
        volumes.sort { $0.name < $1.name }
        claims.sort { ($0.namespace, $0.name) < ($1.namespace, $1.name) }
        storageClasses.sort { $0.name < $1.name }
        attachments.sort { $0.name < $1.name }
        volumeLimits.sort { $0.nodeName < $1.nodeName }
        snapshotContents.sort { $0.name < $1.name }
        priorityClasses.sort { $0.name < $1.name }
        namespaces.sort { $0.name < $1.name }
        limitRanges.sort { ($0.namespace, $0.type) < ($1.namespace, $1.type) }
        quotas.sort { ($0.namespace, $0.name) < ($1.namespace, $1.name) }
        services.sort { ($0.namespace, $0.name) < ($1.namespace, $1.name) }
        endpoints.sort { ($0.namespace, $0.slice) < ($1.namespace, $1.slice) }
        usage.sort { ($0.namespace, $0.pod) < ($1.namespace, $1.pod) }
    }
}
