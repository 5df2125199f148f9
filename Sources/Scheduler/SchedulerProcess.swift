import JobQueue
import Logging
import ServiceLifecycle

/// The scheduler: while it leads it fires due slots, hands out ids, takes back what was lost and removes what expired.
///
/// Any number may run; one leads. Leadership only saves work: every write is guarded by itself, so two leaders do no
/// harm and none is only slower.
public struct SchedulerProcess: Service {
    private let ledger: any LeaderLedger & EnqueueLedger
    private let broker: (any Broker)?
    private let configuration: SchedulerConfiguration
    private let specs: [JobSpec]
    private let status: SchedulerStatus
    private let logger: Logger

    /// - Parameters:
    ///   - ledger: the truth.
    ///   - broker: carries ids; nil: workers look into the ledger only.
    ///   - specs: published whenever it begins to lead: the kinds of the scheduler that leads are in force.
    public init(
        ledger: any LeaderLedger & EnqueueLedger, broker: (any Broker)?,
        configuration: SchedulerConfiguration = SchedulerConfiguration(), specs: [JobSpec] = [],
        status: SchedulerStatus = SchedulerStatus(),
        logger: Logger
    ) {
        self.ledger = ledger
        self.broker = broker
        self.configuration = configuration
        self.specs = specs
        self.status = status
        self.logger = logger
    }

    /// Runs until the process is asked to stop.
    public func run() async throws {
        let holder = WorkerID()
        var logger = logger
        logger[metadataKey: "scheduler_id"] = .stringConvertible(holder)
        let stop = StopSignal()
        let health = LedgerHealth(gap: configuration.workerLease / 2)
        await withGracefulShutdownHandler {
            while !stop.isStopped, !Task.isCancelled {
                let start = ContinuousClock.now
                do {
                    let term = try await ledger.lead(Self.leadName, holder: holder, lease: configuration.leadLease)
                    status.note(isLeading: term != nil)
                    health.noteAnswer()
                    if let term {
                        logger.info("scheduler leads", metadata: ["term": .stringConvertible(term)])
                        try await publish(logger)
                        await lead(term, holder, since: start, stop, health, logger)
                        status.note(isLeading: false)
                        logger.info("scheduler leads no more", metadata: ["term": .stringConvertible(term)])
                    }
                } catch {
                    logger.warning("scheduler cannot ask for the lead", metadata: ["error": .string("\(error)")])
                }
                await stop.sleep(for: configuration.leadEvery)
            }
        } onGracefulShutdown: {
            stop.stop()
        }
    }

    static let leadName = "scheduler"

    /// Puts its kinds in force.
    private func publish(_ logger: Logger) async throws {
        guard !specs.isEmpty else { return }
        for kind in try await ledger.publish(specs) {
            logger.warning("a newer version of this kind is in force", metadata: ["kind": .stringConvertible(kind)])
        }
    }

    /// Leads for one term: ends when the lead is lost, when trust in it ends, or when the process stops.
    private func lead(
        _ term: Int64, _ holder: WorkerID, since start: ContinuousClock.Instant, _ stop: StopSignal,
        _ health: LedgerHealth,
        _ logger: Logger
    ) async {
        let timetable = TimetableLoop(
            ledger: ledger, shortCut: PushShortCut(broker, listMax: configuration.listMax),
            configuration: configuration,
            status: status, logger: logger)
        let feeder = Feeder(ledger: ledger, broker: broker, configuration: configuration, logger: logger)
        let reaper = Reaper(ledger: ledger, configuration: configuration, health: health, logger: logger)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await timetable.run() }
            group.addTask { await feeder.run() }
            group.addTask { await reaper.run() }
            group.addTask { await self.sweep(logger) }
            var trusted = start + configuration.leadLease - .seconds(2)
            while !stop.isStopped, !Task.isCancelled, ContinuousClock.now < trusted {
                await stop.sleep(for: configuration.leadEvery)
                if stop.isStopped { break }
                let asked = ContinuousClock.now
                do {
                    guard try await ledger.lead(Self.leadName, holder: holder, lease: configuration.leadLease) == term
                    else { break }
                    health.noteAnswer()
                    trusted = asked + configuration.leadLease - .seconds(2)
                } catch {
                    logger.warning("lead not renewed", metadata: ["error": .string("\(error)")])
                }
            }
            group.cancelAll()
        }
        do {
            try await ledger.resign(Self.leadName, holder: holder, term: term)
        } catch {
            logger.warning("scheduler could not resign: its lead will end", metadata: ["error": .string("\(error)")])
        }
    }

    private func sweep(_ logger: Logger) async {
        while !Task.isCancelled {
            do {
                let report = try await ledger.sweep(configuration.retention)
                if !report.removed.isEmpty {
                    logger.info("swept", metadata: ["removed": .string("\(report.removed)")])
                }
                try await Task.sleep(for: configuration.sweepEvery)
            } catch is CancellationError {
                return
            } catch {
                logger.warning("sweep failed", metadata: ["error": .string("\(error)")])
                do { try await Task.sleep(for: configuration.sweepEvery) } catch { return }
            }
        }
    }
}
