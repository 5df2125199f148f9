import JobQueue

/// One thing that was looked at in an installation.
public struct Examination: Sendable, Codable, Equatable {
    /// How it is.
    public enum Level: String, Sendable, Codable, Comparable {
        /// As it should be.
        case ok
        /// It works, and somebody should look.
        case warning
        /// It does not work.
        case failure

        /// Worse is greater.
        public static func < (left: Level, right: Level) -> Bool { left.rank < right.rank }
        private var rank: Int { self == .ok ? 0 : self == .warning ? 1 : 2 }
    }

    /// What was looked at.
    public var check: String
    /// How it is.
    public var level: Level
    /// What was found.
    public var found: String
    /// What to do; empty when nothing is to be done.
    public var advice: String

    /// Makes an examination.
    public init(_ check: String, _ level: Level, _ found: String, advice: String = "") {
        self.check = check
        self.level = level
        self.found = found
        self.advice = level == .ok ? "" : advice
    }
}

extension StatusReader {
    /// Asks questions of the form: level, what was found.
    public func examine(_ questions: [HealthQuestion]) async throws -> [Examination] {
        var found: [Examination] = []
        for question in questions {
            do {
                for row in try await reading(question.sql) {
                    found.append(
                        Examination(
                            question.check, Examination.Level(rawValue: try row.string(0)) ?? .failure,
                            try row.string(1), advice: question.advice))
                }
            } catch let error as QueueError where error.postgres != nil {
                found.append(
                    Examination(question.check, .failure, error.message, advice: "grant what is missing, or migrate"))
            }
        }
        return found
    }
}

/// A question to the database about its own health, or that of the queue in it.
public struct HealthQuestion: Sendable {
    /// What is looked at.
    public let check: String
    /// Gives rows of level and what was found.
    public let sql: String
    /// What to do when the level is not ok.
    public let advice: String

    /// Makes a question.
    public init(_ check: String, advice: String, _ sql: String) {
        self.check = check
        self.sql = sql
        self.advice = advice
    }

    /// The server: versions, settings, permissions.
    public static let server = [
        HealthQuestion(
            "postgresql version", advice: "upgrade PostgreSQL to 15 or later",
            """
            SELECT CASE WHEN server_version >= 150000 THEN 'ok' ELSE 'failure' END, 'version ' || server_version / 10000
              FROM database_health
            """),
        HealthQuestion(
            "primary", advice: "name the primary in DATABASE_URL or DB_HOST: a standby takes no writes",
            "SELECT CASE WHEN is_standby THEN 'failure' ELSE 'ok' END, CASE WHEN is_standby THEN 'a standby' ELSE 'a primary' END FROM database_health"
        ),
        HealthQuestion(
            "durability",
            advice: "turn fsync, full_page_writes and synchronous_commit on: acknowledged jobs must survive a crash",
            """
            SELECT CASE WHEN current_setting('fsync') = 'off' OR current_setting('full_page_writes') = 'off' THEN 'failure'
                        WHEN current_setting('synchronous_commit') = 'off' THEN 'warning' ELSE 'ok' END,
                   'fsync ' || current_setting('fsync') || ', full_page_writes ' || current_setting('full_page_writes')
                   || ', synchronous_commit ' || current_setting('synchronous_commit')
            """),
        HealthQuestion(
            "vacuum", advice: "turn autovacuum and track_counts on",
            """
            SELECT CASE WHEN current_setting('autovacuum')::bool AND current_setting('track_counts')::bool THEN 'ok'
                        ELSE 'failure' END, 'autovacuum ' || current_setting('autovacuum')
            """),
        HealthQuestion(
            "session settings",
            advice:
                "behind a transaction pooler: run `cloudoptim migrate` with DB_POOLER=transaction, which sets them on the role, then RECONNECT the pooler",
            """
            SELECT CASE WHEN current_setting('idle_in_transaction_session_timeout') IN ('0', '0ms')
                          OR current_setting('jit')::bool OR current_setting('TimeZone') <> 'UTC' THEN 'warning' ELSE 'ok' END,
                   'idle_in_transaction_session_timeout ' || current_setting('idle_in_transaction_session_timeout')
                   || ', jit ' || current_setting('jit') || ', time zone ' || current_setting('TimeZone')
            """),
        HealthQuestion(
            "permissions", advice: "grant cloudoptim_worker to the user of the roles",
            """
            SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'failure' END,
                   CASE WHEN count(*) = 0 THEN current_user || ' may read and write every table'
                        ELSE current_user || ' may not write ' || string_agg(c.relname, ', ' ORDER BY c.relname) END
              FROM pg_class c
             WHERE c.relnamespace = to_regnamespace(current_schema()) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
               AND c.relname NOT IN ('schema_migration', 'schema_release', 'world_clock')
               AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                        AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
            """),
        HealthQuestion(
            "statistics of others",
            advice: "GRANT pg_read_all_stats to this user: else old transactions of others are not seen",
            """
            SELECT CASE WHEN pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') THEN 'ok' ELSE 'warning' END,
                   CASE WHEN pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') THEN 'seen' ELSE 'not seen' END
            """),
        HealthQuestion(
            "old transactions",
            advice:
                "find it by backend_xmin in pg_stat_activity, pg_prepared_xacts or pg_replication_slots, and end it: vacuum waits for it",
            """
            SELECT CASE WHEN oldest_xmin_seconds > 900 OR prepared_transactions > 0 OR slot_xmin_age > 10000000 THEN 'warning'
                        ELSE 'ok' END,
                   'oldest ' || round(oldest_xmin_seconds) || ' s, ' || prepared_transactions || ' prepared, slots '
                   || slot_xmin_age || ' transactions behind' FROM database_health
            """),
        HealthQuestion(
            "bloat", advice: "look for an old transaction; then VACUUM the table",
            """
            SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END,
                   coalesce(string_agg(name || ' has ' || dead_rows || ' dead rows for ' || live_rows || ' live ones', '; '),
                            'no table is full of dead rows')
              FROM table_health WHERE dead_rows > 100000 AND dead_rows > 2 * live_rows
            """),
    ]

    /// The queue: partitions, leader, workers, stuck work.
    public static let queue = [
        HealthQuestion(
            "partitions",
            advice:
                "run a scheduler: the leading one makes the partitions of the next days; `cloudoptim migrate` does so too",
            """
            SELECT CASE WHEN history_days_ahead >= 2 THEN 'ok' ELSE 'failure' END, history_days_ahead || ' days ahead'
              FROM database_health
            """),
        HealthQuestion(
            "default partition",
            advice: "rows are there of days that had no partition in time; they are kept, and go by their age",
            """
            SELECT CASE WHEN EXISTS (SELECT FROM job_history_default) THEN 'warning' ELSE 'ok' END,
                   CASE WHEN EXISTS (SELECT FROM job_history_default) THEN 'has rows' ELSE 'empty' END
            """),
        HealthQuestion(
            "leader", advice: "run two of `cloudoptim scheduler`, and look at their logs",
            """
            SELECT CASE WHEN bool_or(is_live) THEN 'ok' ELSE 'failure' END,
                   CASE WHEN bool_or(is_live) THEN 'a scheduler leads, term ' || max(term) ELSE 'no scheduler leads' END
              FROM leader_health
            """),
        HealthQuestion(
            "schedules", advice: "the leading scheduler is behind: look at its CPU and at the database's latency",
            """
            SELECT CASE WHEN coalesce(max(late_seconds), 0) > 30 THEN 'failure' ELSE 'ok' END,
                   count(*) || ' schedules, the latest is ' || round(coalesce(max(late_seconds), 0)) || ' s overdue'
              FROM schedule_health WHERE enabled
            """),
        HealthQuestion(
            "workers", advice: "run `cloudoptim worker`",
            """
            SELECT CASE WHEN count(*) = 0 THEN 'failure' ELSE 'ok' END,
                   count(*) || ' live, ' || coalesce(sum(slots), 0) || ' slots, versions '
                   || coalesce(string_agg(DISTINCT version, ', '), 'none') FROM worker_health WHERE state = 'live'
            """),
        HealthQuestion(
            "kinds", advice: "no live worker can run them: upgrade the workers, or take the kinds' jobspecs away",
            """
            SELECT CASE WHEN count(*) = 0 OR NOT EXISTS (SELECT FROM worker_health WHERE state = 'live') THEN 'ok' ELSE 'failure' END,
                   CASE WHEN count(*) = 0 THEN 'every kind has a worker' ELSE string_agg(k.kind, ', ' ORDER BY k.kind) END
              FROM job_kind k
             WHERE NOT EXISTS (SELECT FROM worker_health w WHERE w.state = 'live' AND k.kind = ANY (w.kinds)
                                AND coalesce(k.spec ->> 'queue', 'default') = ANY (w.queues))
            """),
        HealthQuestion(
            "stuck runs", advice: "the leading scheduler takes them back within seconds: look at its log",
            """
            SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'failure' END, count(*) || ' runs are a minute past their deadline'
              FROM job WHERE state = 1 AND deadline_at < now() - interval '1 minute'
            """),
        HealthQuestion(
            "interruptions", advice: "lane 0 waits: add workers, then `cloudoptim jobs explain` the oldest job",
            """
            SELECT CASE WHEN coalesce(max(oldest_due_seconds), 0) > 10 THEN 'failure' ELSE 'ok' END,
                   'the oldest due job of lane 0 waits ' || round(coalesce(max(oldest_due_seconds), 0)) || ' s'
              FROM queue_depth WHERE lane = 0
            """),
        HealthQuestion(
            "backlog",
            advice:
                "compare `SELECT needed_workers()` with the workers there are; `cloudoptim jobs explain` the oldest job",
            """
            SELECT CASE WHEN coalesce(max(oldest_due_seconds), 0) > 600 THEN 'warning' ELSE 'ok' END,
                   coalesce(sum(due), 0) || ' jobs are due, the oldest for ' || round(coalesce(max(oldest_due_seconds), 0))
                   || ' s; ' || needed_workers() || ' workers are needed' FROM queue_depth
            """),
        HealthQuestion(
            "suspects",
            advice: "their workers died twice: look for OOM kills; they wait for a worker that has nothing else",
            """
            SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END, count(*) || ' suspects' FROM job WHERE crashes >= 2
            """),
        HealthQuestion(
            "unknown effects",
            advice:
                "calls went out and their answer is not known: `SELECT key, step, at, job_id FROM effect_log WHERE state = 'intended'`",
            """
            SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END, count(*) || ' intended more than ten minutes ago'
              FROM effect WHERE state = 0 AND at < now() - interval '10 minutes'
            """),
        HealthQuestion(
            "dead letters",
            advice: "`cloudoptim jobs list --state dead`; mend the cause, then `cloudoptim jobs retry ID`",
            """
            SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END, count(*) || ' dead jobs that nobody has replayed'
              FROM job_dead WHERE replayed_by IS NULL
            """),
        HealthQuestion(
            "pauses", advice: "what is paused waits until somebody resumes it",
            """
            SELECT CASE WHEN count(*) = 0 THEN 'ok' ELSE 'warning' END,
                   coalesce(string_agg(scope || ' ' || name || ' by ' || by, '; '), 'nothing is paused') FROM pause_status
            """),
    ]
}
