import Foundation
import Infrastructure
import Postgres

extension InterruptionStore: NodePlans {
    static let nodePlans = """
        SELECT p.cluster_id, p.number, p.kind, p.nodes, p.touched, p.opened_at, p.seen_at, p.closed_at, p.outcome,
               EXISTS (SELECT FROM job j WHERE j.id = p.job_id)
          FROM node_plan p
         WHERE p.cluster_id = $1
           AND (p.closed_at IS NULL OR p.closed_at >= $2::timestamptz
                OR p.number = (SELECT max(n.number) FROM node_plan n WHERE n.cluster_id = $1))
         ORDER BY p.number
        """

    /// The cluster's newest plan, those that have not ended, and those that ended since then.
    public func plans(of cluster: ClusterID, since: Date) async throws -> [NodePlan] {
        try await connection.query(InterruptionStore.nodePlans, [.text(cluster.rawValue), .date(since)]).map { row in
            var plan = try NodePlan(
                cluster: ClusterID(rawValue: row.string(0)), number: Int(row.int(1)), kind: row.string(2),
                nodes: row.textArray(3).compactMap { $0 }, openedAt: row.date(5))
            plan.touched = try row.textArray(4).compactMap { $0 }
            plan.seenAt = try row.date(6)
            plan.closedAt = try row.dateIfPresent(7)
            plan.outcome = row.text(8)
            plan.isWorkedOn = try row.bool(9)
            return plan
        }
    }
}
