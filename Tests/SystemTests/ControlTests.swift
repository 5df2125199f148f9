import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// What operators do to a fleet that runs, and what it answers.
    @Suite("Control", .fleet(environment: ["WORKER_LEASE_SECONDS": "6", "HOSTNAME": "host-a"]))
    struct ControlTests {
        @Test("A paused kind waits, everybody sees by whom and why, and it goes on when it is resumed")
        func pause() async throws {
            let fleet = try Fleet.current
            let roles = try await begin(fleet)
            defer { end(roles) }
            let paused = try await fleet.succeed(
                ["pause", "kind", "noop", "--why", "prices look wrong", "--by", "anna"])
            #expect(paused.output == "kind noop: paused by anna until it is resumed: prices look wrong\n")
            let id = try await fleet.enqueue("noop")
            #expect(try await fleet.state(of: id) == "paused")
            let told = try await fleet.succeed(["jobs", "explain", id]).output
            #expect(told.contains("it is paused: kind noop, by anna"), "\(told)")
            struct Row: Decodable { var scope, name, by, reason: String; var until: String? }
            let rows: [Row] = try await fleet.succeed(["pauses", "-o", "json"]).json()
            #expect(
                rows.map { [$0.scope, $0.name, $0.by, $0.reason] } == [["kind", "noop", "anna", "prices look wrong"]])
            #expect(rows[0].until == nil)
            #expect(try await fleet.succeed(["resume", "kind", "noop"]).output == "kind noop: goes on\n")
            try await eventually("it runs now") { try await fleet.state(of: id) == "done" }
            let life = try await fleet.succeed(["jobs", "explain", id]).output
            #expect(life.contains(#/run 1 began at .* on worker .*, attempt 1, and ended well\nended at /#), "\(life)")
            #expect(try await fleet.succeed(["pauses"]).output == "nothing is paused\n")
        }

        @Test("A pause with an end ends; a paused queue is shown as such")
        func pauseEnds() async throws {
            let fleet = try Fleet.current
            let roles = try await begin(fleet)
            defer { end(roles) }
            let paused = try await fleet.succeed(["pause", "queue", "default", "--for", "2s", "--by", "anna"])
            #expect(paused.output == "queue default: paused by anna for 2 s\n")
            let id = try await fleet.enqueue("noop", ["--delay", "1"])
            let queues = try await fleet.succeed(["queues"]).output
            #expect(queues.contains("queue default by anna"), "\(queues)")
            try await eventually("it runs when the pause has ended") { try await fleet.state(of: id) == "done" }
        }

        @Test("A running job is cancelled with proof that it stopped: its worker's word")
        func cancelProof() async throws {
            let fleet = try Fleet.current
            let roles = try await begin(fleet)
            defer { end(roles) }
            let id = try await running(fleet)
            let worker = try await fleet.text("SELECT worker_id FROM job WHERE id = $1::uuid", [.text(id)]) ?? ""
            let answer = try await fleet.succeed(["jobs", "cancel", id, "--wait", "20s", "--by", "anna"])
            let pattern = /(.*): stopped: worker (.*) confirmed at .* that run 1 has ended\n/
            let match = try #require(answer.output.wholeMatch(of: pattern), "\(answer)")
            #expect((String(match.1), String(match.2)) == (id, worker))
            #expect(
                try await fleet.text(
                    "SELECT reason || ', ' || cancelled_by FROM job_status WHERE id = $1::uuid", [.text(id)])
                    == "cancelled while it ran, anna")
            let again = try await fleet.succeed(["jobs", "cancel", id, "--wait", "20s"])
            #expect(again.output == "\(id): had ended before\n")
        }

        @Test("A job whose worker was killed is cancelled with another proof: it was taken back")
        func cancelOfTheLost() async throws {
            let fleet = try Fleet.current
            let roles = try await begin(fleet)
            defer { end(roles) }
            let id = try await running(fleet)
            roles[1].kill()
            let early = try await fleet.run(["jobs", "cancel", id, "--wait", "0"])
            #expect(early.status == 69, "\(early)")
            #expect(early.errors.contains("still runs: run 1 on worker"), "\(early)")
            struct Proof: Decodable { var id, result: String; var run: Int }
            let proof: Proof = try await fleet.succeed(["jobs", "cancel", id, "--wait", "40s", "-o", "json"]).json()
            #expect((proof.id, proof.result, proof.run) == (id, "taken-back", 1))
        }

        @Test("Dead jobs are counted first, then run again by a filter, each once")
        func bulkRetry() async throws {
            let fleet = try Fleet.current
            let roles = try await begin(fleet)
            defer { end(roles) }
            let dead = try await dead(3, fleet)
            try await fleet.succeed(["pause", "kind", "notify"])
            let filter = ["jobs", "retry", "--kind", "notify", "--since", "1h"]
            let counted = try await fleet.succeed(filter)
            #expect(
                counted.output == "would retry 3 jobs: 3 notify dead\nnothing was changed; repeat with --yes\n",
                "\(counted)")
            let done = try await fleet.succeed(filter + ["--yes"])
            #expect(done.output == "3 jobs (3 notify dead): 3 enqueued again\n", "\(done)")
            #expect(try await fleet.succeed(filter + ["--yes"]).output == "0 jobs (): nothing changed\n")
            #expect(try await fleet.succeed(filter).output == "no such jobs\n")
            #expect(
                try await fleet.number(
                    "SELECT count(*) FROM job_status WHERE state = 'paused' AND replay_of IS NOT NULL") == 3)
            #expect(
                try await fleet.number("SELECT count(*) FROM job_dead_letter WHERE replayed_by IS NOT NULL")
                    == dead.count)
            let cancelled = try await fleet.succeed([
                "jobs", "cancel", "--kind", "notify", "--state", "paused", "--yes",
            ])
            #expect(cancelled.output == "3 jobs (3 notify paused): 3 cancelled\n", "\(cancelled)")
        }

        @Test("A thousand jobs are postponed and cancelled in batches, and nothing that came later")
        func bulkInBatches() async throws {
            let fleet = try Fleet.current
            try await clear(fleet)
            try await fleet.succeed(["enqueue", "noop", "--delay", "600", "--count", "1200"])
            let hurried = try await fleet.succeed(
                ["jobs", "snooze", "--kind", "noop", "--state", "scheduled", "--for", "1h", "--yes", "-o", "json"])
            struct Result: Decodable { var matched: Int; var results: [String: Int] }
            let result: Result = try hurried.json()
            #expect((result.matched, result.results) == (1200, ["snoozed": 1200]))
            #expect(
                try await fleet.number("SELECT count(*) FROM job WHERE run_at > now() + interval '50 minutes'") == 1200)
            let cancelled: Result = try await fleet.succeed(
                ["jobs", "cancel", "--kind", "noop", "--yes", "-o", "json"]).json()
            #expect(cancelled.results["cancelled"] == 1200)
            #expect(try await fleet.number("SELECT count(*) FROM job") == 0)
        }

        @Test("A dead job is replayed with other parameters in a queue of its own, which a worker of its own serves")
        func replay() async throws {
            let fleet = try Fleet.current
            let roles = try await begin(fleet)
            defer { end(roles) }
            let old = try await dead(1, fleet)[0]
            roles[1].kill()
            struct Replay: Decodable { var id, replay_of: String }
            let replay: Replay = try await fleet.succeed([
                "jobs", "replay", old, "--queue", "debug", "--parameters",
                "{\"url\":\"http://127.0.0.1:1\",\"body\":{}}", "-o", "json",
            ]).json()
            #expect(replay.replay_of == old)
            #expect(
                try await fleet.text(
                    "SELECT queue || ' ' || (args ->> 'url') FROM job_status WHERE id = $1::uuid", [.text(replay.id)])
                    == "debug http://127.0.0.1:1")
            let debugger = try fleet.start(["worker"], environment: ["WORKER_QUEUES": "debug"])
            defer { debugger.kill() }
            try await eventually("the debug worker runs it") {
                try await fleet.number("SELECT fence FROM job_status WHERE id = $1::uuid", [.text(replay.id)]) > 0
            }
        }

        @Test("A worker that is told to drain hands back what it has and ends well")
        func drain() async throws {
            let fleet = try Fleet.current
            let roles = try await begin(fleet)
            defer { end(roles) }
            let id = try await running(fleet)
            let worker = try await fleet.text("SELECT worker_id FROM job WHERE id = $1::uuid", [.text(id)]) ?? ""
            let answer = try await fleet.succeed(["workers", "drain", worker, "--wait", "30s"])
            #expect(answer.output == "\(worker): gone, holds 0 jobs\n", "\(answer)")
            #expect(try await roles[1].answer(within: .seconds(20)).status == 0)
            #expect(
                try await fleet.text(
                    "SELECT attempt || ' ' || interrupts || ' ' || state FROM job WHERE id = $1::uuid", [.text(id)])
                    == "0 1 0")
        }

        @Test("The lines and the progress of a job are there while it runs")
        func logs() async throws {
            let fleet = try Fleet.current
            let roles = try await begin(fleet)
            defer { end(roles) }
            let id = try await fleet.enqueue("noop", ["--parameters", "{\"wait_milliseconds\":700,\"steps\":4}"])
            let follower = try fleet.start(["jobs", "logs", id, "--follow"])
            let seen = try await eventually("its progress is told") {
                try await fleet.rows(
                    "SELECT done, total, eta_seconds FROM job_running WHERE id = $1::uuid AND eta_seconds IS NOT NULL",
                    [.text(id)]
                ).first
            }
            #expect(try seen.int(1) == 4)
            #expect((0...10).contains(try seen.double(2)))
            try await eventually("lines come while it runs") { follower.output.contains("1 of 4: waits") }
            let answer = try await follower.answer(within: .seconds(30))
            #expect(answer.status == 0)
            let lines = answer.output.split(separator: "\n").compactMap {
                $0.firstMatch(of: /run 1  (.*)$/).map { String($0.1) }
            }
            #expect(lines == ["0 of 4: waits", "1 of 4: waits", "2 of 4: waits", "3 of 4: waits"], "\(answer)")
            #expect(try await fleet.state(of: id) == "done")
        }

        /// A scheduler and a worker of the test's own, in a queue without jobs.
        private func begin(_ fleet: Fleet) async throws -> [Child] {
            try await clear(fleet)
            return try await fleet.startRoles()
        }

        private func end(_ roles: [Child]) { for role in roles { role.kill() } }

        private func clear(_ fleet: Fleet) async throws {
            try await fleet.database.script(
                "TRUNCATE job, job_dead, job_history, job_key, job_slot, job_attempt, pause, lead, worker")
        }

        /// A job that runs, and would for half a minute.
        private func running(_ fleet: Fleet) async throws -> String {
            let id = try await fleet.enqueue("noop", ["--parameters", "{\"wait_milliseconds\":30000}"])
            try await eventually("it runs") { try await fleet.state(of: id) == "running" }
            return id
        }

        private func dead(_ count: Int, _ fleet: Fleet) async throws -> [String] {
            var ids: [String] = []
            for _ in 0..<count {
                ids.append(
                    try await fleet.enqueue(
                        "notify", ["--parameters", "{\"url\":\"http://example.com\",\"body\":{\"text\":\"hi\"}}"]))
            }
            for id in ids { try await eventually("it dies") { try await fleet.state(of: id) == "dead" } }
            return ids
        }
    }

    /// Schedules by hand.
    @Suite("Schedules by hand", .fleet(clusters: ["blue"], nodes: 2, pods: 2))
    struct ScheduleCommandTests {
        @Test("A schedule is fired now, paused, and filled for a range, each slot once")
        func schedules() async throws {
            let fleet = try Fleet.current
            try #require(try await fleet.add("blue", tenant: "acme").status == 0)
            let id = "snapshot-cluster/\(fleet.cluster("blue"))"
            struct Fired: Decodable { var schedule, result, job: String }
            let first: [Fired] = try await fleet.succeed(["schedules", "trigger", id, "-o", "json"]).json()
            #expect(first.map(\.schedule) == [id])
            #expect(first.map(\.result) == ["enqueued"])
            let second: [Fired] = try await fleet.succeed(["schedules", "trigger", "snapshot-cluster", "-o", "json"])
                .json()
            #expect(second.map(\.result) == ["skipped, this job has not ended"])
            #expect(second.map(\.job) == first.map(\.job))

            try await fleet.succeed(["pause", "schedule", id, "--by", "anna", "--for", "1h"])
            struct Row: Decodable { var id: String; var last_slot, paused_by: String?; var late_seconds: Double }
            let rows: [Row] = try await fleet.succeed(["schedules", "-o", "json"]).json()
            #expect(rows.first { $0.id == id }?.paused_by == "anna")
            #expect(rows.first { $0.id == id }?.late_seconds == 0)
            // No scheduler runs here: by itself it has not fired yet.
            #expect(rows.count > 3 && rows.allSatisfy { $0.last_slot == nil }, "\(rows)")

            let range = ["schedules", "backfill", id, "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T01:00:00Z"]
            let counted = try await fleet.succeed(range).output
            let slots = try #require(
                counted.firstMatch(of: /^([0-9]+) slots: nothing was enqueued; repeat with --yes\n$/))
            let count = try #require(Int(slots.1))
            #expect(count > 0)
            #expect(
                try await fleet.succeed(range + ["--yes"]).output
                    == "\(count) slots: enqueued \(count), 0 had been before\n")
            #expect(
                try await fleet.succeed(range + ["--yes"]).output
                    == "\(count) slots: enqueued 0, \(count) had been before\n")
            #expect(try await fleet.number("SELECT count(*) FROM job WHERE lane = 3") == count)
        }
    }
}
