import JobQueue

/// Values that may be lost at any time, under `cache:*`: losing one costs a query.
///
/// Bounded by what it takes: every value has a time to live and a size limit. A cache on a server that is away misses.
public final class RedisCache: Sendable {
    /// The largest value that is kept, in bytes; larger ones are not worth their transfer.
    public static let valueBytesMax = 256 * 1024
    /// The longest a value lives.
    public static let timeToLiveMax = Duration.seconds(86_400)

    private let connection: RedisConnection
    private let prefix: String

    /// Names the server; it is connected to when first used.
    /// - Parameter prefix: the first part of every key; tests use one each.
    public init(_ configuration: RedisConfiguration, prefix: String = "cache") {
        connection = RedisConnection(configuration, name: "redis-cache")
        self.prefix = prefix
    }

    /// The value, or nil when there is none any more.
    /// - Throws: `QueueError` with code `unavailable` when the server is away.
    public func value(_ key: String) async throws -> [UInt8]? {
        if case .bytes(let bytes) = try await connection.command("GET".bytes, name(key)) { bytes } else { nil }
    }

    /// Keeps a value for a while; false when it is too large to keep.
    /// - Parameter timeToLive: 1 ms to `timeToLiveMax`; anything else is taken to the nearest of the two.
    /// - Throws: `QueueError` with code `unavailable` when the server is away.
    @discardableResult
    public func keep(_ value: [UInt8], as key: String, for timeToLive: Duration) async throws -> Bool {
        guard value.count <= Self.valueBytesMax else { return false }
        let milliseconds = max(min(timeToLive, Self.timeToLiveMax).wholeMilliseconds, 1)
        try await connection.command("SET".bytes, name(key), value, "PX".bytes, String(milliseconds).bytes)
        return true
    }

    /// Forgets a value.
    /// - Throws: `QueueError` with code `unavailable` when the server is away.
    public func forget(_ key: String) async throws {
        try await connection.command("DEL".bytes, name(key))
    }

    private func name(_ key: String) -> [UInt8] { "\(prefix):\(key)".bytes }
}
