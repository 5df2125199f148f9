import Infrastructure
import JobQueue
import Optimizer

/// Reads of one cluster among several of an account: what cannot be read is told and no failure, so that the others and
/// the account are read all the same.
enum AccountReading {
    /// Why a cluster could not be read completely.
    struct Gap: Error, CustomStringConvertible {
        let description: String
    }

    /// What a cluster uses, if it was listed completely.
    static func uses(
        of cluster: ClusterRegistration, _ context: JobContext
    ) async throws -> Result<VolumeUses, Gap> {
        try await objects(VolumeUses.lists, of: cluster, context).map(VolumeUses.init)
    }

    /// Lists of a cluster, if all of them are whole.
    static func objects(
        _ lists: Set<ClusterList>, of cluster: ClusterRegistration, _ context: JobContext
    ) async throws -> Result<ClusterObjects, Gap> {
        if try await context.sources.policies.mode(of: cluster.id, kind: context.kind.rawValue) == .off {
            return .failure(Gap(description: "the mode of the cluster '\(cluster.id)' is off, so it was not asked"))
        }
        do {
            let found = try await context.cluster(cluster).objects(lists, now: context.now)
            guard let first = found.incomplete(lists).first else { return .success(found) }
            let problem = found.reading(first).map { "\($0.outcome.rawValue) \($0.problem)" } ?? "not read"
            return .failure(
                Gap(
                    description:
                        "the cluster '\(cluster.id)' could not be listed completely: \(first.rawValue) \(problem)"))
        } catch let error as FarSideError {
            return .failure(Gap(description: "the cluster '\(cluster.id)' could not be listed: \(error.code.rawValue)"))
        }
    }
}
