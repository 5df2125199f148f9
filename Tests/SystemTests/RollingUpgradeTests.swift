import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// An upgrade while work goes on. The older release is this very program; the newer one's schema is simulated by a
    /// step that adds to every hot table, and by the next release's number. `make upgrade-check` does it with a real older
    /// program.
    @Suite("A rolling upgrade", .fleet(environment: ["WORKER_DRAIN_SECONDS": "5"]), .timeLimit(.minutes(10)))
    struct RollingUpgradeTests {
        /// What the next release adds: columns with defaults, an index, a table.
        private static let next = """
            ALTER TABLE job ADD COLUMN next_release text NOT NULL DEFAULT 'x';
            ALTER TABLE job_dead ADD COLUMN next_release text NOT NULL DEFAULT 'x';
            ALTER TABLE job_key ADD COLUMN next_release int DEFAULT 0;
            ALTER TABLE job_slot ADD COLUMN next_release int DEFAULT 0;
            ALTER TABLE worker ADD COLUMN next_release int NOT NULL DEFAULT 0;
            ALTER TABLE schedule ADD COLUMN next_release int NOT NULL DEFAULT 0;
            ALTER TABLE effect ADD COLUMN next_release int NOT NULL DEFAULT 0;
            ALTER TABLE job_history ADD COLUMN next_release int;
            CREATE INDEX job_next ON job (created_at);
            CREATE TABLE next_release_only (id int PRIMARY KEY)
            """

        @Test(
            "Old and new side by side, the schema migrated underneath: nothing is lost, nothing runs twice, no attempt is burnt"
        )
        func upgrade() async throws {
            let fleet = try Fleet.current
            let wave = 300
            func enqueue(_ milliseconds: Int) async throws {
                try await fleet.succeed([
                    "enqueue", "noop", "--count", "\(wave)", "--parameters", "{\"wait_milliseconds\":\(milliseconds)}",
                ])
            }
            func left() async throws -> Int { try await fleet.number("SELECT count(*) FROM job WHERE kind = 'noop'") }
            let before = try [fleet.start(["scheduler"]), fleet.start(["worker"]), fleet.start(["worker"])]
            defer { before.forEach { $0.kill() } }
            for role in before { _ = try await Fleet.port(of: role) }
            try await enqueue(50)
            try await eventually("the old fleet works") { try await left() < wave }

            // The schema changes underneath running work; a job's statements are prepared in every old session.
            let step = try Migration(name: "V9000_next.sql", sql: Self.next)
            let migrator = Migrator(try Migration.queue + [step], release: Migrator.release + 1)
            let schema = try #require(fleet.environment["DB_SCHEMA"])
            #expect(try await migrator.run(on: fleet.database, schema: schema).applied == ["V9000_next.sql"])
            try await enqueue(50)
            try await eventually("the old fleet works on the new schema", within: .seconds(60)) {
                try await left() < wave
            }

            // New processes come, both work; then the old ones are asked to go, in the middle of jobs.
            let after = try [fleet.start(["scheduler"]), fleet.start(["worker"]), fleet.start(["worker"])]
            defer { after.forEach { $0.kill() } }
            for role in after { _ = try await Fleet.port(of: role) }
            try await enqueue(3000)
            try await eventually("both work side by side") {
                try await fleet.number("SELECT count(DISTINCT worker_id) FROM job WHERE state = 1") >= 3
            }
            for role in before { role.terminate() }
            try await enqueue(20)
            for role in before { #expect(try await role.answer(within: .seconds(30)).status == 0) }
            try await eventually("everything is done", within: .seconds(90)) { try await left() == 0 }

            let rows = try await fleet.rows(
                """
                SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE attempt <> 1), count(*) FILTER (WHERE crashes > 0),
                       count(*) FILTER (WHERE outcome <> 'done'), coalesce(sum(interrupts), 0)::bigint
                  FROM job_history WHERE kind = 'noop'
                """)
            let row = try #require(rows.first)
            #expect(try row.int(0) == 4 * wave, "every job ended, and ended once")
            #expect(try row.int(1) == 4 * wave)
            #expect(try row.int(2) == 0, "no attempt was burnt")
            #expect(try row.int(3) == 0, "no crash was counted")
            #expect(try row.int(4) == 0)
            #expect(try await fleet.number("SELECT count(*) FROM job_dead") == 0)
            #expect(try row.int(5) > 0, "the old workers handed back what they held")
            let late = before + after
            #expect(!late.contains { $0.errors.contains("reaped") }, "nobody's lease ended")
        }

        @Test("A program refuses a schema that is two releases ahead, or older than its own, and says what to do")
        func refused() async throws {
            let fleet = try Fleet.current
            let release = try await fleet.number("SELECT release FROM schema_release")
            _ = try await fleet.rows("UPDATE schema_release SET release = 99 RETURNING 1")
            for role in ["scheduler", "worker"] {
                let answer = try await fleet.run([role])
                #expect(answer.status == 77, "\(answer)")
                #expect(
                    answer.errors.contains("is of release 99") && answer.errors.contains("use a newer one"), "\(answer)"
                )
            }
            _ = try await fleet.rows(
                "UPDATE schema_release SET release = $1::bigint RETURNING 1", [.int(Int64(release))])
            let removed = try #require(
                try await fleet.rows("DELETE FROM schema_migration WHERE version = 11 RETURNING checksum").first)
            let answer = try await fleet.run(["worker"])
            #expect(answer.status == 77, "\(answer)")
            #expect(answer.errors.contains("lacks V011_upkeep.sql: run `cloudoptim migrate`"), "\(answer)")
            _ = try await fleet.rows(
                "INSERT INTO schema_migration (version, name, checksum) VALUES (11, 'V011_upkeep.sql', $1) RETURNING 1",
                [.text(try removed.string(0))])
        }
    }
}
