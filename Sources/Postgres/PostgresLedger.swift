import Foundation
import JobQueue
import Logging
import Synchronization

/// The ledger in PostgreSQL: the truth about jobs.
///
/// Each role has its own connection, so that none waits behind another: claims, settlements (with checkpoints),
/// control (leases, reaping, cancels) and effects (with enqueues). Small writes that arrive together are committed together.
public final class PostgresLedger: Ledger, ControlLedger {
    private let claimConnection: PostgresConnection
    private let settleConnection: PostgresConnection
    private let controlConnection: PostgresConnection
    private let effectConnection: PostgresConnection
    private let writers: RecordWriters
    /// Where scans go on: what is paused or at its limit is passed by, however much of it there is.
    private let scanCursors = Mutex<[ReadyList: FeedCursor]>([:])
    private let depths = QueueDepths()

    private let settling: GroupCommit<Settlement, Bool>
    private let enqueuing: GroupCommit<ResolvedJob, EnqueueResult>
    private let intending: GroupCommit<EffectStatements.Wanted, EffectEntry?>
    private let completing: GroupCommit<EffectStatements.Completion, Bool>

    /// Opens the connections.
    /// - Parameters:
    ///   - configuration: where the database is; its schema is the one `Migrator` was run for.
    ///   - writers: the record kinds that settlements may carry.
    /// - Throws: `unavailable` or `refused`, saying which host, port, database and user were tried.
    public init(_ configuration: PostgresConfiguration, writers: RecordWriters = RecordWriters()) async throws {
        func open(_ role: String, looksRowsUp: Bool = false) async throws -> PostgresConnection {
            var own = configuration
            own.looksRowsUp = looksRowsUp
            own.applicationName = "\(configuration.applicationName)-\(role)"
            return try await PostgresConnection.connect(own, name: "pg-\(role)")
        }
        let settle = try await open("settle", looksRowsUp: true)
        let effects = try await open("effect")
        claimConnection = try await open("claim", looksRowsUp: true)
        controlConnection = try await open("control")
        settleConnection = settle
        effectConnection = effects
        self.writers = writers
        settling = GroupCommit(itemsMax: 1000) { try await settle.settle($0, writers) }
        enqueuing = GroupCommit(itemsMax: 1000) { jobs in
            try await effects.transaction { try EnqueueStatements.enqueue(jobs, on: $0) }
        }
        intending = GroupCommit(itemsMax: 200) { try await effects.intend($0) }
        completing = GroupCommit(itemsMax: 200) { try await effects.complete($0) }
    }

    /// Closes the connections.
    public func close() async {
        for connection in [claimConnection, settleConnection, controlConnection, effectConnection] {
            await connection.close()
        }
    }

    /// A connection for reading, shared with control statements: for status views and stores.
    public var reading: PostgresConnection { controlConnection }

    // MARK: Anybody

    /// See `EnqueueLedger`.
    public func enqueue(_ jobs: [NewJob]) async throws -> [EnqueueResult] {
        let resolved = try jobs.map { try $0.resolved(tenant: "${tenant}") }
        try await depths.admit(resolved) { [effectConnection] queues in
            try await effectConnection.query(LimitStatements.depths, [.textArray(queues)]).map {
                (try $0.string(0), QueueDepths.Depth(max: Int(try $0.int(1)), queued: Int(try $0.int(2))))
            }
        }
        var results: [EnqueueResult] = []
        var rest = resolved[...]
        while !rest.isEmpty {
            results += try await enqueuing.submit(Array(rest.prefix(1000)))
            rest = rest.dropFirst(1000)
        }
        return results
    }

    /// See `EnqueueLedger`.
    public func cancel(_ id: JobID, by who: String) async throws -> CancelResult {
        try await controlConnection.cancel(id, by: who)
    }

    /// See `EnqueueLedger`.
    public func worldTime() async throws -> Date {
        try await controlConnection.worldTime()
    }

    // MARK: Operators

    /// See `ControlLedger`.
    public func pause(_ scope: JobScope, by who: String, reason: String, for duration: Duration?) async throws {
        try await controlConnection.execute(
            ControlStatements.pause,
            [
                .text(scope.word), .text(scope.name), .text(who), .text(reason),
                duration.map { .double($0.seconds) } ?? .null,
            ])
    }

    /// See `ControlLedger`.
    public func resume(_ scope: JobScope) async throws -> Bool {
        try await controlConnection.execute(ControlStatements.resume, [.text(scope.word), .text(scope.name)]) > 0
    }

    /// See `ControlLedger`.
    public func cancel(_ ids: [JobID], by who: String) async throws -> [JobID: CancelResult] {
        try await controlConnection.cancel(ids, by: who)
    }

    /// See `ControlLedger`.
    public func snooze(_ ids: [JobID], for duration: Duration) async throws -> [JobID] {
        try await controlConnection.query(
            ControlStatements.snooze, [.uuidArray(ids), .double(duration.seconds)]
        ).map { try $0.uuid(0) }
    }

    /// See `ControlLedger`.
    public func setLimit(_ limit: JobLimit, by who: String, reason: String) async throws {
        try await controlConnection.setLimit(try limit.validated(), by: who, reason: reason)
    }

    /// See `ControlLedger`.
    public func clearLimit(_ scope: JobScope) async throws -> Bool {
        try await controlConnection.execute(LimitStatements.clear, [.text(scope.word), .text(scope.name)]) > 0
    }

    // MARK: Workers

    /// See `WorkerLedger`.
    public func register(_ worker: WorkerRegistration, lease: Duration) async throws {
        try await controlConnection.register(worker, lease: lease)
    }

    /// See `WorkerLedger`.
    public func renew(_ worker: WorkerID, lease: Duration) async throws -> Renewal? {
        try await controlConnection.renew(worker, lease: lease)
    }

    /// See `WorkerLedger`.
    public func setState(_ state: WorkerState, of worker: WorkerID) async throws {
        try await controlConnection.execute(WorkerStatements.setState, [.uuid(worker), .int(Int64(state.rawValue))])
    }

    /// See `WorkerLedger`.
    public func claim(
        _ ids: [JobID], by worker: WorkerID, kinds: [JobKind], alone: Bool
    ) async throws -> [ClaimedJob] {
        try await claimConnection.claim(ids, worker, kinds, alone)
    }

    /// See `WorkerLedger`.
    ///
    /// Looks at more jobs than it needs and tries them in random order, so that many workers do not all reach for the
    /// same few.
    public func scan(
        _ queues: [String], lanes: [Lane], atMost: Int, by worker: WorkerID, kinds: [JobKind], alone: Bool
    ) async throws -> [ClaimedJob] {
        if alone {
            let suspects = try await claimConnection.query(
                FeedStatements.suspects, [.textArray(queues), .textArray(kinds.map(\.rawValue))]
            ).map { try $0.uuid(0) }
            let claimed = try await claimConnection.claim(suspects, worker, kinds, true)
            if !claimed.isEmpty { return claimed }
        }
        var claimed: [ClaimedJob] = []
        for (list, rise) in Ageing.looks(queues, lanes) {
            let wanted = min(Ageing.share(of: atMost), atMost - claimed.count)
            let aged = try await claimConnection.ready(list, wanted, .start, rising: rise)
            claimed += try await claimConnection.claim(aged.ids, worker, kinds, false)
        }
        for lane in lanes {
            for queue in queues.shuffled() where claimed.count < atMost {
                let wanted = atMost - claimed.count
                let list = ReadyList(queue: queue, lane: lane)
                let cursor = scanCursors.withLock { $0[list] ?? .start }
                let feed = try await claimConnection.ready(list, wanted * 4, cursor)
                // The next look begins here again while there is enough to claim: whoever was not picked is not passed by.
                if feed.ids.count < wanted { scanCursors.withLock { $0[list] = feed.isAtEnd ? nil : feed.cursor } }
                claimed += try await claimConnection.claim(
                    Array(feed.ids.shuffled().prefix(wanted)), worker, kinds, false)
            }
        }
        return claimed
    }

    /// See `WorkerLedger`.
    public func hasSuspects(_ queues: [String], kinds: [JobKind]) async throws -> Bool {
        try await !claimConnection.query(
            FeedStatements.suspects, [.textArray(queues), .textArray(kinds.map(\.rawValue))]
        ).isEmpty
    }

    /// See `WorkerLedger`.
    public func save(
        _ checkpoint: JSONText, progress: JobProgress?, records: [Record], of run: RunID
    ) async throws -> Bool {
        try await settleConnection.save(checkpoint, progress, records, run, writers)
    }

    /// See `WorkerLedger`.
    public func settle(_ settlements: [Settlement]) async throws -> [Bool] {
        try await settling.submit(settlements)
    }

    /// See `WorkerLedger`.
    public func hasFinished(_ run: RunID) async throws -> Bool {
        try await settleConnection.query(
            SettleStatements.hasFinished, [.uuid(run.job), .int(run.fence)]
        ).first?.bool(0) ?? false
    }

    /// See `WorkerLedger`.
    public func intend(_ intent: EffectIntent, of run: RunID) async throws -> EffectEntry? {
        let wanted = EffectStatements.Wanted(intent: intent, run: run)
        return try await intending.submit([wanted])[0]
    }

    /// See `WorkerLedger`.
    public func complete(effect key: String, state: EffectEntry.State, response: JSONText) async throws {
        _ = try await completing.submit([EffectStatements.Completion(key: key, state: state, response: response)])
    }

    /// See `WorkerLedger`.
    public func withdraw(effect key: String, of run: RunID) async throws {
        try await effectConnection.execute(
            EffectStatements.withdraw, [.text(key), .uuid(run.job), .int(run.fence), .uuid(run.worker)])
    }

    /// See `WorkerLedger`.
    public func append(log lines: [String], to run: RunID) async throws {
        try await settleConnection.append(lines, run)
    }

    // MARK: The leader

    /// See `LeaderLedger`.
    public func lead(_ name: String, holder: WorkerID, lease: Duration) async throws -> Int64? {
        try await controlConnection.query(
            ReapStatements.lead, [.text(name), .uuid(holder), .double(lease.seconds)]
        ).first?.int(0)
    }

    /// See `LeaderLedger`.
    public func resign(_ name: String, holder: WorkerID, term: Int64) async throws {
        try await controlConnection.execute(ReapStatements.resign, [.text(name), .uuid(holder), .int(term)])
    }

    /// See `LeaderLedger`.
    public func reap(atMost: Int) async throws -> ReapReport {
        try await controlConnection.reap(atMost: atMost)
    }

    /// See `LeaderLedger`.
    public func extendLeases(by lease: Duration) async throws {
        try await controlConnection.execute(ReapStatements.extendLeases, [.double(lease.seconds)])
    }

    /// See `LeaderLedger`.
    public func ready(in list: ReadyList, atMost: Int, cursor: FeedCursor) async throws -> Feed {
        try await claimConnection.ready(list, atMost, cursor)
    }

    /// See `LeaderLedger`.
    public func aged(in list: ReadyList, rising lanes: Int, atMost: Int, cursor: FeedCursor) async throws -> Feed {
        try await claimConnection.ready(list, atMost, cursor, rising: lanes)
    }

    /// See `LeaderLedger`.
    public func readyLists() async throws -> [ReadyList] {
        try await claimConnection.readyLists()
    }

    /// See `LeaderLedger`.
    public func publish(_ specs: [JobSpec]) async throws -> [JobKind] {
        try await controlConnection.publish(specs)
    }

    /// Those of `specs` that differ from what is in force under the same version, while a scheduler leads: its jobspecs
    /// count, and one that starts beside it does not overwrite them.
    public func ledOtherwise(_ specs: [JobSpec]) async throws -> [JobKind] {
        try await controlConnection.ledOtherwise(specs)
    }

    /// See `LeaderLedger`.
    public func kinds() async throws -> [JobSpec] {
        try await controlConnection.query(ScheduleStatements.kinds).map { try $0.json(0).decode() }
    }

    /// Whether a kind may be asked for about this target: for one that fans out, there must be such a cluster, account,
    /// region or queue. Jobs of kinds that do not fan out name what they like.
    public func isTarget(_ target: String, of spec: JobSpec) async throws -> Bool {
        guard spec.fanOut != .none else { return true }
        let values: [PostgresValue] = [.text(target), .text(spec.fanOut.rawValue)]
        return try await controlConnection.query(EnqueueStatements.target, values).first?.bool(0) ?? false
    }

    /// See `LeaderLedger`. Not on the connection that fires slots: they go on meanwhile.
    public func timetable() async throws -> Timetable {
        try await claimConnection.timetable()
    }

    /// See `LeaderLedger`.
    public func timetableVersion() async throws -> Int64 {
        try await settleConnection.query(ScheduleStatements.timetableVersion).first?.int(0) ?? 0
    }

    /// See `LeaderLedger`.
    public func fire(_ ticks: [Tick]) async throws -> [TickResult] {
        try await settleConnection.fire(ticks)
    }

    /// See `LeaderLedger`.
    public func sweep(_ retention: Retention) async throws -> SweepReport {
        try await effectConnection.sweep(retention)
    }
}

/// The statements as calls on a connection: each runs on the connection's own thread.
extension PostgresConnection {
    func claim(_ ids: [JobID], _ worker: WorkerID, _ kinds: [JobKind], _ alone: Bool) throws -> [ClaimedJob] {
        try ClaimStatements.claim(ids, by: worker, kinds: kinds, alone: alone, on: self)
    }
    func ready(_ list: ReadyList, _ atMost: Int, _ cursor: FeedCursor, rising lanes: Int? = nil) throws -> Feed {
        try FeedStatements.ready(in: list, atMost: atMost, cursor: cursor, rising: lanes, on: self)
    }
    func setLimit(_ limit: JobLimit, by who: String, reason: String) throws {
        try LimitStatements.set(limit, by: who, reason: reason, on: self)
    }
    func readyLists() throws -> [ReadyList] { try FeedStatements.readyLists(on: self) }
    func settle(_ settlements: [Settlement], _ writers: RecordWriters) throws -> [Bool] {
        try SettleStatements.settle(settlements, writers: writers, on: self)
    }
    func save(
        _ checkpoint: JSONText, _ progress: JobProgress?, _ records: [Record], _ run: RunID, _ writers: RecordWriters
    ) throws -> Bool {
        try SettleStatements.save(checkpoint, progress, records, of: run, writers: writers, on: self)
    }
    func append(_ lines: [String], _ run: RunID) throws {
        try execute(SettleStatements.appendLog, [.uuid(run.job), .int(run.fence), .textArray(lines)])
        try execute(SettleStatements.trimLog, [.uuid(run.job), .int(Int64(JobLog.linesMax))])
    }
    func intend(_ wanted: [EffectStatements.Wanted]) throws -> [EffectEntry?] {
        try EffectStatements.intend(wanted, on: self)
    }
    func complete(_ completions: [EffectStatements.Completion]) throws -> [Bool] {
        try EffectStatements.complete(completions, on: self)
        return completions.map { _ in true }
    }
    func register(_ worker: WorkerRegistration, lease: Duration) throws {
        try WorkerStatements.register(worker, lease: lease, on: self)
    }
    func renew(_ worker: WorkerID, lease: Duration) throws -> Renewal? {
        try WorkerStatements.renew(worker, lease: lease, on: self)
    }
    func cancel(_ id: JobID, by who: String) throws -> CancelResult { try cancel([id], by: who)[id] ?? .unknown }
    func cancel(_ ids: [JobID], by who: String) throws -> [JobID: CancelResult] {
        try CancelStatements.cancel(ids, by: who, on: self)
    }
    func reap(atMost: Int) throws -> ReapReport { try ReapStatements.reap(atMost: atMost, on: self) }
    func publish(_ specs: [JobSpec]) throws -> [JobKind] { try ScheduleStatements.publish(specs, on: self) }
    func ledOtherwise(_ specs: [JobSpec]) throws -> [JobKind] {
        try ScheduleStatements.ledOtherwise(specs, on: self)
    }
    func timetable() throws -> Timetable { try ScheduleStatements.timetable(on: self) }
    func fire(_ ticks: [Tick]) throws -> [TickResult] { try ScheduleStatements.fire(ticks, on: self) }
    func sweep(_ retention: Retention) throws -> SweepReport { try SweepStatements.sweep(retention, on: self) }
}

extension PostgresConnection {
    /// World time: machine time, and in a simulation what it was moved by.
    public func worldTime() throws -> Date {
        let rows = try query("SELECT world_now()")
        guard let row = rows.first else { throw QueueError(.unavailable, "the database gave no time") }
        return try row.date(0)
    }
}
