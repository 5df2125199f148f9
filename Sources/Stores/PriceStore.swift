import Foundation
import Infrastructure
import JobQueue
import Postgres

/// What capacity costs, as far as it is known, and which pools gave nothing lately.
public struct PriceStore: Prices {
    private let connection: PostgresConnection

    /// Reads and writes over a connection.
    public init(_ connection: PostgresConnection) { self.connection = connection }

    /// Rows since then, and the last before. Zone names are the account's where its zones were read, else our own's.
    static let spot = """
        WITH mapped AS (SELECT EXISTS (SELECT FROM account_zone WHERE account = $1 AND region = $2) AS is_known), rows AS (
            SELECT zone_id, zone, type, at, price, last_seen FROM spot_price
             WHERE region = $2 AND type = ANY($3::text[]) AND product = 'Linux/UNIX' AND at >= $4
            UNION ALL
            (SELECT DISTINCT ON (zone_id, type) zone_id, zone, type, at, price, last_seen FROM spot_price
              WHERE region = $2 AND type = ANY($3::text[]) AND product = 'Linux/UNIX' AND at < $4
              ORDER BY zone_id, type, at DESC))
        SELECT coalesce(z.zone, r.zone), r.type, r.at, r.price, r.last_seen FROM rows r CROSS JOIN mapped m
          LEFT JOIN account_zone z ON z.account = $1 AND z.region = $2 AND z.zone_id = r.zone_id
         WHERE z.zone IS NOT NULL OR NOT m.is_known
         ORDER BY 1, 2, 3 LIMIT 200000
        """
    static let onDemand = "SELECT type, price FROM on_demand_price WHERE region = $1 AND type = ANY($2::text[])"
    static let advice = "SELECT type, range, saving FROM spot_advice WHERE region = $1"
    static let outcomes = """
        SELECT score, interrupted FROM risk_outcome
         WHERE ($1::text IS NULL OR region = $1) AND day >= ($2::timestamptz AT TIME ZONE 'UTC')::date
        """
    static let incidents = """
        SELECT zone, type, kind, at FROM pool_incident WHERE account = $1 AND region = $2 AND at >= $3 ORDER BY at
        """
    static let source = "SELECT tag, at FROM price_source WHERE name = $1"
    static let unavailable = """
        SELECT zone, type, capacity, until, reason FROM unavailable_pool
         WHERE account = $1 AND region = $2 AND until > $3 ORDER BY zone, type
        """
    static let types = "SELECT DISTINCT type FROM spot_price WHERE region = $1 AND type LIKE $2 ORDER BY type"
    static let coverage = """
        SELECT region, day::text, types_filled, types_unfillable FROM price_coverage
         WHERE ($1::text IS NULL OR region = $1) ORDER BY region, day
        """

    /// The prices since then with those in force at that time, by pool and oldest first.
    public func spot(account: String, region: String, types: [String], since: Date) async throws -> [SpotPrice] {
        try await connection.query(
            PriceStore.spot, [.text(account), .text(region), .textArray(types), .date(since)]
        ).map { row in
            try SpotPrice(
                pool: SpotPool(region: region, zone: row.string(0), type: row.string(1)),
                price: MicroDollars(rawValue: row.int(3)), since: row.date(2), lastSeen: row.date(4))
        }
    }

    /// On-demand prices that were listed, by type.
    public func onDemand(region: String, types: [String]) async throws -> [String: MicroDollars] {
        let rows = try await connection.query(PriceStore.onDemand, [.text(region), .textArray(types)])
        return try Dictionary(
            rows.map { (try $0.string(0), MicroDollars(rawValue: try $0.int(1))) },
            uniquingKeysWith: { first, _ in first })
    }

    /// The Spot Advisor's advice, by type.
    public func advice(region: String) async throws -> [String: SpotAdvice] {
        let rows = try await connection.query(PriceStore.advice, [.text(region)])
        return try Dictionary(
            rows.map { (try $0.string(0), SpotAdvice(range: Int(try $0.int(1)), savingPercent: Int(try $0.int(2)))) },
            uniquingKeysWith: { first, _ in first })
    }

    /// What the account's pools did to us since then.
    public func incidents(account: String, region: String, since: Date) async throws -> [PoolIncident] {
        try await connection.query(PriceStore.incidents, [.text(account), .text(region), .date(since)]).compactMap {
            row in
            try PoolIncident.Kind(rawValue: row.string(2)).map { kind in
                try PoolIncident(
                    pool: SpotPool(region: region, zone: row.string(0), type: row.string(1)), kind, at: row.date(3))
            }
        }
    }

    /// Predictions of risk whose 24 hours are over, with what happened, made since then.
    /// - Parameter region: nil: all.
    public func outcomes(region: String?, since: Date) async throws -> [RiskOutcome] {
        try await connection.query(PriceStore.outcomes, [.optional(region), .date(since)]).map { row in
            RiskOutcome(score: try row.double(0), wasInterrupted: try row.bool(1))
        }
    }

    /// How far a source was read.
    public func source(_ name: String) async throws -> PriceSourceFact? {
        try await connection.query(PriceStore.source, [.text(name)]).first.map { row in
            try PriceSourceFact(name: name, tag: row.text(0), at: row.date(1))
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

    /// The types with prices in a region, whose names are `LIKE` a pattern.
    public func types(region: String, like pattern: String) async throws -> [String] {
        try await connection.query(PriceStore.types, [.text(region), .text(pattern)]).map { try $0.string(0) }
    }

    /// How many types are there, or can never be had, of each day.
    public func coverage(region: String?) async throws -> [JSONText] {
        try await connection.query(PriceStore.coverage, [.optional(region)]).map { row in
            JSONText(
                text: JSONValue.object([
                    "region": .string(try row.string(0)), "day": .string(try row.string(1)),
                    "types_filled": .number("\(try row.int(2))"), "types_unfillable": .number("\(try row.int(3))"),
                ]).canonical)
        }
    }
}
