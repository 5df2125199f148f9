import Foundation

/// How an action may be repeated; the effect ledger's classes A, B and C.
public enum ActionClass: String, Sendable, Codable, CaseIterable {
    /// The far side honours a token.
    case token
    /// Repeating changes nothing.
    case idempotent
    /// Neither: at most once.
    case once
}

/// What can be done to the world. A new verb is one case here; the compiler names the places that must handle it.
public enum Verb: Hashable, Sendable, Codable {
    /// Marks a node as going: unschedulable, tainted, out of load balancers, and whose mark it is.
    case cordon(node: NodeReference, taintValue: String)
    /// Takes exactly our own marks off a node.
    case uncordon(node: NodeReference)
    /// Evicts a pod; a nil grace is the pod's own.
    case evict(pod: PodReference, graceSeconds: Int64?)
    /// Deletes a pod with at least one second of grace.
    case deletePod(pod: PodReference, graceSeconds: Int64)
    /// Deletes a node object whose instance is gone.
    case deleteNode(node: NodeReference)
    /// Tells the people who look at the cluster.
    case tell(event: ClusterEvent)
    /// Launches one instance out of many pools.
    case createFleet(request: FleetRequest)
    /// Launches one instance of one pool.
    case runInstances(request: RunRequest)
    /// Terminates instances.
    case terminate(instances: [InstanceID])
    /// Stops instances, which keeps their root volumes.
    case stop(instances: [InstanceID])
    /// Terminates an instance through its Auto Scaling group.
    case terminateInAutoScalingGroup(instance: InstanceID, shrinks: Bool)
    /// Lets an Auto Scaling group go on with what its hook held.
    case completeLifecycleAction(action: LifecycleAction)
    /// Asks an Auto Scaling group to wait longer with what its hook holds.
    case recordLifecycleHeartbeat(action: LifecycleAction)
    /// Tags resources.
    case tag(resources: [String], tags: [String: String])
    /// Takes tags off resources.
    case untag(resources: [String], keys: [String])
    /// Makes a snapshot of a volume, unless one bears the effect's key already.
    case snapshotVolume(volume: String, description: String, tags: [String: String])
    /// Deletes a volume, if it still bears this tag, is used by nothing, and this snapshot of it is complete.
    case deleteVolume(volume: String, mark: String, snapshot: String)
    /// Sets the replicas of a workload by its scale subresource.
    case scale(change: LevelChange)
    /// Suspends a CronJob, or lets it go on.
    case suspend(change: LevelChange)
    /// Sets the least replicas of an autoscaler.
    case setMinReplicas(change: LevelChange)
    /// Takes the mark of its sleep off an object.
    case clearSleepMark(object: ObjectReference)
    /// Sets the size of a group of nodes by its owner's API.
    case sizeNodeGroup(change: NodeGroupChange)
    /// Takes the tag of its sleep off a group of nodes, which keeps at least so many again, and no more than it has.
    case clearNodeGroupMark(group: NodeGroupReference, minSize: Int)
    /// Sets requests and limits in a workload's template, container by container, which rolls its pods.
    case resize(change: SizeChange)
    /// Sets how a Service spreads its traffic over zones.
    case distributeTraffic(change: TrafficChange)
    /// Makes a workload's pods prefer the zones of another's, in its template, which rolls its pods.
    case preferZone(change: AffinityChange)
    /// Posts to a webhook; `honoursKey`: its receiver drops repeats of one Idempotency-Key.
    case notify(delivery: WebhookDelivery, honoursKey: Bool)

    /// The verb's name, as it stands in logs and tables.
    public var name: String {
        switch self {
        case .cordon: "cordon"
        case .uncordon: "uncordon"
        case .evict: "evict"
        case .deletePod: "delete-pod"
        case .deleteNode: "delete-node"
        case .tell: "tell"
        case .createFleet: "create-fleet"
        case .runInstances: "run-instances"
        case .terminate: "terminate"
        case .stop: "stop"
        case .terminateInAutoScalingGroup: "terminate-in-autoscaling-group"
        case .completeLifecycleAction: "complete-lifecycle-action"
        case .recordLifecycleHeartbeat: "record-lifecycle-heartbeat"
        case .tag: "tag"
        case .untag: "untag"
        case .snapshotVolume: "snapshot-volume"
        case .deleteVolume: "delete-volume"
        case .scale: "scale"
        case .suspend: "suspend"
        case .setMinReplicas: "set-min-replicas"
        case .clearSleepMark: "clear-sleep-mark"
        case .sizeNodeGroup: "size-node-group"
        case .clearNodeGroupMark: "clear-node-group-mark"
        case .resize: "resize"
        case .distributeTraffic: "distribute-traffic"
        case .preferZone: "prefer-zone"
        case .notify: "notify"
        }
    }

    /// How it may be repeated, and why that is harmless (domain-rules section 2).
    public var repetition: ActionClass {
        switch self {
        case .createFleet, .runInstances: .token
        case .notify(_, let honoursKey): honoursKey ? .token : .once
        // Guarded by a UID, looked up by a tag first, or setting a state that stays the same when it is set again.
        case .cordon, .uncordon, .evict, .deletePod, .deleteNode, .tell, .terminate, .stop,
            .terminateInAutoScalingGroup,
            .completeLifecycleAction, .recordLifecycleHeartbeat, .tag, .untag, .snapshotVolume, .deleteVolume, .scale,
            .suspend, .setMinReplicas, .clearSleepMark, .sizeNodeGroup, .clearNodeGroupMark, .resize,
            .distributeTraffic,
            .preferZone:
            .idempotent
        }
    }
}

/// What voluntary work has an hourly budget for.
public enum Disturbance: String, Sendable, Codable, CaseIterable {
    /// A node is cordoned.
    case node
    /// A pod is evicted, deleted, or restarted by the rollout of a changed template.
    case pod
}

extension Verb {
    /// What it disturbs; nil: nothing, or it undoes a disturbance.
    public var disturbs: Disturbance? {
        switch self {
        case .cordon: .node
        case .evict, .deletePod, .preferZone: .pod
        // What made things worse is taken back at once, and who is down again and again is disturbed by nothing more.
        case .resize(let change): change.cause == SizeChange.rollbackCause || change.isUrgent == true ? nil : .pod
        default: nil
        }
    }

    /// How many it disturbs: a changed template restarts all pods of its workload.
    public var disturbedCount: Int {
        switch self {
        case .resize(let change): max(1, change.pods ?? 1)
        case .preferZone(let change): max(1, change.pods)
        default: 1
        }
    }
}

/// One thing a decision wants done, and why.
public struct Action: Hashable, Sendable, Codable {
    /// The effect key: business identity, never the round (`evict/<cluster>/<pod uid>`). At most 512 bytes.
    public var key: String
    /// What is done.
    public var verb: Verb
    /// Why, one sentence for people.
    public var reason: String
    /// What it saves per hour; nil: it is not done to save.
    public var saving: MicroDollars?
    /// How likely it disturbs, 0 to 1; nil: not estimated.
    public var risk: Double?
    /// The key of an action of the same round that must succeed first; nil: none.
    public var after: String?
    /// On whose behalf: its mode counts. nil: the job's own cluster; of a job about an account: all of its clusters.
    public var cluster: ClusterID?
    /// World time after which what it was decided from is too old: then it is not done, and the job looks again. nil: it
    /// stays right.
    public var validUntil: Date?

    /// Makes an action.
    public init(
        key: String, _ verb: Verb, reason: String, saving: MicroDollars? = nil, risk: Double? = nil,
        after: String? = nil, cluster: ClusterID? = nil, validUntil: Date? = nil
    ) {
        self.key = key
        self.verb = verb
        self.reason = reason
        self.saving = saving
        self.risk = risk
        self.after = after
        self.cluster = cluster
        self.validUntil = validUntil
    }
}

/// What became of one action.
public struct ActionReport: Hashable, Sendable, Codable {
    /// The possible ends.
    public enum Outcome: String, Sendable, Codable {
        /// Done: by this call, or found done in the effect ledger.
        case done
        /// There was nothing left to do: the thing is gone, or another has its name.
        case gone
        /// A disruption budget does not allow it now.
        case blocked
        /// The same request can never succeed, though nothing was refused: eviction under two budgets.
        case impossible
        /// A definite refusal: `code` says which.
        case refused
        /// A passing fault; whether it was done is open. The next round asks again under the same key.
        case failed
        /// The mode in force is below `apply`: nothing was done.
        case withheld
        /// The action it waited for did not succeed, or what it was decided from is too old.
        case skipped
    }

    /// The action's key.
    public var key: String
    /// What became of it.
    public var outcome: Outcome
    /// The far side's code; empty for none.
    public var code: String
    /// What the far side said, or which mode withheld it.
    public var message: String
    /// What a launch brought.
    public var fleet: FleetAnswer?
    /// How many milliseconds the far side asks us to wait.
    public var retryAfterMilliseconds: Int64?

    /// Makes a report.
    public init(
        key: String, _ outcome: Outcome, code: String = "", message: String = "", fleet: FleetAnswer? = nil,
        retryAfterMilliseconds: Int64? = nil
    ) {
        self.key = key
        self.outcome = outcome
        self.code = code
        self.message = message
        self.fleet = fleet
        self.retryAfterMilliseconds = retryAfterMilliseconds
    }

    /// Whether nothing is left to do.
    public var isDone: Bool { outcome == .done || outcome == .gone }
}
