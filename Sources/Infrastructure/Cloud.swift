import Foundation

/// Reads one AWS account in one region. Every call may throw `FarSideError`.
public protocol CloudReader: Sendable {
    /// The account that our credentials act in, 12 digits.
    func account() async throws -> String
    /// The instances that still are known, in no order; unknown ids are left out and are no error.
    func instances(_ ids: [InstanceID]) async throws -> [Instance]
    /// The instances that bear the tag, whatever its value where that is nil, terminated ones included.
    func instances(tag: String, value: String?) async throws -> [Instance]
    /// Asks which permissions we have in the account, by dry runs where there are any; nothing is changed.
    func permissions(of cluster: ClusterRegistration) async throws -> [PermissionAnswer]
    /// Every instance in one of these states.
    func instances(states: [InstanceState]) async throws -> [Instance]
    /// Every volume of the region in that state.
    func volumes(state: String) async throws -> [Volume]
    /// Every volume that bears the tag, whatever its value.
    func volumes(tag: String) async throws -> [Volume]
    /// The volumes that still are known; unknown ids are left out and are no error.
    func volumes(_ ids: [String]) async throws -> [Volume]
    /// The account's own snapshots of these volumes that bear the tag, whatever its value.
    func snapshots(of volumes: [String], tag: String) async throws -> [VolumeSnapshot]
    /// Which of the instances are in an Auto Scaling group, and in which.
    func autoScalingGroups(of instances: [InstanceID]) async throws -> [InstanceID: String]
    /// Which of the instances may not be terminated: their termination protection is on.
    func protected(_ instances: [InstanceID]) async throws -> Set<InstanceID>
    /// Which of the instances belong to a persistent spot request, which launches another when one goes.
    func persistentlyRequested(_ instances: [InstanceID]) async throws -> Set<InstanceID>
    /// The groups of nodes that belong to the EKS cluster or bear its tag `kubernetes.io/cluster/<name>`, by owner and name.
    /// Auto Scaling groups that EKS made for its managed node groups are left out.
    func nodeGroups(ofCluster name: String) async throws -> [NodeGroup]
    /// One group of nodes as it is now; nil: it is gone.
    func nodeGroup(_ reference: NodeGroupReference) async throws -> NodeGroup?
    /// The flow logs of these subnets and of their VPCs that are written to CloudWatch Logs or S3 now, by id.
    func flowLogs(ofSubnets ids: [String]) async throws -> [FlowLogSource]
    /// One page of a flow log's records that were delivered within these times; a page may be empty and have a next one.
    func flowRecords(_ log: FlowLogSource, from: Date, until: Date, token: String?) async throws -> FlowLogPage
    /// The names of every EKS cluster of the region.
    func clusterNames() async throws -> [String]
    /// Spot prices of Linux since then, and those in force at that time.
    func spotPrices(types: [String], since: Date) async throws -> [SpotPrice]
    /// The id of each zone by its name in this account.
    func zoneIDs() async throws -> [String: String]
}

/// Changes one AWS account in one region; only ActionRunner is given it. Every call may throw `FarSideError`.
public protocol Cloud: CloudReader {
    /// `CreateFleet` of type `instant`.
    /// - Parameter token: the ClientToken, at most 64 characters; the same for every call of one plan step.
    func createFleet(_ request: FleetRequest, token: String) async throws -> FleetAnswer
    /// `RunInstances` of one instance.
    func runInstances(_ request: RunRequest, token: String) async throws -> FleetAnswer
    /// Terminates; instances that are not there any more count as terminated.
    func terminate(_ ids: [InstanceID]) async throws
    /// Stops instances, which keeps their root volumes; those that are stopped already are no error.
    /// - Throws: `refused` for what cannot be stopped, such as most spot instances.
    func stop(_ ids: [InstanceID]) async throws
    /// Sets tags on EC2 resources.
    func tag(_ resources: [String], with tags: [String: String]) async throws
    /// Takes tags off EC2 resources, whatever their values; a tag that is not there is no error.
    func untag(_ resources: [String], keys: [String]) async throws
    /// Begins a snapshot of a volume. EC2 has no ClientToken for it: look for the tags first.
    func createSnapshot(of volume: String, description: String, tags: [String: String]) async throws -> VolumeSnapshot
    /// Deletes a volume that nothing uses.
    /// - Throws: `notFound` when it is gone, `refused` with the far code `VolumeInUse` when it is used.
    func deleteVolume(_ id: String) async throws
    /// Answers a lifecycle hook of an Auto Scaling group; a hook that has ended is no error.
    func completeLifecycleAction(_ action: LifecycleAction) async throws
    /// Asks an Auto Scaling group to wait longer.
    func recordLifecycleHeartbeat(_ action: LifecycleAction) async throws
    /// Terminates an instance of an Auto Scaling group.
    func terminateInAutoScalingGroup(_ id: InstanceID, shrinks: Bool) async throws
    /// Sets how many nodes a group has and keeps at least, by its owner's API.
    /// - Throws: `conflict` while its owner is changing it, `notFound`.
    func resize(_ group: NodeGroup, minSize: Int, desired: Int) async throws
    /// Sets the tag of a group's sleep, or takes it off where the value is nil.
    func mark(_ group: NodeGroup, _ value: String?) async throws
}

/// One pool that a fleet may take from.
public struct FleetOverride: Hashable, Sendable, Codable {
    /// The instance type.
    public var type: String
    /// The zone's name.
    public var zone: String
    /// The subnet in that zone; nil: the template's or the default one.
    public var subnet: String?

    /// Makes an override.
    public init(type: String, zone: String, subnet: String?) {
        self.type = type
        self.zone = zone
        self.subnet = subnet
    }
}

/// A `CreateFleet` request for one instance.
public struct FleetRequest: Hashable, Sendable, Codable {
    /// The template.
    public var template: LaunchTemplate
    /// Spot (price-capacity-optimized) or on demand (lowest-price).
    public var capacity: CapacityType
    /// Pools, at most 60.
    public var overrides: [FleetOverride]
    /// Tags for instance and volumes.
    public var tags: [String: String]

    /// Makes a request.
    public init(template: LaunchTemplate, capacity: CapacityType, overrides: [FleetOverride], tags: [String: String]) {
        self.template = template
        self.capacity = capacity
        self.overrides = overrides
        self.tags = tags
    }
}

/// A `RunInstances` request for one instance.
public struct RunRequest: Hashable, Sendable, Codable {
    /// The template.
    public var template: LaunchTemplate
    /// Spot or on demand.
    public var capacity: CapacityType
    /// The pool.
    public var pool: FleetOverride
    /// Tags for instance and volumes.
    public var tags: [String: String]

    /// Makes a request.
    public init(template: LaunchTemplate, capacity: CapacityType, pool: FleetOverride, tags: [String: String]) {
        self.template = template
        self.capacity = capacity
        self.pool = pool
        self.tags = tags
    }
}

/// What a launch brought.
public struct FleetAnswer: Hashable, Sendable, Codable {
    /// An instance that was launched.
    public struct Launched: Hashable, Sendable, Codable {
        /// Its id.
        public var id: InstanceID
        /// Its type; empty: not told.
        public var type: String
        /// Its zone's name; empty: not told.
        public var zone: String

        /// Makes one.
        public init(id: InstanceID, type: String, zone: String) {
            self.id = id
            self.type = type
            self.zone = zone
        }
    }

    /// A pool that gave nothing.
    public struct Failure: Hashable, Sendable, Codable {
        /// `InsufficientInstanceCapacity`, …
        public var code: String
        /// The far side's message.
        public var message: String
        /// The pool's type; nil: not about one pool.
        public var type: String?
        /// The pool's zone; nil: not about one pool.
        public var zone: String?

        /// Makes one.
        public init(code: String, message: String, type: String? = nil, zone: String? = nil) {
            self.code = code
            self.message = message
            self.type = type
            self.zone = zone
        }
    }

    /// What was launched.
    public var launched: [Launched]
    /// What was not, and why.
    public var failures: [Failure]

    /// Makes an answer.
    public init(launched: [Launched], failures: [Failure] = []) {
        self.launched = launched
        self.failures = failures
    }
}

/// A lifecycle hook's request, as its event names it.
public struct LifecycleAction: Hashable, Sendable, Codable {
    /// The group.
    public var group: String
    /// The hook.
    public var hook: String
    /// The token; nil: the instance names it.
    public var token: String?
    /// The instance.
    public var instance: InstanceID

    /// Names an action.
    public init(group: String, hook: String, token: String?, instance: InstanceID) {
        self.group = group
        self.hook = hook
        self.token = token
        self.instance = instance
    }
}
