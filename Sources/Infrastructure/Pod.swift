import Foundation

/// A toleration of a pod.
public struct Toleration: Hashable, Sendable, Codable {
    /// The taint's key; empty: every key.
    public var key: String
    /// `Exists` or `Equal`.
    public var `operator`: String
    /// The taint's value, with `Equal`.
    public var value: String
    /// The taint's effect; empty: every effect.
    public var effect: String

    /// Makes a toleration.
    public init(key: String = "", operator: String = "Equal", value: String = "", effect: String = "") {
        self.key = key
        self.operator = `operator`
        self.value = value
        self.effect = effect
    }

    /// Whether it tolerates `taint`, as the scheduler decides it.
    public func tolerates(_ taint: Taint) -> Bool {
        guard effect.isEmpty || effect == taint.effect else { return false }
        if key.isEmpty { return self.operator == "Exists" }
        return key == taint.key && (self.operator == "Exists" || value == taint.value)
    }
}

/// Where a pod is in its life.
public enum PodPhase: String, Hashable, Sendable, Codable {
    /// Not yet running.
    case pending = "Pending"
    /// Running.
    case running = "Running"
    /// Ended well.
    case succeeded = "Succeeded"
    /// Ended badly.
    case failed = "Failed"
    /// The node does not answer, or the phase is one we do not know.
    case unknown = "Unknown"
}

/// A pod: an allow-list of fields. Environment, arguments, images and volumes' contents are never decoded.
public struct Pod: Hashable, Sendable, Codable {
    /// Namespace.
    public var namespace: String
    /// Name.
    public var name: String
    /// UID.
    public var uid: String
    /// The node it is bound to; nil: none yet.
    public var nodeName: String?
    /// Where it is in its life.
    public var phase: PodPhase
    /// Whether its Ready condition is true.
    public var isReady: Bool
    /// Whether it is a static pod's shadow: only its node's kubelet can end it.
    public var isMirror: Bool
    /// The kind of the controller that owns it: `DaemonSet`, `ReplicaSet`, …; nil for a bare pod.
    public var ownerKind: String?
    /// The UID of that controller.
    public var ownerUID: String?
    /// The effective requests of the whole pod, init containers and overhead included; `pods` is 1.
    public var requests: Resources
    /// The grace period of its spec, in seconds.
    public var graceSeconds: Int64
    /// When it will be gone at the latest, once it is being deleted (the API's deletionTimestamp).
    public var deletedBy: Date?
    /// The class of its priority: `system-cluster-critical`, …
    public var priorityClass: String?
    /// Labels.
    public var labels: [String: String]
    /// Tolerations.
    public var tolerations: [Toleration]
    /// Whether it uses a persistentVolumeClaim, and so may be bound to a zone.
    public var usesVolumeClaim: Bool
    /// The name of the controller that owns it.
    public var ownerName: String?
    /// Annotations that decide something for us: `cloudoptim.io/…` and the autoscalers' marks.
    public var annotations: [String: String] = [:]
    /// Its containers by name, the init ones first.
    public var containers: [PodContainer] = []
    /// Where it may run.
    public var placement = PodPlacement()
    /// Its priority; 0 where none is set.
    public var priority: Int32 = 0
    /// The node that the scheduler makes room on for it.
    public var nominatedNode: String?
    /// Its class of service; nil: not told.
    public var qualityOfService: QualityOfService?
    /// Whether its kubelet ended it for want of memory or disk on the node (phase failed, reason Evicted).
    public var wasEvicted = false
    /// Its address; nil: none yet.
    public var address: String?
    /// When it was created.
    public var createdAt = Date(timeIntervalSince1970: 0)

    /// Makes a pod; what is no parameter is set afterwards.
    public init(
        namespace: String, name: String, uid: String, nodeName: String? = nil, phase: PodPhase = .running,
        isReady: Bool = true, isMirror: Bool = false, ownerKind: String? = nil, ownerUID: String? = nil,
        requests: Resources = Resources(pods: 1), graceSeconds: Int64 = 30, deletedBy: Date? = nil,
        priorityClass: String? = nil, labels: [String: String] = [:], tolerations: [Toleration] = [],
        usesVolumeClaim: Bool = false, ownerName: String? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.nodeName = nodeName
        self.phase = phase
        self.isReady = isReady
        self.isMirror = isMirror
        self.ownerKind = ownerKind
        self.ownerUID = ownerUID
        self.requests = requests
        self.graceSeconds = graceSeconds
        self.deletedBy = deletedBy
        self.priorityClass = priorityClass
        self.labels = labels
        self.tolerations = tolerations
        self.usesVolumeClaim = usesVolumeClaim
        self.ownerName = ownerName
    }

    /// The pod as actions name it.
    public var reference: PodReference { PodReference(namespace: namespace, name: name, uid: uid) }
    /// Whether it belongs to a DaemonSet, which would put it back at once.
    public var isDaemon: Bool { ownerKind == "DaemonSet" }
    /// Whether it has ended.
    public var isFinished: Bool { phase == .succeeded || phase == .failed }
    /// Whether it is critical for its cluster or node.
    public var isCritical: Bool {
        priorityClass == "system-cluster-critical" || priorityClass == "system-node-critical"
    }
}

/// A pod by name and UID, as actions name it.
public struct PodReference: Hashable, Sendable, Codable, CustomStringConvertible {
    /// Namespace.
    public var namespace: String
    /// Name.
    public var name: String
    /// UID: nothing is done to another pod of the same name.
    public var uid: String

    /// Names a pod.
    public init(namespace: String, name: String, uid: String) {
        self.namespace = namespace
        self.name = name
        self.uid = uid
    }

    /// Namespace and name.
    public var description: String { "\(namespace)/\(name)" }
}
