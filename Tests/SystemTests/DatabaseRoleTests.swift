import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// What the database's own roles may do, tried as those roles.
    @Suite("Database roles", .fleet())
    struct DatabaseRoleTests {
        /// Every view that docs/sql.md tells of.
        static func views() throws -> [String] {
            try String(contentsOfFile: "\(Fleet.root)/docs/sql.md", encoding: .utf8)
                .matches(of: /(?m)^### `([a-z_]+)`$/).map { String($0.1) }
        }

        @Test("cloudoptim_reader reads every column of every documented view")
        func readerReadsViews() async throws {
            let views = try Self.views()
            try #require(views.count > 30)
            for view in views {
                let result = try await attempt(as: "cloudoptim_reader", "SELECT count(v::text) FROM \(view) v")
                #expect(result == nil, "\(view): \(result ?? "")")
            }
            #expect(try await attempt(as: "cloudoptim_reader", "SELECT world_now()") == nil)
        }

        @Test("A fleet whose user has no more than cloudoptim_worker does its jobs and its upkeep")
        func workerRoleIsEnough() async throws {
            let fleet = try Fleet.current
            let user = "plain_\(fleet.name.replacing("-", with: "_"))"
            try await fleet.database.script("CREATE USER \(user) PASSWORD 'plain' IN ROLE cloudoptim_worker")
            let day = try await fleet.text("SELECT to_char(now() AT TIME ZONE 'UTC' + interval '2 days', 'YYYYMMDD')")
            try await fleet.database.script("DROP TABLE job_history_\(try #require(day))")
            var url = try #require(URLComponents(string: try Fleet.variable("TEST_DATABASE_URL")))
            (url.user, url.password) = (user, "plain")
            let plain = ["DATABASE_URL": try #require(url.string)]
            let roles = try [
                fleet.start(["scheduler"], environment: plain), fleet.start(["worker"], environment: plain),
            ]
            let id = try await fleet.enqueue("noop")
            try await eventually("the job is done") { try await fleet.state(of: id) == "done" }
            try await eventually("the partition is there again") {
                try await fleet.number(
                    "SELECT count(*) FROM history_partition WHERE name = 'job_history_' || $1", [.text(day ?? "")]) == 1
            }
            for role in roles {
                role.terminate()
                #expect(try await role.answer(within: .seconds(30)).status == 0)
                #expect(!role.errors.contains("permission denied") && !role.errors.contains("failed"), "\(role.errors)")
            }
            try await fleet.database.script("DROP USER \(user)")
            let said = try await attempt(as: "cloudoptim_enqueuer", "SELECT turn_history()")
            #expect(said?.contains("42501") == true, "\(said ?? "was done")")
        }

        @Test("cloudoptim_reader reads no table, changes nothing, enqueues nothing")
        func readerIsKeptOut() async throws {
            let fleet = try Fleet.current
            let tables = try await fleet.rows(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
            ).map { try $0.string(0) }
            try #require(tables.count > 20)
            for table in tables {
                let said = try await attempt(as: "cloudoptim_reader", "SELECT count(*) FROM \"\(table)\"")
                #expect(said?.contains("42501") == true, "\(table): \(said ?? "was read")")
            }
            for statement in [
                "SELECT credential FROM cluster", "SELECT enqueue('noop')", "DELETE FROM job", "SELECT sync_targets()",
                "UPDATE kill_switch SET is_on = true", "UPDATE job_status SET state = 'done'",
                "CREATE TABLE mine (a int)",
                "SELECT sync_schedules()",
            ] {
                let said = try await attempt(as: "cloudoptim_reader", statement)
                #expect(
                    said?.contains("42501") == true || said?.contains("55000") == true,
                    "\(statement): \(said ?? "was done")")
            }
        }

        @Test("No view that the reader sees has a column of credentials")
        func noCredentialColumn() async throws {
            let columns = try await Fleet.current.rows(
                """
                SELECT table_name || '.' || column_name FROM information_schema.columns
                 WHERE table_schema = current_schema() AND column_name ~ 'credential|token|secret|external_id'
                   AND table_name IN (SELECT viewname FROM pg_views WHERE schemaname = current_schema())
                """
            ).map { try $0.string(0) }
            // Whether there is one, and the ClientToken of a launch.
            #expect(Set(columns) == ["cluster_status.has_credential", "effect_log.token"])
        }

        @Test("cloudoptim_enqueuer enqueues kinds marked external, and does nothing else")
        func enqueuer() async throws {
            let fleet = try Fleet.current
            let before = try await fleet.number("SELECT count(*) FROM job")
            let done = try await attempt(as: "cloudoptim_enqueuer", "SELECT enqueue('noop', key => 'by-enqueuer')")
            #expect(done == nil, "\(done ?? "")")
            #expect(try await fleet.number("SELECT count(*) FROM job") == before + 1)
            let external = try await fleet.rows("SELECT kind, (spec->>'external')::boolean FROM job_kind")
            for row in external where try !row.bool(1) {
                let kind = try row.string(0)
                let said = try await attempt(as: "cloudoptim_enqueuer", "SELECT enqueue('\(kind)')")
                #expect(said?.contains("may not be enqueued from SQL") == true, "\(kind): \(said ?? "was enqueued")")
            }
            for statement in [
                "SELECT count(*) FROM job", "SELECT count(*) FROM job_status",
                "INSERT INTO job_kind VALUES ('x', '{}', 1)",
                "SELECT count(*) FROM cluster", "SELECT count(*) FROM job_kind", "SELECT sync_targets()",
                "DELETE FROM job_key", "CREATE TABLE mine (a int)",
            ] {
                let said = try await attempt(as: "cloudoptim_enqueuer", statement)
                #expect(said?.contains("42501") == true, "\(statement): \(said ?? "was done")")
            }
            #expect(try await fleet.number("SELECT count(*) FROM job") == before + 1)
        }

        @Test(
            "cloudoptim_enqueuer cannot put its own objects before the fleet's",
            arguments: [
                "CREATE TEMP TABLE job_kind (kind text, spec jsonb); INSERT INTO pg_temp.job_kind VALUES ('poll-sqs', '{\"external\":true}')",
                "CREATE TEMP TABLE job_target (target text, fan_out text, tenant text)",
                "CREATE FUNCTION pg_temp.expand_template(text, text, text, jsonb) RETURNS text LANGUAGE sql AS $$ SELECT current_user::text $$",
                "CREATE FUNCTION pg_temp.uuid_v7() RETURNS uuid LANGUAGE sql AS $$ SELECT gen_random_uuid() $$",
            ])
        func shadowing(_ statement: String) async throws {
            let fleet = try Fleet.current
            let schema = try #require(fleet.environment["DB_SCHEMA"])
            let path = "SET LOCAL search_path = pg_temp, \(schema)"
            let said = try await attempt(
                as: "cloudoptim_enqueuer", "\(statement); \(path); SELECT \(schema).enqueue('poll-sqs')")
            #expect(said?.contains("may not be enqueued from SQL") == true, "\(said ?? "was enqueued")")
            let fine = try await attempt(
                as: "cloudoptim_enqueuer", "\(statement); \(path); SELECT \(schema).enqueue('noop')")
            #expect(fine == nil, "\(fine ?? "")")
            #expect(try await fleet.number("SELECT count(*) FROM job WHERE kind = 'noop'") > 0)
        }

        @Test("Neither role can log in, or become another")
        func noLogin() async throws {
            let fleet = try Fleet.current
            let rows = try await fleet.rows(
                "SELECT rolname FROM pg_roles WHERE rolname LIKE 'cloudoptim\\_%' AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolbypassrls)"
            )
            #expect(rows.isEmpty)
            #expect(
                try await fleet.number(
                    "SELECT count(*) FROM pg_roles WHERE rolname IN ('cloudoptim_reader', 'cloudoptim_enqueuer', 'cloudoptim_worker', 'cloudoptim_owner')"
                )
                    == 4)
        }

        @Test(
            "An enqueue in a transaction that rolls back leaves nothing; one that commits leaves a job",
            arguments: [
                ("noop", "{}"), ("notify", "{\"url\":\"https://example.com\",\"body\":{\"text\":\"hi\"}}"),
            ])
        func rollback(_ kind: String, _ parameters: String) async throws {
            let fleet = try Fleet.current
            func counts() async throws -> [Int] {
                [
                    try await fleet.number("SELECT count(*) FROM job"),
                    try await fleet.number("SELECT count(*) FROM job_key"),
                ]
            }
            let before = try await counts()
            let call = "SELECT enqueue('\(kind)', '\(parameters)', 'roll-\(kind)')"
            try await fleet.database.script("BEGIN; \(call); ROLLBACK")
            #expect(try await counts() == before)
            try await fleet.database.script("BEGIN; \(call); COMMIT")
            #expect(try await counts() == before.map { $0 + 1 })
            let first = try await fleet.text(call)
            #expect(
                try await counts() == before.map { $0 + 1 }, "the key's first job is answered again: \(first ?? "")")
        }

        @Test(
            "SQL parameters are checked as the command checks them",
            arguments: [
                ("notify", "{}", "needs parameter"), ("notify", "{\"url\":1,\"body\":{}}", "wanted string"),
                ("noop", "{\"wait_milliseconds\":1.5}", "wanted integer"), ("noop", "{\"nope\":1}", "has no parameter"),
                ("noop", "[]", "wanted an object"), ("fly", "{}", "may not be enqueued"),
                ("snapshot-cluster", "{}", "is about a cluster: there is none"),
            ])
        func parameters(_ kind: String, _ parameters: String, _ says: String) async throws {
            let said = try await attempt(as: "cloudoptim_enqueuer", "SELECT enqueue('\(kind)', '\(parameters)')")
            #expect(said?.contains(says) == true, "\(said ?? "was enqueued")")
        }

        /// Runs statements as a role, in a transaction; what the database said, or nil when it was done.
        private func attempt(as role: String, _ statements: String) async throws -> String? {
            let connection = try Fleet.current.database
            do {
                try await connection.script("BEGIN; SET LOCAL ROLE \(role); \(statements); COMMIT")
                // What a test makes in its session goes before the next one.
                try await connection.script("DISCARD TEMP")
                return nil
            } catch let error as QueueError {
                try await connection.script("ROLLBACK")
                return "\(error)"
            }
        }
    }
}
