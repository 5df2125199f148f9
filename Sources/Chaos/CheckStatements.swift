/// What the checker asks of the ledger and of the database's own notes. Each gives one row per violation: job, detail.
enum CheckStatements {
    static let illegalMoves = """
        WITH m AS (
            SELECT m.*, w.host, lead(m.op) OVER (PARTITION BY m.job ORDER BY m.seq) AS next_op,
                   lag(m.op) OVER (PARTITION BY m.job ORDER BY m.seq) AS last_op
              FROM chaos_move m LEFT JOIN worker w ON w.id = m.from_worker),
        bad AS (
            SELECT job, seq, CASE
                WHEN op = 'insert' AND (to_state <> 0 OR to_fence <> 0) THEN 'born running or fenced'
                WHEN op = 'insert' AND last_op IS NOT NULL THEN 'born twice'
                WHEN last_op = 'delete' THEN 'moved after its end'
                WHEN op = 'update' AND from_state = 0 AND to_state = 1 AND to_fence <> from_fence + 1
                    THEN 'claimed without a new fence'
                WHEN op = 'update' AND from_state = 1 AND to_state = 0 AND to_fence <> from_fence
                    THEN 'fence changed without a claim'
                WHEN op = 'update' AND from_state = to_state THEN 'taken from state ' || from_state || ' to itself'
                WHEN op = 'delete' AND from_state = 0 THEN 'ended without having run'
                WHEN op <> 'insert' AND from_state = 1 AND app LIKE 's%-control' AND owner_live AND NOT past_deadline
                    THEN 'a live run was taken back'
                WHEN op <> 'insert' AND from_state = 1 AND app LIKE 'w%' AND split_part(app, '-', 1) <> host
                    THEN 'settled by ' || split_part(app, '-', 1) || ', which did not own it'
                END AS what
              FROM m)
        SELECT job::text, what FROM bad WHERE what IS NOT NULL
        UNION ALL SELECT job::text, what || ' ' || coalesce(detail, '') FROM chaos_flaw
        UNION ALL SELECT id::text, 'ended twice' FROM (SELECT id FROM job_history UNION ALL SELECT id FROM job_dead) e
                   GROUP BY id HAVING count(*) > 1
        """

    static let fenceRegressions = """
        SELECT job::text, 'fence ' || to_fence || ' after ' || before FROM (
            SELECT job, to_fence, max(to_fence) OVER (PARTITION BY job ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING
                                                      AND 1 PRECEDING) AS before
              FROM chaos_move WHERE to_state = 1) c WHERE to_fence <= before
        UNION ALL
        SELECT id::text, 'ended with fence ' || fence || ' and the result of ' || (result ->> 'fence')
          FROM job_history WHERE outcome = 'done' AND (result ->> 'fence')::bigint <> fence
        """

    /// `$1`: ids that were acknowledged.
    static let lost = """
        SELECT a.id::text, 'nowhere' FROM unnest($1::uuid[]) AS a(id)
         WHERE NOT EXISTS (SELECT FROM job j WHERE j.id = a.id)
           AND NOT EXISTS (SELECT FROM job_history h WHERE h.id = a.id)
           AND NOT EXISTS (SELECT FROM job_dead d WHERE d.id = a.id)
        """

    static let stuck = """
        SELECT id::text, kind || ' state ' || state || ' fence ' || fence || ' crashes ' || crashes || ' solo ' || solo_crashes
               || ' run_at ' || (run_at - now())::text FROM job
        """

    static let innocents =
        "SELECT id::text, kind || ': ' || reason FROM job_dead WHERE reason LIKE 'poison%' AND kind <> 'poison'"

    static let poisonAtLarge = """
        SELECT a.id::text, 'not quarantined' FROM unnest($1::uuid[]) AS a(id)
         WHERE NOT EXISTS (SELECT FROM job_dead d WHERE d.id = a.id AND d.reason LIKE 'poison%')
        """

    /// A prompt job may be cancelled as late only when it had never been started.
    static let deadWrongly = """
        SELECT id::text, kind || ': ' || reason || ' ' || coalesce(last_error::text, '') FROM job_dead
         WHERE reason NOT LIKE 'poison%' AND NOT (kind = 'plain' AND reason = 'outcome unknown')
        UNION ALL
        SELECT id::text, kind || ' cancelled: ' || coalesce(reason, '') || ' after ' || fence || ' runs' FROM job_history
         WHERE outcome = 'cancelled' AND NOT (kind = 'prompt' AND fence = 1)
        """

    /// Attempts that something other than the job itself cost.
    static let burntAttempts = """
        SELECT job_id::text, how || ' ' || coalesce(error::text, '') FROM job_attempt
         WHERE how = 'timeout' OR (how = 'retry' AND error ->> 'code' NOT IN ('failed', 'transient'))
        UNION ALL
        SELECT h.id::text, h.kind || ' ended with attempt ' || h.attempt FROM job_history h
         WHERE h.attempt <> 1 + (SELECT count(*) FROM job_attempt a WHERE a.job_id = h.id AND a.how IN ('retry', 'timeout'))
        """

    static let slotsLeaked = """
        SELECT s.job_id::text, s.limit_key FROM job_slot s
         WHERE NOT EXISTS (SELECT FROM job j WHERE j.id = s.job_id AND j.fence = s.fence AND j.state = 1)
        """

    static let keysLeaked = """
        SELECT k.job_id::text, k.key FROM job_key k
         WHERE k.release = 0 AND NOT EXISTS (SELECT FROM job j WHERE j.id = k.job_id)
        """

    static let recordsDoubled = "SELECT key, 'written ' || n || ' times' FROM chaos_count WHERE n > 1"
    static let recordsMissing = """
        SELECT id::text, 'no record' FROM job_history h WHERE kind = 'parent' AND outcome = 'done'
           AND NOT EXISTS (SELECT FROM chaos_count c WHERE c.key = 'parent/' || (h.args ->> 'n'))
        """
    static let followUpsMissing = """
        SELECT h.id::text, 'child ' || c.n FROM job_history h,
               LATERAL (SELECT (h.args ->> 'n')::int * 2 + g AS n FROM generate_series(0, 1) g) c
         WHERE h.kind = 'parent' AND h.outcome = 'done' AND NOT EXISTS (
               SELECT FROM job_status s WHERE s.kind = 'child' AND (s.args ->> 'n')::int = c.n)
        """

    static let parkedFound = "SELECT count(*) FROM job_dead WHERE kind = 'plain' AND reason = 'outcome unknown'"
    static let parkedExpected = "SELECT count(*) FROM effect WHERE class = 'C' AND state = 0"
    static let done =
        "SELECT kind, (args ->> 'n')::bigint FROM job_history WHERE outcome = 'done' AND kind IN ('keyed', 'plain', 'steps')"
    static let slots = "SELECT key FROM chaos_slot WHERE key LIKE 's:tick:%' ORDER BY key"
    static let ratedClaims = """
        SELECT rate_key, extract(epoch FROM at)::float8 FROM chaos_move WHERE to_state = 1 AND rate_key IS NOT NULL ORDER BY 1, 2
        """
    static let runs = "SELECT count(*) FROM chaos_move WHERE to_state = 1"

    /// `$1` host, `$2` when it was killed: milliseconds until each job that it held ran again, and whether it had to
    /// wait for an idle worker because it was the job's second crash or a later one.
    static let recovery = """
        SELECT extract(epoch FROM n.at - $2)::float8 * 1000,
               EXISTS (SELECT FROM chaos_move r WHERE r.job = c.job AND r.from_state = 1 AND r.from_fence = c.to_fence
                          AND r.to_state = 0 AND r.crashes >= 2)
          FROM worker w JOIN chaos_move c ON c.to_worker = w.id AND c.to_state = 1 AND c.at <= $2
          JOIN LATERAL (SELECT m.at FROM chaos_move m WHERE m.job = c.job AND m.to_state = 1 AND m.to_fence > c.to_fence
                         ORDER BY m.seq LIMIT 1) n ON true
         WHERE w.host = $1
           AND NOT EXISTS (SELECT FROM chaos_move l WHERE l.job = c.job AND l.from_state = 1 AND l.from_fence = c.to_fence
                              AND l.app LIKE 'w%')
        """
}
