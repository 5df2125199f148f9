/// Who else sizes a workload.
public enum AutoscalerKind: String, Hashable, Sendable, Codable {
    /// A HorizontalPodAutoscaler, `autoscaling/v2`.
    case horizontal = "HorizontalPodAutoscaler"
    /// A VerticalPodAutoscaler, `autoscaling.k8s.io/v1`.
    case vertical = "VerticalPodAutoscaler"
    /// A ScaledObject of KEDA, `keda.sh/v1alpha1`.
    case keda = "ScaledObject"
}

/// What an autoscaler looks at.
public struct AutoscalerMetric: Hashable, Sendable, Codable {
    /// `Resource`, `ContainerResource`, `Pods`, `Object`, `External`; a KEDA trigger's type (`cpu`, `memory`, `cron`, …).
    public var source: String
    /// `cpu`, `memory`; nil: it is about no resource.
    public var resource: String?
    /// `Utilization` (hangs on the request), `AverageValue`, `Value`.
    public var target: String

    /// Makes one.
    public init(source: String, resource: String? = nil, target: String) {
        self.source = source
        self.resource = resource
        self.target = target
    }
}

/// An autoscaler of a workload.
public struct Autoscaler: Hashable, Sendable, Codable {
    /// The kind.
    public var kind: AutoscalerKind
    /// Namespace.
    public var namespace: String
    /// Name.
    public var name: String
    /// UID.
    public var uid: String
    /// The resourceVersion it was read at.
    public var resourceVersion = ""
    /// The kind of what it sizes: `Deployment`, …
    public var targetKind: String
    /// The name of what it sizes.
    public var targetName: String
    /// At least so many pods; nil: not said (1; of KEDA 0).
    public var minReplicas: Int?
    /// At most so many pods; nil: not said.
    public var maxReplicas: Int?
    /// How many there are.
    public var currentReplicas: Int?
    /// How many it wants.
    public var desiredReplicas: Int?
    /// What it looks at.
    public var metrics: [AutoscalerMetric] = []
    /// A vertical one's mode: `Off`, `Initial`, `Recreate`, `Auto`, …; nil: not said (`Auto`).
    public var updateMode: String?
    /// Annotations that decide something for us.
    public var annotations: [String: String] = [:]

    /// Makes one; what is no parameter is set afterwards.
    public init(
        _ kind: AutoscalerKind, namespace: String, name: String, uid: String, targetKind: String, targetName: String,
        minReplicas: Int? = nil, maxReplicas: Int? = nil
    ) {
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.targetKind = targetKind
        self.targetName = targetName
        self.minReplicas = minReplicas
        self.maxReplicas = maxReplicas
    }
}
