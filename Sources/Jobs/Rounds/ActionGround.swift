import Infrastructure
import JobQueue

/// Where a job may act: its own cluster, or the clusters of its own account, all of its own tenant.
struct ActionGround: Sendable {
    /// The account the job is about; nil: it is about one cluster, or about none.
    let account: AccountTarget?
    /// The clusters it may act for; empty: none.
    let clusters: [ClusterRegistration]

    /// Finds the ground of a job; a target that is not its tenant's gives none.
    static func of(_ job: ClaimedJob, registry: any ClusterRegistry) async throws -> ActionGround {
        let tenant = Tenant(rawValue: job.tenant)
        if let account = AccountTarget(job.target) {
            guard account.tenant == tenant else { return ActionGround(account: nil, clusters: []) }
            let found = try await registry.clusters(in: account).filter {
                $0.tenant == tenant && $0.account == account.account && $0.region == account.region
            }
            return ActionGround(account: account, clusters: found)
        }
        guard !job.target.isEmpty, let found = try await registry.cluster(ClusterID(rawValue: job.target)),
            found.tenant == tenant
        else { return ActionGround(account: nil, clusters: []) }
        return ActionGround(account: nil, clusters: [found])
    }

    /// The cluster whose credentials carry out an action.
    /// - Throws: `QueueError` `invalid` when the action names a cluster that is not of this ground.
    func cluster(for action: Action) throws -> ClusterRegistration? {
        guard let named = action.cluster else { return clusters.first }
        guard let found = clusters.first(where: { $0.id == named }) else {
            throw QueueError(.invalid, "the action \(action.key) is for the cluster '\(named)', which is not the job's")
        }
        return found
    }

    /// How far the job may go with an action: the mode of the cluster it is for; of one that is for the whole account,
    /// the least of its clusters' modes.
    func mode(for action: Action, kind: String, policies: any Policies) async throws -> Mode {
        guard action.cluster == nil, account != nil else {
            return try await policies.mode(of: try cluster(for: action)?.id, kind: kind)
        }
        guard !clusters.isEmpty else { return .off }
        var least = Mode.apply
        for cluster in clusters { least = min(least, try await policies.mode(of: cluster.id, kind: kind)) }
        return least
    }
}
