import Foundation

/// What owns pods.
public enum WorkloadKind: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
    /// `apps/v1`.
    case deployment = "Deployment"
    /// `apps/v1`.
    case statefulSet = "StatefulSet"
    /// `apps/v1`.
    case daemonSet = "DaemonSet"
    /// `apps/v1`.
    case replicaSet = "ReplicaSet"
    /// `batch/v1`.
    case job = "Job"
    /// `batch/v1`.
    case cronJob = "CronJob"

    /// Orders by name.
    public static func < (left: WorkloadKind, right: WorkloadKind) -> Bool { left.rawValue < right.rawValue }
}

/// A tool that writes a workload from a repository and undoes what others write.
public enum GitOpsTool: String, Hashable, Sendable, Codable {
    /// Argo CD: `argocd.argoproj.io/…`.
    case argoCD = "argo-cd"
    /// Flux: `kustomize.toolkit.fluxcd.io/…`, `helm.toolkit.fluxcd.io/…`.
    case flux
    /// Helm: `app.kubernetes.io/managed-by: Helm`.
    case helm
}

/// The controller of an object.
public struct ObjectOwner: Hashable, Sendable, Codable {
    /// `Deployment`, `Rollout`, …
    public var kind: String
    /// Its name.
    public var name: String
    /// Its UID.
    public var uid: String

    /// Names one.
    public init(kind: String, name: String, uid: String) {
        self.kind = kind
        self.name = name
        self.uid = uid
    }
}

/// A workload: its size, its template's requests and who else writes it; nothing else of its template.
public struct Workload: Hashable, Sendable, Codable {
    /// The kind.
    public var kind: WorkloadKind
    /// Namespace.
    public var namespace: String
    /// Name.
    public var name: String
    /// UID.
    public var uid: String
    /// The resourceVersion it was read at.
    public var resourceVersion = ""
    /// Its controller: a ReplicaSet's Deployment, a Job's CronJob; nil: none.
    public var owner: ObjectOwner?
    /// How many pods it wants; nil: the kind has no such number (DaemonSet, Job, CronJob).
    public var replicas: Int?
    /// Ready pods.
    public var readyReplicas = 0
    /// Pods of the newest template.
    public var updatedReplicas = 0
    /// Pods a DaemonSet should have.
    public var desiredScheduled = 0
    /// Whether its controller has acted on its newest spec.
    public var isObserved = true
    /// CronJob and Job: whether it is suspended. Deployment: whether it is paused.
    public var isSuspended = false
    /// A CronJob's schedule.
    public var schedule: String?
    /// A CronJob's time zone; nil: its controller manager's.
    public var timeZone: String?
    /// Which pods are its own; nil: it names none (CronJob).
    public var selector: LabelSelector?
    /// How it is rolled out: `RollingUpdate`, `Recreate`, `OnDelete`; nil: the kind has none.
    public var updateStrategy: String?
    /// Whether scaling a StatefulSet down deletes its pods' claims.
    public var deletesClaimsWhenScaled = false
    /// The containers of its template. A ReplicaSet of a Deployment has none here: its owner has.
    public var template: [PodContainer] = []
    /// What one pod of its template asks of a node, `pods` is 1.
    public var podRequests = Resources(pods: 1)
    /// Where a pod of its template may run: how much of a new node its DaemonSets take hangs on it.
    public var placement = PodPlacement()
    /// What a pod of its template tolerates.
    public var tolerations: [Toleration] = []
    /// Labels.
    public var labels: [String: String] = [:]
    /// Annotations that decide something for us.
    public var annotations: [String: String] = [:]
    /// The tool that would undo what we write; nil: none seen.
    public var gitOps: GitOpsTool?
    /// When it was created.
    public var createdAt = Date(timeIntervalSince1970: 0)

    /// Makes a workload; what is no parameter is set afterwards.
    public init(
        _ kind: WorkloadKind, namespace: String, name: String, uid: String, replicas: Int? = nil,
        owner: ObjectOwner? = nil, template: [PodContainer] = []
    ) {
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.replicas = replicas
        self.owner = owner
        self.template = template
    }
}
