import Foundation
import JobQueue
import Postgres
import Redis

/// Enqueues the mixed load through the faults, and remembers what the ledger acknowledged.
actor Producer {
    /// An acknowledged request.
    struct Accepted: Sendable {
        let kind: JobKind
        let number: Int
    }

    private let ledger: PostgresLedger
    private let shortCut: PushShortCut
    private let load: Double
    private let limitedSeconds: ClosedRange<Double>
    private var generator: SeededGenerator
    private var numbers: [JobKind: Int] = [:]
    private(set) var accepted: [JobID: Accepted] = [:]
    private(set) var poisonAccepted: Set<JobID> = []

    init(_ ledger: PostgresLedger, _ broker: any Broker, settings: ChaosSettings) {
        self.ledger = ledger
        shortCut = PushShortCut(broker)
        load = settings.load
        limitedSeconds = settings.limitedSeconds
        generator = SeededGenerator(seed: settings.seed ^ 0x70726F64)
    }

    /// Jobs per second by kind.
    private static let rates: [(JobSpec, Double)] = [
        (LoadKinds.short, 40), (LoadKinds.urgent, 3), (LoadKinds.steps, 2), (LoadKinds.keyed, 6), (LoadKinds.plain, 4),
        (LoadKinds.unique, 5), (LoadKinds.limited, 4), (LoadKinds.rated, 6), (LoadKinds.prompt, 1),
        (LoadKinds.parent, 3),
        (LoadKinds.failing, 2),
    ]

    /// Enqueues ten batches a second until the end.
    func run(until end: ContinuousClock.Instant) async throws {
        let interval = 0.1
        while ContinuousClock.now < end {
            let next = ContinuousClock.now + .seconds(interval)
            var jobs: [NewJob] = []
            for (spec, rate) in Self.rates {
                let wanted = rate * load * interval
                let count =
                    Int(wanted)
                    + (Double.random(in: 0..<1, using: &generator) < wanted.truncatingRemainder(dividingBy: 1) ? 1 : 0)
                for _ in 0..<count { jobs.append(job(spec)) }
            }
            try await enqueue(jobs)
            if next > .now { try await Task.sleep(until: next) }
        }
    }

    /// A job whose handler kills its worker: it must end in quarantine, alone.
    func enqueuePoison() async throws {
        try await enqueue([job(LoadKinds.poison)])
    }

    private func job(_ spec: JobSpec) -> NewJob {
        var number = numbers[spec.kind, default: 0]
        numbers[spec.kind] = number + 1
        var milliseconds = 0
        switch spec.kind {
        case "steps": milliseconds = Int.random(in: 300..<2500, using: &generator)
        case "unique":
            number %= 12
            milliseconds = number * 40  // the same for equal numbers: equal keys mean equal parameters
        case "limited":
            number %= 3
            milliseconds = Int(Double.random(in: limitedSeconds, using: &generator) * 1000)
        case "rated": number %= 2
        case "prompt": milliseconds = Int.random(in: 5_000..<20_000, using: &generator)
        case "short" where number % 20 == 0: milliseconds = Int.random(in: 100..<3000, using: &generator)
        default: break
        }
        return NewJob(
            request: JobRequest(spec.kind, parameters: LoadParameters(n: number, milliseconds: milliseconds).json),
            spec: spec)
    }

    /// Asks again until the ledger answers, with the same ids: only keys that outlive their job make that safe, so
    /// requests whose key ends with the job are asked for once and counted only if the answer comes.
    private func enqueue(_ jobs: [NewJob]) async throws {
        let once = jobs.filter { $0.spec.key != nil }
        do {
            try note(once, try await ledger.enqueue(once))
        } catch let error as QueueError where error.code == .unavailable {
            // Unknown, and nobody was told that it would run.
        }
        let safe = jobs.filter { $0.spec.key == nil }
        let limit = ContinuousClock.now + .seconds(60)
        while true {
            do {
                try note(safe, try await ledger.enqueue(safe))
                break
            } catch let error as QueueError where error.code == .unavailable && ContinuousClock.now < limit {
                try await Task.sleep(for: .milliseconds(200))
            }
        }
        await shortCut.push(jobs)
    }

    private func note(_ jobs: [NewJob], _ results: [EnqueueResult]) throws {
        for (job, result) in zip(jobs, results) {
            guard case .enqueued(let id) = result else { continue }
            let number = try job.request.parameters.decode(LoadParameters.self).n
            accepted[id] = Accepted(kind: job.spec.kind, number: number)
            if job.spec.kind == "poison" { poisonAccepted.insert(id) }
        }
    }
}
