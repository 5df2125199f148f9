import JobQueue
import Logging
import Metrics
import ServiceLifecycle

/// A worker: takes ids from the broker, claims their rows, runs their handlers and settles them.
///
/// Run it as a service. On a graceful shutdown it stops claiming, lets handlers reach a checkpoint and hands the rest
/// back, which costs no attempt. When its lease is lost it drops everything and starts anew under another id.
public struct WorkerProcess: Service {
    private let ledger: any WorkerLedger
    private let broker: (any Broker)?
    private let handlers: [JobKind: any Handler]
    private let specs: [JobKind: JobSpec]
    private let configuration: WorkerConfiguration
    private let logger: Logger
    private let status: WorkerStatus

    /// - Parameters:
    ///   - ledger: the truth.
    ///   - broker: carries ids; nil: the worker looks into the ledger only.
    ///   - handlers: what it can run.
    ///   - specs: the kinds of `handlers`, and of every follow-up they make.
    ///   - status: filled in for health checks; nil: nobody asks.
    public init(
        ledger: any WorkerLedger, broker: (any Broker)?, handlers: [JobKind: any Handler], specs: [JobSpec],
        configuration: WorkerConfiguration = WorkerConfiguration(), status: WorkerStatus = WorkerStatus(),
        logger: Logger
    ) {
        self.ledger = ledger
        self.broker = broker
        self.handlers = handlers
        self.specs = Dictionary(specs.map { ($0.kind, $0) }) { $1 }
        self.configuration = configuration
        self.status = status
        self.logger = logger
    }

    /// Runs until the process is asked to stop.
    public func run() async throws {
        let drain = DrainSignal()
        status.begin { drain.begin() }
        defer { status.end() }
        try await withGracefulShutdownHandler {
            // Cancelled: another service of the process has failed, and it is to end.
            while !drain.isDraining, !Task.isCancelled {
                let worker = WorkerID()
                var logger = logger
                logger[metadataKey: "worker_id"] = .stringConvertible(worker)
                let trust = Trust(until: .now + configuration.lease - configuration.trustMargin)
                guard try await register(worker, drain, logger) else { continue }
                let session = WorkerSession(
                    worker: worker, ledger: ledger, broker: broker, handlers: handlers, specs: specs,
                    configuration: configuration, drain: drain, trust: trust, status: status, logger: logger)
                await session.run()
            }
        } onGracefulShutdown: {
            drain.begin()
        }
    }

    /// Registers, asking again while the ledger is away.
    private func register(_ worker: WorkerID, _ drain: DrainSignal, _ logger: Logger) async throws -> Bool {
        let registration = WorkerRegistration(
            id: worker, host: configuration.host, queues: configuration.queues, kinds: handlers.keys.sorted(),
            slots: configuration.slots, inFlightMax: max(configuration.inFlightMax, configuration.slots),
            version: configuration.version)
        var pause = Duration.milliseconds(100)
        while !drain.isDraining {
            do {
                try await ledger.register(registration, lease: configuration.lease)
                logger.info("worker registered", metadata: ["slots": .stringConvertible(configuration.slots)])
                return true
            } catch let error as QueueError where error.code == .conflict {
                // The answer to an earlier try was lost after it acted: that lease ends by itself, unused.
                logger.info("worker was registered, and did not hear of it: it takes a new id")
                return false
            } catch let error as QueueError where error.code == .unavailable {
                logger.warning("worker cannot register yet", metadata: ["error": .string("\(error)")])
                do { try await drain.sleep(for: pause) } catch is HandBack { return false }
                pause = min(pause * 2, .seconds(5))
            }
        }
        return false
    }
}
