import Foundation

/// The lists of objects that a snapshot is made of.
public enum ClusterList: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
    /// Nodes.
    case nodes
    /// Pods.
    case pods
    /// Deployments.
    case deployments
    /// StatefulSets.
    case statefulSets = "statefulsets"
    /// DaemonSets.
    case daemonSets = "daemonsets"
    /// ReplicaSets.
    case replicaSets = "replicasets"
    /// Jobs.
    case jobs
    /// CronJobs.
    case cronJobs = "cronjobs"
    /// PodDisruptionBudgets.
    case budgets = "poddisruptionbudgets"
    /// HorizontalPodAutoscalers.
    case horizontalAutoscalers = "horizontalpodautoscalers"
    /// VerticalPodAutoscalers, where they are installed.
    case verticalAutoscalers = "verticalpodautoscalers"
    /// KEDA's ScaledObjects, where they are installed.
    case scaledObjects = "scaledobjects"
    /// PersistentVolumes.
    case volumes = "persistentvolumes"
    /// PersistentVolumeClaims.
    case claims = "persistentvolumeclaims"
    /// StorageClasses.
    case storageClasses = "storageclasses"
    /// VolumeAttachments.
    case attachments = "volumeattachments"
    /// CSINodes.
    case volumeLimits = "csinodes"
    /// VolumeSnapshotContents, where they are installed.
    case snapshotContents = "volumesnapshotcontents"
    /// PriorityClasses.
    case priorityClasses = "priorityclasses"
    /// Namespaces.
    case namespaces
    /// LimitRanges.
    case limitRanges = "limitranges"
    /// ResourceQuotas.
    case quotas = "resourcequotas"
    /// Services.
    case services
    /// EndpointSlices.
    case endpoints = "endpointslices"
    /// Pod metrics, where a metrics server runs.
    case usage = "podmetrics"

    /// Orders by name.
    public static func < (left: ClusterList, right: ClusterList) -> Bool { left.rawValue < right.rawValue }
    /// The owners of pods.
    public static let workloads: Set<ClusterList> = [
        .deployments, .statefulSets, .daemonSets, .replicaSets, .jobs, .cronJobs,
    ]
    /// Lists of what need not be installed: that they are absent is an answer, too.
    public static let optional: Set<ClusterList> = [.verticalAutoscalers, .scaledObjects, .snapshotContents, .usage]
}

/// How far a list was read.
public struct ListReading: Hashable, Sendable, Codable {
    /// The possible ends.
    public enum Outcome: String, Sendable, Codable {
        /// Every object, at one resourceVersion.
        case complete
        /// Some objects could not be read: nothing may be concluded from what is missing.
        case partial
        /// We have no permission.
        case forbidden
        /// The API server serves no such kind.
        case absent
        /// The call failed.
        case failed
    }

    /// Which list.
    public var list: ClusterList
    /// How far it was read.
    public var outcome: Outcome
    /// How many objects were read.
    public var count: Int
    /// The state of the store that it shows; empty: not told.
    public var resourceVersion: String
    /// When it was read, in world time.
    public var readAt: Date
    /// Objects that could not be read.
    public var unreadable: Int
    /// What was wrong, by field and never by content; empty: nothing.
    public var problem: String

    /// What a job that cannot go on without the list ends with.
    public var failure: FarSideError {
        FarSideError(outcome == .forbidden ? .forbidden : .fault, "\(list.rawValue): \(problem)")
    }

    /// Makes one.
    public init(
        _ list: ClusterList, _ outcome: Outcome, count: Int = 0, resourceVersion: String = "", readAt: Date,
        unreadable: Int = 0, problem: String = ""
    ) {
        self.list = list
        self.outcome = outcome
        self.count = count
        self.resourceVersion = resourceVersion
        self.readAt = readAt
        self.unreadable = unreadable
        self.problem = problem
    }
}
