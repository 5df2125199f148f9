import Glibc
import JobQueue
import Threads

/// One connection to PostgreSQL on a thread of its own.
///
/// Every call blocks that thread only, and ends within its time limit even when the server is stopped. Statements are
/// prepared once per session and kept by their text. A lost session is replaced at the next call, after a pause that
/// grows from 50 ms to 2 s; `generation` tells sessions apart. Cancelling a task does not interrupt a statement that was
/// sent: its outcome would be unknown, and the time limit bounds the wait. It does end the wait for a new session.
public actor PostgresConnection {
    private static let pauseFirst = Duration.milliseconds(50)
    private static let pauseMax = Duration.seconds(2)

    private let executor: ThreadExecutor
    /// The thread this actor runs on.
    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe executor.asUnownedSerialExecutor()
    }

    /// Where it connects to.
    public nonisolated let configuration: PostgresConfiguration
    /// The limit for one call, unless the call has its own.
    public nonisolated let timeout: Duration

    /// Counts sessions from 1; another number means another session: temporary tables and session locks are gone.
    public private(set) var generation = 0

    private var session: PostgresSession?
    private var inTransaction = false
    private var isClosed = false
    private var failures = 0
    private var nextAttempt = ContinuousClock.now

    private init(_ configuration: PostgresConfiguration, timeout: Duration, name: String) {
        self.configuration = configuration
        self.timeout = timeout
        executor = ThreadExecutor(name: name)
    }

    /// Opens a connection.
    /// - Parameters:
    ///   - timeout: the limit for one call, sending, waiting and reading together.
    ///   - name: names the thread; the first 15 bytes are used.
    /// - Throws: `QueueError`: `unavailable` when the server cannot be reached, `refused` for a wrong password or a
    ///   missing database, `invalid` for settings that contradict each other.
    public static func connect(
        _ configuration: PostgresConfiguration, timeout: Duration = .seconds(30), name: String = "postgres"
    ) async throws -> PostgresConnection {
        let connection = PostgresConnection(configuration, timeout: timeout, name: name)
        try await connection.open()
        return connection
    }

    /// Whether there is a session and no sign that it ended; looks at the socket, asks the server nothing.
    public var isUsable: Bool { session?.isStillOpen() ?? false }

    /// Ends the session; later calls throw `unavailable`.
    public func close() {
        isClosed = true
        inTransaction = false
        session = nil
    }

    // MARK: Statements

    /// Runs one statement and returns its rows.
    /// - Throws: `QueueError`; what the server said is its `postgres` property.
    public func query(
        _ sql: String, _ parameters: [PostgresValue] = [], timeout: Duration? = nil
    ) throws -> [PostgresRow] {
        try run(sql, parameters, timeout).rows
    }

    /// Runs one statement and returns how many rows it touched.
    /// - Throws: `QueueError`; what the server said is its `postgres` property.
    @discardableResult
    public func execute(
        _ sql: String, _ parameters: [PostgresValue] = [], timeout: Duration? = nil
    ) throws -> Int {
        try run(sql, parameters, timeout).affected
    }

    /// Runs any number of statements without parameters, separated by semicolons; they are one transaction unless the
    /// text says otherwise.
    /// - Throws: `QueueError`; what the server said is its `postgres` property.
    public func script(_ sql: String, timeout: Duration? = nil) throws {
        let deadline = ContinuousClock.now + (timeout ?? self.timeout)
        try perform(sql, deadline) { session in try session.runScript(sql, deadline: deadline) }
    }

    // MARK: Transactions

    /// How much a transaction sees of others.
    public enum Isolation: String, Sendable {
        /// Each statement sees what was committed before it.
        case readCommitted = "READ COMMITTED"
        /// All statements see what was committed before the first.
        case repeatableRead = "REPEATABLE READ"
        /// As if transactions ran one after the other.
        case serializable = "SERIALIZABLE"
    }

    /// Runs `body` in a transaction: committed when it returns, rolled back when it throws.
    ///
    /// The body runs on this actor and waits for nothing but the database, so no other call slips in between and no
    /// transaction stays open while something else happens:
    ///
    ///     try await connection.transaction { connection in
    ///         try connection.execute("UPDATE …", [.uuid(id)])
    ///         return try connection.query("SELECT …")
    ///     }
    ///
    /// - Throws: what `body` throws; `QueueError` `unavailable` when the session was lost (at COMMIT: outcome unknown).
    public func transaction<Value: Sendable>(
        _ isolation: Isolation = .readCommitted,
        _ body: @Sendable (isolated PostgresConnection) throws -> Value
    ) throws -> Value {
        try begin(isolation)
        do {
            let value = try body(self)
            try commit()
            return value
        } catch {
            if inTransaction { rollback() }
            throw error
        }
    }

    /// Begins a transaction that spans several calls. Prefer `transaction`; this is for tools and tests that hold one open.
    /// - Throws: `QueueError` with code `invalid` when one is open already.
    public func begin(_ isolation: Isolation = .readCommitted) throws {
        guard !inTransaction else {
            throw QueueError(.invalid, "a transaction is open already on this connection; they do not nest")
        }
        let deadline = ContinuousClock.now + timeout
        let sql = "BEGIN ISOLATION LEVEL \(isolation.rawValue)"
        let session = try readySession(deadline)
        inTransaction = true
        do {
            try guarded(session, sql) { try session.runScript(sql, deadline: deadline) }
        } catch {
            inTransaction = false
            throw error
        }
    }

    /// Commits what `begin` began.
    /// - Throws: `QueueError` with code `invalid` when a statement in it had failed: it was rolled back.
    public func commit() throws {
        guard inTransaction else { throw QueueError(.invalid, "there is no transaction to commit") }
        if session?.isInFailedTransaction == true {
            rollback()
            throw QueueError(.invalid, "the transaction was rolled back: a statement in it had failed")
        }
        defer { inTransaction = false }
        let deadline = ContinuousClock.now + timeout
        let session = try readySession(deadline)
        try guarded(session, "COMMIT") { try session.runScript("COMMIT", deadline: deadline) }
    }

    /// Rolls back what `begin` began; does nothing when nothing is open.
    public func rollback() {
        guard inTransaction else { return }
        inTransaction = false
        guard let session else { return }
        do {
            try session.runScript("ROLLBACK", deadline: ContinuousClock.now + timeout)
        } catch {
            self.session = nil  // the server rolls back when the session ends
        }
    }

    // MARK: Inside

    private func run(_ sql: String, _ values: [PostgresValue], _ timeout: Duration?) throws -> PostgresResult {
        let deadline = ContinuousClock.now + (timeout ?? self.timeout)
        let parameters = try EncodedParameters(values)
        return try perform(sql, deadline) { session in
            guard configuration.pooler == .none else {
                return try session.runOnce(sql, parameters, deadline: deadline)
            }
            do {
                return try session.runPrepared(sql, parameters, deadline: deadline)
            } catch PostgresFailure.refused(let error) where error.concernsPreparedStatement && session.isIdle {
                // A migration changed the table, or something discarded the statement: nothing ran yet.
                try session.forgetPrepared(deadline: deadline)
                return try session.runPrepared(sql, parameters, deadline: deadline)
            }
        }
    }

    private func perform<Value>(
        _ sql: String, _ deadline: ContinuousClock.Instant, _ body: (PostgresSession) throws -> Value
    ) throws -> Value {
        let session = try readySession(deadline)
        let value = try guarded(session, sql) { try body(session) }
        if !inTransaction && !session.isIdle {
            self.session = nil
            throw QueueError(
                .invalid, "'\(sql.prefix(60))' left a transaction open; it was rolled back (use transaction)")
        }
        return value
    }

    /// Runs one exchange; drops the session when it is of no more use.
    private func guarded<Value>(_ session: PostgresSession, _ sql: String, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch PostgresFailure.refused(let error) {
            if error.endsSession || (!inTransaction && !session.isIdle) { self.session = nil }
            throw QueueError(error)
        } catch PostgresFailure.lost(let reason) {
            self.session = nil
            throw QueueError(
                .unavailable,
                "lost the connection to \(configuration) during '\(sql.prefix(60))', its outcome is unknown: \(reason)")
        }
    }

    private func readySession(_ deadline: ContinuousClock.Instant) throws -> PostgresSession {
        guard !isClosed else { throw QueueError(.unavailable, "the connection to \(configuration) was closed") }
        if inTransaction {
            guard let session else {
                throw QueueError(.unavailable, "the connection to \(configuration) was lost inside a transaction")
            }
            return session
        }
        if let session, session.isStillOpen() { return session }
        session = nil
        try pauseBeforeAttempt(deadline)
        return try openSession()
    }

    private func pauseBeforeAttempt(_ deadline: ContinuousClock.Instant) throws {
        while ContinuousClock.now < nextAttempt {
            guard !Task.isCancelled, ContinuousClock.now < deadline else {
                throw QueueError(.unavailable, "no connection to \(configuration) yet")
            }
            let remaining = ContinuousClock.now.duration(to: min(nextAttempt, deadline))
            _ = poll(nil, 0, min(remaining, .milliseconds(50)).wholeMilliseconds)
        }
    }

    private func open() throws { _ = try openSession() }

    private func openSession() throws -> PostgresSession {
        do {
            let opened = try PostgresSession.open(
                configuration.libpqParameters(), deadline: ContinuousClock.now + configuration.connectTimeout)
            try checkSchema(opened)
            session = opened
            generation += 1
            failures = 0
            return opened
        } catch let failure as PostgresFailure {
            let pause = min(Self.pauseFirst * (1 << min(failures, 6)), Self.pauseMax)
            failures += 1
            nextAttempt = ContinuousClock.now + pause
            throw explained(failure)
        }
    }

    /// Behind a transaction pooler a session cannot choose its schema: it must be the role's.
    private func checkSchema(_ opened: PostgresSession) throws {
        guard configuration.pooler == .transaction, let schema = configuration.schema else { return }
        let deadline = ContinuousClock.now + configuration.connectTimeout
        let rows = try opened.runOnce(
            "SELECT coalesce(current_schema(), '')", EncodedParameters([]), deadline: deadline
        ).rows
        let found = try rows.first?.string(0) ?? ""
        guard found == schema else {
            throw QueueError(
                .refused,
                "behind the transaction pooler sessions of \(configuration) see the schema '\(found)', wanted '\(schema)': "
                    + "run `cloudoptim migrate` with DB_POOLER=transaction, or ALTER ROLE … IN DATABASE … SET search_path, "
                    + "and then RECONNECT in the pooler's console")
        }
    }

    private func explained(_ failure: PostgresFailure) -> QueueError {
        switch failure {
        case .refused(let error):
            // Once it worked, a refusal may pass (a password being rotated): it must not end jobs for good.
            let code = generation > 0 ? .unavailable : error.code
            return QueueError(code, "cannot connect to \(configuration): \(error.message)", underlying: error)
        case .lost(let reason):
            return QueueError(.unavailable, "cannot connect to \(configuration): \(reason)")
        }
    }
}
