import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// The screen, its plain text, its JSON, and the views that they are read from.
    @Suite("Top", .fleet(clusters: ["blue"], nodes: 2, pods: 4, environment: ["HOSTNAME": "host-a"]))
    struct TopTests {
        @Test("A snapshot that was kept is shown as it was: golden text")
        func golden() async throws {
            let fleet = try Fleet.current
            let path = "\(fleet.directory)/kept.json"
            try Self.kept.write(toFile: path, atomically: true, encoding: .utf8)
            let answer = try await fleet.succeed(["top", "--from", path])
            #expect(answer.output == Self.golden, "\(answer.output)")
            let json = try await fleet.succeed(["top", "--from", path, "-o", "json"])
            #expect(json.output == Self.kept + "\n")
            #expect(try await fleet.run(["top", "--from", "/nowhere"]).status == 65)
        }

        @Test("The views and the snapshot agree at any moment, under load, and so do the parts of one snapshot")
        func agree() async throws {
            let fleet = try Fleet.current
            try #require(try await fleet.add("blue", tenant: "acme").status == 0)
            try await fleet.startRoles(workers: 2)
            let load = try fleet.start([
                "enqueue", "noop", "--count", "4000", "--parameters", "{\"wait_milliseconds\":30,\"steps\":2}",
            ])
            try await eventually("it is busy") { try await fleet.number("SELECT count(*) FROM job_running") > 4 }
            var sizes: Set<Int> = []
            for _ in 0..<20 {
                try await fleet.database.begin(.repeatableRead)
                let snapshot = try await StatusReader(on: fleet.database).snapshot()
                let seen: Snapshot = try snapshot.decode()
                func view(_ sql: String) async throws -> JSONValue {
                    try JSONValue(parsing: try #require(try await fleet.text("SELECT (\(sql))::text")))
                }
                let document: [String: JSONValue] = try snapshot.decode()
                for (part, sql) in [
                    ("queues", "SELECT coalesce(jsonb_agg(to_jsonb(v) ORDER BY queue, lane), '[]') FROM queue_depth v"),
                    (
                        "pauses",
                        "SELECT coalesce(jsonb_agg(to_jsonb(v) ORDER BY scope, name), '[]') FROM pause_status v"
                    ),
                    ("leader", "SELECT to_jsonb(v) FROM leader_health v WHERE name = 'scheduler'"),
                ] {
                    #expect(try await view(sql) == document[part], "\(part)")
                }
                let running = try await fleet.number(
                    "SELECT count(*) FROM job_status WHERE state IN ('running', 'cancelling')")
                let ids = try await fleet.rows("SELECT id FROM job_running ORDER BY claimed_at, id LIMIT 200")
                #expect(seen.running.map(\.id) == ids.map { $0.text(0) })
                let next = try await fleet.rows(
                    "SELECT id FROM schedule_health WHERE enabled ORDER BY next_slot, id LIMIT 50")
                #expect(seen.schedules.map(\.id) == next.map { $0.text(0) })
                let scale = try #require(
                    try await fleet.rows(
                        "SELECT coalesce(sum(due), 0)::bigint, coalesce(sum(running), 0)::bigint FROM scale_signal"
                    ).first)
                #expect(try [scale.int(0), scale.int(1)].map(Int.init) == [seen.totals.due, seen.totals.running])
                let slots = try await fleet.number("SELECT sum(slots)::bigint FROM worker_health WHERE state = 'live'")
                #expect(seen.totals.slots == slots)
                try await fleet.database.commit()
                #expect(seen.totals.running == running)
                #expect(seen.queues.reduce(0) { $0 + $1.running } == running)
                #expect(seen.workers.reduce(0) { $0 + $1.running } == running)
                #expect(seen.running.count == min(running, 200))
                #expect(seen.totals.due == seen.queues.reduce(0) { $0 + $1.due })
                sizes.insert(running)
            }
            #expect(sizes.count > 1, "nothing moved: this test could not fail")
            // The text is drawn from the same document.
            let kept = try await fleet.succeed(["top", "--once", "-o", "json"])
            let path = "\(fleet.directory)/load.json"
            try kept.output.write(toFile: path, atomically: true, encoding: .utf8)
            let seen: Snapshot = try kept.json()
            let text = try await fleet.succeed(["top", "--from", path]).output
            #expect(
                text.contains("running \(seen.totals.running)/\(seen.totals.slots)  due \(seen.totals.due)  later "),
                "\(text.prefix(300))")
            #expect(text.matches(of: #/\n .{12}  +noop /#).count == seen.running.count { $0.kind == "noop" })
            load.kill()
        }

        @Test(
            "On a terminal it fills the screen, obeys keys, and puts the terminal back however it ends",
            arguments: ["q", "TERM", "INT", "ctrl-c"])
        func terminal(_ end: String) async throws {
            let fleet = try Fleet.current
            try await fleet.database.script("TRUNCATE job, job_key, pause")
            let id = try await fleet.enqueue("noop", ["--delay", "3600"])
            let seen = try await onTerminal(
                [
                    ["see", #"QUEUE .*(.|\n)* default "#], ["choose", "default"], ["key", "p"],
                    ["see", #"pause queue default\?"#], ["key", "y"],
                    ["see", #"PAUSED queue default by anna(.|\n)*queue default is paused"#],
                ], end: end)
            #expect(seen.restored && seen.left, "\(seen)")
            #expect(seen.status == 0, "\(seen)")
            #expect(seen.screen.count == 24)
            #expect(seen.widest <= 80)
            #expect(seen.screen.contains { $0.hasPrefix(">default") }, "\(seen)")
            #expect(seen.screen.last == "queue default is paused", "\(seen)")
            #expect(seen.screen.contains { $0.hasPrefix("PAUSED queue default by ") }, "\(seen)")
            #expect(try await fleet.state(of: id) == "paused")
        }

        @Test("Its keys cancel a running job and run a dead one again, each asked back; another answer changes nothing")
        func cancelAndRetry() async throws {
            let fleet = try Fleet.current
            try await fleet.database.script("TRUNCATE job, job_key, job_dead, job_attempt, pause, worker, lead")
            let roles = try await fleet.startRoles()
            defer { for role in roles { role.kill() } }
            let running = try await fleet.enqueue("noop", ["--parameters", "{\"wait_milliseconds\":35000}"])
            let dead = try await fleet.enqueue(
                "notify", ["--parameters", "{\"url\":\"http://example.com\",\"body\":{\"text\":\"hi\"}}"])
            try await eventually("one runs") { try await fleet.state(of: running) == "running" }
            try await eventually("one is dead") { try await fleet.state(of: dead) == "dead" }

            let done = try await onTerminal(
                [
                    ["choose", String(running.suffix(12))], ["key", "c"], ["see", "cancel noop \(running)\\?"],
                    ["key", "n"], ["see", "not done"], ["key", "c"], ["key", "y"], ["see", "\(running): .*stop"],
                    ["choose", String(dead.suffix(12))], ["key", "r"], ["see", "run notify \(dead) again\\?"],
                    ["key", "y"], ["see", "\(dead): "],
                ], end: "q")
            #expect(done.status == 0 && done.restored, "\(done)")
            try await eventually("its worker stopped it") { try await fleet.state(of: running) == "cancelled" }
            #expect(
                try await fleet.text("SELECT cancelled_by FROM job_status WHERE id = $1::uuid", [.text(running)])
                    == "anna")
            #expect(
                try await fleet.number("SELECT count(*) FROM job_status WHERE replay_of = $1::uuid", [.text(dead)]) == 1
            )
        }

        private struct Seen: Decodable {
            var status: Int
            var restored, left: Bool
            var screen: [String]
            var widest: Int
        }

        /// Runs it on a terminal of 80x24: waits, chooses and types as told, ends it, and tells what was seen.
        private func onTerminal(_ steps: [[String]], end: String) async throws -> Seen {
            let fleet = try Fleet.current
            let script = "\(fleet.directory)/terminal.py"
            try Self.terminal.write(toFile: script, atomically: true, encoding: .utf8)
            let child = try Child(
                "/usr/bin/env", ["python3", script, Fleet.program, end, JSONText(encoding: steps).text],
                environment: fleet.environment, directory: fleet.directory, name: "terminal-\(UUID().uuidString)")
            let answer = try await child.answer(within: .seconds(90))
            try #require(answer.status == 0, "\(answer)")
            return try answer.json()
        }

        private struct Snapshot: Decodable {
            struct Queue: Decodable { var due, running: Int }
            struct Worker: Decodable { var running: Int }
            struct Job: Decodable { var id, kind: String }
            struct Schedule: Decodable { var id: String }
            struct Totals: Decodable { var due, running, slots: Int }
            var queues: [Queue]
            var workers: [Worker]
            var running: [Job]
            var schedules: [Schedule]
            var totals: Totals
        }

        /// A terminal of 80x24. Steps: see a pattern on the screen, choose the row that holds a text, press a key.
        private static let terminal = """
            import fcntl, json, os, pty, re, select, signal, struct, subprocess, sys, termios, time

            program, end, steps = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
            master, slave = pty.openpty()
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            before = termios.tcgetattr(slave)
            child = subprocess.Popen([program, "top", "--interval", "0.5", "--by", "anna"], stdin=slave, stdout=slave, stderr=slave,
                                     start_new_session=True)
            seen = b""

            def read_until(wanted, limit=30):
                global seen
                stop = time.monotonic() + limit
                while time.monotonic() < stop:
                    if re.search(wanted, screen_text()):
                        return
                    if select.select([master], [], [], 0.1)[0]:
                        try:
                            seen += os.read(master, 65536)
                        except OSError:
                            return
                sys.exit(f"never seen: {wanted!r} in {seen[-2000:]!r}")

            def lines():
                last = seen.split(b"\\x1b[H")[-1].split(b"\\x1b[?1049l")[0]
                text = re.sub(rb"\\x1b\\[[?0-9;]*[A-Za-z]", b"", last).decode("utf-8", "replace")
                return [line for line in text.split("\\r\\n")]

            def screen_text():
                return "\\n".join(lines())

            def choose(text):
                # Rows come and go: down to the end, then up again, until the mark stands before it.
                for key in "j" * 15 + "k" * 30:
                    read_until(re.escape(text))
                    if re.search("(^|\\n)>[^\\n]*" + re.escape(text), screen_text()):
                        return
                    before = len(seen)
                    os.write(master, key.encode())
                    settle(before)
                sys.exit(f"never chosen: {text!r} in {lines()!r}")

            def settle(before):
                # Until it has drawn again, or had half a second for it: at the list's end nothing changes.
                global seen
                stop = time.monotonic() + 0.5
                while len(seen) == before and time.monotonic() < stop:
                    if select.select([master], [], [], 0.05)[0]:
                        seen += os.read(master, 65536)
                while select.select([master], [], [], 0.02)[0]:
                    seen += os.read(master, 65536)

            for what, text in steps:
                if what == "see":
                    read_until(text)
                elif what == "choose":
                    choose(text)
                else:
                    os.write(master, text.encode())
            screen = lines()
            if end == "q":
                os.write(master, b"q")
            elif end == "ctrl-c":
                os.write(master, b"\\x03")
            else:
                os.kill(child.pid, getattr(signal, "SIG" + end))
            status = None
            stop = time.monotonic() + 20
            while status is None and time.monotonic() < stop:
                if select.select([master], [], [], 0.05)[0]:
                    seen += os.read(master, 65536)
                status = child.poll()
            while select.select([master], [], [], 0.2)[0]:
                seen += os.read(master, 65536)
            after = termios.tcgetattr(slave)
            print(json.dumps({"status": status, "restored": before == after, "left": seen.rstrip().endswith(b"\\x1b[?1049l"),
                              "screen": screen, "widest": max(map(len, screen))}))
            """

        private static let kept = """
            {"at": "2026-11-23T14:00:05.123+00:00", "leader": {"is_live": true, "term": 7}, "queues": [{"queue": "default", "lane": 2, "due": 120, "later": 3, "running": 2, "oldest_due_seconds": 95.2, "paused": "queue default by anna"}], "workers": [{"id": "019a0000-0000-7000-8000-0000000000aa", "host": "host-a", "version": "0.1.0", "state": "live", "slots": 16, "running": 2, "lease_seconds": 9.7}], "running": [{"id": "019a0000-0000-7000-8000-000000000001", "kind": "drain-node", "target": "prod-eu", "lane": 0, "host": "host-a", "attempt": 1, "running_seconds": 61.4, "done": 6, "total": 12, "note": "evicts", "eta_seconds": 60.9}, {"id": "019a0000-0000-7000-8000-000000000002", "kind": "noop", "target": "", "lane": 2, "attempt": 1, "running_seconds": 4000, "cancel_at": "2026-11-23T14:00:00+00:00"}], "failures": [{"job_id": "019a0000-0000-7000-8000-000000000003", "kind": "notify", "target": "", "state": "dead", "how": "dead", "message": "the webhook answered 404", "ago_seconds": 200000}], "schedules": [{"id": "poll-sqs/q", "in_seconds": 2.2, "late_seconds": 0}, {"id": "snapshot-cluster/prod-eu", "in_seconds": -40, "late_seconds": 40}], "pauses": [{"scope": "queue", "name": "default", "by": "anna", "reason": "prices look wrong", "until": "2026-11-23T16:00:00+00:00"}], "circuits": [{"side": "kubernetes", "target": "prod-us", "failures": 9}], "totals": {"due": 120, "later": 3, "running": 2, "dead": 1, "slots": 16, "live_workers": 1}, "dollars_per_hour": 1.5}
            """

        private static let golden = """
            2026-11-23T14:00:05  leader term 7  1 workers  running 2/16  due 120  later 3  dead 1  $1.50/h
            PAUSED queue default by anna until 2026-11-23T16:00:00: prices look wrong
            DOWN kubernetes of prod-us: 9 failures in a row, its jobs wait
             QUEUE                    LANE  DUE        LATER      RUNNING   OLDEST
             default                  2     120        3          2         95s  paused
             WORKER                             STATE      RUNNING    LEASE    VERSION
             host-a 0000000000aa                live       2/16       10s      0.1.0
             RUNNING        KIND               FOR     PROGRESS                 TARGET
             000000000001   drain-node         61s     [###...] 6/12 61s        prod-eu
             000000000002   noop               66m     asked to stop
             FAILED         KIND               AGO     HOW                      WHY
             000000000003   notify             2d      dead, dead               the webhook answered 404
             SCHEDULE                                           NEXT
             poll-sqs/q                                         in 2s
             snapshot-cluster/prod-eu                           40s late

            """
    }
}
