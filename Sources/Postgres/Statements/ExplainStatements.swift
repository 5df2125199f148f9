/// Why a job is not running now. One statement, so that everything it says was true at one moment.
enum ExplainStatements {
    /// `$1` the job. Rows of code and sentence about the queued job `j`; more may be joined with UNION ALL.
    static let reasons = """
        SELECT 'paused' AS code, 'it is paused: ' || p.scope || ' ' || p.name || ', by ' || p.by || ' since ' || p.at
               || coalesce(' until ' || p.until, '') || CASE p.reason WHEN '' THEN '' ELSE ': ' || p.reason END AS text
          FROM j, pause p WHERE (p.until IS NULL OR p.until > now())
           AND (p.scope = 'all' OR (p.scope = 'queue' AND p.name = j.queue)
                OR (p.scope = 'kind' AND p.name = j.kind) OR (p.scope = 'cluster' AND p.name = j.target)
                OR (p.scope = 'tenant' AND p.name = j.tenant))
        UNION ALL
        SELECT 'not-due', 'it is not due before ' || j.run_at || ' (in ' || ceil(extract(epoch FROM j.run_at - now())) || ' s)'
               || CASE WHEN j.last_error IS NOT NULL THEN ': attempt ' || j.attempt || ' of ' || j.max_attempts || ' failed'
                       WHEN j.snoozes > 0 THEN ': it wished to run again then' ELSE '' END
          FROM j WHERE j.run_at > now()
        UNION ALL
        SELECT 'limit-full', 'its limit "' || j.limit_key || '" is full: job ' || (
                   SELECT string_agg(s.job_id || coalesce(' (since ' || h.claimed_at || ')', ''), ', job ' ORDER BY s.n)
                     FROM (SELECT x.n, x.job_id FROM job_slot x WHERE x.limit_key = j.limit_key ORDER BY x.n LIMIT 5) s
                     LEFT JOIN job h ON h.id = s.job_id)
               || CASE WHEN j.limit_max > 5 THEN ' and others' ELSE '' END || ' hold its ' || j.limit_max || ' slots'
          FROM j WHERE j.limit_key IS NOT NULL
           AND (SELECT count(*) FROM job_slot s WHERE s.limit_key = j.limit_key) >= j.limit_max
        UNION ALL
        SELECT 'limit-full', 'the limit of ' || l.scope || ' ' || l.name || ', set by ' || l.by || ', is full: job ' || (
                   SELECT string_agg(s.job_id::text, ', job ' ORDER BY s.n)
                     FROM (SELECT x.n, x.job_id FROM job_slot x WHERE x.limit_key = 'operator/' || l.scope || ':' || l.name
                            ORDER BY x.n LIMIT 5) s)
               || CASE WHEN l.running_max > 5 THEN ' and others' ELSE '' END || ' hold its ' || l.running_max || ' slots'
          FROM j, job_limit l WHERE \(LimitStatements.holds)
           AND (SELECT count(*) FROM job_slot s WHERE s.limit_key = 'operator/' || l.scope || ':' || l.name) >= l.running_max
        UNION ALL
        SELECT 'rate', 'its rate "' || b.key || '" has no token before '
               || (b.at + make_interval(secs => (1 - b.tokens) / b.per_second))
          FROM j JOIN rate_bucket b ON b.key = j.rate_key OR b.key IN (
               SELECT 'operator/' || l.scope || ':' || l.name FROM job_limit l
                WHERE l.per_second IS NOT NULL AND \(LimitStatements.holds))
               OR (j.snoozes > 0 AND j.target <> '' AND b.key IN (
                   SELECT 'operator/api:' || l.name FROM job_limit l
                    WHERE l.scope = 'api' AND (position('/' IN l.name) = 0
                                               OR right(l.name, length(j.target) + 1) = '/' || j.target)))
         WHERE b.tokens + extract(epoch FROM now() - b.at) * b.per_second < 1
        UNION ALL
        SELECT 'no-worker', 'no live worker takes queue "' || j.queue || '" and kind "' || j.kind || '"; live workers: ' || (
                   SELECT count(*) FROM worker w WHERE w.state = 0 AND w.expires_at > now())
          FROM j WHERE NOT EXISTS (SELECT FROM worker w WHERE w.state = 0 AND w.expires_at > now()
                                    AND j.queue = ANY (w.queues) AND j.kind = ANY (w.kinds))
        UNION ALL
        SELECT 'workers-busy', 'the workers that take it are busy: ' || w.running || ' jobs on ' || w.workers
               || ' workers with ' || w.slots || ' slots'
          FROM j, LATERAL (
                SELECT count(*) AS workers, sum(w.slots) AS slots,
                       sum((SELECT count(*) FROM job h WHERE h.worker_id = w.id AND h.state = 1)) AS running
                  FROM worker w WHERE w.state = 0 AND w.expires_at > now() AND j.queue = ANY (w.queues)
                   AND j.kind = ANY (w.kinds)) w
         WHERE j.run_at <= now() AND w.running >= w.slots
        UNION ALL
        SELECT 'suspect', 'it is a suspect (its worker died ' || j.crashes || ' times) and waits for a worker that has nothing else'
          FROM j WHERE j.crashes >= 2
        UNION ALL
        SELECT 'circuit-open', 'the far side ' || c.side || ' of ' || c.target || ' failed ' || c.failures
               || ' times in a row and is asked again at ' || c.probe_at || ': ' || c.last_error
          FROM j JOIN circuit c ON c.target = j.target WHERE c.probe_at IS NOT NULL AND j.lane > 0
        UNION ALL
        SELECT 'no-leader', 'no scheduler leads: nobody hands out ids, workers find it when they look themselves'
          FROM j WHERE j.run_at <= now() AND NOT EXISTS (SELECT FROM lead l WHERE l.name = 'scheduler' AND l.expires_at > now())
        UNION ALL
        SELECT 'late', 'it will be cancelled as late: it was to start before ' || j.late_at FROM j WHERE j.late_at < now()
        """

    /// How many jobs of its queue come before it; counting ends at ten thousand.
    static let ahead = """
        SELECT count(*) FROM (SELECT FROM job o, j WHERE o.state = 0 AND o.queue = j.queue AND o.run_at <= now()
           AND (o.lane < j.lane OR (o.lane = j.lane AND (o.run_at, o.id) < (j.run_at, j.id))) LIMIT 10000) x
        """

    /// The whole answer as one document.
    static func explain(_ more: [String]) -> String {
        let all = ([reasons] + more).joined(separator: "\nUNION ALL\n")
        return """
            WITH j AS (SELECT * FROM job WHERE id = $1 AND state = 0),
            r AS (\(all))
            SELECT (\(StatusReader.jobSQL)) || jsonb_build_object(
                'at', now(), 'reasons', (SELECT coalesce(jsonb_agg(jsonb_build_object('code', r.code, 'text', r.text)), '[]') FROM r),
                'ahead', (\(ahead)),
                'worker', (SELECT to_jsonb(w) FROM worker_health w JOIN job h ON h.worker_id = w.id AND h.id = $1),
                'pace', (SELECT to_jsonb(p) FROM job_running p WHERE p.id = $1))
            """
    }
}
