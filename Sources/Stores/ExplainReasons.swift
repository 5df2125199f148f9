/// What the product knows about a job that does not run, or that will run and do nothing: statements of code and sentence
/// about the queued job `j`, for `StatusReader.explain`.
public enum ExplainReasons {
    /// Every statement.
    public static let all = [switches, clusterSwitches, clusters]

    static let switches = """
        SELECT 'kill-switch', 'the kill switch is on since ' || k.changed_at || ', by ' || k.changed_by
               || ': it will look, and change nothing'
          FROM j, kill_switch k WHERE k.is_on AND j.target <> ''
        """
    static let clusterSwitches = """
        SELECT 'kill-switch', 'the kill switch of cluster ' || k.cluster_id || ' is on since ' || k.changed_at || ', by '
               || k.changed_by || ': it will look, and change nothing'
          FROM j JOIN cluster_kill_switch k ON k.cluster_id = j.target WHERE k.is_on
        """
    static let clusters = """
        SELECT 'cluster-off', 'the mode of cluster ' || c.id || ' is off: it will run, and not even look'
          FROM j JOIN cluster c ON c.id = j.target WHERE c.mode = 'off'
        """
}
