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
            let script = "\(fleet.directory)/terminal.py"
            try Self.terminal.write(toFile: script, atomically: true, encoding: .utf8)
            let child = try Child(
                "/usr/bin/env", ["python3", script, Fleet.program, end], environment: fleet.environment,
                directory: fleet.directory, name: "terminal-\(end)")
            let answer = try await child.answer(within: .seconds(60))
            struct Seen: Decodable {
                var status: Int
                var restored, left: Bool
                var screen: [String]
                var widest: Int
            }
            #expect(answer.status == 0, "\(answer)")
            let seen: Seen = try answer.json()
            #expect(seen.restored && seen.left, "\(answer)")
            #expect(seen.status == 0, "\(answer)")
            #expect(seen.screen.count == 24)
            #expect(seen.widest <= 80)
            #expect(seen.screen.contains { $0.hasPrefix(">default") }, "\(answer)")
            #expect(seen.screen.last == "queue default is paused", "\(answer)")
            #expect(seen.screen.contains { $0.hasPrefix("PAUSED queue default by ") }, "\(answer)")
            #expect(try await fleet.state(of: id) == "paused")
        }

        private struct Snapshot: Decodable {
            struct Queue: Decodable { var due, running: Int }
            struct Worker: Decodable { var running: Int }
            struct Job: Decodable { var id, kind: String }
            struct Totals: Decodable { var due, running, slots: Int }
            var queues: [Queue]
            var workers: [Worker]
            var running: [Job]
            var totals: Totals
        }

        /// A terminal of 80x24: waits for the screen, chooses the first queue, pauses it, ends it, and tells what it saw.
        private static let terminal = """
            import fcntl, json, os, pty, re, select, signal, struct, subprocess, sys, termios, time

            program, end = sys.argv[1], sys.argv[2]
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

            read_until(r"QUEUE .*(.|\\n)* default ")
            os.write(master, b"j")
            read_until(r">default")
            os.write(master, b"p")
            read_until(r"pause queue default\\?")
            os.write(master, b"y")
            read_until(r"PAUSED queue default by anna(.|\\n)*queue default is paused")
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
