import Foundation
import JobQueue
import Postgres
import Scheduler
import ServiceLifecycle
import Synchronization
import Worker

/// How long one job waits: asked for one at a time, beside a load of so many jobs a second.
struct Pickup: Sendable {
    let bench: Bench
    let jobs: Int
    /// Jobs a second that the same worker runs meanwhile; 0: it is idle.
    let load: Int

    static let sample = JobSpec(kind: "sample", timeoutSeconds: 60)

    /// Milliseconds.
    struct Report: Encodable {
        var push_to_start_p50: Double
        var push_to_start_p99: Double
        var submit_to_start_p50: Double
        var submit_to_start_p99: Double
        var submit_to_done_p50: Double
        var submit_to_done_p99: Double
    }

    private enum Event: Sendable {
        case started(ContinuousClock.Instant)
        case settled(ContinuousClock.Instant)
    }

    /// Starts when it is claimed and committed; tells when its settlement is.
    private struct SampleHandler: Handler {
        let tell: @Sendable (Event) -> Void
        func run(_ context: HandlerContext) async throws -> Outcome {
            tell(.started(.now))
            return Outcome(afterCommit: { tell(.settled(.now)) })
        }
    }

    func run() async throws {
        let ledger = try await bench.ledger()
        let broker = try bench.broker(UUID().uuidString)
        _ = try await ledger.publish([Bench.spec, Self.sample])
        let (stream, continuation) = AsyncStream<Event>.makeStream()
        var configuration = WorkerConfiguration()
        configuration.slots = 1000
        configuration.inFlightMax = 1000
        var feeding = SchedulerConfiguration()
        feeding.listMax = 4000
        let worker = WorkerProcess(
            ledger: try await bench.ledger(), broker: broker,
            handlers: ["noop": NoopHandler(), "sample": SampleHandler { continuation.yield($0) }],
            specs: [Bench.spec, Self.sample], configuration: configuration, logger: bench.logger)
        let scheduler = SchedulerProcess(
            ledger: try await bench.ledger(), broker: broker, configuration: feeding, logger: bench.logger)
        let group = ServiceGroup(services: [worker, scheduler], logger: bench.logger)
        let shortCut = PushShortCut(broker)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await Task.sleep(for: .seconds(1))
            let others = Task { try await produce(shortCut) }
            if load > 0 { try await Task.sleep(for: .seconds(2)) }
            var (push, start, done): ([Double], [Double], [Double]) = ([], [], [])
            var events = stream.makeAsyncIterator()
            for _ in 0..<jobs {
                let job = NewJob(request: JobRequest("sample"), spec: Self.sample)
                let submitted = ContinuousClock.now
                _ = try await ledger.enqueue([job])
                let stored = ContinuousClock.now
                await shortCut.push([job])
                var isDone = false
                while !isDone, let event = await events.next() {
                    switch event {
                    case .started(let at):
                        push.append((at - stored).seconds * 1000)
                        start.append((at - submitted).seconds * 1000)
                    case .settled(let at):
                        done.append((at - submitted).seconds * 1000)
                        isDone = true
                    }
                }
                // Not in step with any of the worker's own rhythms.
                try await Task.sleep(for: .microseconds(Int.random(in: 500..<4000)))
            }
            others.cancel()
            func percentile(_ list: [Double], _ share: Double) -> Double {
                list.isEmpty ? 0 : list.sorted()[min(list.count - 1, Int(Double(list.count) * share))]
            }
            let report = Report(
                push_to_start_p50: percentile(push, 0.5), push_to_start_p99: percentile(push, 0.99),
                submit_to_start_p50: percentile(start, 0.5), submit_to_start_p99: percentile(start, 0.99),
                submit_to_done_p50: percentile(done, 0.5), submit_to_done_p99: percentile(done, 0.99))
            print(try JSONText(encoding: report).text)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// The load: batches, each ten milliseconds, from connections of its own.
    private func produce(_ shortCut: PushShortCut) async throws {
        guard load > 0 else { return }
        let ledger = try await bench.ledger()
        var next = ContinuousClock.now
        while !Task.isCancelled {
            let batch = (0..<(load / 100)).map { _ in NewJob(request: JobRequest("noop"), spec: Bench.spec) }
            _ = try await ledger.enqueue(batch)
            await shortCut.push(batch)
            next += .milliseconds(10)
            try await Task.sleep(until: next, clock: .continuous)
        }
    }
}
