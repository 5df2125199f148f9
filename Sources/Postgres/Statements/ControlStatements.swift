/// What operators do to the queue beside cancelling.
enum ControlStatements {
    /// `$1` scope, `$2` name, `$3` who, `$4` why, `$5` seconds, or NULL for no end. A second pause replaces the first.
    static let pause = """
        INSERT INTO pause (scope, name, by, reason, until)
        VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5::float8))
        ON CONFLICT (scope, name) DO UPDATE SET by = excluded.by, reason = excluded.reason, until = excluded.until, at = now()
        """

    static let resume = "DELETE FROM pause WHERE scope = $1 AND name = $2"

    /// `$1` ids, `$2` seconds. Only what is queued moves; "start before" moves with it.
    static let snooze = """
        WITH l AS (
            SELECT j.id FROM job j
             WHERE j.id = ANY ($1) AND (j.state + 0) = 0 AND j.cancel_at IS NULL ORDER BY j.id FOR UPDATE OF j)
        UPDATE job j SET run_at = now() + make_interval(secs => $2::float8),
               late_at = j.late_at + (now() + make_interval(secs => $2::float8) - j.run_at)
          FROM l WHERE j.id = l.id RETURNING j.id
        """
}
