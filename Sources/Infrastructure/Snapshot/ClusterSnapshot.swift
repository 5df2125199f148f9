import Foundation

/// What a snapshot says of the cluster itself: of its registration, what decisions hang on.
public struct SnapshotSubject: Hashable, Sendable, Codable {
    /// The id.
    public var id: ClusterID
    /// Its name in EKS, by which instances and volumes are tagged.
    public var name: String
    /// The AWS region.
    public var region: String
    /// The time zone of its office hours.
    public var timeZone: String
    /// `production`, `staging`, `development`.
    public var environment: String
    /// The launch template that its registration names for our use; nil: none.
    public var ownTemplate: String?
    /// Instance families that may be used; empty: all.
    public var families: [String]

    /// Takes what decisions need of a registration.
    public init(_ registration: ClusterRegistration) {
        id = registration.id
        name = registration.name
        region = registration.region
        timeZone = registration.timeZone
        environment = registration.environment
        ownTemplate = registration.launch?.template.id
        families = registration.launch?.families ?? []
    }
}

/// A cluster at one time: everything that decisions are made from, an allow-list of fields, no secret. The same snapshot,
/// the same policy and the same build give the same decision.
///
/// What a kind keeps in stores of its own and decides from as well (usage of days, sightings) is an optional field here.
public struct ClusterSnapshot: Hashable, Sendable, Codable {
    /// The form of this document that this build writes and reads.
    public static let formatVersion = 1
    /// The form of this document.
    public var version = ClusterSnapshot.formatVersion
    /// The cluster.
    public var cluster: SnapshotSubject
    /// World time when the capture began: the `now` of every decision made from it.
    public var capturedAt: Date
    /// The API server's version: `v1.31.2-eks-…`.
    public var serverVersion: String
    /// What Kubernetes told.
    public var objects: ClusterObjects
    /// The EC2 instances behind its nodes, and those that bear its tags, by id; nil: the account could not be read.
    public var instances: [Instance]?
    /// The region's EBS volumes that are attached to nothing, by id; nil: the account could not be read.
    public var volumes: [Volume]?
    /// The groups of its nodes, by owner and name; nil: they could not be read.
    public var nodeGroups: [NodeGroup]?
    /// Spot prices of the types in use and of those that could take a node's work, by pool and time.
    public var spotPrices: [SpotPrice] = []
    /// On-demand prices of the region per hour, by type, as far as our stores hold them; else the shipped table counts.
    public var onDemandPrices: [String: MicroDollars] = [:]
    /// What the Spot Advisor says of the region, by type; nil or empty: never read, the shipped copy counts.
    public var spotAdvice: [String: SpotAdvice]?
    /// What the account's pools of the region did to us lately, by time; nil: not read.
    public var poolIncidents: [PoolIncident]?
    /// Pools that gave nothing lately.
    public var unavailablePools: [UnavailablePoolFact] = []
    /// What is known to be amiss: lists of different times that do not fit together, far sides that could not be read.
    public var remarks: [String] = []
    /// Whether names, namespaces and labels are replaced by hashes.
    public var isAnonymised = false

    /// Makes a snapshot; what is no parameter is set afterwards.
    public init(
        cluster: SnapshotSubject, capturedAt: Date, serverVersion: String = "", objects: ClusterObjects,
        instances: [Instance]? = nil, volumes: [Volume]? = nil
    ) {
        self.cluster = cluster
        self.capturedAt = capturedAt
        self.serverVersion = serverVersion
        self.objects = objects
        self.instances = instances
        self.volumes = volumes
    }

    /// The instances, by id.
    public var instancesByID: [InstanceID: Instance] {
        Dictionary((instances ?? []).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The instance behind a node; nil: it has none, or EC2 does not know it.
    /// - Complexity: linear in the number of instances; index them for many.
    public func instance(of node: Node) -> Instance? {
        guard let id = node.instance else { return nil }
        return instances?.first { $0.id == id }
    }
}
