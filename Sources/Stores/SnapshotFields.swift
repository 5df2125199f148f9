/// What the product adds to `StatusReader.snapshot`.
public enum SnapshotFields {
    /// Every field.
    public static let all = [(name: "dollars_per_hour", sql: dollarsPerHour)]

    static let dollarsPerHour = """
        SELECT coalesce(sum(dollars_per_hour), 0)::float8 FROM saving_status
         WHERE form <> 'freed' AND (until IS NULL OR until > world_now())
        """
}
