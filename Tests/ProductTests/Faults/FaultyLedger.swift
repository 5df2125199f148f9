import Foundation
import JobQueue

/// The ledger as one worker sees it, with one call that goes wrong. Records reach the stores with the commit that
/// carries them, as they do in one transaction of the database.
struct FaultyLedger: WorkerLedger {
    let real: MemoryLedger
    let stores: MemoryStores
    let point: FaultPoint

    func register(_ worker: WorkerRegistration, lease: Duration) async throws {
        try await point.ledger("register") { try await real.register(worker, lease: lease) }
    }
    func renew(_ worker: WorkerID, lease: Duration) async throws -> Renewal? {
        try await point.ledger("renew") { await real.renew(worker, lease: lease) }
    }
    func setState(_ state: WorkerState, of worker: WorkerID) async throws {
        try await point.ledger("setState") { await real.setState(state, of: worker) }
    }
    func claim(_ ids: [JobID], by worker: WorkerID, kinds: [JobKind], alone: Bool) async throws -> [ClaimedJob] {
        try await point.ledger("claim") { await real.claim(ids, by: worker, kinds: kinds, alone: alone) }
    }
    func scan(
        _ queues: [String], lanes: [Lane], atMost: Int, by worker: WorkerID, kinds: [JobKind], alone: Bool
    ) async throws -> [ClaimedJob] {
        try await point.ledger("scan") {
            await real.scan(queues, lanes: lanes, atMost: atMost, by: worker, kinds: kinds, alone: alone)
        }
    }
    func hasSuspects(_ queues: [String], kinds: [JobKind]) async throws -> Bool {
        try await point.ledger("hasSuspects") { await real.hasSuspects(queues, kinds: kinds) }
    }
    func save(_ checkpoint: JSONText, progress: JobProgress?, records: [Record], of run: RunID) async throws -> Bool {
        try await point.ledger("save") {
            let isOurs = await real.save(checkpoint, progress: progress, records: records, of: run)
            if isOurs { try await stores.take(records) }
            return isOurs
        }
    }
    func settle(_ settlements: [Settlement]) async throws -> [Bool] {
        try await point.ledger("settle") {
            let answers = try await real.settle(settlements)
            for (settlement, isOurs) in zip(settlements, answers) where isOurs {
                switch settlement.verdict {
                case .done(_, let records, _, _), .snooze(_, let records, _): try await stores.take(records)
                case .retry, .dead, .interrupt, .cancelled: break
                }
            }
            return answers
        }
    }
    func hasFinished(_ run: RunID) async throws -> Bool {
        try await point.ledger("hasFinished") { await real.hasFinished(run) }
    }
    func intend(_ intent: EffectIntent, of run: RunID) async throws -> EffectEntry? {
        try await point.ledger("intend") {
            let entry = await real.intend(intent, of: run)
            guard point.mutant == .effectsForgotten, entry != nil else { return entry }
            return EffectEntry(
                key: intent.key, state: .intended, token: JobID().description, request: intent.request, response: nil,
                effectClass: intent.effectClass, isOfThisRun: true)
        }
    }
    func complete(effect key: String, state: EffectEntry.State, response: JSONText) async throws {
        try await point.ledger("complete") { await real.complete(effect: key, state: state, response: response) }
    }
    func withdraw(effect key: String, of run: RunID) async throws {
        try await point.ledger("withdraw") { await real.withdraw(effect: key, of: run) }
    }
    func append(log lines: [String], to run: RunID) async throws {
        try await point.ledger("append") { await real.append(log: lines, to: run) }
    }
    func worldTime() async throws -> Date { try await point.ledger("worldTime") { await real.worldTime() } }
}
