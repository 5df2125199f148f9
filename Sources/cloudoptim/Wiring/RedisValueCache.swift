import Infrastructure
import JobQueue
import Logging
import Redis

/// The cache of prices in Redis. A server that is away is a miss: the database answers.
struct RedisValueCache: ValueCache {
    let cache: RedisCache
    let logger: Logger

    func value(_ key: String) async -> [UInt8]? {
        do {
            return try await cache.value(key)
        } catch {
            logger.debug("cache away", metadata: ["error": "\(error)"])
            return nil
        }
    }

    func keep(_ value: [UInt8], as key: String, for time: Infrastructure.TimeSpan) async {
        do {
            try await cache.keep(value, as: key, for: time.duration)
        } catch {
            logger.debug("cache away", metadata: ["error": "\(error)"])
        }
    }
}
