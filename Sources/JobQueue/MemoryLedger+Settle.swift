import Foundation

extension MemoryLedger {
    /// See `WorkerLedger`.
    public func settle(_ settlements: [Settlement]) throws -> [Bool] {
        try settlements.map { settlement in
            guard let row = owned(settlement.run) else { return false }
            try settle(settlement, row)
            return true
        }
    }

    private func settle(_ settlement: Settlement, _ row: Row) throws {
        let id = settlement.run.job
        if row.cancelAt != nil {
            switch settlement.verdict {
            case .snooze, .retry, .interrupt:
                remove(id, end: .cancelled, reason: row.cancelledBy.map { "cancelled by \($0)" } ?? "cancelled")
                return
            case .done, .dead, .cancelled: break
            }
        }
        switch settlement.verdict {
        case .done(let result, let records, let followUps, let keepsHistory):
            try follow(followUps) { remove(id, end: .done, reason: nil, result: result, keepsHistory: keepsHistory) }
            keep(records)
        case .snooze(let after, let records, let followUps):
            try follow(followUps) {
                requeue(id, after: after.seconds) { $0.snoozes += 1 }
            }
            keep(records)
        case .retry(let after, let error):
            requeue(id, after: after.seconds, keepsAttempt: true) { $0.lastError = error }
        case .dead(let reason, let error):
            jobs[id]?.lastError = error
            remove(id, end: .dead, reason: reason)
        case .interrupt: requeue(id, after: 0) { $0.interrupts += 1 }
        case .cancelled(let reason): remove(id, end: .cancelled, reason: reason)
        }
    }

    /// Settles and enqueues together, or neither.
    private func follow(_ followUps: [NewJob], settling: () -> Void) throws {
        let resolved = try followUps.map { try resolve($0) }
        guard !resolved.isEmpty else { return settling() }
        let before = (jobs, ended, keys, slots)
        settling()
        for job in resolved {
            if case .conflict(let first) = store(job) {
                (jobs, ended, keys, slots) = before
                throw QueueError(.conflict, "a follow-up has the key of job \(first) with other arguments")
            }
        }
    }

    /// Puts a run back into the queue. The claim had raised the attempt: only a retry keeps that.
    func requeue(_ id: JobID, after seconds: Double, keepsAttempt: Bool = false, change: (inout Row) -> Void) {
        guard var row = jobs[id] else { return }
        freeSlot(of: row)
        row.state = .queued
        row.worker = nil
        row.deadlineAt = nil
        row.isAlone = false
        row.runAt = now.addingTimeInterval(seconds)
        if !keepsAttempt { row.attempt -= 1 }
        row.crashes = 0
        row.lateAt = nil
        change(&row)
        jobs[id] = row
    }
}
