import Foundation
import JobQueue
import Postgres
import Synchronization

/// The product's ledger with one guard taken away, by statements of its own or by what it lets through.
final class MutantLedger: Ledger {
    private struct State {
        var answered: Set<RunID> = []
        var seenDead: [JobID] = []
    }

    private let mutant: Mutant
    private let inner: PostgresLedger
    private let connection: PostgresConnection
    private let state = Mutex(State())

    init(_ mutant: Mutant, _ inner: PostgresLedger, _ connection: PostgresConnection) {
        self.mutant = mutant
        self.inner = inner
        self.connection = connection
    }

    // MARK: Claims

    func claim(_ ids: [JobID], by worker: WorkerID, kinds: [JobKind], alone: Bool) async throws -> [ClaimedJob] {
        try await claimed(try await inner.claim(ids, by: worker, kinds: kinds, alone: alone), worker)
    }

    func scan(
        _ queues: [String], lanes: [Lane], atMost: Int, by worker: WorkerID, kinds: [JobKind], alone: Bool
    ) async throws -> [ClaimedJob] {
        if mutant == .scanIgnoresLeases {
            try await connection.execute(MutantStatements.steal, [.uuid(worker), .int(2)])
        }
        return try await claimed(
            try await inner.scan(queues, lanes: lanes, atMost: atMost, by: worker, kinds: kinds, alone: alone), worker)
    }

    private func claimed(_ jobs: [ClaimedJob], _ worker: WorkerID) async throws -> [ClaimedJob] {
        state.withLock { $0.answered.formUnion(jobs.map { RunID(job: $0.id, fence: $0.fence, worker: worker) }) }
        switch mutant {
        case .keyReleasedEarly:
            try await connection.execute(MutantStatements.freeKeys, [.uuidArray(jobs.map(\.id))])
        case .limitWorksAsOne:
            let back = try await connection.query(MutantStatements.oneOfALimit, [.uuidArray(jobs.map(\.id))])
            let ids = Set(try back.map { try $0.uuid(0) })
            return jobs.filter { !ids.contains($0.id) }
        case .claimKeepsFence:
            try await connection.execute(MutantStatements.keepFence, [.uuidArray(jobs.map(\.id))])
        default: break
        }
        return jobs
    }

    func renew(_ worker: WorkerID, lease: Duration) async throws -> Renewal? {
        guard var renewal = try await inner.renew(worker, lease: lease) else { return nil }
        if mutant == .orphanNeverHandedBack {
            renewal.runs = state.withLock { state in
                renewal.runs.filter { state.answered.contains(RunID(job: $0.job, fence: $0.fence, worker: worker)) }
            }
        }
        return renewal
    }

    // MARK: Runs

    func save(_ checkpoint: JSONText, progress: JobProgress?, records: [Record], of run: RunID) async throws -> Bool {
        if mutant == .noFenceInCheckpoint {
            return try await connection.execute(MutantStatements.checkpoint, [.uuid(run.job), .json(checkpoint)]) > 0
        }
        return try await inner.save(checkpoint, progress: progress, records: records, of: run)
    }

    func settle(_ settlements: [Settlement]) async throws -> [Bool] {
        let ids = PostgresValue.uuidArray(settlements.map(\.run.job))
        switch mutant {
        case .noFenceInFinish:
            return try await settleWithoutFence(settlements)
        case .interruptBurnsAttempt:
            return try await inner.settle(
                settlements.map { settlement in
                    guard case .interrupt = settlement.verdict else { return settlement }
                    let error = JSONText(text: #"{"code":"interrupted","message":"the worker stops"}"#)
                    return Settlement(run: settlement.run, verdict: .retry(after: .zero, error: error))
                })
        case .slotsFreedBySettledList:
            let answers = try await inner.settle(settlements)
            try await connection.execute(MutantStatements.freeSlots, [ids])
            return answers
        case .slotWithoutRun:
            let answers = try await inner.settle(settlements)
            try await connection.execute(MutantStatements.leaveSlots, [ids, .intArray(settlements.map(\.run.fence))])
            return answers
        case .keyNeverReleased:
            let answers = try await inner.settle(settlements)
            try await connection.execute(MutantStatements.keepKeys, [ids])
            return answers
        default:
            return try await inner.settle(settlements)
        }
    }

    private func settleWithoutFence(_ settlements: [Settlement]) async throws -> [Bool] {
        var answers: [Bool] = []
        for settlement in settlements {
            guard case .done(let result, let records, let followUps, _) = settlement.verdict, records.isEmpty,
                followUps.isEmpty
            else {
                answers += try await inner.settle([settlement])
                continue
            }
            let results = PostgresValue.jsonArray([result])
            answers.append(
                try await connection.execute(MutantStatements.finish, [.uuidArray([settlement.run.job]), results]) > 0)
        }
        return answers
    }

    // MARK: Effects

    func intend(_ intent: EffectIntent, of run: RunID) async throws -> EffectEntry? {
        switch mutant {
        case .noEffectLedger:
            let token = (intent.key + String(repeating: "0", count: 64)).prefix(64)
            return EffectEntry(
                key: intent.key, state: .intended, token: String(token), request: intent.request, response: nil,
                effectClass: intent.effectClass, isOfThisRun: true)
        case .intentWithoutFence:
            try await connection.execute(
                MutantStatements.intent,
                [
                    .text(intent.key), .uuid(run.job), .int(run.fence), .text(intent.step),
                    .text(intent.effectClass.rawValue),
                    .json(intent.request),
                ])
            return try await inner.intend(intent, of: run)
        case .lostAnswerRepeated:
            guard var entry = try await inner.intend(intent, of: run) else { return nil }
            entry.isOfThisRun = true
            return entry
        default:
            return try await inner.intend(intent, of: run)
        }
    }

    func complete(effect key: String, state: EffectEntry.State, response: JSONText) async throws {
        if mutant == .noEffectLedger { return }
        try await inner.complete(effect: key, state: state, response: response)
    }

    func withdraw(effect key: String, of run: RunID) async throws { try await inner.withdraw(effect: key, of: run) }

    // MARK: The leader

    func lead(_ name: String, holder: WorkerID, lease: Duration) async throws -> Int64? {
        let term = try await inner.lead(name, holder: holder, lease: lease)
        return mutant == .fireWithoutCompare ? 1 : term
    }

    func reap(atMost: Int) async throws -> ReapReport {
        switch mutant {
        case .reaperWithoutStateCheck:
            let before = state.withLock { $0.seenDead }
            let now = try await connection.query(MutantStatements.heldByTheDead).map { try $0.uuid(0) }
            let report = try await inner.reap(atMost: atMost)
            if !before.isEmpty { try await controlled(MutantStatements.takeBack, [.uuidArray(before)]) }
            let dead = try await connection.query(MutantStatements.heldByTheDead).map { try $0.uuid(0) }
            state.withLock { $0.seenDead = now + dead }
            return report
        case .crashAccuses:
            try await connection.execute(MutantStatements.accuse)
            return try await inner.reap(atMost: atMost)
        default:
            return try await inner.reap(atMost: atMost)
        }
    }

    /// On the connection that the product's own reaper uses.
    private func controlled(_ sql: String, _ parameters: [PostgresValue]) async throws {
        try await inner.reading.execute(sql, parameters)
    }

    func fire(_ ticks: [Tick]) async throws -> [TickResult] {
        guard mutant == .fireWithoutCompare else { return try await inner.fire(ticks) }
        var results: [TickResult] = []
        // A leader that was paused between reading and firing: by then the other's job may have ended.
        try await Task.sleep(for: .milliseconds(Int.random(in: 0..<1500)))
        for tick in ticks {
            try await connection.execute(
                MutantStatements.forgetSlots,
                [.text(tick.row.id), .date(tick.slots.last ?? tick.row.lastSlot), .date(tick.next)])
            let stored = try await inner.enqueue(tick.jobs)
            results.append(
                TickResult(
                    isWon: true, enqueued: zip(tick.jobs, stored).compactMap { $1 == .enqueued($0.id) ? $0.id : nil }))
        }
        return results
    }

    // MARK: Unchanged

    func enqueue(_ jobs: [NewJob]) async throws -> [EnqueueResult] { try await inner.enqueue(jobs) }
    func cancel(_ id: JobID, by who: String) async throws -> CancelResult { try await inner.cancel(id, by: who) }
    func worldTime() async throws -> Date { try await inner.worldTime() }
    func register(_ worker: WorkerRegistration, lease: Duration) async throws {
        try await inner.register(worker, lease: lease)
    }
    func setState(_ state: WorkerState, of worker: WorkerID) async throws {
        try await inner.setState(state, of: worker)
    }
    func append(log lines: [String], to run: RunID) async throws { try await inner.append(log: lines, to: run) }
    func resign(_ name: String, holder: WorkerID, term: Int64) async throws {
        try await inner.resign(name, holder: holder, term: term)
    }
    func extendLeases(by lease: Duration) async throws { try await inner.extendLeases(by: lease) }
    func ready(in list: ReadyList, atMost: Int, cursor: FeedCursor) async throws -> Feed {
        try await inner.ready(in: list, atMost: atMost, cursor: cursor)
    }
    func aged(in list: ReadyList, rising lanes: Int, atMost: Int, cursor: FeedCursor) async throws -> Feed {
        try await inner.aged(in: list, rising: lanes, atMost: atMost, cursor: cursor)
    }
    func readyLists() async throws -> [ReadyList] { try await inner.readyLists() }
    func publish(_ specs: [JobSpec]) async throws -> [JobKind] { try await inner.publish(specs) }
    func kinds() async throws -> [JobSpec] { try await inner.kinds() }
    func timetable() async throws -> Timetable { try await inner.timetable() }
    func timetableVersion() async throws -> Int64 { try await inner.timetableVersion() }
    func sweep(_ retention: Retention) async throws -> SweepReport { try await inner.sweep(retention) }
    func hasFinished(_ run: RunID) async throws -> Bool { try await inner.hasFinished(run) }
    func hasSuspects(_ queues: [String], kinds: [JobKind]) async throws -> Bool {
        try await inner.hasSuspects(queues, kinds: kinds)
    }
}
