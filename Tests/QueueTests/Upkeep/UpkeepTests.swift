import Foundation
import JobQueue
import Testing

@testable import Postgres

@Suite("Upkeep")
struct UpkeepTests {
    private func count(_ connection: PostgresConnection, _ sql: String) async throws -> Int64 {
        try #require(try await connection.query("SELECT count(*) FROM \(sql)").first).int(0)
    }

    /// A day of history with rows of two kinds, made as if the day had been today.
    private func makeHistory(_ connection: PostgresConnection, daysAgo: Int) async throws {
        try await connection.script(
            """
            DO $$ DECLARE day date := (now() AT TIME ZONE 'UTC')::date - \(daysAgo); BEGIN
                EXECUTE format('CREATE TABLE %I PARTITION OF job_history FOR VALUES FROM (%L) TO (%L)',
                    'job_history_' || to_char(day, 'YYYYMMDD'), to_char(day, 'YYYYMMDD') || 'T000000Z',
                    to_char(day + 1, 'YYYYMMDD') || 'T000000Z');
                INSERT INTO job_history (id, queue, kind, tenant, target, lane, fence, run_at, attempt, crashes, interrupts,
                                         snoozes, args, created_at, outcome, finished_at)
                SELECT gen_random_uuid(), 'default', kind, '', '', 2, 1, now(), 1, 0, 0, 0, '{}', now(), 'done',
                       day + interval '12 hours'
                  FROM unnest(ARRAY['short', 'short', 'long']) AS kind;
            END $$
            """)
    }

    private func publish(_ ledger: PostgresLedger, short: Int, long: Int) async throws {
        let specs = [("short", short), ("long", long)].map { name, days in
            JobSpec(kind: JobKind(rawValue: name), timeoutSeconds: 60, historyDays: days)
        }
        _ = try await ledger.publish(specs)
    }

    @Test("history goes by the age of its kind: rows of a short-lived kind first, the day's partition with the longest")
    func historyByKind() async throws {
        try await withSchema { connection, configuration in
            let ledger = try await PostgresLedger(configuration)
            try await publish(ledger, short: 7, long: 30)
            for days in [3, 10, 40] { try await makeHistory(connection, daysAgo: days) }
            let report = try await ledger.sweep()
            #expect(report.removed["job_history"] == 2, "\(report)")
            #expect(report.removed["job_history partitions"] == 1, "\(report)")
            #expect(try await count(connection, "job_history WHERE kind = 'short'") == 2, "those of three days ago")
            #expect(try await count(connection, "job_history WHERE kind = 'long'") == 2)
            #expect(try await ledger.sweep().removed == [:], "each day is looked through once for each kind")
            #expect(try await count(connection, "history_pruned") == 1)
            try await publish(ledger, short: 2, long: 30)
            #expect(try await ledger.sweep().removed["job_history"] == 2, "an age that was made shorter holds at once")
            await ledger.close()
        }
    }

    @Test("partitions of the next days are made ahead, and counted")
    func partitionsAhead() async throws {
        try await withSchema { connection, configuration in
            let ledger = try await PostgresLedger(configuration)
            try await connection.script(
                """
                DO $$ DECLARE name text; BEGIN
                    FOR name IN SELECT p.name FROM history_partition p WHERE p.day IS NOT NULL LOOP
                        EXECUTE 'DROP TABLE ' || name; END LOOP; END $$
                """)
            #expect(try await connection.query("SELECT history_days_ahead FROM database_health")[0].int(0) == 0)
            _ = try await ledger.sweep()
            #expect(try await connection.query("SELECT history_days_ahead FROM database_health")[0].int(0) == 3)
            await ledger.close()
        }
    }

    @Test("effects, attempts, dead letters and workers go by the policy, and not before")
    func policy() async throws {
        try await withSchema { connection, configuration in
            let ledger = try await PostgresLedger(configuration)
            try await connection.script(
                """
                INSERT INTO effect (key, job_id, fence, step, class, state, token, request, at, completed_at)
                    SELECT 'e' || d, gen_random_uuid(), 1, 's', 'A', 1, repeat('a', 64), '{}', now() - d * interval '1 day', now()
                      FROM unnest(ARRAY[20, 35, 70]) AS d;
                INSERT INTO effect (key, job_id, fence, step, class, token, request, at)
                    VALUES ('open', gen_random_uuid(), 1, 's', 'A', repeat('a', 64), '{}', now() - interval '400 days');
                INSERT INTO job_attempt (job_id, attempt, fence, how, ended_at)
                    SELECT gen_random_uuid(), 1, 1, 'retry', now() - d * interval '1 day' FROM unnest(ARRAY[5, 35]) AS d;
                INSERT INTO job_dead (id, queue, kind, tenant, target, lane, fence, run_at, attempt, max_attempts, crashes,
                                      interrupts, snoozes, args, created_at, reason, replayed_by, died_at)
                    SELECT gen_random_uuid(), 'default', 'k', '', '', 2, 1, now(), 1, 1, 0, 0, 0, '{}', now(), 'r', r,
                           now() - interval '100 days' FROM unnest(ARRAY[NULL, gen_random_uuid()]::uuid[]) AS r;
                INSERT INTO worker (id, host, queues, kinds, slots, in_flight_max, version, expires_at)
                    SELECT gen_random_uuid(), 'h', '{default}', '{}', 1, 1, '1', now() - h * interval '1 hour'
                      FROM unnest(ARRAY[2, 30]) AS h
                """)
            let first = try await ledger.sweep()
            #expect(first.removed == ["effect": 2, "job_attempt": 1, "job_dead": 1, "worker": 1], "\(first)")
            #expect(try await count(connection, "job_dead") == 1, "a dead letter that nobody replayed is kept")
            var short = Retention()
            short.effectDays = 1
            short.attemptDays = 1
            short.deadDays = 90
            short.workerHours = 1
            let second = try await ledger.sweep(short)
            #expect(
                second.removed == ["job_attempt": 1, "job_dead": 1, "worker": 1],
                "no effect goes before 30 days: \(second)")
            #expect(
                try await count(connection, "effect WHERE key = 'open'") == 1, "an unknown outcome is never forgotten")
            await ledger.close()
        }
    }

    @Test("every question of the doctor is answered, and a fresh schema lacks only what runs")
    func questions() async throws {
        try await withSchema { _, configuration in
            let reader = try await StatusReader(configuration)
            let found = try await reader.examine(HealthQuestion.server + HealthQuestion.queue)
            let failing = found.filter { $0.level == .failure }.map(\.check)
            #expect(Set(failing) == ["leader", "workers"], "\(found.filter { $0.level > .ok })")
            #expect(found.count == HealthQuestion.server.count + HealthQuestion.queue.count)
            #expect(found.allSatisfy { ($0.level == .ok) == $0.advice.isEmpty })
        }
    }

    @Test("what goes wrong in a queue is found")
    func findings() async throws {
        try await withSchema { connection, configuration in
            try await connection.script(
                """
                INSERT INTO job (id, queue, kind, lane, run_at, timeout_seconds, max_attempts, args)
                    VALUES (gen_random_uuid(), 'default', 'k', 0, now() - interval '1 minute', 60, 1, '{}');
                INSERT INTO job (id, queue, kind, lane, run_at, timeout_seconds, max_attempts, args, crashes)
                    VALUES (gen_random_uuid(), 'default', 'k', 2, now() - interval '1 hour', 60, 1, '{}', 2);
                INSERT INTO job (id, queue, kind, timeout_seconds, max_attempts, args, state, worker_id, deadline_at)
                    VALUES (gen_random_uuid(), 'default', 'k', 60, 1, '{}', 1, gen_random_uuid(), now() - interval '1 hour');
                INSERT INTO effect (key, job_id, fence, step, class, token, request, at)
                    VALUES ('open', gen_random_uuid(), 1, 's', 'A', repeat('a', 64), '{}', now() - interval '1 hour');
                INSERT INTO pause (scope, name, by) VALUES ('kind', 'k', 'anna');
                DROP TABLE job_history_default
                """)
            let found = try await StatusReader(configuration).examine(HealthQuestion.queue)
            for check in ["interruptions", "backlog", "suspects", "stuck runs", "unknown effects", "pauses"] {
                #expect(found.contains { $0.check == check && $0.level > .ok && !$0.advice.isEmpty }, "\(check)")
            }
            #expect(
                found.contains { $0.check == "default partition" && $0.level == .failure },
                "what cannot be asked is a finding, and the rest goes on")
            #expect(found.last?.check == "pauses")
        }
    }
}
