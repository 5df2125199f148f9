/// The whole fleet at one moment.
enum SnapshotStatements {
    /// The rows of every list; the lists of what runs, failed and comes next are cut.
    static let parts: [(name: String, sql: String)] = [
        (
            "leader",
            """
            SELECT to_jsonb(l) FROM leader_health l WHERE l.name = 'scheduler'
            """
        ),
        ("queues", "SELECT coalesce(jsonb_agg(to_jsonb(q) ORDER BY q.queue, q.lane), '[]') FROM queue_depth q"),
        (
            "workers",
            """
            SELECT coalesce(jsonb_agg(to_jsonb(w) || jsonb_build_object(
                       'lease_seconds', extract(epoch FROM w.expires_at - now())::float8) ORDER BY w.state DESC, w.host, w.id), '[]')
              FROM worker_health w WHERE w.state <> 'gone' OR w.running > 0 OR w.expires_at > now() - interval '1 minute'
            """
        ),
        (
            "running",
            """
            SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY r.claimed_at, r.id), '[]') FROM (
                SELECT id, kind, queue, tenant, target, lane, worker_id, host, attempt, fence, claimed_at, running_seconds,
                       cancel_at, done, total, note, eta_seconds FROM job_running ORDER BY claimed_at, id LIMIT 200) r
            """
        ),
        (
            "failures",
            """
            SELECT coalesce(jsonb_agg(to_jsonb(f) ORDER BY f.ended_at DESC, f.job_id), '[]') FROM (
                SELECT a.job_id, s.kind, s.target, s.state, a.how, a.error ->> 'message' AS message, a.ended_at,
                       extract(epoch FROM now() - a.ended_at)::float8 AS ago_seconds
                  FROM (SELECT job_id, how, error, ended_at FROM attempt_log
                         WHERE how IN ('retry', 'dead', 'crash', 'timeout') ORDER BY ended_at DESC LIMIT 50) a
                  LEFT JOIN job_status s ON s.id = a.job_id) f
            """
        ),
        (
            "schedules",
            """
            SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.next_slot, s.id), '[]') FROM (
                SELECT id, kind, target, last_slot, next_slot, late_seconds, paused_by,
                       extract(epoch FROM next_slot - world_now())::float8 AS in_seconds
                  FROM schedule_health WHERE enabled ORDER BY next_slot, id LIMIT 50) s
            """
        ),
        ("pauses", "SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY p.scope, p.name), '[]') FROM pause_status p"),
        (
            "circuits",
            "SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY c.target, c.side), '[]') FROM circuit_status c WHERE c.is_open"
        ),
        (
            "totals",
            """
            SELECT jsonb_build_object(
                'due', (SELECT coalesce(sum(due), 0) FROM queue_depth), 'later', (SELECT coalesce(sum(later), 0) FROM queue_depth),
                'running', (SELECT count(*) FROM job_running),
                'dead', (SELECT count(*) FROM job_dead_letter WHERE replayed_by IS NULL),
                'slots', (SELECT coalesce(sum(slots), 0) FROM worker_health WHERE state = 'live'),
                'live_workers', (SELECT count(*) FROM worker_health WHERE state = 'live'))
            """
        ),
    ]

    /// One statement: everything in its answer was true at one moment.
    static func snapshot(_ more: [(name: String, sql: String)]) -> String {
        let fields = (parts + more).map { "'\($0.name)', (\($0.sql))" }.joined(separator: ",\n")
        return "SELECT jsonb_build_object('at', now(), 'world_at', world_now(),\n\(fields))"
    }
}
