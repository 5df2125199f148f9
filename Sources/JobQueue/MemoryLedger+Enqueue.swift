import Foundation

extension MemoryLedger {
    func tenant(of target: String) -> String {
        guard !target.isEmpty else { return "" }
        return targets.filter { $0.key.name == target }.min { $0.key.fanOut.rawValue < $1.key.fanOut.rawValue }?.value
            .tenant ?? ""
    }

    func resolve(_ job: NewJob) throws -> ResolvedJob { try job.resolved(tenant: tenant(of: job.request.target)) }

    /// See `EnqueueLedger`.
    public func enqueue(_ jobs: [NewJob]) throws -> [EnqueueResult] {
        let resolved = try jobs.map { try resolve($0) }
        for (queue, group) in Dictionary(grouping: resolved.filter { $0.lane >= .work }, by: \.queue) {
            guard let most = limits[.queue(queue)]?.depthMax else { continue }
            let queued = self.jobs.values.count {
                $0.state == .queued && $0.job.queue == queue && $0.job.lane >= .work
            }
            guard queued + group.count > most else { continue }
            throw QueueError(
                .queueFull,
                "queue '\(queue)' takes \(most) queued jobs of lanes 2 and 3, and has room for \(most - queued)")
        }
        return resolved.map { store($0) }
    }

    /// What `store` would answer, without storing.
    func preview(_ job: ResolvedJob) -> EnqueueResult? {
        guard let holder = keys[job.key.text] else { return jobs[job.id] == nil ? nil : .enqueued(job.id) }
        if holder.job == job.id { return .enqueued(job.id) }
        return holder.request == job.identity ? .duplicate(of: holder.job) : .conflict(with: holder.job)
    }

    /// Stores one job: the key first, and only with it the row.
    func store(_ job: ResolvedJob) -> EnqueueResult {
        if let answer = preview(job) { return answer }
        var expiresAt: Date?
        if case .after(let duration) = job.key.release { expiresAt = now.addingTimeInterval(duration.seconds) }
        keys[job.key.text] = Key(job: job.id, request: job.identity, expiresAt: expiresAt)
        let runAt = now.addingTimeInterval(job.delay.seconds)
        jobs[job.id] = Row(
            job: job, tenant: tenant(of: job.target), state: .queued, runAt: runAt,
            lateAt: job.startBefore.map { runAt.addingTimeInterval($0.seconds) })
        if let old = job.replayOf { ended[old]?.replayedBy = job.id }
        return .enqueued(job.id)
    }

    /// See `EnqueueLedger`.
    public func cancel(_ id: JobID, by who: String) -> CancelResult {
        guard let row = jobs[id] else { return ended[id] == nil ? .unknown : .ended }
        guard row.state == .running else {
            remove(id, end: .cancelled, reason: "cancelled by \(who)")
            return .cancelled
        }
        jobs[id]?.cancelAt = row.cancelAt ?? now
        jobs[id]?.cancelledBy = row.cancelledBy ?? who
        return .asked
    }

    /// Moves a job out of the hot table, and frees its slot and its key.
    func remove(_ id: JobID, end: JobEnd, reason: String?, result: JSONText? = nil, keepsHistory: Bool = true) {
        guard var row = jobs.removeValue(forKey: id) else { return }
        freeSlot(of: row)
        if let key = keys[row.job.key.text], key.job == id, key.expiresAt == nil { keys[row.job.key.text] = nil }
        guard keepsHistory else { return }
        row.state = nil
        row.end = end
        row.reason = reason
        row.result = result
        row.worker = nil
        row.deadlineAt = nil
        row.finishedAt = now
        ended[id] = row
    }

    func freeSlot(of row: Row) {
        let holder = SlotHolder(job: row.job.id, fence: row.fence)
        for key in slots.keys { slots[key] = slots[key]?.filter { $0.value != holder } }
    }
}

extension ResolvedJob {
    /// What two requests with one key must share to be the same request.
    var identity: String { "\(kind)\n\(target)\n\(parameters)" }
}
