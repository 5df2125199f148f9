import Foundation
import JobQueue

/// Kinds, and when they are due.
enum ScheduleStatements {
    static let publish = """
        INSERT INTO job_kind (kind, spec, spec_version)
        SELECT kind, spec, version FROM unnest($1::text[], $2::jsonb[], $3::bigint[]) AS t(kind, spec, version) ORDER BY kind
        ON CONFLICT (kind) DO UPDATE SET spec = excluded.spec, spec_version = excluded.spec_version, updated_at = now()
         WHERE job_kind.spec_version < excluded.spec_version
            OR (job_kind.spec_version = excluded.spec_version AND job_kind.spec <> excluded.spec)
        """
    static let higher = """
        SELECT k.kind FROM job_kind k JOIN unnest($1::text[], $2::bigint[]) AS t(kind, version) USING (kind)
         WHERE k.spec_version > t.version ORDER BY k.kind
        """
    /// Kinds that the scheduler which leads now knows otherwise under the same version.
    static let ledOtherwise = """
        SELECT k.kind FROM job_kind k
          JOIN unnest($1::text[], $2::jsonb[], $3::bigint[]) AS t(kind, spec, version) USING (kind)
         WHERE k.spec_version = t.version AND k.spec <> t.spec
           AND EXISTS (SELECT FROM lead l WHERE l.name = 'scheduler' AND l.expires_at > now())
         ORDER BY k.kind
        """
    static let kinds = "SELECT spec FROM job_kind ORDER BY kind"
    /// A paused schedule is not in the timetable, and its slots are not fired.
    static let isPaused = """
        EXISTS (SELECT FROM pause p WHERE p.scope = 'schedule' AND p.name = s.id AND (p.until IS NULL OR p.until > now()))
        """
    static let timetable = """
        SELECT s.id, s.kind, s.target, s.parameters, s.spec, s.last_slot, s.next_slot FROM schedule s
         WHERE s.enabled AND NOT \(isPaused) ORDER BY s.id
        """
    /// Schedules by id or kind, whether they are on or not: for those who ask for a slot by hand.
    static let schedules = """
        SELECT s.id, s.kind, s.target, s.parameters, s.spec, s.last_slot, s.next_slot FROM schedule s
         WHERE s.id = $1 OR s.kind = $1 ORDER BY s.id
        """
    /// A pause that ends changes the number like one that is lifted.
    static let timetableVersion = """
        SELECT version + (SELECT count(*) FROM pause WHERE scope = 'schedule' AND until <= now()) FROM timetable_version
        """

    /// The compare-and-set of a slot: the whole of what was read. `$1` ids, `$2`, `$3` the slots seen, `$4` the spec
    /// seen, `$5` the new last slot, `$6` the new next slot.
    static let fire = """
        WITH t AS (
            SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::jsonb[], $5::timestamptz[],
                                 $6::timestamptz[]) AS t(id, seen_last, seen_next, seen_spec, last_slot, next_slot)),
        l AS (
            SELECT s.id FROM schedule s JOIN t USING (id)
             WHERE s.enabled AND NOT \(isPaused) AND s.last_slot = t.seen_last AND s.next_slot = t.seen_next AND s.spec = t.seen_spec
             ORDER BY s.id FOR UPDATE OF s)
        UPDATE schedule s SET last_slot = t.last_slot, next_slot = t.next_slot
          FROM l JOIN t USING (id) WHERE s.id = l.id RETURNING s.id
        """
    /// With overlap `cancel-old`: the jobs of earlier slots that have not ended. Keys sort by bytes, ';' follows ':'.
    static let earlier = """
        SELECT k.job_id FROM unnest($1::text[]) AS t(id)
          JOIN job_key k ON k.key >= 's:' || t.id || ':' AND k.key < 's:' || t.id || ';' AND k.release = 0
         ORDER BY k.job_id
        """

    static func publish(_ specs: [JobSpec], on connection: isolated PostgresConnection) throws -> [JobKind] {
        let names = specs.map(\.kind.rawValue)
        let versions = specs.map { Int64($0.version) }
        let documents = try specs.map { try JSONText(encoding: $0) }
        return try connection.transaction { connection in
            try connection.execute(publish, [.textArray(names), .jsonArray(documents), .intArray(versions)])
            _ = try connection.query("SELECT sync_schedules()")
            return try connection.query(higher, [.textArray(names), .intArray(versions)]).map {
                JobKind(rawValue: try $0.string(0))
            }
        }
    }

    /// Those of `specs` that the scheduler which leads now knows otherwise under the same version.
    static func ledOtherwise(_ specs: [JobSpec], on connection: isolated PostgresConnection) throws -> [JobKind] {
        let documents = try specs.map { try JSONText(encoding: $0) }
        return try connection.query(
            ledOtherwise,
            [
                .textArray(specs.map(\.kind.rawValue)), .jsonArray(documents),
                .intArray(specs.map { Int64($0.version) }),
            ]
        ).map { JobKind(rawValue: try $0.string(0)) }
    }

    static func timetable(on connection: isolated PostgresConnection) throws -> Timetable {
        try connection.transaction(.repeatableRead) { connection in
            let version = try connection.query(timetableVersion).first?.int(0) ?? 0
            // A hundred thousand rows have a dozen specs: each is decoded once.
            var known: [String: Schedule] = [:]
            let rows = try connection.query(timetable).map { try row($0, &known) }
            return Timetable(rows: rows, version: version)
        }
    }

    static func row(_ row: PostgresRow) throws -> ScheduleRow {
        var known: [String: Schedule] = [:]
        return try self.row(row, &known)
    }

    private static func row(_ row: PostgresRow, _ known: inout [String: Schedule]) throws -> ScheduleRow {
        let spec = try row.json(4)
        let schedule = try known[spec.text] ?? spec.decode()
        known[spec.text] = schedule
        return ScheduleRow(
            id: try row.string(0), kind: JobKind(rawValue: try row.string(1)), target: try row.string(2),
            parameters: try row.json(3), schedule: schedule, storedSpec: spec, lastSlot: try row.date(5),
            nextSlot: try row.date(6))
    }

    /// Fires the ticks whose row is still as it was read; only a won slot enqueues, in the same transaction.
    static func fire(_ ticks: [Tick], on connection: isolated PostgresConnection) throws -> [TickResult] {
        let jobs = try ticks.map { try $0.jobs.map { try $0.resolved(tenant: "${tenant}") } }
        return try connection.transaction { connection in
            let won = Set(
                try connection.query(
                    fire,
                    [
                        .textArray(ticks.map(\.row.id)), .dateArray(ticks.map(\.row.lastSlot)),
                        .dateArray(ticks.map(\.row.nextSlot)), .jsonArray(ticks.map(\.row.storedSpec)),
                        .dateArray(ticks.map { $0.slots.last ?? $0.row.lastSlot }), .dateArray(ticks.map(\.next)),
                    ]
                ).map { try $0.string(0) })
            let replaced = ticks.filter { won.contains($0.row.id) && $0.row.schedule.overlap == .cancelOld }
            if !replaced.isEmpty {
                let old = try connection.query(earlier, [.textArray(replaced.map(\.row.id))]).map { try $0.uuid(0) }
                _ = try CancelStatements.cancel(old, by: "schedule: overlap cancel-old", on: connection)
            }
            let flat = zip(ticks, jobs).flatMap { won.contains($0.0.row.id) ? $0.1 : [] }
            var enqueued = Set<JobID>()
            if !flat.isEmpty {
                for result in try EnqueueStatements.enqueue(flat, on: connection) {
                    if case .enqueued(let id) = result { enqueued.insert(id) }
                }
            }
            return zip(ticks, jobs).map { tick, resolved in
                TickResult(isWon: won.contains(tick.row.id), enqueued: resolved.map(\.id).filter(enqueued.contains))
            }
        }
    }
}
