/// What the product adds to the metrics of a scheduler; of the form that `StatusReader.gauges` reads.
public enum SavingGauge {
    /// Dollars per hour, all tenants together: a tenant is no label.
    public static let sql = """
        SELECT 'saving_dollars_per_hour', NULL, NULL, NULL, NULL, coalesce(sum(dollars_per_hour), 0)::float8
          FROM saving_status
         WHERE form <> 'freed' AND (until IS NULL OR until > world_now())
        """
}
