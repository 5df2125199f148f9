import Foundation

/// What capacity costs, as far as we know. Every call may throw.
public protocol Prices: Sendable {
    /// Spot prices of Linux since then, with those in force at that time, oldest first for each pool; zones by their names
    /// in the account.
    func spot(account: String, region: String, types: [String], since: Date) async throws -> [SpotPrice]
    /// On-demand prices of Linux that were listed, by type; what is missing was never read.
    func onDemand(region: String, types: [String]) async throws -> [String: MicroDollars]
    /// The Spot Advisor's advice for a region, by type; empty: never read.
    func advice(region: String) async throws -> [String: SpotAdvice]
    /// What the account's pools of a region did to us since then.
    func incidents(account: String, region: String, since: Date) async throws -> [PoolIncident]
    /// How far a source was read; nil: never.
    func source(_ name: String) async throws -> PriceSourceFact?
    /// The pools of an account that gave nothing and are not to be asked before `now` has passed their time.
    func unavailable(account: String, region: String, now: Date) async throws -> [UnavailablePoolFact]
}

/// Values that may be lost at any time: losing one costs a query. A cache that is away misses and keeps nothing.
public protocol ValueCache: Sendable {
    /// The value; nil: there is none any more.
    func value(_ key: String) async -> [UInt8]?
    /// Keeps a value for a while.
    func keep(_ value: [UInt8], as key: String, for time: TimeSpan) async
}
