import JobQueue
import Logging
import Metrics
import Synchronization

/// Remembers when the ledger answered last, so that its own absence is not blamed on workers.
final class LedgerHealth: Sendable {
    private let lastAnswer: Mutex<ContinuousClock.Instant>
    private let gap: Duration

    init(since start: ContinuousClock.Instant, gap: Duration) {
        lastAnswer = Mutex(start)
        self.gap = gap
    }

    /// Notes an answer to a request sent at `start`. True: the ledger had been away for longer than `gap`.
    func note(requestedAt start: ContinuousClock.Instant) -> Bool {
        lastAnswer.withLock { last in
            defer { last = .now }
            return start - last > gap
        }
    }

    /// Whether the ledger was silent for longer than `gap`, so that the next success is the end of a gap.
    var isInGap: Bool { lastAnswer.withLock { ContinuousClock.now - $0 > gap } }
}

/// Takes back the runs of dead workers and of passed deadlines. Infrastructure, never a job.
struct Reaper: Sendable {
    let ledger: any LeaderLedger
    let configuration: SchedulerConfiguration
    let health: LedgerHealth
    let logger: Logger

    func run() async {
        while !Task.isCancelled {
            do {
                try await reapOnce()
                try await Task.sleep(for: configuration.reapEvery)
            } catch is CancellationError {
                return
            } catch {
                logger.warning("reaping failed", metadata: ["error": .string("\(error)")])
                do { try await Task.sleep(for: configuration.reapEvery) } catch { return }
            }
        }
    }

    /// One reap. After a gap of the ledger (no successful statement for half a lease) every lease is extended first.
    private func reapOnce() async throws {
        let start = ContinuousClock.now
        if health.isInGap {
            try await ledger.extendLeases(by: configuration.workerLease)
            logger.warning("the ledger was away: every worker's lease was extended")
        }
        let report = try await ledger.reap(atMost: configuration.reapMax)
        _ = health.note(requestedAt: start)
        if report == ReapReport() { return }
        Counter(label: "workers_lost_total").increment(by: report.workersLost)
        Counter(label: "jobs_reaped_total").increment(by: report.requeued + report.cancelled + report.poisoned + report.dead)
        logger.warning(
            "reaped",
            metadata: [
                "workers_lost": .stringConvertible(report.workersLost), "requeued": .stringConvertible(report.requeued),
                "cancelled": .stringConvertible(report.cancelled), "poisoned": .stringConvertible(report.poisoned),
                "dead": .stringConvertible(report.dead),
            ])
    }
}
