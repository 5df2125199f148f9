/// Which jobs an operator means, and what is read about single ones.
enum SelectionStatements {
    /// `$1` state, `$2` kind, `$3` queue, `$4` tenant, `$5` target; `$6` and `$7` ended, or else enqueued, from and to;
    /// `$8` only dead jobs that nobody runs again. NULL fits everything.
    static let fits = """
        ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR queue = $3)
               AND ($4::text IS NULL OR tenant = $4) AND ($5::text IS NULL OR target = $5)
               AND coalesce(finished_at, created_at) >= coalesce($6::timestamptz, '-infinity')
               AND coalesce(finished_at, created_at) <= coalesce($7::timestamptz, 'infinity')
               AND (NOT $8::boolean OR replayed_by IS NULL)
        """
    static let newest = """
        SELECT to_jsonb(s) FROM (
            SELECT id, kind, queue, tenant, target, lane, state, attempt, run_at, claimed_at, finished_at, created_at, reason
              FROM job_status
             WHERE \(fits)
             ORDER BY created_at DESC, id DESC LIMIT $9) s
        """
    static let count = """
        SELECT kind, state, count(*) FROM job_status WHERE \(fits) GROUP BY kind, state ORDER BY count(*) DESC, kind, state
        """
    /// The next ones after `$9`, at most `$10`.
    static let page = "SELECT id FROM job_status WHERE \(fits) AND id > $9 ORDER BY id LIMIT $10"
    static let dead = "SELECT id, kind, target, args FROM job_dead WHERE id = ANY ($1) ORDER BY id"

    /// Where a job is, and how its last run ended.
    static let stop = """
        SELECT s.state, s.fence, s.worker_id, coalesce(a.ended_at, s.finished_at), s.reason,
               coalesce(a.how = 'cancelled' AND a.error IS NULL, false)
          FROM job_status s LEFT JOIN attempt_log a ON a.job_id = s.id AND a.fence = s.fence AND a.how = 'cancelled'
         WHERE s.id = $1
        """
    /// The lines after `$2`, at most `$3`.
    static let log = "SELECT n, fence, at, line FROM job_log_line WHERE job_id = $1 AND n > $2 ORDER BY n LIMIT $3"
    static let worker = "SELECT to_jsonb(w) FROM worker_health w WHERE w.id = $1"
    /// Whether there is such a thing; whoever pauses a tenant or a queue may do so before its first job.
    static let exists = """
        SELECT CASE $1::text WHEN 'kind' THEN EXISTS (SELECT FROM job_kind k WHERE k.kind = $2)
                             WHEN 'schedule' THEN EXISTS (SELECT FROM schedule s WHERE s.id = $2)
                             WHEN 'cluster' THEN EXISTS (SELECT FROM job_target t WHERE t.target = $2) ELSE true END
        """
}
