import Foundation
import JobQueue
import TestSupport

/// Ledger and broker of a small fleet, of which one call goes wrong. A call that hangs does so for longer than every
/// lease: the ledger's clock goes on, the caller learns nothing.
struct FaultyServers: Sendable {
    let ledger: MemoryLedger
    let broker: MemoryBroker
    let plan: FaultPlan

    /// Longer than the lease of a worker, of the leader, and the grace of both.
    static let hangSeconds = 20.0

    func call<Value: Sendable>(_ name: String, _ body: () async throws -> Value) async throws -> Value {
        guard let way = plan.next(name) else { return try await body() }
        switch way {
        case .refusedBefore: break
        case .answerLost: _ = try await body()
        case .hangs: await ledger.advance(bySeconds: FaultyServers.hangSeconds)
        case .hangsHavingActed, .workerDies:
            _ = try await body()
            await ledger.advance(bySeconds: FaultyServers.hangSeconds)
        }
        throw QueueError(.unavailable, "no answer: \(name)")
    }
}

extension FaultyServers: EnqueueLedger {
    func enqueue(_ jobs: [NewJob]) async throws -> [EnqueueResult] {
        try await call("enqueue") { try await ledger.enqueue(jobs) }
    }
    func cancel(_ id: JobID, by who: String) async throws -> CancelResult {
        try await call("cancel") { await ledger.cancel(id, by: who) }
    }
    func worldTime() async throws -> Date { try await call("worldTime") { await ledger.worldTime() } }
}

extension FaultyServers: WorkerLedger {
    func register(_ worker: WorkerRegistration, lease: Duration) async throws {
        try await call("register") { try await ledger.register(worker, lease: lease) }
    }
    func renew(_ worker: WorkerID, lease: Duration) async throws -> Renewal? {
        try await call("renew") { await ledger.renew(worker, lease: lease) }
    }
    func setState(_ state: WorkerState, of worker: WorkerID) async throws {
        try await call("setState") { await ledger.setState(state, of: worker) }
    }
    func claim(_ ids: [JobID], by worker: WorkerID, kinds: [JobKind], alone: Bool) async throws -> [ClaimedJob] {
        try await call("claim") { await ledger.claim(ids, by: worker, kinds: kinds, alone: alone) }
    }
    func scan(
        _ queues: [String], lanes: [Lane], atMost: Int, by worker: WorkerID, kinds: [JobKind], alone: Bool
    ) async throws -> [ClaimedJob] {
        try await call("scan") {
            await ledger.scan(queues, lanes: lanes, atMost: atMost, by: worker, kinds: kinds, alone: alone)
        }
    }
    func hasSuspects(_ queues: [String], kinds: [JobKind]) async throws -> Bool {
        try await call("hasSuspects") { await ledger.hasSuspects(queues, kinds: kinds) }
    }
    func save(_ checkpoint: JSONText, progress: JobProgress?, records: [Record], of run: RunID) async throws -> Bool {
        try await call("save") { await ledger.save(checkpoint, progress: progress, records: records, of: run) }
    }
    func settle(_ settlements: [Settlement]) async throws -> [Bool] {
        try await call("settle") { try await ledger.settle(settlements) }
    }
    func hasFinished(_ run: RunID) async throws -> Bool {
        try await call("hasFinished") { await ledger.hasFinished(run) }
    }
    func intend(_ intent: EffectIntent, of run: RunID) async throws -> EffectEntry? {
        try await call("intend") { await ledger.intend(intent, of: run) }
    }
    func complete(effect key: String, state: EffectEntry.State, response: JSONText) async throws {
        try await call("complete") { await ledger.complete(effect: key, state: state, response: response) }
    }
    func withdraw(effect key: String, of run: RunID) async throws {
        try await call("withdraw") { await ledger.withdraw(effect: key, of: run) }
    }
    func append(log lines: [String], to run: RunID) async throws {
        try await call("append") { await ledger.append(log: lines, to: run) }
    }
}

extension FaultyServers: LeaderLedger {
    func lead(_ name: String, holder: WorkerID, lease: Duration) async throws -> Int64? {
        try await call("lead") { await ledger.lead(name, holder: holder, lease: lease) }
    }
    func resign(_ name: String, holder: WorkerID, term: Int64) async throws {
        try await call("resign") { await ledger.resign(name, holder: holder, term: term) }
    }
    func reap(atMost: Int) async throws -> ReapReport { try await call("reap") { await ledger.reap(atMost: atMost) } }
    func extendLeases(by lease: Duration) async throws {
        try await call("extendLeases") { await ledger.extendLeases(by: lease) }
    }
    func ready(in list: ReadyList, atMost: Int, cursor: FeedCursor) async throws -> Feed {
        try await call("ready") { await ledger.ready(in: list, atMost: atMost, cursor: cursor) }
    }
    func aged(in list: ReadyList, rising lanes: Int, atMost: Int, cursor: FeedCursor) async throws -> Feed {
        try await call("aged") { await ledger.aged(in: list, rising: lanes, atMost: atMost, cursor: cursor) }
    }
    func readyLists() async throws -> [ReadyList] { try await call("readyLists") { await ledger.readyLists() } }
    func publish(_ specs: [JobSpec]) async throws -> [JobKind] {
        try await call("publish") { try await ledger.publish(specs) }
    }
    func kinds() async throws -> [JobSpec] { try await call("kinds") { await ledger.kinds() } }
    func timetable() async throws -> Timetable { try await call("timetable") { await ledger.timetable() } }
    func timetableVersion() async throws -> Int64 {
        try await call("timetableVersion") { await ledger.timetableVersion() }
    }
    func fire(_ ticks: [Tick]) async throws -> [TickResult] { try await call("fire") { try await ledger.fire(ticks) } }
    func sweep(_ retention: Retention) async throws -> SweepReport {
        try await call("sweep") { await ledger.sweep(retention) }
    }
}

extension FaultyServers: Ledger {}

extension FaultyServers: Broker {
    func push(_ ids: [JobID], to list: ReadyList) async throws {
        try await call("push") { try await broker.push(ids, to: list) }
    }
    func take(from lists: [ReadyList], atMost: Int, timeout: Duration) async throws -> [JobID] {
        try await call("take") { try await broker.take(from: lists, atMost: atMost, timeout: timeout) }
    }
    func lengths(of lists: [ReadyList]) async throws -> [Int] {
        try await call("lengths") { try await broker.lengths(of: lists) }
    }
    func plantIncarnation(_ token: String) async throws -> Bool {
        try await call("plantIncarnation") { try await broker.plantIncarnation(token) }
    }
    func publish(_ hint: ControlHint) async throws { try await call("publishHint") { try await broker.publish(hint) } }
    func hints() async throws -> AsyncStream<ControlHint> { try await call("hints") { try await broker.hints() } }
}
