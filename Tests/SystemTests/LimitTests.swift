import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// Limits, far sides that are down, and what `jobs explain` says of them.
    @Suite(
        "Limits and reasons",
        .fleet(
            clusters: ["blue"], nodes: 2, pods: 2,
            environment: FleetPlan.impatient.merging(["HOSTNAME": "host-a"]) { $1 }))
    struct LimitTests {
        @Test("A limit is set, shown with its use, explained with who holds it, and taken away")
        func limits() async throws {
            let fleet = try Fleet.current
            try await fleet.database.script("TRUNCATE job, job_key, job_slot, job_limit")
            let set = try await fleet.succeed([
                "limits", "set", "kind", "noop", "--running", "1", "--rate", "100", "--why", "slow", "--by", "anna",
            ])
            #expect(set.output == "kind noop: 1 at once, 100 per second, burst 100, set by anna\n")
            let roles = try await fleet.startRoles()
            defer { for role in roles { role.kill() } }
            let long = ["--parameters", "{\"wait_milliseconds\":30000}"]
            let (first, second) = (try await fleet.enqueue("noop", long), try await fleet.enqueue("noop", long))
            let holder = try await eventually("one runs, the other is blocked") {
                for (one, other) in [(first, second), (second, first)]
                where try await fleet.state(of: one) == "running" {
                    return try await fleet.state(of: other) == "blocked" ? (runs: one, waits: other) : nil
                }
                return nil as (runs: String, waits: String)?
            }
            let told: Explanation = try await fleet.succeed(["jobs", "explain", holder.waits, "-o", "json"]).json()
            #expect(
                told.reasons.map(\.text)
                    == ["the limit of kind noop, set by anna, is full: job \(holder.runs) hold its 1 slots"], "\(told)")
            struct Row: Decodable { var scope, name, by, reason: String; var running, running_max: Int }
            let rows: [Row] = try await fleet.succeed(["limits", "-o", "json"]).json()
            #expect(rows.map { [$0.running, $0.running_max] } == [[1, 1]])
            #expect(rows.map(\.reason) == ["slow"])
            let cleared = try await fleet.succeed(["limits", "clear", "kind", "noop"])
            #expect(cleared.output == "kind noop: no limit beside its jobspec's\n")
            try await eventually("the other runs, too") { try await fleet.state(of: holder.waits) == "running" }
            try await fleet.succeed(["jobs", "cancel", first, second, "--wait", "20s"])
        }

        @Test("A full queue refuses lane 2, from the command and from SQL, and says so")
        func depth() async throws {
            let fleet = try Fleet.current
            try await fleet.database.script("TRUNCATE job, job_key, job_slot, job_limit")
            try await fleet.succeed(["limits", "set", "queue", "default", "--depth", "2", "--age", "10m"])
            for _ in 0..<2 { _ = try await fleet.enqueue("noop", ["--delay", "600"]) }
            let refused = try await fleet.run(["enqueue", "noop", "--delay", "600"])
            #expect(refused.status == 69, "\(refused)")
            #expect(
                refused.errors
                    == "cloudoptim: queue 'default' takes 2 queued jobs of lanes 2 and 3, and has room for 0: try later\n"
            )
            let bySQL = await #expect(throws: QueueError.self) { try await fleet.rows("SELECT enqueue('noop')") }
            #expect(try #require(bySQL).postgres?.sqlState == "53400", "\(String(describing: bySQL))")
            try await fleet.succeed(["limits", "clear", "queue", "default"])
            _ = try await fleet.enqueue("noop", ["--delay", "600"])
            try await fleet.database.script("TRUNCATE job, job_key")
        }

        @Test(
            "A cluster that does not answer has its circuit opened: one finding, its jobs wait and say why, lane 0 does not"
        )
        func circuit() async throws {
            let fleet = try Fleet.current
            try await fleet.database.script("TRUNCATE job, job_key, job_limit, circuit")
            let blue = try fleet.world.cluster(fleet.cluster("blue"))
            let added = try await fleet.add("blue", tenant: "acme", mode: "observe")
            try #require(added.status == 0, "\(added)")
            _ = try await fleet.rows("UPDATE cluster SET endpoint = 'https://127.0.0.1:1' RETURNING id")
            let roles = try await fleet.startRoles()
            defer { for role in roles { role.kill() } }
            try await eventually("the circuit is open", within: .seconds(60)) {
                _ = try await fleet.run(["schedules", "trigger", "snapshot-cluster"])
                return try await fleet.number(
                    "SELECT count(*) FROM circuit_status WHERE is_open AND side = 'kubernetes'") == 1
            }
            let listed = try await fleet.succeed(["circuits"]).output
            #expect(listed.contains("kubernetes") && listed.contains(blue.name), "\(listed)")
            let id = try await eventually("a job of it waits", within: .seconds(60)) {
                _ = try await fleet.run(["schedules", "trigger", "snapshot-cluster"])
                return try await fleet.text("SELECT id FROM job WHERE kind = 'snapshot-cluster' AND snoozes > 0")
            }
            let told = try await fleet.succeed(["jobs", "explain", id]).output
            #expect(told.contains("the far side kubernetes of \(blue.name) failed"), "\(told)")
            #expect(try await fleet.number("SELECT count(*) FROM finding_status WHERE code = 'far-side-down'") == 1)
            #expect(try await fleet.number("SELECT attempt FROM job WHERE id = $1::uuid", [.text(id)]) <= 3)
        }

        @Test("The rate of a far API holds the jobs that ask it, and they say so")
        func farRate() async throws {
            let fleet = try Fleet.current
            try await fleet.database.script("TRUNCATE job, job_key, job_slot, job_limit, circuit, lead, worker")
            let blue = fleet.cluster("blue")
            if try await fleet.number("SELECT count(*) FROM cluster") == 0 {
                try #require(try await fleet.add("blue", tenant: "acme", mode: "observe").status == 0)
            }
            let set = try await fleet.succeed([
                "limits", "set", "api", "kubernetes/\(blue)", "--rate", "0.01", "--by", "anna",
            ])
            #expect(set.output == "api kubernetes/\(blue): 0.01 per second, burst 1, set by anna\n")
            let roles = try await fleet.startRoles()
            defer { for role in roles { role.kill() } }
            let id = try await eventually("a job waits for a token", within: .seconds(60)) {
                _ = try await fleet.run(["enqueue", "snapshot-cluster", "--target", blue])
                return try await fleet.text(
                    """
                    SELECT j.id FROM job j JOIN job_log_line l ON l.job_id = j.id
                     WHERE j.state = 0 AND j.snoozes > 0 AND l.line LIKE '%rate for kubernetes leaves no room%'
                    """)
            }
            let told: Explanation = try await fleet.succeed(["jobs", "explain", id, "-o", "json"]).json()
            let rate = told.reasons.first { $0.code == "rate" }
            #expect(rate?.text.contains("operator/api:kubernetes/\(blue)") == true, "\(told)")
            #expect(try await fleet.number("SELECT attempt FROM job WHERE id = $1::uuid", [.text(id)]) <= 1)
            try await fleet.succeed(["clusters", "set-mode", blue, "off"])
            try await fleet.succeed(["kill-switch", "on", "--cluster", blue, "--by", "anna"])
            let more: Explanation = try await fleet.succeed(["jobs", "explain", id, "-o", "json"]).json()
            #expect(Set(more.reasons.map(\.code)).isSuperset(of: ["cluster-off", "kill-switch"]), "\(more)")
            try await fleet.succeed(["kill-switch", "off", "--cluster", blue])
            try await fleet.succeed(["clusters", "set-mode", blue, "observe"])
            try await fleet.succeed(["limits", "clear", "api", "kubernetes/\(blue)"])
            try await fleet.database.script("TRUNCATE job, job_key, circuit")
        }

        @Test("Every reason for which a job waits is named, with who and until when")
        func reasons() async throws {
            let fleet = try Fleet.current
            try await fleet.database.script("TRUNCATE job, job_key, job_slot, job_limit, pause, lead, worker")
            let id = try await fleet.enqueue("noop")
            func codes(_ environment: [String: String] = [:]) async throws -> [String: String] {
                let told = try await fleet.run(["jobs", "explain", id, "-o", "json"], environment: environment)
                let explanation: Explanation = try told.json()
                return Dictionary(explanation.reasons.map { ($0.code, $0.text) }) { first, _ in first }
            }
            #expect(Set(try await codes().keys) == ["no-worker", "no-leader"])
            #expect(try await codes(["REDIS_URL": "redis://127.0.0.1:1"])["redis-down"]?.contains("within") == true)
            try await fleet.succeed(["pause", "tenant", "acme"])
            try await fleet.succeed(["pause", "queue", "default", "--by", "ben", "--why", "audit", "--for", "1h"])
            try await fleet.database.script(
                """
                UPDATE job SET crashes = 2, rate_key = 'r', rate_per_second = 0.1, rate_burst = 1, limit_key = 'l', limit_max = 1,
                       late_at = now() - interval '1 s';
                INSERT INTO rate_bucket (key, tokens, per_second, burst, at) VALUES ('r', 0, 0.1, 1, now());
                INSERT INTO job_slot (limit_key, n, job_id, fence) VALUES ('l', 1, uuid_v7(), 1);
                """)
            let all = try await codes()
            #expect(
                Set(all.keys) == ["no-worker", "no-leader", "paused", "suspect", "rate", "limit-full", "late"], "\(all)"
            )
            #expect(all["paused"]?.contains("queue default, by ben since ") == true, "\(all)")
            #expect(all["paused"]?.hasSuffix(": audit") == true, "\(all)")
            #expect(all["limit-full"]?.contains("its limit \"l\" is full: job ") == true, "\(all)")
            _ = try await fleet.rows(
                """
                WITH w AS (INSERT INTO worker (id, host, queues, kinds, slots, in_flight_max, version, expires_at)
                           VALUES (uuid_v7(), 'h', '{default}', '{noop}', 1, 1, '1', now() + interval '1 minute') RETURNING id)
                INSERT INTO job (id, queue, kind, lane, run_at, state, worker_id, fence, claimed_at, deadline_at, timeout_seconds,
                                 max_attempts, args)
                SELECT uuid_v7(), 'default', 'noop', 2, now(), 1, w.id, 1, now(), now() + interval '1 minute', 60, 1, '{}' FROM w
                RETURNING id
                """)
            #expect(try await codes()["workers-busy"]?.contains("1 jobs on 1 workers with 1 slots") == true)
            try await fleet.succeed(["jobs", "snooze", id, "--for", "1h"])
            #expect(try await codes()["not-due"]?.contains("it is not due before") == true)
            try await fleet.database.script("TRUNCATE job, job_key, job_slot, pause, rate_bucket, worker")
        }
    }
}
