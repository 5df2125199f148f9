import Foundation
import JobQueue

/// Upkeep: what has expired goes, in bounded bites; tomorrow's partitions are made.
enum SweepStatements {
    /// What goes in each bite, oldest promises first. `$1` is an age, where there is one.
    static let keys = """
        DELETE FROM job_key WHERE ctid IN (
            SELECT ctid FROM job_key WHERE release = 2 AND expires_at < now() LIMIT 5000)
        """
    static let effects = """
        DELETE FROM effect WHERE ctid IN (
            SELECT e.ctid FROM effect e WHERE e.state <> 0 AND e.at < now() - make_interval(days => $1::int)
               AND NOT EXISTS (SELECT FROM job j WHERE j.id = e.job_id)
               AND NOT EXISTS (SELECT FROM job_key k WHERE k.job_id = e.job_id AND k.release = 0)
               AND NOT EXISTS (SELECT FROM job_key k WHERE k.job_id = e.job_id AND k.release = 2
                               AND k.key NOT LIKE 'req:%') LIMIT 5000)
        """
    static let attempts = """
        DELETE FROM job_attempt WHERE ctid IN (
            SELECT a.ctid FROM job_attempt a WHERE a.ended_at < now() - make_interval(days => $1::int)
               AND NOT EXISTS (SELECT FROM job j WHERE j.id = a.job_id) LIMIT 5000)
        """
    static let logs = """
        DELETE FROM job_log WHERE ctid IN (
            SELECT l.ctid FROM job_log l WHERE l.at < now() - make_interval(days => $1::int)
               AND NOT EXISTS (SELECT FROM job j WHERE j.id = l.job_id) LIMIT 5000)
        """
    static let replayed = """
        DELETE FROM job_dead WHERE ctid IN (
            SELECT ctid FROM job_dead WHERE replayed_by IS NOT NULL
               AND died_at < now() - make_interval(days => $1::int) LIMIT 5000)
        """
    static let dead = """
        DELETE FROM job_dead WHERE ctid IN (
            SELECT ctid FROM job_dead WHERE died_at < now() - make_interval(days => $1::int) LIMIT 5000)
        """
    static let workers = """
        DELETE FROM worker w WHERE w.expires_at < now() - make_interval(hours => $1::int)
           AND NOT EXISTS (SELECT FROM job j WHERE j.worker_id = w.id)
        """
    static let pauses = "DELETE FROM pause WHERE until < now()"
    static let circuits = "DELETE FROM circuit WHERE coalesce(probe_at, first_at) < now() - interval '1 day'"
    static let rateBuckets = "DELETE FROM rate_bucket WHERE at < now() - interval '1 day'"

    private static func bites(_ retention: Retention) -> [(table: String, sql: String, age: Int?)] {
        [
            ("job_key", keys, nil), ("effect", effects, max(30, retention.effectDays)),
            ("job_attempt", attempts, retention.attemptDays), ("job_log", logs, retention.attemptDays),
            ("job_dead", replayed, retention.attemptDays), ("worker", workers, retention.workerHours),
            ("circuit", circuits, nil), ("pause", pauses, nil), ("rate_bucket", rateBuckets, nil),
        ] + (retention.deadDays.map { [("job_dead", dead, $0)] } ?? [])
    }

    /// Makes the partitions of today and the next days, and drops those older than the longest history asked for: by a function
    /// of the schema's owner (`V020_history_turn.sql`), for a scheduler's user need own no table.
    static let turnHistory = "SELECT turn_history()"

    static func sweep(_ retention: Retention, on connection: isolated PostgresConnection) throws -> SweepReport {
        var removed: [String: Int] = [:]
        for bite in bites(retention) {
            removed[bite.table, default: 0] += try connection.execute(
                bite.sql, bite.age.map { [.text(String($0))] } ?? [])
        }
        removed["job_history partitions"] = Int(try connection.query(turnHistory).first?.int(0) ?? 0)
        removed["job_history"] = try prune(on: connection)
        return SweepReport(removed: removed.filter { $0.value > 0 })
    }

    /// The next day of history that still has a kind past its age. The default partition has no day.
    static let prunable = """
        SELECT p.name, to_char(p.day, 'YYYY-MM-DD'), k.kind FROM history_partition p, job_kind k
         WHERE p.day < (now() AT TIME ZONE 'UTC')::date - (k.spec ->> 'history_days')::int
           AND NOT EXISTS (SELECT FROM history_pruned x WHERE x.day = p.day AND x.kind = k.kind)
         ORDER BY p.day, k.kind LIMIT 1
        """
    static let notePruned = "INSERT INTO history_pruned (day, kind) VALUES ($1::date, $2) ON CONFLICT DO NOTHING"
    /// Rows deleted at once.
    static let pruneMax = 5000
    /// Days and kinds looked through in one sweep.
    static let prunesMax = 50

    /// Deletes rows of kinds whose history is shorter than the longest, which drops whole partitions. Each day is looked
    /// through once for each kind.
    static func prune(on connection: isolated PostgresConnection) throws -> Int {
        var deleted = 0
        for _ in 0..<prunesMax {
            guard let row = try connection.query(prunable).first else { break }
            let (name, day, kind) = (try row.string(0), try row.string(1), try row.string(2))
            let count = try connection.execute(
                """
                DELETE FROM \(name) WHERE ctid IN (SELECT ctid FROM \(name) WHERE kind = $1 LIMIT \(pruneMax))
                """, [.text(kind)])
            deleted += count
            if count == pruneMax { break }  // the rest with the next sweep
            try connection.execute(notePruned, [.text(day), .text(kind)])
        }
        return deleted
    }
}
