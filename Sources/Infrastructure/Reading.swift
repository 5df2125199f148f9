import Foundation

/// The registered clusters. Every call may throw.
public protocol ClusterRegistry: Sendable {
    /// One cluster; nil: there is none of that id.
    func cluster(_ id: ClusterID) async throws -> ClusterRegistration?
    /// The tenant's clusters that name this queue.
    func clusters(onQueue url: String, of tenant: Tenant) async throws -> [ClusterRegistration]
    /// The tenant's clusters in this account and region, by id.
    func clusters(in account: AccountTarget) async throws -> [ClusterRegistration]
}

/// Which node of which cluster an instance is.
public protocol InstanceIndex: Sendable {
    /// Those of the instances that are nodes of these clusters.
    func find(_ instances: [InstanceID], in clusters: [ClusterID]) async throws -> [IndexedInstance]
}

/// The interruptions of instances.
public protocol Interruptions: Sendable {
    /// The newest of this instance, live or closed; nil: none.
    func find(_ instance: InstanceID, of cluster: ClusterID) async throws -> Interruption?
    /// The newest of each of these instances, live or closed.
    func find(_ instances: [InstanceID], in clusters: [ClusterID]) async throws -> [Interruption]
    /// The live ones of a cluster.
    func live(in cluster: ClusterID) async throws -> [Interruption]
}

/// How far CloudOptim may go.
public protocol Policies: Sendable {
    /// The cluster's mode for a kind of job, and the installation's kill switch, whichever is less.
    /// - Parameter cluster: nil: about no cluster; only the kill switch counts.
    func mode(of cluster: ClusterID?, kind: String) async throws -> Mode
    /// The cluster's policy in its current version, every window with its zone; the defaults where none was ever set.
    func policy(of cluster: ClusterID) async throws -> ClusterPolicy
}

/// What capacity costs, as far as we know.
public protocol Prices: Sendable {
    /// The last known spot price of each pool of a region, newer than `since`, for the types.
    func spot(region: String, types: [String], since: Date) async throws -> [SpotPrice]
    /// The pools of an account that gave nothing and are not to be asked before `now` has passed their time.
    func unavailable(account: String, region: String, now: Date) async throws -> [UnavailablePoolFact]
}

/// The credentials of clusters.
public protocol Credentials: Sendable {
    /// Opens a cluster's credential.
    /// - Throws: `FarSideError` `badConfiguration` when there is none, or it is another tenant's.
    func credential(of cluster: ClusterID, for tenant: Tenant) async throws -> ClusterCredential
}

/// The way to the far sides of a cluster, with the credentials of a job of its own tenant.
public protocol FarSides: Sendable {
    /// The cluster's Kubernetes API.
    func cluster(_ registration: ClusterRegistration) async throws -> any Cluster
    /// The cluster's AWS account, in its region.
    /// - Parameter session: names the session in the customer's CloudTrail: the job's id.
    func cloud(_ registration: ClusterRegistration, session: String) async throws -> any Cloud
    /// The cluster's interruption queue.
    func queue(_ registration: ClusterRegistration, session: String) async throws -> any MessageQueue
    /// Webhooks.
    var webhook: any Webhook { get }
}
