import Foundation

extension MemoryLedger {
    /// See `WorkerLedger`.
    public func register(_ worker: WorkerRegistration, lease: Duration) throws {
        guard workers[worker.id] == nil else {
            throw QueueError(.conflict, "worker \(worker.id) is registered already: every process start takes a new id")
        }
        workers[worker.id] = Worker(
            registration: worker, state: .live, expiresAt: now.addingTimeInterval(lease.seconds))
    }

    /// See `WorkerLedger`.
    public func renew(_ worker: WorkerID, lease: Duration) -> Renewal? {
        guard let row = workers[worker], row.state != .gone, row.expiresAt > now else { return nil }
        workers[worker]?.expiresAt = now.addingTimeInterval(lease.seconds)
        let runs = jobs.values.filter { $0.worker == worker }.sorted { $0.job.id < $1.job.id }
        return Renewal(
            runs: runs.map { Renewal.Held(job: $0.job.id, fence: $0.fence, isCancelAsked: $0.cancelAt != nil) },
            isDraining: row.state == .draining)
    }

    /// See `WorkerLedger`.
    public func setState(_ state: WorkerState, of worker: WorkerID) {
        guard let row = workers[worker], state.rawValue > row.state.rawValue else { return }
        workers[worker]?.state = state
    }

    // MARK: Claim

    /// See `WorkerLedger`.
    public func claim(_ ids: [JobID], by worker: WorkerID, kinds: [JobKind], alone: Bool) -> [ClaimedJob] {
        guard let owner = workers[worker], owner.state == .live, owner.expiresAt > now else { return [] }
        let known = Set(kinds)
        var candidates = Set(ids).compactMap { jobs[$0] }.filter { row in
            row.state == .queued && row.runAt <= now && row.cancelAt == nil && known.contains(row.job.kind)
                && (row.crashes < 2 || alone) && !isPaused(row)
        }.sorted { $0.job.id < $1.job.id }
        if alone, let suspect = candidates.first(where: { $0.crashes >= 2 }) { candidates = [suspect] }
        var claimed: [ClaimedJob] = []
        var debts: [String: Double] = [:]
        for row in candidates {
            let free = freeSlotNumber(for: row.job)
            if row.job.limitKey != nil, free == nil { continue }
            let gates = gates(of: row)
            guard takeTokens(for: row, gates, debts: &debts) else { continue }
            claimed.append(claim(row, by: worker, slot: free))
            for gate in gates where gate.runningMax != nil { occupy(gate, row.job.id) }
        }
        return claimed
    }

    private func claim(_ row: Row, by worker: WorkerID, slot: Int?) -> ClaimedJob {
        var row = row
        row.state = .running
        row.worker = worker
        row.fence += 1
        row.attempt += 1
        row.deadlineAt = now.addingTimeInterval(Double(row.job.timeoutSeconds))
        row.isAlone = row.crashes >= 2
        jobs[row.job.id] = row
        if let key = row.job.limitKey, let slot {
            slots[key, default: [:]][slot] = SlotHolder(job: row.job.id, fence: row.fence)
        }
        return ClaimedJob(
            id: row.job.id, kind: row.job.kind, tenant: row.tenant, target: row.job.target, queue: row.job.queue,
            lane: row.job.lane, fence: row.fence, attempt: row.attempt, attemptsMax: row.job.attemptsMax,
            parameters: row.job.parameters, checkpoint: row.checkpoint, timeLeft: .seconds(row.job.timeoutSeconds),
            traceparent: row.job.traceparent, tracestate: row.job.tracestate,
            isLate: row.lateAt.map { $0 < now } ?? false,
            startDelay: .seconds(max(0, now.timeIntervalSince(row.runAt))))
    }

    private func freeSlotNumber(for job: ResolvedJob) -> Int? {
        guard let key = job.limitKey, let most = job.limitMax else { return nil }
        return (1...most).first { slots[key]?[$0] == nil }
    }

    /// Spends a token of every bucket the job needs, or puts it off until one is due; false also where an operator's
    /// limit has no slot left: then it stays as it is.
    private func takeTokens(for row: Row, _ gates: [JobLimit], debts: inout [String: Double]) -> Bool {
        var rates = gates.compactMap { gate in gate.rate.map { (key: gate.gateKey, rate: $0) } }
        if let key = row.job.rateKey, let rate = row.job.rate {
            rates.insert((key, JobRate(perSecond: rate.perSecond, burst: rate.burst)), at: 0)
        }
        for (key, rate) in rates {
            let bucket = buckets[key] ?? Bucket(tokens: rate.burst, at: now)
            let saved = min(rate.burst, bucket.tokens + max(0, now.timeIntervalSince(bucket.at)) * rate.perSecond)
            buckets[key] = Bucket(tokens: saved, at: now)
            if saved >= 1 { continue }
            debts[key, default: 0] += 1
            jobs[row.job.id]?.runAt = now.addingTimeInterval(((debts[key] ?? 1) - saved) / rate.perSecond)
            return false
        }
        guard gates.allSatisfy({ hasRoom($0) }) else { return false }
        for (key, _) in rates { buckets[key]?.tokens -= 1 }
        return true
    }

    private func occupy(_ gate: JobLimit, _ id: JobID) {
        guard let most = gate.runningMax, let fence = jobs[id]?.fence else { return }
        guard let free = (1...most).first(where: { slots[gate.gateKey]?[$0] == nil }) else { return }
        slots[gate.gateKey, default: [:]][free] = SlotHolder(job: id, fence: fence)
    }

    /// See `WorkerLedger`.
    public func scan(
        _ queues: [String], lanes: [Lane], atMost: Int, by worker: WorkerID, kinds: [JobKind], alone: Bool
    ) -> [ClaimedJob] {
        if alone {
            let suspects = jobs.values.filter {
                $0.state == .queued && $0.crashes >= 2 && $0.runAt <= now && queues.contains($0.job.queue)
            }.sorted { $0.runAt < $1.runAt }
            let claimed = claim(suspects.prefix(4).map(\.job.id), by: worker, kinds: kinds, alone: true)
            if !claimed.isEmpty { return claimed }
        }
        var claimed: [ClaimedJob] = []
        for (list, rise) in Ageing.looks(queues, lanes) {
            let share = Ageing.share(of: atMost, random: Int(random() * 4))
            let aged = aged(in: list, rising: rise, atMost: min(share, atMost - claimed.count), cursor: .start)
            claimed += claim(aged.ids, by: worker, kinds: kinds, alone: false)
        }
        for lane in lanes {
            for queue in queues where claimed.count < atMost {
                let wanted = atMost - claimed.count
                let feed = ready(in: ReadyList(queue: queue, lane: lane), atMost: wanted, cursor: .start)
                claimed += claim(feed.ids, by: worker, kinds: kinds, alone: false)
            }
        }
        return claimed
    }

    /// See `WorkerLedger`.
    public func hasSuspects(_ queues: [String], kinds: [JobKind]) -> Bool {
        jobs.values.contains {
            $0.state == .queued && $0.crashes >= 2 && $0.runAt <= now && queues.contains($0.job.queue)
                && kinds.contains($0.job.kind)
        }
    }

    // MARK: While it runs

    /// The row, if it is this run's.
    func owned(_ run: RunID) -> Row? {
        guard let row = jobs[run.job], row.state == .running, row.fence == run.fence, row.worker == run.worker else {
            return nil
        }
        return row
    }

    /// See `WorkerLedger`.
    public func save(_ checkpoint: JSONText, progress: JobProgress?, records: [Record], of run: RunID) -> Bool {
        guard let row = owned(run), row.cancelAt == nil else { return false }
        jobs[run.job]?.checkpoint = checkpoint
        jobs[run.job]?.progress = progress ?? row.progress
        jobs[run.job]?.crashes = 0
        keep(records)
        return true
    }

    func keep(_ new: [Record]) {
        for record in new { records["\(record.kind)\n\(record.key)"] = record }
    }

    /// See `WorkerLedger`.
    public func append(log lines: [String], to run: RunID) {
        logs[run.job] = ((logs[run.job] ?? []) + lines.map { String($0.prefix(1000)) }).suffix(JobLog.linesMax)
    }

    /// See `WorkerLedger`.
    public func hasFinished(_ run: RunID) -> Bool {
        ended[run.job].map { $0.end == .done && $0.fence == run.fence } ?? false
    }

    // MARK: Effects

    /// See `WorkerLedger`.
    public func intend(_ intent: EffectIntent, of run: RunID) -> EffectEntry? {
        guard owned(run) != nil else { return nil }
        if let effect = effects[intent.key] {
            var entry = effect.entry
            entry.isOfThisRun = effect.run == run
            return entry
        }
        var entry = EffectEntry(
            key: intent.key, state: .intended, token: SHA256Digest.hex(of: "\(intent.key)\n\(intent.tokenScope)"),
            request: intent.request, response: nil, effectClass: intent.effectClass, isOfThisRun: false)
        effects[intent.key] = Effect(entry: entry, run: run, at: now)
        entry.isOfThisRun = true
        return entry
    }

    /// See `WorkerLedger`.
    public func withdraw(effect key: String, of run: RunID) {
        guard owned(run) != nil, let effect = effects[key], effect.entry.state == .intended, effect.run == run
        else { return }
        effects[key] = nil
    }

    /// See `WorkerLedger`.
    public func complete(effect key: String, state: EffectEntry.State, response: JSONText) {
        guard effects[key]?.entry.state == .intended else { return }
        effects[key]?.entry.state = state
        effects[key]?.entry.response = response
    }
}
