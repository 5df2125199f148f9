import Foundation
import Infrastructure

/// Prices behind a cache that may be lost at any time: every miss and every unreadable value costs a query, nothing else.
///
/// What changes by the minute (pools that gave nothing, incidents) is always asked of the database.
public struct CachedPrices: Prices {
    /// Advice is fetched hourly; so long it may be kept (the specification's "refresh every 1 hour").
    public static let adviceTime = TimeSpan.hours(1)
    /// On-demand prices are fetched daily.
    public static let onDemandTime = TimeSpan.hours(1)
    /// Spot prices are fetched hourly and change every few hours.
    public static let spotTime = TimeSpan.minutes(5)

    private let base: any Prices
    private let cache: any ValueCache

    /// Puts a cache before a store.
    public init(_ base: any Prices, cache: any ValueCache) {
        self.base = base
        self.cache = cache
    }

    /// The prices since then; kept by region, types and the hour of `since`.
    public func spot(account: String, region: String, types: [String], since: Date) async throws -> [SpotPrice] {
        let hour = Int(since.timeIntervalSince1970 / 3600)
        let start = Date(timeIntervalSince1970: Double(hour) * 3600)
        let list = types.sorted().joined(separator: ",")
        // A long list of types is one caller's own: not worth keeping.
        guard list.utf8.count <= 1024 else {
            return try await base.spot(account: account, region: region, types: types, since: since)
        }
        return try await cached("spot/\(account)/\(region)/\(hour)/\(list)", for: CachedPrices.spotTime) {
            try await base.spot(account: account, region: region, types: types, since: start)
        }
    }

    /// On-demand prices, by type.
    public func onDemand(region: String, types: [String]) async throws -> [String: MicroDollars] {
        let list = types.sorted().joined(separator: ",")
        guard list.utf8.count <= 1024 else { return try await base.onDemand(region: region, types: types) }
        return try await cached("on-demand/\(region)/\(list)", for: CachedPrices.onDemandTime) {
            try await base.onDemand(region: region, types: types)
        }
    }

    /// Advice, by type.
    public func advice(region: String) async throws -> [String: SpotAdvice] {
        try await cached("advice/\(region)", for: CachedPrices.adviceTime) { try await base.advice(region: region) }
    }

    /// Never cached.
    public func incidents(account: String, region: String, since: Date) async throws -> [PoolIncident] {
        try await base.incidents(account: account, region: region, since: since)
    }

    /// Never cached.
    public func source(_ name: String) async throws -> PriceSourceFact? { try await base.source(name) }

    /// Never cached.
    public func unavailable(account: String, region: String, now: Date) async throws -> [UnavailablePoolFact] {
        try await base.unavailable(account: account, region: region, now: now)
    }

    private func cached<Value: Codable & Collection>(
        _ key: String, for time: TimeSpan, read: () async throws -> Value
    ) async throws -> Value {
        if let bytes = await cache.value(key) {
            // A value of another program's version is as good as none.
            if let found = try? JSONDecoder().decode(Value.self, from: Data(bytes)) { return found }
        }
        let value = try await read()
        // Nothing known is not worth remembering: the next fetch may bring it.
        if !value.isEmpty { await cache.keep(Array(try JSONEncoder().encode(value)), as: key, for: time) }
        return value
    }
}
