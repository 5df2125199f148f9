import Foundation
import JobQueue

/// Upkeep: what has expired goes, in bounded bites; tomorrow's partitions are made.
enum SweepStatements {
    static let bites: [(table: String, sql: String)] = [
        (
            "job_key",
            """
            DELETE FROM job_key WHERE ctid IN (
                SELECT ctid FROM job_key WHERE release = 2 AND expires_at < now() LIMIT 5000)
            """
        ),
        (
            "effect",
            """
            DELETE FROM effect WHERE ctid IN (
                SELECT e.ctid FROM effect e WHERE e.state <> 0 AND e.at < now() - interval '30 days'
                   AND NOT EXISTS (SELECT FROM job j WHERE j.id = e.job_id)
                   AND NOT EXISTS (SELECT FROM job_key k WHERE k.job_id = e.job_id) LIMIT 5000)
            """
        ),
        (
            "job_attempt",
            """
            DELETE FROM job_attempt WHERE ctid IN (
                SELECT a.ctid FROM job_attempt a WHERE a.ended_at < now() - interval '30 days'
                   AND NOT EXISTS (SELECT FROM job j WHERE j.id = a.job_id) LIMIT 5000)
            """
        ),
        (
            "job_log",
            """
            DELETE FROM job_log WHERE ctid IN (
                SELECT l.ctid FROM job_log l WHERE l.at < now() - interval '30 days'
                   AND NOT EXISTS (SELECT FROM job j WHERE j.id = l.job_id) LIMIT 5000)
            """
        ),
        (
            "worker",
            """
            DELETE FROM worker w WHERE w.expires_at < now() - interval '1 day'
               AND NOT EXISTS (SELECT FROM job j WHERE j.worker_id = w.id)
            """
        ),
        (
            "circuit",
            "DELETE FROM circuit WHERE coalesce(probe_at, first_at) < now() - interval '1 day'"
        ),
        (
            "pause",
            "DELETE FROM pause WHERE until < now()"
        ),
        (
            "rate_bucket",
            "DELETE FROM rate_bucket WHERE at < now() - interval '1 day'"
        ),
    ]

    static let historyDays = "SELECT coalesce(max((spec ->> 'history_days')::int), 30) FROM job_kind"
    static let partitions = """
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'job_history'::regclass ORDER BY c.relname
        """
    static let today = "SELECT to_char(now() AT TIME ZONE 'UTC' + make_interval(days => $1::int), 'YYYYMMDD')"
    static let rowsInDefault = """
        SELECT EXISTS (SELECT FROM job_history_default
                        WHERE finished_at >= $1::timestamptz AND finished_at < $2::timestamptz)
        """

    /// The days for which partitions exist ahead of time.
    static let daysAhead = 3

    static func sweep(on connection: isolated PostgresConnection) throws -> SweepReport {
        var removed: [String: Int] = [:]
        for bite in bites {
            let count = try connection.execute(bite.sql)
            if count > 0 { removed[bite.table] = count }
        }
        removed["job_history partitions"] = try turnPartitions(on: connection)
        return SweepReport(removed: removed.filter { $0.value > 0 })
    }

    /// Makes the partitions of today and the next days, and drops those older than the longest history asked for.
    static func turnPartitions(on connection: isolated PostgresConnection) throws -> Int {
        let existing = Set(try connection.query(partitions).map { try $0.string(0) })
        func day(_ offset: Int) throws -> String {
            try connection.query(today, [.text(String(offset))]).first?.string(0) ?? ""
        }
        for offset in 0...daysAhead {
            let from = try day(offset)
            let name = "job_history_\(from)"
            if existing.contains(name) { continue }
            let to = try day(offset + 1)
            let bounds: [PostgresValue] = [.text("\(from)T000000Z"), .text("\(to)T000000Z")]
            let isLate = try connection.query(rowsInDefault, bounds).first?.bool(0) ?? true
            if isLate { continue }  // this day's rows went to the default partition already, and are kept there
            try connection.script(
                """
                CREATE TABLE IF NOT EXISTS \(name) PARTITION OF job_history
                    FOR VALUES FROM ('\(from)T000000Z') TO ('\(to)T000000Z')
                """)
        }
        let days = Int(try connection.query(historyDays).first?.int(0) ?? 30)
        let oldest = "job_history_\(try day(-days))"
        var dropped = 0
        for name in existing where name != "job_history_default" && name < oldest {
            try connection.script("DROP TABLE \(name)")
            dropped += 1
        }
        dropped += try connection.execute(
            "DELETE FROM job_history_default WHERE finished_at < now() - make_interval(days => $1::int)",
            [.text(String(days))])
        return dropped
    }
}
