import Foundation

extension MemoryLedger {
    /// See `ControlLedger`.
    public func pause(_ scope: JobScope, by who: String, reason: String, for duration: Duration?) {
        pauses[scope] = .some(duration.map { now.addingTimeInterval($0.seconds) })
        scheduleVersion += 1
    }

    /// See `ControlLedger`.
    public func resume(_ scope: JobScope) -> Bool {
        guard pauses.removeValue(forKey: scope) != nil else { return false }
        scheduleVersion += 1
        return true
    }

    /// See `ControlLedger`.
    public func cancel(_ ids: [JobID], by who: String) -> [JobID: CancelResult] {
        Dictionary(ids.map { ($0, cancel($0, by: who)) }) { first, _ in first }
    }

    /// See `ControlLedger`.
    public func snooze(_ ids: [JobID], for duration: Duration) -> [JobID] {
        ids.filter { id in
            guard let row = jobs[id], row.state == .queued, row.cancelAt == nil else { return false }
            let runAt = now.addingTimeInterval(duration.seconds)
            jobs[id]?.lateAt = row.lateAt?.addingTimeInterval(runAt.timeIntervalSince(row.runAt))
            jobs[id]?.runAt = runAt
            return true
        }
    }

    /// See `ControlLedger`.
    public func setLimit(_ limit: JobLimit, by who: String, reason: String) throws {
        limits[limit.scope] = try limit.validated()
    }

    /// See `ControlLedger`.
    public func clearLimit(_ scope: JobScope) -> Bool { limits.removeValue(forKey: scope) != nil }

    /// The limits whose gates a claim of the job has to pass.
    func gates(of row: Row) -> [JobLimit] {
        guard row.job.lane != .interruption else { return [] }
        return [.queue(row.job.queue), .kind(row.job.kind), .tenant(row.tenant), .cluster(row.job.target)]
            .compactMap { limits[$0] }.filter(\.isGate)
    }

    func hasRoom(_ limit: JobLimit) -> Bool {
        limit.runningMax.map { (slots[limit.gateKey]?.count ?? 0) < $0 } ?? true
    }

    func isPaused(_ scope: JobScope) -> Bool {
        guard let until = pauses[scope] else { return false }
        return until.map { $0 > now } ?? true
    }

    /// Whether claims of the job are stopped.
    func isPaused(_ row: Row) -> Bool {
        guard !pauses.isEmpty else { return false }
        return [.all, .queue(row.job.queue), .kind(row.job.kind), .tenant(row.tenant), .cluster(row.job.target)]
            .contains { isPaused($0) }
    }

    /// Pauses of schedules that have ended since they were set: each changes the timetable like one that is lifted.
    var schedulePausesOver: Int {
        pauses.count { scope, until in
            guard case .schedule = scope, let until else { return false }
            return until <= now
        }
    }
}
