import Infrastructure
import JobQueue
import Logging

/// Deletes messages of the job's queue once what they brought is committed. Harmless when lost: they come again, and
/// the keys of their events and jobs absorb them.
struct Acknowledger: Sendable {
    let sources: JobSources
    let job: ClaimedJob
    let logger: Logger

    func delete(_ receipts: [String]) async {
        do {
            let tenant = Tenant(rawValue: job.tenant)
            guard let cluster = try await sources.registry.clusters(onQueue: job.target, of: tenant).first else {
                return
            }
            let queue = try await sources.farSides.queue(cluster, session: job.id.description)
            let left = try await queue.delete(receipts)
            if left > 0 { logger.info("messages not deleted; they come again", metadata: ["messages": "\(left)"]) }
        } catch {
            logger.info("messages not deleted; they come again", metadata: ["error": "\(error)"])
        }
    }
}
