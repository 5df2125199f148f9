import JobQueue
import Logging
import Metrics
import Synchronization

/// Remembers when the ledger answered last, so that its own absence is not blamed on workers.
final class LedgerHealth: Sendable {
    private struct State {
        var lastAnswer = ContinuousClock.now
        var wasGap = false
    }
    private let state = Mutex(State())
    private let gap: Duration

    init(gap: Duration) { self.gap = gap }

    /// Notes an answer; one that comes more than `gap` after the last ends a gap.
    func noteAnswer() {
        state.withLock { state in
            if ContinuousClock.now - state.lastAnswer > gap { state.wasGap = true }
            state.lastAnswer = .now
        }
    }

    /// Whether the ledger was silent for longer than `gap` and leases were not extended since.
    var isGapOpen: Bool { state.withLock { $0.wasGap || ContinuousClock.now - $0.lastAnswer > gap } }

    /// Notes that every lease was extended.
    func closeGap() { state.withLock { $0 = State() } }
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
        if health.isGapOpen {
            try await ledger.extendLeases(by: configuration.workerLease)
            health.closeGap()
            logger.warning("the ledger was away: every worker's lease was extended")
        }
        let report = try await ledger.reap(atMost: configuration.reapMax)
        health.noteAnswer()
        if report == ReapReport() { return }
        Counter(label: "workers_lost_total").increment(by: report.workersLost)
        Counter(label: "jobs_reaped_total").increment(
            by: report.requeued + report.cancelled + report.poisoned + report.dead)
        logger.warning(
            "reaped",
            metadata: [
                "workers_lost": .stringConvertible(report.workersLost), "requeued": .stringConvertible(report.requeued),
                "cancelled": .stringConvertible(report.cancelled), "poisoned": .stringConvertible(report.poisoned),
                "dead": .stringConvertible(report.dead),
            ])
    }
}
