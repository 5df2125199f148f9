import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// The fleet's own servers are wrong, away or badly set up.
    @Suite("Trouble with servers", .fleet())
    struct ServerTroubleTests {
        @Test(
            "A wrong database password is told at once by every command, without the password",
            arguments: [
                ["migrate"], ["scheduler"], ["worker"], ["jobs", "list"], ["enqueue", "noop"], ["clusters", "list"],
            ])
        func wrongPassword(_ command: [String]) async throws {
            let fleet = try Fleet.current
            let url = try #require(URLComponents(string: try Fleet.variable("TEST_DATABASE_URL")))
            let answer = try await fleet.run(
                command,
                environment: [
                    "DATABASE_URL": "", "DB_HOST": url.host ?? "", "DB_PORT": "\(url.port ?? 0)",
                    "DB_NAME": "cloudoptim",
                    "DB_USER": "cloudoptim", "DB_PASSWORD": "wrong-sesame-4711",
                ])
            #expect(answer.status == 77, "\(answer)")
            #expect(answer.errors.contains("password authentication failed for user"), "\(answer)")
            #expect(!(answer.errors + answer.output).contains("wrong-sesame-4711"), "\(answer)")
        }

        @Test("A database that is away is told with its address and exit code 69")
        func noDatabase() async throws {
            let fleet = try Fleet.current
            let answer = try await fleet.run(
                ["jobs", "list"], environment: ["DATABASE_URL": "postgresql://cloudoptim:secret@127.0.0.1:1/cloudoptim"]
            )
            #expect(answer.status == 69, "\(answer)")
            #expect(answer.errors.contains("127.0.0.1"), "\(answer)")
            #expect(!answer.errors.contains("secret"))
        }

        @Test("Redis absent at start: scheduler and worker warn, and jobs are done from the ledger")
        func noRedis() async throws {
            let fleet = try Fleet.current
            let nowhere = ["REDIS_URL": "redis://127.0.0.1:1"]
            let roles = try [
                fleet.start(["scheduler"], environment: nowhere), fleet.start(["worker"], environment: nowhere),
            ]
            defer { roles.forEach { $0.kill() } }
            for role in roles {
                _ = try await Fleet.port(of: role)
                #expect(role.errors.contains("Redis does not answer: looking into the ledger until it does"))
            }
            let answer = try await fleet.succeed(["enqueue", "noop", "--count", "50"], environment: nowhere)
            #expect(answer.output.contains("enqueued 50 jobs"))
            try await eventually("all are done") {
                try await fleet.number("SELECT count(*) FROM job_status WHERE kind = 'noop' AND state = 'done'") == 50
            }
            for role in roles {
                role.terminate()
                #expect(try await role.answer(within: .seconds(30)).status == 0)
            }
        }

        @Test("No Redis named at all: the worker says so and works from the ledger")
        func noRedisNamed() async throws {
            let fleet = try Fleet.current
            let worker = try fleet.start(["worker"], environment: ["REDIS_URL": ""])
            defer { worker.kill() }
            let id = try await fleet.enqueue("noop")
            try await eventually("it is done") { try await fleet.state(of: id) == "done" }
            #expect(worker.errors.contains("no REDIS_URL or REDIS_HOST: ids are found in the ledger only"))
        }

        @Test("A Redis that may evict keys: one warning that names the policy, and work goes on")
        func evictingRedis() async throws {
            let fleet = try Fleet.current
            let port = try await freePort(fleet)
            let redis = try Child(
                "/usr/bin/redis-server",
                [
                    "--bind", "127.0.0.1", "--port", "\(port)", "--save", "", "--maxmemory", "8mb",
                    "--maxmemory-policy",
                    "allkeys-lru", "--dir", fleet.directory,
                ],
                environment: fleet.environment, directory: fleet.directory, name: "redis")
            defer { redis.kill() }
            try await eventually("Redis answers") { redis.output.contains("Ready to accept connections") }
            let there = ["REDIS_URL": "redis://127.0.0.1:\(port)"]
            let worker = try fleet.start(["worker"], environment: there)
            defer { worker.kill() }
            _ = try await Fleet.port(of: worker)
            #expect(worker.errors.contains("maxmemory-policy allkeys-lru"), "\(worker.errors)")
            #expect(worker.errors.contains("set it to noeviction"))
            let id = try await fleet.enqueue("noop")
            try await eventually("it is done") { try await fleet.state(of: id) == "done" }
        }

        private func freePort(_ fleet: Fleet) async throws -> Int {
            let python = try Child(
                "/usr/bin/python3",
                ["-c", "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"],
                environment: fleet.environment, directory: fleet.directory, name: "port")
            let answer = try await python.answer(within: .seconds(10))
            return try #require(Int(answer.output.trimmingCharacters(in: .whitespacesAndNewlines)))
        }

        @Test(
            "A setting that is wrong is named with its value and what is wanted",
            arguments: [
                ("WORKER_SLOTS", "many", "a number from 1"), ("LOG_LEVEL", "loud", "one of"),
                ("HTTP_PORT", "70000", "a number from 0 to 65535"), ("WORKER_LEASE_SECONDS", "1", "a number from 6"),
                ("EGRESS_ALLOWED_CIDRS", "10.0.0.1/8", "bits set after the prefix"),
                ("SEALING_KEY", "k1:short", "32 bytes"), ("REDIS_URL", "http://x", "redis"),
                ("DB_POOLER", "some", "none or transaction"),
            ])
        func wrongSetting(_ name: String, _ value: String, _ wanted: String) async throws {
            let answer = try await Fleet.current.run(["worker"], environment: [name: value])
            #expect(answer.status == 65, "\(answer)")
            #expect(answer.errors.contains(wanted), "\(answer)")
            #expect(answer.errors.contains(name) || name == "REDIS_URL", "\(answer)")
        }

        @Test(
            "A port that is taken ends a role at once with an error, and no row is left behind",
            arguments: ["scheduler", "worker"])
        func takenPort(_ role: String) async throws {
            let fleet = try Fleet.current
            let first = try fleet.start(["scheduler"])
            defer { first.kill() }
            let port = try await Fleet.port(of: first)
            let before = try await fleet.number("SELECT count(*) FROM worker")
            let answer = try await fleet.run([role], environment: ["HTTP_PORT": "\(port)"], within: .seconds(20))
            #expect(answer.status != 0, "\(answer)")
            #expect(answer.errors.contains("ddress already in use"), "\(answer)")
            #expect(try await fleet.number("SELECT count(*) FROM worker") <= before + 1)
        }

        @Test(
            "A schema that was never migrated is told with the command that makes it",
            arguments: [
                (["jobs", "list"], 65), (["enqueue", "noop"], 65), (["clusters", "list"], 65), (["scheduler"], 77),
            ])
        func notMigrated(_ command: [String], _ status: Int) async throws {
            let answer = try await Fleet.current.run(command, environment: ["DB_SCHEMA": "nobody_made_this"])
            #expect(answer.status == status, "\(answer)")
            #expect(answer.errors.contains("run `cloudoptim migrate`"), "\(answer)")
        }

        @Test("Parameters nested 100,000 deep are refused by the command and by SQL, and nothing is stored")
        func deepParameters() async throws {
            let fleet = try Fleet.current
            let before = try await fleet.number("SELECT count(*) FROM job_status")
            // An argument of a program holds 128 KiB: there is no room to close the brackets.
            let deep = "{\"url\":\"https://example.com\",\"body\":" + String(repeating: "[", count: 100_000)
            let answer = try await fleet.run(["enqueue", "notify", "--parameters", deep])
            #expect(answer.status == 65, "\(answer.status) \(answer.errors.prefix(300))")
            #expect(answer.errors.contains("deep"), "\(answer.errors.prefix(300))")
            #expect(answer.errors.utf8.count < 1000)

            let nested = String(repeating: "{\"a\":", count: 100_000) + "1" + String(repeating: "}", count: 100_000)
            var said = ""
            do {
                _ = try await fleet.rows("SELECT enqueue('notify', $1::jsonb)", [.text(nested)])
            } catch let error as QueueError { said = "\(error)" }
            #expect(said.contains("stack depth limit exceeded"), "\(said.prefix(300))")
            #expect(try await fleet.number("SELECT count(*) FROM job_status") == before)
        }
    }
}
