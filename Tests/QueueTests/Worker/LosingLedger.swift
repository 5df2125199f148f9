import Foundation
import JobQueue
import Synchronization

/// A ledger whose first claim or settlement commits, and whose answer to it is lost; or that is away for checkpoints.
final class LosingLedger: WorkerLedger {
    private let real: MemoryLedger
    private let left: Mutex<(claims: Int, settlements: Int)>
    private let outage: (@Sendable () -> Void)?

    /// - Parameter outage: called instead of saving a checkpoint, which then fails as if the ledger could not be reached.
    init(
        _ real: MemoryLedger, losesFirstClaim: Bool = false, losesFirstSettlement: Bool = false,
        outage: (@Sendable () -> Void)? = nil
    ) {
        self.real = real
        self.outage = outage
        left = Mutex((losesFirstClaim ? 1 : 0, losesFirstSettlement ? 1 : 0))
    }

    private func lose(_ which: WritableKeyPath<(claims: Int, settlements: Int), Int>) throws {
        try left.withLock { left in
            guard left[keyPath: which] > 0 else { return }
            left[keyPath: which] -= 1
            throw QueueError(.unavailable, "the answer was lost")
        }
    }

    func register(_ worker: WorkerRegistration, lease: Duration) async throws {
        try await real.register(worker, lease: lease)
    }
    func renew(_ worker: WorkerID, lease: Duration) async throws -> Renewal? { await real.renew(worker, lease: lease) }
    func setState(_ state: WorkerState, of worker: WorkerID) async throws { await real.setState(state, of: worker) }
    func claim(_ ids: [JobID], by worker: WorkerID, kinds: [JobKind], alone: Bool) async throws -> [ClaimedJob] {
        let jobs = await real.claim(ids, by: worker, kinds: kinds, alone: alone)
        if !jobs.isEmpty { try lose(\.claims) }
        return jobs
    }
    func scan(
        _ queues: [String], lanes: [Lane], atMost: Int, by worker: WorkerID, kinds: [JobKind], alone: Bool
    ) async throws -> [ClaimedJob] {
        let jobs = await real.scan(queues, lanes: lanes, atMost: atMost, by: worker, kinds: kinds, alone: alone)
        if !jobs.isEmpty { try lose(\.claims) }
        return jobs
    }
    func hasSuspects(_ queues: [String], kinds: [JobKind]) async throws -> Bool {
        await real.hasSuspects(queues, kinds: kinds)
    }
    func save(_ checkpoint: JSONText, progress: JobProgress?, records: [Record], of run: RunID) async throws -> Bool {
        if let outage {
            outage()
            throw QueueError(.unavailable, "the ledger is away")
        }
        return await real.save(checkpoint, progress: progress, records: records, of: run)
    }
    func settle(_ settlements: [Settlement]) async throws -> [Bool] {
        let answers = try await real.settle(settlements)
        try lose(\.settlements)
        return answers
    }
    func hasFinished(_ run: RunID) async throws -> Bool { await real.hasFinished(run) }
    func intend(_ intent: EffectIntent, of run: RunID) async throws -> EffectEntry? {
        await real.intend(intent, of: run)
    }
    func complete(effect key: String, state: EffectEntry.State, response: JSONText) async throws {
        await real.complete(effect: key, state: state, response: response)
    }
    func withdraw(effect key: String, of run: RunID) async throws { await real.withdraw(effect: key, of: run) }
    func append(log lines: [String], to run: RunID) async throws { await real.append(log: lines, to: run) }
    func worldTime() async throws -> Date { await real.worldTime() }
}
