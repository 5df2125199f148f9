import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// The doctor and the keys, as an operator uses them.
    @Suite("The doctor", .fleet())
    struct DoctorTests {
        struct Found: Decodable {
            var check: String
            var level: String
            var found: String
            var advice: String
        }

        private func examine(_ environment: [String: String] = [:]) async throws -> (status: Int32, found: [Found]) {
            let answer = try await Fleet.current.run(["doctor", "--output", "json"], environment: environment)
            return (answer.status, try JSONText(text: answer.output).decode())
        }

        @Test("A fleet that runs is well: exit code 0, every part looked at")
        func well() async throws {
            let fleet = try Fleet.current
            let roles = try await fleet.startRoles()
            defer { roles.forEach { $0.kill() } }
            try await eventually("a scheduler leads and a worker is there") {
                try await fleet.number(
                    """
                    SELECT (SELECT count(*) FROM leader_health WHERE is_live) * (SELECT count(*) FROM worker_health WHERE state = 'live')
                    """) == 1
            }
            let (status, found) = try await examine()
            #expect(status == 0, "\(found.filter { $0.level != "ok" })")
            #expect(found.filter { $0.level == "failure" }.isEmpty)
            for check in [
                "settings", "jobspecs", "database", "clock", "schema", "postgresql version", "permissions",
                "partitions",
                "leader", "workers", "stuck runs", "published kinds", "credentials", "kill switch", "redis",
                "eviction policy",
            ] { #expect(found.contains { $0.check == check && $0.level == "ok" }, "\(check)") }
            #expect(found.allSatisfy { ($0.level == "ok") == $0.advice.isEmpty })
            let text = try await fleet.succeed(["doctor"]).output
            #expect(text.contains("  ok   leader: a scheduler leads"), "\(text)")
            #expect(text.contains(" 0 fail, "), "\(text)")
        }

        @Test("What is wrong is found, with what to do, and ends with 1")
        func ill() async throws {
            let fleet = try Fleet.current
            try await eventually("the leases of roles that other tests killed are over") {
                try await fleet.number(
                    """
                    SELECT (SELECT count(*) FROM leader_health WHERE is_live)
                         + (SELECT count(*) FROM worker_health WHERE state = 'live')
                    """) == 0
            }
            let (bare, alone) = try await examine()
            #expect(bare == 1)
            #expect(alone.contains { $0.check == "leader" && $0.advice.contains("cloudoptim scheduler") })
            #expect(alone.contains { $0.check == "workers" && $0.advice.contains("cloudoptim worker") })
            _ = try await fleet.rows("UPDATE kill_switch SET is_on = true, changed_by = 'anna' RETURNING 1")
            let wrong = try await examine([
                "REDIS_URL": "redis://127.0.0.1:1", "WORKER_SLOTS": "many", "OTEL_TRACES_SAMPLER": "sometimes",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            ])
            _ = try await fleet.rows("UPDATE kill_switch SET is_on = false RETURNING 1")
            #expect(wrong.status == 1)
            #expect(wrong.found.contains { $0.check == "redis" && $0.level == "failure" })
            #expect(wrong.found.contains { $0.check == "settings: roles" && $0.found.contains("WORKER_SLOTS") })
            #expect(wrong.found.contains { $0.check.hasPrefix("settings") && $0.found.contains("OTEL_TRACES_SAMPLER") })
            #expect(
                wrong.found.contains { $0.check == "kill switch" && $0.level == "warning" && $0.found.contains("anna") }
            )
            let away = try await examine(["DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/d"])
            #expect(away.status == 1)
            #expect(away.found.contains { $0.check == "database" && $0.found.contains("127.0.0.1") })
            #expect(!away.found.contains { $0.found.contains("secret") })
            let unmigrated = try await examine(["DB_SCHEMA": "nobody_made_this"])
            #expect(unmigrated.found.contains { $0.check == "schema" && $0.advice.contains("cloudoptim migrate") })
        }

        @Test("`secrets rotate` seals rows of the old key anew; the doctor says before that it is needed")
        func rotate() async throws {
            let fleet = try Fleet.current
            let kubeconfig = "\(fleet.directory)/token"
            try "sesame".write(toFile: kubeconfig, atomically: true, encoding: .utf8)
            try await fleet.succeed([
                "clusters", "add", "rotated", "--tenant", "acme", "--endpoint", "https://10.1.2.3", "--token-file",
                kubeconfig,
                "--account", "123456789012", "--region", "us-east-1", "--offline",
            ])
            let new = "k2:" + Data((0..<32).map { _ in UInt8.random(in: 0...255) }).base64EncodedString()
            let both = ["SEALING_KEY": new + "," + (fleet.environment["SEALING_KEY"] ?? "")]
            #expect(try await examine(both).found.contains { $0.check == "credentials" && $0.level == "warning" })
            #expect(
                try await examine(["SEALING_KEY": new]).found.contains {
                    $0.check == "credentials" && $0.level == "failure"
                })
            let lost = try await fleet.run(["secrets", "rotate"], environment: ["SEALING_KEY": new])
            #expect(lost.status == 70 && lost.errors.contains("rotated: "), "\(lost)")
            let dry = try await fleet.run(["secrets", "rotate", "--dry-run"], environment: both)
            #expect(dry.output == "would seal 1 anew under key k2; 0 were sealed by it before\n", "\(dry)")
            let done = try await fleet.run(["secrets", "rotate"], environment: both)
            #expect(
                done.status == 0 && done.output == "sealed 1 anew under key k2; 0 were sealed by it before\n", "\(done)"
            )
            #expect(
                try await fleet.text("SELECT credential FROM cluster WHERE id = 'rotated'")?.hasPrefix("v1:k2:") == true
            )
            #expect(
                try await examine(["SEALING_KEY": new]).found.contains { $0.check == "credentials" && $0.level == "ok" }
            )
            try await fleet.succeed(["clusters", "remove", "rotated"])
        }
    }
}
