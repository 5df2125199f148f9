import Foundation

extension MemoryLedger {
    /// See `LeaderLedger`.
    public func lead(_ name: String, holder: WorkerID, lease: Duration) -> Int64? {
        let expiresAt = now.addingTimeInterval(lease.seconds)
        guard let old = leads[name] else {
            leads[name] = Lead(term: 1, holder: holder, expiresAt: expiresAt)
            return 1
        }
        guard old.holder == holder || old.holder == nil || old.expiresAt < now else { return nil }
        let isRenewal = old.holder == holder && old.expiresAt > now
        leads[name] = Lead(term: old.term + (isRenewal ? 0 : 1), holder: holder, expiresAt: expiresAt)
        return leads[name]?.term
    }

    /// See `LeaderLedger`.
    public func resign(_ name: String, holder: WorkerID, term: Int64) {
        guard let old = leads[name], old.holder == holder, old.term == term else { return }
        leads[name] = Lead(term: term, holder: nil, expiresAt: now)
    }

    /// See `LeaderLedger`.
    public func extendLeases(by lease: Duration) {
        let expiresAt = now.addingTimeInterval(lease.seconds)
        for (id, worker) in workers where worker.state != .gone {
            workers[id]?.expiresAt = max(worker.expiresAt, expiresAt)
        }
    }

    // MARK: Reap

    /// A lease is over this long after it ended: the worker's own trust ends as long before.
    static let burialSeconds: Double = 3
    /// A deadline is over this long after it passed: the worker itself stops the run at the deadline.
    static let deadlineGraceSeconds: Double = 10

    /// See `LeaderLedger`.
    public func reap(atMost: Int) -> ReapReport {
        var report = ReapReport()
        for (id, worker) in workers
        where worker.state != .gone && worker.expiresAt < now.addingTimeInterval(-MemoryLedger.burialSeconds) {
            workers[id]?.state = .gone
            report.workersLost += 1
        }
        let lost = jobs.values.filter { row in
            row.state == .running
                && (hasCrashed(row)
                    || (row.deadlineAt ?? now) < now.addingTimeInterval(-MemoryLedger.deadlineGraceSeconds))
        }.sorted { $0.job.id < $1.job.id }
        for row in lost.prefix(atMost) { reap(row, &report) }
        return report
    }

    private func hasCrashed(_ row: Row) -> Bool { row.worker.flatMap { workers[$0]?.state } == .gone }

    private func reap(_ row: Row, _ report: inout ReapReport) {
        let id = row.job.id
        if row.cancelAt != nil {
            remove(id, end: .cancelled, reason: row.cancelledBy.map { "cancelled by \($0)" } ?? "cancelled")
            report.cancelled += 1
        } else if hasCrashed(row), row.isAlone, row.soloCrashes >= 2 {
            jobs[id]?.crashes += 1
            remove(id, end: .dead, reason: "poison: its worker died three times while it ran alone")
            report.poisoned += 1
        } else if hasCrashed(row) {
            requeue(id, after: backOff(row, isCrash: true)) { job in
                job.crashes = row.crashes + 1
                job.soloCrashes += row.isAlone ? 1 : 0
            }
            report.requeued += 1
        } else if row.attempt >= row.job.attemptsMax {
            remove(id, end: .dead, reason: "attempts exhausted: passed its deadline")
            report.dead += 1
        } else {
            requeue(id, after: backOff(row, isCrash: false), keepsAttempt: true) { job in
                job.crashes = row.crashes
            }
            report.requeued += 1
        }
    }

    /// Spread and back-off: a fleet-wide loss must not come back all at once.
    private func backOff(_ row: Row, isCrash: Bool) -> Double {
        if isCrash, row.job.lane == .interruption { return 0 }
        if isCrash, row.crashes <= 1 { return random() * Double(1 + row.crashes) }
        var seconds = 1.0
        for _ in 0..<min(row.crashes + 1, 6) { seconds *= 2 }
        return min(60, seconds) * (0.5 + random())
    }

    // MARK: Feed

    /// See `LeaderLedger`.
    public func ready(in list: ReadyList, atMost: Int, cursor: FeedCursor) -> Feed {
        ready(in: list, atMost: atMost, cursor: cursor, dueBefore: now)
    }

    /// See `LeaderLedger`.
    public func aged(in list: ReadyList, rising lanes: Int, atMost: Int, cursor: FeedCursor) -> Feed {
        let age = limits[.queue(list.queue)]?.ageSeconds ?? JobLimit.ageSecondsStandard
        return ready(
            in: list, atMost: atMost, cursor: cursor, dueBefore: now.addingTimeInterval(-Double(age * lanes)))
    }

    private func ready(in list: ReadyList, atMost: Int, cursor: FeedCursor, dueBefore: Date) -> Feed {
        guard atMost > 0 else { return Feed(ids: [], cursor: cursor) }
        let queued = jobs.values.filter {
            $0.state == .queued && $0.job.queue == list.queue && $0.job.lane == list.lane
        }
        let tenantsMax = min(256, atMost)
        let tenants = Set(queued.map(\.tenant)).sorted().filter { cursor.tenant.isEmpty || $0 > cursor.tenant }.prefix(
            tenantsMax)
        var waiting: [String: ArraySlice<Row>] = [:]
        for tenant in tenants {
            let rows = queued.filter { row in
                guard row.tenant == tenant, row.runAt <= dueBefore else { return false }
                guard let last = cursor.positions[tenant] else { return true }
                return (MemoryLedger.micros(row.runAt), row.job.id) > (last.runAt, last.id)
            }.sorted { ($0.runAt, $0.job.id) < ($1.runAt, $1.job.id) }
            waiting[tenant] = rows[...].prefix(max(64, atMost))
        }
        var next = cursor
        var ids: [JobID] = []
        while ids.count < atMost, waiting.contains(where: { !$0.value.isEmpty }) {
            for tenant in tenants {
                for _ in 0..<(limits[.tenant(tenant)]?.weight ?? 1) where ids.count < atMost {
                    guard let row = waiting[tenant]?.popFirst() else { break }
                    next.positions[tenant] = FeedCursor.Position(runAt: MemoryLedger.micros(row.runAt), id: row.job.id)
                    if mayRun(row) { ids.append(row.job.id) }
                }
            }
        }
        next.tenant = tenants.count >= tenantsMax ? tenants.last ?? "" : ""
        return Feed(ids: ids, cursor: next)
    }

    static func micros(_ date: Date) -> Int64 { Int64((date.timeIntervalSince1970 * 1_000_000).rounded()) }

    private func mayRun(_ row: Row) -> Bool {
        guard row.cancelAt == nil, row.crashes < 2, !isPaused(row) else { return false }
        if let key = row.job.limitKey, let most = row.job.limitMax, (slots[key]?.count ?? 0) >= most { return false }
        func hasToken(_ key: String, _ perSecond: Double) -> Bool {
            guard let bucket = buckets[key] else { return true }
            return bucket.tokens + now.timeIntervalSince(bucket.at) * perSecond >= 1
        }
        if let key = row.job.rateKey, let rate = row.job.rate, !hasToken(key, rate.perSecond) { return false }
        return gates(of: row).allSatisfy { gate in
            hasRoom(gate) && (gate.rate.map { hasToken(gate.gateKey, $0.perSecond) } ?? true)
        }
    }

    /// See `LeaderLedger`.
    public func readyLists() -> [ReadyList] {
        Set(jobs.values.filter { $0.state == .queued }.map { ReadyList(queue: $0.job.queue, lane: $0.job.lane) })
            .sorted { ($0.lane, $0.queue) < ($1.lane, $1.queue) }
    }

    // MARK: Sweep

    /// See `LeaderLedger`.
    public func sweep(_ retention: Retention) -> SweepReport {
        var removed: [String: Int] = [:]
        func count<Key, Value>(_ table: String, _ rows: inout [Key: Value], where isOver: (Value) -> Bool) {
            let before = rows.count
            rows = rows.filter { !isOver($0.value) }
            if rows.count < before { removed[table] = before - rows.count }
        }
        let (now, day) = (now, 86_400.0)
        count("job_key", &keys) { key in key.expiresAt.map { $0 < now } ?? false }
        let inUse = Set(keys.values.map(\.job)).union(jobs.keys)
        count("effect", &effects) { effect in
            effect.entry.state != .intended
                && effect.at < now.addingTimeInterval(-Double(max(30, retention.effectDays)) * day)
                && !inUse.contains(effect.run.job)
        }
        let busy = Set(jobs.values.compactMap(\.worker))
        let gone = now.addingTimeInterval(-Double(retention.workerHours) * 3600)
        count("worker", &workers) { $0.expiresAt < gone && !busy.contains($0.registration.id) }
        count("pause", &pauses) { until in until.map { $0 < now } ?? false }
        count("rate_bucket", &buckets) { $0.at < now.addingTimeInterval(-day) }
        let longest = specs.values.map(\.historyDays).max() ?? 30
        count("job_history", &ended) { row in
            let age = Double(specs[row.job.kind]?.historyDays ?? longest) * day
            return row.end != .dead && (row.finishedAt ?? now) < now.addingTimeInterval(-age)
        }
        count("job_dead", &ended) { row in
            let days = row.replayedBy == nil ? retention.deadDays : retention.attemptDays
            return row.end == .dead
                && (days.map { (row.finishedAt ?? now) < now.addingTimeInterval(-Double($0) * day) } ?? false)
        }
        return SweepReport(removed: removed)
    }
}
