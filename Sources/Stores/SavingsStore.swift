import Foundation
import Infrastructure
import JobQueue
import Postgres

/// What was saved, projected and measured.
public struct SavingsStore: Savings {
    private let connection: PostgresConnection

    /// Reads over a connection.
    public init(_ connection: PostgresConnection) { self.connection = connection }

    static let savings = """
        SELECT key, feature, form, instance_id, coalesce(before, per_hour), coalesce(after, 0), since, until FROM saving
         WHERE cluster_id = $1 AND since >= $2 ORDER BY since, key LIMIT 100000
        """
    static let lives = """
        SELECT instance_id, type, zone, capacity, first_seen, last_seen FROM node_life
         WHERE cluster_id = $1 AND last_seen >= $2 ORDER BY first_seen, instance_id LIMIT 100000
        """
    /// Projected: from its beginning, or from `$2`, for at most `$3` days. What is freed is a sum of its own.
    static let statement = """
        WITH worth AS (
            SELECT cluster_id, feature, form, per_hour, least(until, since + make_interval(days => $3::int)) AS ends,
                   per_hour * greatest(0, extract(epoch FROM
                       least(world_now(), until, since + make_interval(days => $3::int)) - greatest(since, $2)) / 3600) AS amount
              FROM saving), projected AS (
            SELECT cluster_id, feature, count(*) AS savings,
                   sum(per_hour) FILTER (WHERE form <> 'freed' AND ends > world_now()) AS per_hour,
                   sum(amount) FILTER (WHERE form <> 'freed') AS amount, sum(amount) FILTER (WHERE form = 'freed') AS freed
              FROM worth WHERE ($1::text IS NULL OR cluster_id = $1) GROUP BY cluster_id, feature), realised AS (
            SELECT cluster_id, feature, sum(hours) AS hours, sum(amount) AS amount, max(day) AS until
              FROM saving_day WHERE ($1::text IS NULL OR cluster_id = $1) AND day >= ($2::timestamptz AT TIME ZONE 'UTC')::date
             GROUP BY cluster_id, feature)
        SELECT coalesce(p.cluster_id, r.cluster_id), coalesce(p.feature, r.feature), coalesce(p.savings, 0),
               coalesce(p.per_hour, 0)::float8 / 1e6, coalesce(p.amount, 0)::float8 / 1e6, coalesce(r.hours, 0)::float8,
               coalesce(r.amount, 0)::float8 / 1e6, r.until::text, coalesce(p.freed, 0)::float8 / 1e6
          FROM projected p FULL JOIN realised r ON r.cluster_id = p.cluster_id AND r.feature = p.feature ORDER BY 1, 2
        """

    /// A cluster's savings that began after then.
    public func savings(of cluster: ClusterID, since: Date) async throws -> [SavingFact] {
        try await connection.query(SavingsStore.savings, [.text(cluster.rawValue), .date(since)]).map { row in
            try SavingFact(
                key: row.string(0), cluster: cluster, feature: Feature(rawValue: row.string(1)) ?? .interruptions,
                SavingFact.Form(rawValue: row.string(2)) ?? .cheaper, subject: row.string(3),
                before: MicroDollars(rawValue: row.int(4)), after: MicroDollars(rawValue: row.int(5)),
                since: row.date(6), until: row.dateIfPresent(7))
        }
    }

    /// The lives of a cluster's nodes that were seen after then.
    public func lives(of cluster: ClusterID, since: Date) async throws -> [NodeLife] {
        try await connection.query(SavingsStore.lives, [.text(cluster.rawValue), .date(since)]).map { row in
            try NodeLife(
                instance: InstanceID(rawValue: row.string(0)), type: row.text(1), zone: row.text(2),
                capacity: row.text(3).flatMap(CapacityType.init(rawValue:)), firstSeen: row.date(4),
                lastSeen: row.date(5))
        }
    }

    /// A line of the statement: one cluster and feature.
    public struct Line: Sendable, Encodable {
        /// The cluster.
        public var cluster: String
        /// The feature.
        public var feature: String
        /// Savings decided.
        public var savings: Int
        /// What those in force are expected to save, dollars per hour.
        public var projectedDollarsPerHour: Double
        /// What they were expected to save in the period, dollars.
        public var projectedDollars: Double
        /// Hours measured.
        public var realisedHours: Double
        /// What was measured, dollars.
        public var realisedDollars: Double
        /// The last day that was measured; nil: none.
        public var measuredUntil: String?
        /// What room on nodes that was freed is worth at list prices, dollars: in neither of the sums.
        public var freedDollars: Double

        enum CodingKeys: String, CodingKey {
            case cluster, feature, savings
            case projectedDollarsPerHour = "projected_dollars_per_hour"
            case projectedDollars = "projected_dollars"
            case realisedHours = "realised_hours"
            case realisedDollars = "realised_dollars"
            case measuredUntil = "measured_until"
            case freedDollars = "freed_dollars"
        }
    }

    /// The statement of a period: one line for each cluster and feature.
    /// - Parameter horizonDays: how long a saving is projected at most.
    public func statement(cluster: String?, since: Date, horizonDays: Int = 30) async throws -> [Line] {
        try await connection.query(
            SavingsStore.statement, [.optional(cluster), .date(since), .int(Int64(horizonDays))]
        ).map { row in
            func rounded(_ value: Double) -> Double { (value * 10_000).rounded() / 10_000 }
            return try Line(
                cluster: row.string(0), feature: row.string(1), savings: Int(row.int(2)),
                projectedDollarsPerHour: row.double(3), projectedDollars: rounded(row.double(4)),
                realisedHours: rounded(row.double(5)), realisedDollars: rounded(row.double(6)),
                measuredUntil: row.text(7), freedDollars: rounded(row.double(8)))
        }
    }
}
