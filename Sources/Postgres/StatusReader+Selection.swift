import Foundation
import JobQueue

extension StatusReader {
    /// Which jobs; nil fields fit every job.
    public struct Filter: Sendable {
        /// A state as `job_status` names it.
        public var state: String?
        /// A kind.
        public var kind: String?
        /// A queue.
        public var queue: String?
        /// A tenant.
        public var tenant: String?
        /// A target.
        public var target: String?
        /// Ended, or enqueued where they have not ended, at this time or later.
        public var since: Date?
        /// The same, at this time or before.
        public var until: Date?
        /// Leaves out dead jobs that another job runs again.
        public var onlyUnreplayed = false

        /// Fits every job.
        public init() {}

        var parameters: [PostgresValue] {
            [state, kind, queue, tenant, target].map { $0.map(PostgresValue.text) ?? .null }
                + [since, until].map { $0.map(PostgresValue.date) ?? .null } + [.bool(onlyUnreplayed)]
        }
    }

    /// How many jobs of one kind are in one state.
    public struct Count: Sendable, Equatable {
        /// The kind.
        public let kind: String
        /// The state.
        public let state: String
        /// How many.
        public let jobs: Int
    }

    /// A dead job, as its replay needs it.
    public struct DeadJob: Sendable {
        /// Its id.
        public let id: JobID
        /// Its kind.
        public let kind: JobKind
        /// Its target.
        public let target: String
        /// Its parameters.
        public let parameters: JSONText
    }

    /// Where a job is, and how its last run ended.
    public struct Stop: Sendable {
        /// As `job_status` names it.
        public let state: String
        /// The last run.
        public let fence: Int64
        /// Who had it.
        public let worker: WorkerID?
        /// When the run, or else the job, ended.
        public let at: Date?
        /// Why the job ended.
        public let reason: String?
        /// Whether its worker said that the cancelled run has ended; false: it was taken back from a worker that was lost.
        public let isConfirmed: Bool

        /// Whether nothing of it runs.
        public var hasEnded: Bool { ["done", "cancelled", "dead"].contains(state) }
    }

    /// One line that a run wrote.
    public struct LogLine: Sendable {
        /// Orders the lines of a job.
        public let number: Int64
        /// The run.
        public let fence: Int64
        /// When it was stored.
        public let at: Date
        /// The line.
        public let text: String
    }

    /// Jobs as JSON objects, the newest first.
    public func jobs(_ filter: Filter, limit: Int) async throws -> [JSONText] {
        try await connection.query(SelectionStatements.newest, filter.parameters + [.int(Int64(limit))]).map {
            try $0.json(0)
        }
    }

    /// How many jobs a filter fits, by kind and state, the most first.
    public func count(_ filter: Filter) async throws -> [Count] {
        try await connection.query(SelectionStatements.count, filter.parameters).map {
            Count(kind: try $0.string(0), state: try $0.string(1), jobs: Int(try $0.int(2)))
        }
    }

    /// The ids that a filter fits after `last`, in order.
    public func ids(_ filter: Filter, after last: JobID?, limit: Int) async throws -> [JobID] {
        try await connection.query(
            SelectionStatements.page,
            filter.parameters + [last.map(PostgresValue.uuid) ?? .text(Self.firstID), .int(Int64(limit))]
        ).map { try $0.uuid(0) }
    }

    private static let firstID = "00000000-0000-0000-0000-000000000000"

    /// The dead ones among jobs, in the order of their ids.
    public func deadJobs(_ ids: [JobID]) async throws -> [DeadJob] {
        try await connection.query(SelectionStatements.dead, [.uuidArray(ids)]).map {
            DeadJob(
                id: try $0.uuid(0), kind: JobKind(rawValue: try $0.string(1)), target: try $0.string(2),
                parameters: try $0.json(3))
        }
    }

    /// Where a job is, and how its last run ended.
    /// - Throws: `notFound`.
    public func stop(of id: JobID) async throws -> Stop {
        guard let row = try await connection.query(SelectionStatements.stop, [.uuid(id)]).first else {
            throw QueueError(.notFound, "no job \(id)")
        }
        return Stop(
            state: try row.string(0), fence: try row.int(1), worker: try row.uuidIfPresent(2),
            at: try row.dateIfPresent(3), reason: row.text(4), isConfirmed: try row.bool(5))
    }

    /// The lines a job wrote after line `number`, in order.
    public func log(of id: JobID, after number: Int64, limit: Int) async throws -> [LogLine] {
        try await connection.query(SelectionStatements.log, [.uuid(id), .int(number), .int(Int64(limit))]).map {
            LogLine(number: try $0.int(0), fence: try $0.int(1), at: try $0.date(2), text: try $0.string(3))
        }
    }

    /// A worker as `worker_health` shows it.
    /// - Throws: `notFound`.
    public func worker(_ id: WorkerID) async throws -> JSONText {
        guard let row = try await connection.query(SelectionStatements.worker, [.uuid(id)]).first else {
            throw QueueError(.notFound, "no worker \(id)")
        }
        return try row.json(0)
    }

    /// Whether there is what a pause names. Of queues and tenants nothing is known beforehand.
    public func exists(_ scope: JobScope) async throws -> Bool {
        try await connection.query(SelectionStatements.exists, [.text(scope.word), .text(scope.name)]).first?.bool(0)
            ?? false
    }

    /// Schedule rows by id or by kind, whether they are on or not.
    public func schedules(_ name: String) async throws -> [ScheduleRow] {
        try await connection.query(ScheduleStatements.schedules, [.text(name)]).map(ScheduleStatements.row)
    }

    /// The database's own time: machine time and world time.
    public func times() async throws -> (machine: Date, world: Date) {
        guard let row = try await connection.query("SELECT now(), world_now()").first else {
            throw QueueError(.unavailable, "the database gave no time")
        }
        return (try row.date(0), try row.date(1))
    }
}
