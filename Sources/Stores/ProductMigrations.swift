import Postgres

extension Migration {
    /// The product's migrations, numbered from 101, on top of the queue's.
    /// - Throws: `QueueError` `invalid` for a file whose name has no version: a fault of this program.
    public static var product: [Migration] {
        get throws {
            try [
                ("V101_clusters.sql", PackageResources.V101_clusters_sql),
                ("V102_policies.sql", PackageResources.V102_policies_sql),
                ("V103_proposals.sql", PackageResources.V103_proposals_sql),
                ("V104_prices.sql", PackageResources.V104_prices_sql),
                ("V105_savings.sql", PackageResources.V105_savings_sql),
                ("V115_node_plans.sql", PackageResources.V115_node_plans_sql),
                ("V120_office_hours.sql", PackageResources.V120_office_hours_sql),
                ("V121_usage.sql", PackageResources.V121_usage_sql),
                ("V122_memory_raises.sql", PackageResources.V122_memory_raises_sql),
                ("V125_sightings.sql", PackageResources.V125_sightings_sql),
                ("V130_freed.sql", PackageResources.V130_freed_sql),
                ("V131_risk_predictions.sql", PackageResources.V131_risk_predictions_sql),
                ("V132_node_group_sleep.sql", PackageResources.V132_node_group_sleep_sql),
                ("V133_nodes_asleep.sql", PackageResources.V133_nodes_asleep_sql),
                ("V140_role_tenants.sql", PackageResources.V140_role_tenants_sql),
            ].map { try Migration(name: $0.0, sql: String(decoding: $0.1, as: UTF8.self)) }
        }
    }
}
