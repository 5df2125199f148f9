import JobQueue
import Logging
import Metrics

/// One registration of a worker, from its first lease to its last: the loops that take, renew and watch.
struct WorkerSession: Sendable {
    let worker: WorkerID
    let ledger: any WorkerLedger
    let broker: (any Broker)?
    let configuration: WorkerConfiguration
    let drain: DrainSignal
    let trust: Trust
    let status: WorkerStatus
    let logger: Logger
    private let kinds: [JobKind]
    private let inFlight: InFlight
    private let execution: Execution

    init(
        worker: WorkerID, ledger: any WorkerLedger, broker: (any Broker)?, handlers: [JobKind: any Handler],
        specs: [JobKind: JobSpec], configuration: WorkerConfiguration, drain: DrainSignal, trust: Trust,
        status: WorkerStatus, logger: Logger
    ) {
        self.worker = worker
        self.ledger = ledger
        self.broker = broker
        self.configuration = configuration
        self.drain = drain
        self.trust = trust
        self.status = status
        self.logger = logger
        kinds = handlers.keys.sorted()
        inFlight = InFlight(slots: configuration.slots, owned: configuration.inFlightMax)
        execution = Execution(
            ledger: ledger, handlers: handlers, specs: specs, inFlight: inFlight, shortCut: PushShortCut(broker),
            logger: logger)
    }

    /// Runs until draining has ended or the lease is lost; every run has ended then.
    func run() async {
        await withTaskGroup(of: Void.self) { loops in
            loops.addTask { await self.renewLoop() }
            loops.addTask { await self.watchLoop() }
            loops.addTask { await self.hintLoop() }
            loops.addTask { await self.logLoop() }
            loops.addTask { await self.finishUp() }
            await withTaskGroup(of: Void.self) { takers in
                for share in Share.allCases {
                    takers.addTask {
                        await withDiscardingTaskGroup { runs in
                            await self.takeLoop(share) { run in
                                runs.addTask(priority: share.priority) { await self.execution.run(run) }
                            }
                        }
                    }
                }
            }
            loops.cancelAll()
        }
        await signOff()
    }

    /// Hands back what was dropped and signs off. Every handler has ended, and the fence refuses what is not ours any
    /// more: so a lease that was lost to an outage of the ledger is nobody's crash.
    private func signOff() async {
        let dropped = inFlight.dropped.map { Settlement(run: $0, verdict: .interrupt) }
        let end = ContinuousClock.now + configuration.lease
        while true {
            do {
                if !dropped.isEmpty { _ = try await ledger.settle(dropped) }
                return try await ledger.setState(.gone, of: worker)
            } catch {
                guard end > .now, !Task.isCancelled else {
                    return logger.warning(
                        "worker could not sign off: its lease will end", metadata: ["error": .string("\(error)")])
                }
                do { try await Task.sleep(for: .milliseconds(500)) } catch { return }
            }
        }
    }

    private var isOver: Bool { drain.isDraining || trust.timeLeft <= .zero || Task.isCancelled }

    // MARK: Taking

    /// Two loops take side by side, so that neither waits for the other's room: one for lane 0, one for the rest.
    private enum Share: CaseIterable {
        case interruption, ordinary

        var lanes: [Lane] {
            switch self {
            case .interruption: [.interruption]
            case .ordinary: [.safety, .work, .data]
            }
        }

        /// A run of lane 0 does not queue for a processor behind thousands of others.
        var priority: TaskPriority {
            switch self {
            case .interruption: .high
            case .ordinary: .low
            }
        }

        func room(_ room: InFlight.Room) -> Int {
            switch self {
            case .interruption: room.interruption
            case .ordinary: room.ordinary
            }
        }
    }

    /// Step 4 of 7: takes ids and claims their rows; looks into the ledger itself at least every `scanEvery`.
    private func takeLoop(_ share: Share, start: (ActiveRun) -> Void) async {
        var nextScan = ContinuousClock.now
        var nextSuspectLook = ContinuousClock.now + jittered(configuration.suspectLookEvery)
        var quietUntil = ContinuousClock.now
        var brokerPause = Duration.zero
        var isScanFull = false
        let lanes = share.lanes
        while !isOver {
            let changes = inFlight.changes
            let atMost = min(share.room(inFlight.room), inFlight.batchMax)
            guard atMost > 0 else {
                await inFlight.waitForChange(after: changes)
                // Runs that were settled together are let go one by one: after a turn of theirs there is room for all.
                await Task.yield()
                continue
            }
            do {
                if share == .ordinary, inFlight.count > 0 {
                    if quietUntil > .now {  // makes room for a suspect, which runs alone
                        try await drain.sleep(for: .milliseconds(50))
                        continue
                    }
                    if nextSuspectLook <= .now {
                        nextSuspectLook = .now + jittered(configuration.suspectLookEvery)
                        if try await ledger.hasSuspects(configuration.queues, kinds: kinds) {
                            quietUntil = .now + configuration.suspectRoomFor
                            nextScan = quietUntil
                            continue
                        }
                    }
                }
                if nextScan <= .now || (quietUntil > .now && inFlight.count == 0) {
                    quietUntil = .now
                    let found = try await scan(lanes, atMost)
                    admit(found.jobs, requestedAt: found.requestedAt, isAlone: found.isSuspect, start)
                    isScanFull = found.jobs.count >= atMost
                    let hasBroker = broker != nil && brokerPause == .zero
                    nextScan = isScanFull && !hasBroker ? .now : .now + jittered(configuration.scanEvery)
                    continue
                }
                guard let broker, brokerPause == .zero else {
                    try await drain.sleep(for: min(brokerPause == .zero ? .seconds(1) : brokerPause, nextScan - .now))
                    brokerPause = .zero
                    continue
                }
                // The feeder's order is the fair one; what it has not handed out yet is looked for without waiting long.
                let timeout = isScanFull ? .milliseconds(5) : min(max(nextScan - .now, .milliseconds(5)), .seconds(1))
                let ids = try await take(broker, lanes, atMost, timeout)
                if ids.isEmpty {
                    if isScanFull { nextScan = .now }
                    continue
                }
                let requestedAt = ContinuousClock.now
                let jobs = try await ledger.claim(ids, by: worker, kinds: kinds, alone: false)
                admit(jobs, requestedAt: requestedAt, isAlone: false, start)
            } catch is HandBack {
                return
            } catch is CancellationError {
                return
            } catch let error as BrokerAway {
                brokerPause = .milliseconds(500)
                nextScan = .now
                logger.debug("broker is away, looking into the ledger", metadata: ["error": .string("\(error.cause)")])
            } catch {
                logger.warning("worker cannot take jobs", metadata: ["error": .string("\(error)")])
                do { try await drain.sleep(for: jittered(.milliseconds(500))) } catch { return }
            }
        }
    }

    private struct BrokerAway: Error {
        let cause: any Error
    }

    private func take(
        _ broker: any Broker, _ lanes: [Lane], _ atMost: Int, _ timeout: Duration
    ) async throws -> [JobID] {
        let queues = configuration.queues.shuffled()
        let lists = lanes.flatMap { lane in queues.map { ReadyList(queue: $0, lane: lane) } }
        if drain.isDraining { throw HandBack() }
        do {
            return try await broker.take(from: lists, atMost: atMost, timeout: timeout)
        } catch let error as QueueError {
            throw BrokerAway(cause: error)
        }
    }

    private func scan(
        _ lanes: [Lane], _ atMost: Int
    ) async throws -> (jobs: [ClaimedJob], isSuspect: Bool, requestedAt: ContinuousClock.Instant) {
        let requestedAt = ContinuousClock.now
        if lanes.contains(.work), inFlight.count == 0 {
            let suspects = try await ledger.scan(
                configuration.queues, lanes: [], atMost: 1, by: worker, kinds: kinds, alone: true)
            if !suspects.isEmpty { return (suspects, true, requestedAt) }
        }
        let jobs = try await ledger.scan(
            configuration.queues, lanes: lanes, atMost: atMost, by: worker, kinds: kinds, alone: false)
        return (jobs, false, requestedAt)
    }

    private func admit(
        _ jobs: [ClaimedJob], requestedAt: ContinuousClock.Instant, isAlone: Bool, _ start: (ActiveRun) -> Void
    ) {
        for job in jobs {
            let run = ActiveRun(
                job, worker: worker, claimedAt: requestedAt, ledger: ledger, inFlight: inFlight, trust: trust,
                drain: drain)
            guard inFlight.admit(run, isAlone: isAlone) else { continue }
            if trust.timeLeft <= .zero { run.stop(.fenced) }  // the claim's answer came after the lease was lost
            if logger.logLevel <= .debug { logger.debug("job run starts, step 5 of 7", metadata: run.metadata) }
            start(run)
        }
    }

    private func jittered(_ duration: Duration) -> Duration { duration * Double.random(in: 0.5..<1.5) }

    // MARK: The lease

    /// Renews the lease, and compares what the ledger says this worker runs with what it has in hand.
    private func renewLoop() async {
        var orphansBefore = Set<RunID>()
        while !Task.isCancelled {
            do { try await Task.sleep(for: configuration.renewEvery) } catch { return }
            await renew(&orphansBefore)
        }
    }

    private func renew(_ orphansBefore: inout Set<RunID>) async {
        let start = ContinuousClock.now
        let known = inFlight.runs
        do {
            guard let renewal = try await ledger.renew(worker, lease: configuration.lease) else {
                logger.error("lease lost: everything in hand is dropped")
                Counter(label: "lease_lost_total").increment()
                return loseLease()
            }
            trust.renew(requestedAt: start, lease: configuration.lease, margin: configuration.trustMargin)
            if renewal.isDraining, !drain.isDraining {
                logger.info("worker was told to drain")
                drain.begin()
                inFlight.poke()
            }
            let plan = Reconciliation(
                held: renewal.runs, known: known, inHand: inFlight.runs, worker: worker, orphansBefore: orphansBefore)
            for run in plan.lost { run.stop(.fenced) }
            for run in plan.cancelled { run.stop(.cancelAsked) }
            for orphan in plan.handBack {
                logger.warning("orphan claim handed back", metadata: ["job_id": .stringConvertible(orphan.job)])
                inFlight.noteHandedBack(orphan)
                _ = try await ledger.settle([Settlement(run: orphan, verdict: .interrupt)])
            }
            orphansBefore = plan.orphans
        } catch {
            logger.warning("lease not renewed", metadata: ["error": .string("\(error)")])
            do { try await Task.sleep(for: .milliseconds(500)) } catch { return }
            if trust.timeLeft > .zero { await renew(&orphansBefore) }
        }
    }

    private func loseLease() {
        trust.lose()
        for run in inFlight.runs { run.stop(.fenced) }
        inFlight.poke()
    }

    /// Watches deadlines and the end of trust; also after the process was suspended.
    private func watchLoop() async {
        while !Task.isCancelled {
            let now = ContinuousClock.now
            if trust.until <= now {
                logger.error("lease can no longer be trusted: everything in hand is dropped")
                return loseLease()
            }
            for run in inFlight.runs where run.deadline <= now && !run.isSettling { run.stop(.deadline) }
            status.update(worker: worker, trustedUntil: trust.until, inFlight: inFlight.count)
            Gauge(label: "worker_in_flight").record(inFlight.count)
            do { try await Task.sleep(for: .milliseconds(200)) } catch { return }
        }
    }

    /// Writes what runs have logged, so that `jobs logs --follow` sees it while they run.
    private func logLoop() async {
        while !Task.isCancelled {
            do { try await Task.sleep(for: configuration.logEvery) } catch { return }
            for run in inFlight.runs {
                do { try await run.flushLog() } catch {
                    logger.debug("log lines not written yet", metadata: ["error": .string("\(error)")])
                }
            }
        }
    }

    /// Listens for hints: a cancel makes the worker renew at once.
    private func hintLoop() async {
        guard let broker else { return }
        while !isOver {
            do {
                for await hint in try await broker.hints() {
                    switch hint {
                    case .cancel(let job):
                        guard inFlight.runs.contains(where: { $0.id.job == job }) else { continue }
                        var orphans = Set<RunID>()
                        await renew(&orphans)
                    case .drain(let id) where id == worker:
                        var orphans = Set<RunID>()
                        await renew(&orphans)
                    case .drain, .pause, .timetable: continue
                    }
                }
            } catch {
                logger.debug("no hints from the broker", metadata: ["error": .string("\(error)")])
            }
            do { try await Task.sleep(for: .seconds(1)) } catch { return }
        }
    }

    // MARK: Stopping

    /// Once the worker drains: lets handlers reach a checkpoint; cancels those that do not in time.
    private func finishUp() async {
        do {
            while true { try await drain.sleep(for: .seconds(3600)) }
        } catch is HandBack {
            inFlight.poke()
        } catch {
            return  // the session ended by losing its lease
        }
        guard trust.timeLeft > .zero else { return }
        do {
            try await ledger.setState(.draining, of: worker)
        } catch {
            logger.warning("worker could not say that it drains", metadata: ["error": .string("\(error)")])
        }
        let end = ContinuousClock.now + configuration.drainTimeout
        while inFlight.count > 0, trust.timeLeft > .zero, end > .now {
            do { try await Task.sleep(for: .milliseconds(20)) } catch { break }
        }
        for run in inFlight.runs { run.stop(.draining) }
    }
}
