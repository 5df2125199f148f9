import Foundation
import Infrastructure
import Postgres

/// What capacity costs, as far as it is known, and which pools gave nothing lately.
public struct PriceStore: Prices {
    private let connection: PostgresConnection

    /// Reads and writes over a connection.
    public init(_ connection: PostgresConnection) { self.connection = connection }

    static let spot = """
        SELECT zone, type, at, price FROM spot_price
         WHERE region = $1 AND type = ANY($2::text[]) AND at >= $3 ORDER BY zone, type, at LIMIT 200000
        """
    static let unavailable = """
        SELECT zone, type, capacity, until, reason FROM unavailable_pool
         WHERE account = $1 AND region = $2 AND until > $3 ORDER BY zone, type
        """
    static let insert = """
        INSERT INTO spot_price (region, zone, type, at, price)
        SELECT region, zone, type, at, price
          FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[]) AS t(region, zone, type, at, price)
         ORDER BY 1, 2, 3, 4
        ON CONFLICT (region, zone, type, at) DO NOTHING
        """

    /// The prices since then, by pool and oldest first.
    public func spot(region: String, types: [String], since: Date) async throws -> [SpotPrice] {
        try await connection.query(PriceStore.spot, [.text(region), .textArray(types), .date(since)]).map { row in
            try SpotPrice(
                pool: SpotPool(region: region, zone: row.string(0), type: row.string(1)),
                price: MicroDollars(rawValue: row.int(3)), since: row.date(2))
        }
    }

    /// The pools that are not to be asked yet.
    public func unavailable(account: String, region: String, now: Date) async throws -> [UnavailablePoolFact] {
        try await connection.query(
            PriceStore.unavailable, [.text(account), .text(region), .date(now)]
        ).map { row in
            try UnavailablePoolFact(
                account: account, pool: SpotPool(region: region, zone: row.string(0), type: row.string(1)),
                capacity: CapacityType(rawValue: row.string(2)) ?? .spot, until: row.date(3), reason: row.string(4))
        }
    }

    /// Adds prices; those that are there already stay.
    public func add(_ prices: [SpotPrice]) async throws {
        try await connection.execute(
            PriceStore.insert,
            [
                .textArray(prices.map(\.pool.region)), .textArray(prices.map(\.pool.zone)),
                .textArray(prices.map(\.pool.type)), .dateArray(prices.map(\.since)),
                .intArray(prices.map(\.price.rawValue)),
            ])
    }
}
