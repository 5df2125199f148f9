/// The objects of a cluster, each list in the order of namespace and name, and how far each list was read.
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
}
