import Glibc
import JobQueue
import Threads

/// One connection to Redis on a thread of its own: plain TCP or TLS, RESP2.
///
/// It connects at the first command. Every call blocks that thread only and has a time limit. A lost connection is
/// replaced at the next call, after a pause that grows from 50 ms to 2 s.
public actor RedisConnection {
    private static let pauseFirst = Duration.milliseconds(50)
    private static let pauseMax = Duration.seconds(2)

    private let executor: ThreadExecutor
    /// The thread this actor runs on.
    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe executor.asUnownedSerialExecutor()
    }

    /// Where it connects to.
    public nonisolated let configuration: RedisConfiguration

    /// Counts connections from 1; another number means subscriptions and the like are gone.
    public private(set) var generation = 0

    private let waker = Waker()
    private var session: (stream: RedisStream, reader: ReplyReader)?
    private var isClosed = false
    private var failures = 0
    private var nextAttempt = ContinuousClock.now

    /// Names the server; nothing is sent yet.
    /// - Parameter name: names the thread; the first 15 bytes are used.
    public init(_ configuration: RedisConfiguration, name: String = "redis") {
        self.configuration = configuration
        executor = ThreadExecutor(name: name)
    }

    /// Ends the connection; later calls throw `unavailable`.
    public func close() {
        isClosed = true
        session = nil
    }

    // MARK: Commands

    /// Sends one command and returns its reply.
    /// - Throws: `QueueError`: `unavailable` when the server is away or refuses the command, `refused` for a wrong login.
    @discardableResult
    public func command(_ arguments: [UInt8]...) throws -> RedisReply { try command(arguments) }

    /// Sends one command and returns its reply.
    /// - Throws: `QueueError`: `unavailable` when the server is away or refuses the command, `refused` for a wrong login.
    @discardableResult
    public func command(_ arguments: [[UInt8]]) throws -> RedisReply {
        let reply = try pipeline([arguments]).first ?? .null
        if case .error(let message) = reply { throw refusal(message, of: arguments) }
        return reply
    }

    /// Sends several commands at once and returns their replies in order; a refused one is a reply of its own.
    /// - Throws: `QueueError`: `unavailable` when the server is away, `refused` for a wrong login.
    public func pipeline(_ commands: [[[UInt8]]]) throws -> [RedisReply] {
        if commands.isEmpty { return [] }
        return try guarded { session in
            let deadline = ContinuousClock.now + configuration.commandTimeout
            return try exchange(commands, session, deadline: deadline, waker: nil)
        }
    }

    /// Sends a command that waits in the server for up to `wait`, such as BLMPOP. Cancelling the task ends it at once.
    /// - Throws: `CancellationError`; `QueueError` as `command` does.
    public func blockingCommand(_ arguments: [[UInt8]], wait: Duration) async throws -> RedisReply {
        try await interruptible { try $0.exchange(arguments, waitingInServer: wait) }
    }

    /// Waits for the next message of a subscription, for ever. Cancelling the task ends it at once.
    /// - Throws: `CancellationError`; `QueueError` with code `unavailable` when the connection is lost, and the
    ///   subscription with it.
    public func nextMessage() async throws -> RedisReply {
        try await interruptible { try $0.receive() }
    }

    // MARK: Inside

    /// The body takes this actor as an isolated parameter: a closure without it would run, and block, on the shared pool.
    private func interruptible<Value: Sendable>(
        _ body: (isolated RedisConnection) throws -> Value
    ) async throws -> Value {
        let waker = waker
        return try await withTaskCancellationHandler {
            preconditionIsolated()
            try Task.checkCancellation()
            return try body(self)
        } onCancel: {
            waker.wake()
        }
    }

    private func exchange(_ arguments: [[UInt8]], waitingInServer wait: Duration) throws -> RedisReply {
        let reply = try guarded { session in
            let deadline = ContinuousClock.now + wait + configuration.commandTimeout
            return try exchange([arguments], session, deadline: deadline, waker: waker)[0]
        }
        if case .error(let message) = reply { throw refusal(message, of: arguments) }
        return reply
    }

    private func receive() throws -> RedisReply {
        // A subscription does not survive its connection: so this never connects anew.
        guard let session else { throw QueueError(.unavailable, "no subscription on \(configuration)") }
        return try dropping {
            let never = ContinuousClock.now + .seconds(86_400 * 365)
            while true {
                if let reply = try next(session) { return reply }
                try session.stream.read(into: session.reader, deadline: never, waker: waker)
            }
        }
    }

    private typealias Session = (stream: RedisStream, reader: ReplyReader)

    private func guarded<Value>(_ body: (Session) throws -> Value) throws -> Value {
        let session = try readySession()
        return try dropping { try body(session) }
    }

    /// Drops the connection when an exchange fails: what it would receive next belongs to that exchange.
    private func dropping<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let failure as RedisFailure {
            session = nil
            switch failure {
            case .cancelled: throw CancellationError()
            case .lost(let reason): throw QueueError(.unavailable, "lost \(configuration): \(reason)")
            case .refused(let reason): throw QueueError(.refused, "\(configuration) refused: \(reason)")
            }
        }
    }

    private func exchange(
        _ commands: [[[UInt8]]], _ session: Session, deadline: ContinuousClock.Instant, waker: Waker?
    ) throws -> [RedisReply] {
        var bytes: [UInt8] = []
        for command in commands { RESP.append(command, to: &bytes) }
        try session.stream.write(bytes, deadline: deadline)
        var replies: [RedisReply] = []
        replies.reserveCapacity(commands.count)
        while replies.count < commands.count {
            if let reply = try next(session) {
                replies.append(reply)
            } else {
                try session.stream.read(into: session.reader, deadline: deadline, waker: waker)
            }
        }
        return replies
    }

    private func next(_ session: Session) throws -> RedisReply? {
        do {
            return try session.reader.next()
        } catch let error as ReplyReader.Malformed {
            throw RedisFailure.lost("this is not Redis that answers: \(error.reason)")
        }
    }

    /// The first word of the command is named; its arguments may be secret.
    private func refusal(_ message: String, of arguments: [[UInt8]]) -> QueueError {
        let word = arguments.first.map { String(decoding: $0, as: UTF8.self) } ?? "?"
        // The server became a replica, or the data lives elsewhere: another connection may reach the right one.
        if message.hasPrefix("READONLY") { session = nil }
        if message.hasPrefix("MOVED") || message.hasPrefix("CROSSSLOT") {
            return QueueError(
                .unavailable,
                "\(configuration) is one node of a Redis Cluster (\(message)); use a server with cluster mode disabled")
        }
        return QueueError(.unavailable, "\(configuration) refused \(word): \(message)")
    }

    private func readySession() throws -> Session {
        guard !isClosed else { throw QueueError(.unavailable, "the connection to \(configuration) was closed") }
        if let session, session.stream.isQuiet { return session }
        session = nil
        while ContinuousClock.now < nextAttempt {
            if Task.isCancelled { throw QueueError(.unavailable, "no connection to \(configuration) yet") }
            let remaining = min(ContinuousClock.now.duration(to: nextAttempt), .milliseconds(50))
            _ = poll(nil, 0, remaining.wholeMilliseconds)
        }
        do {
            let opened = try dropping { try open() }
            session = opened
            generation += 1
            failures = 0
            return opened
        } catch {
            nextAttempt = .now + min(Self.pauseFirst * (1 << min(failures, 6)), Self.pauseMax)
            failures += 1
            throw error
        }
    }

    private func open() throws -> Session {
        let deadline = ContinuousClock.now + configuration.connectTimeout
        guard let reader = ReplyReader() else { throw RedisFailure.lost("out of memory") }
        let session = (stream: try RedisStream.open(configuration, deadline: deadline), reader: reader)
        var greetings: [[[UInt8]]] = []
        if let password = configuration.password {
            greetings.append(["AUTH".bytes] + (configuration.user.map { [$0.bytes] } ?? []) + [password.bytes])
        }
        if configuration.database != 0 { greetings.append(["SELECT".bytes, String(configuration.database).bytes]) }
        greetings.append(["PING".bytes])
        for reply in try exchange(greetings, session, deadline: deadline, waker: nil) {
            guard case .error(let message) = reply else { continue }
            // Loading its data, or a replica without its primary: that passes.
            if ["LOADING", "MASTERDOWN", "BUSY"].contains(where: message.hasPrefix) {
                throw RedisFailure.lost(message)
            }
            throw RedisFailure.refused(message)
        }
        return session
    }
}

extension String {
    /// UTF-8, as commands take it.
    var bytes: [UInt8] { Array(utf8) }
}
