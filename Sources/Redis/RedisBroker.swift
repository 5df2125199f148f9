import JobQueue
import Synchronization

/// The lists of ready ids in Redis.
///
/// Names: `<prefix>:{q}:r:<queue>:<lane>` for the lists (one hash tag, so that one BLMPOP may name them all),
/// `<prefix>:inc` for the incarnation, `<prefix>:ctl` for the channel of hints. Short commands share one connection;
/// every waiting `take` and every stream of hints has its own. Every failure is a `QueueError` with code `unavailable`.
public final class RedisBroker: Broker {
    /// Ids sent in one RPUSH; more are sent in several commands of one pipeline.
    private static let idsPerPush = 1000
    /// Kept for the next `take`; more exist only while more tasks wait at the same time.
    private static let idleTakersMax = 8

    private let configuration: RedisConfiguration
    private let prefix: String
    private let commands: RedisConnection
    private let idleTakers = Mutex<[RedisConnection]>([])

    /// Names the server; it is connected to when first used.
    /// - Parameter prefix: the first part of every key; tests use one each.
    public init(_ configuration: RedisConfiguration, prefix: String = "co") {
        self.configuration = configuration
        self.prefix = prefix
        commands = RedisConnection(configuration, name: "redis-commands")
    }

    /// Appends ids to a list, in order.
    public func push(_ ids: [JobID], to list: ReadyList) async throws {
        let key = key(of: list)
        let pushes = stride(from: 0, to: ids.count, by: Self.idsPerPush).map { start in
            ["RPUSH".bytes, key] + ids[start..<min(start + Self.idsPerPush, ids.count)].map(\.bytes)
        }
        for reply in try await unavailable({ try await commands.pipeline(pushes) }) { try check(reply, "RPUSH") }
    }

    /// Removes up to `atMost` ids from the first list that has any; waits up to `timeout` for one.
    public func take(from lists: [ReadyList], atMost: Int, timeout: Duration) async throws -> [JobID] {
        if lists.isEmpty || atMost <= 0 { return [] }
        let end = ContinuousClock.now + timeout
        let keys = lists.map(key(of:))
        let taker = idleTakers.withLock { $0.popLast() } ?? RedisConnection(configuration, name: "redis-take")
        defer { idleTakers.withLock { if $0.count < Self.idleTakersMax { $0.append(taker) } } }
        while true {
            let wait = max(ContinuousClock.now.duration(to: end), .zero)
            let reply = try await unavailable {
                try await taker.blockingCommand(Self.pop(keys, atMost, wait), wait: wait)
            }
            let ids = try Self.ids(reply)
            // Entries that are no ids were dropped: go on with the time that is left.
            if !ids.isEmpty || reply == .null || ContinuousClock.now >= end { return ids }
        }
    }

    /// The lengths of the lists, in the same order.
    public func lengths(of lists: [ReadyList]) async throws -> [Int] {
        let questions = lists.map { ["LLEN".bytes, key(of: $0)] }
        return try await unavailable { try await commands.pipeline(questions) }.map { reply in
            try check(reply, "LLEN")
            guard case .integer(let count) = reply else { throw Self.surprise("LLEN", reply) }
            return Int(count)
        }
    }

    /// Sets the incarnation if there is none; true means the broker had been emptied.
    public func plantIncarnation(_ token: String) async throws -> Bool {
        let reply = try await unavailable {
            try await commands.command("SET".bytes, "\(prefix):inc".bytes, token.bytes, "NX".bytes)
        }
        return reply != .null
    }

    /// Tells everybody who listens.
    public func publish(_ hint: ControlHint) async throws {
        _ = try await unavailable {
            try await commands.command("PUBLISH".bytes, "\(prefix):ctl".bytes, hint.wireForm.bytes)
        }
    }

    /// Hints as they come; ends when the connection is lost or the listening task is cancelled. Unreadable ones are skipped.
    public func hints() async throws -> AsyncStream<ControlHint> {
        let connection = RedisConnection(configuration, name: "redis-hints")
        _ = try await unavailable { try await connection.command("SUBSCRIBE".bytes, "\(self.prefix):ctl".bytes) }
        return AsyncStream {
            do {
                while true {
                    guard case .array(let parts) = try await connection.nextMessage(), parts.count == 3 else {
                        continue
                    }
                    if parts[0].text == "message", let hint = parts[2].text.flatMap(ControlHint.init(wireForm:)) {
                        return hint
                    }
                }
            } catch {
                return nil  // the end of the stream is the message: the caller listens again
            }
        }
    }

    /// A sentence for the operator when the server may throw away lists under memory pressure, else nil.
    /// - Throws: `QueueError`: `unavailable` when the server is away, `refused` for a wrong login.
    public func policyWarning() async throws -> String? {
        // Managed servers forbid CONFIG GET; INFO says the same.
        let text = try await commands.command("INFO".bytes, "memory".bytes).text ?? ""
        let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("maxmemory_policy:") }
        guard let policy = line?.split(separator: ":").last else {
            return "\(configuration) does not tell its maxmemory_policy; it should be noeviction"
        }
        if policy == "noeviction" { return nil }
        return
            "\(configuration) has maxmemory-policy \(policy): it may drop lists of ready jobs, which makes the fleet "
            + "slower until they are filled again; set it to noeviction"
    }

    // MARK: Inside

    private func key(of list: ReadyList) -> [UInt8] { "\(prefix):{q}:r:\(list.queue):\(list.lane.rawValue)".bytes }

    /// BLMPOP with 0 would wait for ever, so a wait under a millisecond is none.
    private static func pop(_ keys: [[UInt8]], _ atMost: Int, _ wait: Duration) -> [[UInt8]] {
        let milliseconds = wait.wholeMilliseconds
        let verb = milliseconds == 0 ? ["LMPOP".bytes] : ["BLMPOP".bytes, String(Double(milliseconds) / 1000).bytes]
        return verb + [String(keys.count).bytes] + keys + ["LEFT".bytes, "COUNT".bytes, String(atMost).bytes]
    }

    private static func ids(_ reply: RedisReply) throws -> [JobID] {
        if reply == .null { return [] }
        guard case .array(let parts) = reply, parts.count == 2, case .array(let entries) = parts[1] else {
            throw surprise("BLMPOP", reply)
        }
        return entries.compactMap { entry in
            if case .bytes(let bytes) = entry { JobID(bytes: bytes) } else { nil }
        }
    }

    private func check(_ reply: RedisReply, _ command: String) throws {
        if case .error(let message) = reply {
            throw QueueError(.unavailable, "\(configuration) refused \(command): \(message)")
        }
    }

    private static func surprise(_ command: String, _ reply: RedisReply) -> QueueError {
        QueueError(.unavailable, "Redis answered \(command) with \(String(describing: reply).prefix(80))")
    }

    /// The protocol knows one failure: away. Why stays in the message.
    private func unavailable<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as QueueError where error.code != .unavailable {
            throw QueueError(.unavailable, error.message, underlying: error)
        }
    }
}

extension ControlHint {
    /// A word, and an id where there is one.
    var wireForm: String {
        switch self {
        case .cancel(let job): "cancel \(job)"
        case .pause: "pause"
        case .drain(let worker): "drain \(worker)"
        case .timetable: "timetable"
        }
    }

    /// Nil for what another release may have sent.
    init?(wireForm: String) {
        let words = wireForm.split(separator: " ")
        let id = words.count == 2 ? JobID(words[1]) : nil
        switch (words.first, id) {
        case ("cancel", let job?): self = .cancel(job)
        case ("drain", let worker?): self = .drain(worker)
        case ("pause", nil) where words.count == 1: self = .pause
        case ("timetable", nil) where words.count == 1: self = .timetable
        default: return nil
        }
    }
}
