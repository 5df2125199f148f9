import Foundation

/// The registered clusters. Every call may throw.
public protocol ClusterRegistry: Sendable {
    /// One cluster; nil: there is none of that id.
    func cluster(_ id: ClusterID) async throws -> ClusterRegistration?
    /// The tenant's clusters that name this queue.
    func clusters(onQueue url: String, of tenant: Tenant) async throws -> [ClusterRegistration]
    /// The tenant's clusters in this account and region, by id.
    func clusters(in account: AccountTarget) async throws -> [ClusterRegistration]
    /// Every tenant's clusters of a region: for the installation's own jobs.
    func clusters(inRegion region: String) async throws -> [ClusterRegistration]
    /// The regions that have clusters.
    func regions() async throws -> [String]
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
    /// Takes one from the cluster's budget of the last hour, if any is left; the same key again takes nothing more.
    func take(
        _ disturbance: Disturbance, key: String, of cluster: ClusterID, at now: Date, atMost max: Int
    ) async throws -> Bool
    /// How many were taken since then: what a plan must leave room for.
    func taken(_ disturbance: Disturbance, of cluster: ClusterID, since: Date) async throws -> Int
}

/// Decisions that wait for a person, and what became of them.
public protocol Proposals: Sendable {
    /// A proposal of this tenant; nil: there is none of that id.
    func proposal(_ id: String, of tenant: Tenant) async throws -> Proposal?
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
    /// What capacity costs in a region, read with the installation's own credentials.
    func market(region: String, session: String) async throws -> any Market
    /// Webhooks.
    var webhook: any Webhook { get }
}
