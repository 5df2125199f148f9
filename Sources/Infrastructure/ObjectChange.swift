import Foundation

/// Kinds of objects that actions change, besides nodes and pods.
public enum ChangeableKind: String, Hashable, Sendable, Codable, CaseIterable {
    /// `apps/v1`.
    case deployment = "Deployment"
    /// `apps/v1`.
    case statefulSet = "StatefulSet"
    /// `apps/v1`.
    case daemonSet = "DaemonSet"
    /// `batch/v1`.
    case cronJob = "CronJob"
    /// `autoscaling/v2`.
    case autoscaler = "HorizontalPodAutoscaler"
    /// `v1`.
    case service = "Service"
}

/// An object by name and UID, as actions name it.
public struct ObjectReference: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The kind.
    public var kind: ChangeableKind
    /// Namespace.
    public var namespace: String
    /// Name.
    public var name: String
    /// UID: nothing is done to another object of the same name.
    public var uid: String

    /// Names an object.
    public init(_ kind: ChangeableKind, namespace: String, name: String, uid: String) {
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.uid = uid
    }

    /// `namespace/kind/name`.
    public var description: String { "\(namespace)/\(kind.rawValue)/\(name)" }
}

/// A container's requests and limits; nil: not set.
public struct ContainerSize: Hashable, Sendable, Codable {
    /// The CPU request.
    public var cpuRequest: MilliCPU?
    /// The CPU limit.
    public var cpuLimit: MilliCPU?
    /// The memory request.
    public var memoryRequest: Bytes?
    /// The memory limit.
    public var memoryLimit: Bytes?

    /// Makes a size.
    public init(
        cpuRequest: MilliCPU? = nil, cpuLimit: MilliCPU? = nil, memoryRequest: Bytes? = nil, memoryLimit: Bytes? = nil
    ) {
        self.cpuRequest = cpuRequest
        self.cpuLimit = cpuLimit
        self.memoryRequest = memoryRequest
        self.memoryLimit = memoryLimit
    }
}

/// An object as it is, as far as changes of ours look at it.
public struct ChangeableObject: Hashable, Sendable {
    /// Its UID.
    public var uid: String
    /// The version it was read at: a change computed from it is refused when anything changed in between.
    public var resourceVersion: String
    /// Replicas of a Deployment or StatefulSet, the least replicas of an autoscaler, 1 or 0 for a CronJob that runs or is
    /// suspended; nil: the kind has no level.
    public var level: Int?
    /// Those annotations that start with `cloudoptim.io/`.
    public var annotations: [String: String]
    /// The containers of its template, by name; empty: it has none.
    public var containers: [String: ContainerSize]
    /// A Service's; nil: none, or no Service.
    public var trafficDistribution: String?
    /// Whether its template says anything of pods to be near to or away from, or of a spread over zones.
    public var hasPodPreferences: Bool

    /// Makes one.
    public init(
        uid: String, resourceVersion: String, level: Int? = nil, annotations: [String: String] = [:],
        containers: [String: ContainerSize] = [:], trafficDistribution: String? = nil, hasPodPreferences: Bool = false
    ) {
        self.hasPodPreferences = hasPodPreferences
        self.uid = uid
        self.resourceVersion = resourceVersion
        self.level = level
        self.annotations = annotations
        self.containers = containers
        self.trafficDistribution = trafficDistribution
    }
}

/// A change of one object's own fields.
public struct ObjectPatch: Hashable, Sendable {
    /// Values to set; a nil value removes the key.
    public var annotations: [String: String?] = [:]
    /// A CronJob's `suspend`, an autoscaler's `minReplicas`, by level; replicas go by the scale subresource. nil: unchanged.
    public var level: Int?
    /// New sizes of containers of its template, by name; a nil value removes what was set.
    public var containers: [String: ContainerSize] = [:]
    /// A Service's traffic distribution: the empty text removes it; nil: unchanged.
    public var trafficDistribution: String?
    /// The one preference that its template's pods get; nil: unchanged.
    public var preferredZone: ZonePreference?

    /// Without any change.
    public init() {}

    /// Whether it changes nothing.
    public var isEmpty: Bool { self == ObjectPatch() }
}

/// A change of an object's level: replicas, least replicas, suspended or not.
public struct LevelChange: Hashable, Sendable, Codable {
    /// The object.
    public var object: ObjectReference
    /// The new level.
    public var to: Int
    /// Lowering: the object is marked with its level of this moment and this time. nil: raising.
    public var sleepsSince: Date?
    /// Raising: only from this level or less; whoever is above was raised by somebody else.
    public var onlyFrom: Int

    /// Lowers an object that is above `to`.
    public static func lower(_ object: ObjectReference, to level: Int, since: Date) -> LevelChange {
        LevelChange(object: object, to: level, sleepsSince: since, onlyFrom: level)
    }

    /// Raises an object that is at `from` or below.
    public static func raise(_ object: ObjectReference, from: Int, to level: Int) -> LevelChange {
        LevelChange(object: object, to: level, sleepsSince: nil, onlyFrom: from)
    }
}

/// A change of the sizes of containers in a workload's template, which rolls its pods.
public struct SizeChange: Hashable, Sendable, Codable {
    /// The workload.
    public var object: ObjectReference
    /// Sizes from which the change was computed, by container: where one differs now, nothing is done.
    public var before: [String: ContainerSize]
    /// The new sizes, by container.
    public var after: [String: ContainerSize]
    /// Why: `rightsizing`, `out-of-memory`, `rollback`.
    public var cause: String
    /// When it was decided, in world time: the cooldown counts from here.
    public var at: Date
    /// Pods that are restarted; nil: not told.
    public var pods: Int?
    /// Whether its pods go down again and again without it: then it waits neither for a window nor for a budget.
    public var isUrgent: Bool?

    /// The cause of a change that takes another back.
    public static let rollbackCause = "rollback"
    /// What it leaves on the object beside the sizes before: cause and time.
    public static let causeAnnotation = "cloudoptim.io/resized-for"
    /// The sizes before, as JSON by container.
    public static let sizesAnnotation = "cloudoptim.io/sizes-before"

    /// Makes a change.
    public init(
        object: ObjectReference, before: [String: ContainerSize], after: [String: ContainerSize], cause: String,
        at: Date, pods: Int? = nil, isUrgent: Bool? = nil
    ) {
        self.pods = pods
        self.isUrgent = isUrgent
        self.object = object
        self.before = before
        self.after = after
        self.cause = cause
        self.at = at
    }

    /// The annotation's value: `rightsizing@2026-11-23T18:00:00Z`.
    public var mark: String { "\(cause)@\(at.formatted(.iso8601))" }

    /// When an object was resized last, by its annotation; nil: never by us.
    public static func lastChange(_ annotations: [String: String]) -> Date? {
        guard let text = annotations[causeAnnotation]?.split(separator: "@").last else { return nil }
        // Another's text is no mark of ours.
        return try? Date(String(text), strategy: .iso8601)
    }
}

/// That pods prefer the zones in which others run: never a requirement.
public struct ZonePreference: Hashable, Sendable, Codable {
    /// The namespace of the others.
    public var namespace: String
    /// Their labels.
    public var labels: [String: String]
    /// 1 to 100, beside the scheduler's other preferences.
    public var weight: Int

    /// Names the others.
    public init(namespace: String, labels: [String: String], weight: Int = 50) {
        self.namespace = namespace
        self.labels = labels
        self.weight = weight
    }
}

/// A change of a workload's template: its pods get a preference for the zones of another workload's.
public struct AffinityChange: Hashable, Sendable, Codable {
    /// The workload.
    public var object: ObjectReference
    /// Which pods it shall be near to.
    public var near: ZonePreference
    /// Those pods' workload, for people: `namespace/kind/name`.
    public var peer: String
    /// Pods that are restarted.
    public var pods: Int

    /// What it leaves on the workload: `peer`.
    public static let annotation = "cloudoptim.io/zone-of"

    /// Makes a change.
    public init(object: ObjectReference, near: ZonePreference, peer: String, pods: Int) {
        self.object = object
        self.near = near
        self.peer = peer
        self.pods = pods
    }
}

/// A change of how a Service spreads its traffic.
public struct TrafficChange: Hashable, Sendable, Codable {
    /// The Service.
    public var object: ObjectReference
    /// What it was computed from; empty: none was set.
    public var before: String
    /// `PreferSameZone`, `PreferClose`; empty: none.
    public var after: String

    /// Makes a change.
    public init(object: ObjectReference, before: String, after: String) {
        self.object = object
        self.before = before
        self.after = after
    }
}
