import Foundation
import HTTPClient
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// What operators type, and what comes back.
    @Suite("The command", .fleet(clusters: ["blue"], nodes: 3, pods: 6, environment: FleetPlan.impatient))
    struct CommandTests {
        static let commands: [[String]] = [
            [], ["migrate"], ["scheduler"], ["worker"], ["enqueue"], ["kill-switch"], ["health"], ["drain"], ["doctor"],
            ["secrets"], ["secrets", "rotate"], ["queues"],
            ["schedules"], ["schedules", "list"], ["schedules", "trigger"], ["schedules", "backfill"],
            ["workers"], ["workers", "list"], ["workers", "drain"], ["pause"], ["resume"], ["pauses"],
            ["limits"], ["limits", "list"], ["limits", "set"], ["limits", "clear"], ["circuits"], ["top"],
            ["jobs"], ["jobs", "list"], ["jobs", "show"], ["jobs", "explain"], ["jobs", "logs"], ["jobs", "cancel"],
            ["jobs", "snooze"], ["jobs", "retry"], ["jobs", "replay"],
            ["clusters"], ["clusters", "add"], ["clusters", "list"], ["clusters", "check"], ["clusters", "set-mode"],
            ["clusters", "remove"], ["clusters", "set-credential"], ["jobspecs"], ["jobspecs", "check"],
            ["jobspecs", "schema"], ["jobspecs", "list"], ["findings"], ["interruptions"],
            ["snapshot"], ["plan"], ["report"],
            ["policy"], ["policy", "show"], ["policy", "set"], ["policy", "apply"], ["policy", "history"],
            ["proposals"], ["proposals", "list"], ["proposals", "show"], ["proposals", "approve"],
            ["proposals", "reject"],
            ["risk"], ["risk", "pools"], ["risk", "calibration"], ["prices"], ["prices", "coverage"], ["savings"],
            ["simulate"], ["simulate", "serve"], ["simulate", "interrupt"], ["simulate", "state"],
            ["simulate", "clock"],
            ["simulate", "clock", "advance"],
        ]

        @Test("Every command has help that says what it does", arguments: commands)
        func help(_ command: [String]) async throws {
            let answer = try await Fleet.current.run(command + ["--help"])
            #expect(answer.status == 0, "\(answer)")
            #expect(answer.output.hasPrefix("OVERVIEW: "), "\(answer)")
            #expect(answer.output.contains("USAGE: cloudoptim"), "\(answer)")
        }

        @Test("The help of the program names every command that there is")
        func helpIsComplete() async throws {
            func names(_ command: [String]) async throws -> [String] {
                let help = try await Fleet.current.run(command + ["--help"]).output
                guard let start = help.firstRange(of: "SUBCOMMANDS:") else { return [] }
                return help[start.upperBound...].matches(of: /\n  ([a-z-]+)/).map { String($0.1) }
            }
            var found: [[String]] = [[]]
            var next = 0
            while next < found.count {
                for name in try await names(found[next]) { found.append(found[next] + [name]) }
                next += 1
            }
            #expect(Set(found) == Set(Self.commands))
        }

        @Test("Every command is run by a test, not only asked for its help")
        func everyCommandIsRun() throws {
            let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            var text = ""
            let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
            for case let file as URL in files where file.pathExtension == "swift" {
                var source = try String(contentsOf: file, encoding: .utf8)
                if source.contains("commands: [[String]]"), let start = source.firstRange(of: "static let commands"),
                    let end = source.firstRange(of: "@Test(\"Every command has help")
                {
                    source.removeSubrange(start.lowerBound..<end.lowerBound)
                }
                text += source
            }
            text = text.replacing(/\s+/, with: " ").replacing("[ ", with: "[")
            // Those that stand for their group when nothing is named.
            let standards: Set = ["list", "serve", "pools"]
            let leaves = Self.commands.filter { command in
                !command.isEmpty && !Self.commands.contains { $0.count > command.count && $0.starts(with: command) }
            }
            #expect(leaves.count > 50)
            for command in leaves {
                func words(_ command: [String]) -> String { "[\"" + command.joined(separator: "\", \"") + "\"" }
                let group = words(Array(command.dropLast()))
                let isRun =
                    text.contains(words(command))
                    || (standards.contains(command.last ?? "")
                        && ["]", ", \"-", "] +"].contains { text.contains(group + $0) })
                #expect(isRun, "no test runs \(command.joined(separator: " "))")
            }
        }

        @Test("A role's health is asked: ready, not ready, and nobody there")
        func health() async throws {
            let fleet = try Fleet.current
            let worker = try fleet.start(["worker"])
            defer { worker.kill() }
            let port = try await Fleet.port(of: worker)
            try await eventually("it is ready") {
                try await fleet.run(["health"], environment: ["HTTP_PORT": "\(port)"]).status == 0
            }
            let ready = try await fleet.run(["health", "--url", "http://127.0.0.1:\(port)/readyz"])
            #expect(ready.status == 0 && ready.output == "ready\n", "\(ready)")
            let odd = try await fleet.run(["health", "--url", "http://127.0.0.1:\(port)/nothing"])
            #expect(odd.status == 1 && odd.errors.contains("answered 404"), "\(odd)")
            worker.kill()
            let away = try await fleet.run(["health"], environment: ["HTTP_PORT": "\(port)"])
            #expect(away.status == 1 && away.errors.contains("does not answer"), "\(away)")
        }

        @Test(
            "JSON that parses comes from every command that lists",
            arguments: [
                ["jobs", "list"], ["queues"], ["schedules"], ["workers"], ["clusters", "list"], ["jobspecs", "list"],
                ["pauses"], ["limits"], ["circuits"], ["findings"], ["interruptions"],
            ])
        func listsAsJSON(_ command: [String]) async throws {
            let fleet = try Fleet.current
            try await register(fleet)
            _ = try await fleet.enqueue("noop", ["--delay", "3600"])
            let answer = try await fleet.succeed(command + ["--output", "json"])
            let rows: [[String: JSONValue]] = try answer.json()
            let mayBeEmpty = ["workers", "pauses", "limits", "circuits", "findings", "interruptions"]
            #expect(mayBeEmpty.contains(command[0]) || !rows.isEmpty)
            #expect(rows.allSatisfy { !$0.isEmpty })
            let table = try await fleet.succeed(command)
            #expect(table.output.split(separator: "\n").count >= 1)
        }

        @Test("JSON that parses comes from every command that answers about one thing")
        func answersAsJSON() async throws {
            let fleet = try Fleet.current
            try await register(fleet)
            struct Enqueued: Decodable { var id, result: String }
            let enqueued: Enqueued = try await fleet.succeed(["enqueue", "noop", "--delay", "3600", "--output", "json"])
                .json()
            #expect(enqueued.result == "enqueued")
            let shown: [String: JSONValue] = try await fleet.succeed(["jobs", "show", enqueued.id, "-o", "json"]).json()
            #expect(shown["id"] == .string(enqueued.id))
            #expect(shown["state"] == .string("scheduled"))
            let told: Explanation = try await fleet.succeed(["jobs", "explain", enqueued.id, "-o", "json"]).json()
            #expect(told.reasons.contains { $0.code == "not-due" && $0.text.contains("it is not due before") })
            let cancelled: [String: String] = try await fleet.succeed(["jobs", "cancel", enqueued.id, "-o", "json"])
                .json()
            #expect(cancelled == ["id": enqueued.id, "result": "cancelled"])
            struct Check: Decodable { var check, ok, detail: String }
            let checks: [Check] = try await fleet.succeed(
                ["clusters", "check", fleet.cluster("blue"), "-o", "json"]).json()
            let vital = checks.filter { !$0.check.hasPrefix("feature: ") }
            #expect(vital.map(\.check) == ["kubernetes: nodes", "aws: identity", "aws: external id", "aws: queue"])
            #expect(vital.allSatisfy { $0.ok == "yes" })
            #expect(checks.count > vital.count, "no feature is told")
            let schema: [String: JSONValue] = try await fleet.succeed(["jobspecs", "schema"]).json()
            #expect(schema["$schema"] != nil)
            let state: WorldState = try await fleet.succeed(["simulate", "state"]).json()
            #expect(state.nodes.count == 3)
        }

        @Test(
            "Exit codes mean something",
            arguments: [
                (["--version"], 0), (["jobs", "list", "--nonsense"], 64), (["enqueue"], 64),
                (["jobs", "show", "not-an-id"], 64),
                (["enqueue", "noop", "--key", "k", "--count", "2"], 64), (["enqueue", "noop", "--delay", "-1"], 64),
                (["enqueue", "noop", "--delay=-1"], 64), (["enqueue", "noop", "--delay=nan"], 64),
                (["enqueue", "noop", "--delay=inf"], 64),
                (["enqueue", "noop", "--delay=1e30"], 64), (["enqueue", "noop", "--count=0"], 64),
                (["enqueue", "noop", "--count=-3"], 64),
                (["jobs", "list", "--limit=-1"], 64), (["jobs", "list", "--state", "nonsense"], 64),
                (["simulate", "clock", "advance", "nan"], 64), (["simulate", "clock", "advance", "1e300"], 64),
                (["simulate", "--join", "5"], 65), (["simulate", "interrupt", "x", "--url", "http://127.0.0.1:1"], 69),
                (["enqueue", "noop", "--parameters", "{"], 65), (["enqueue", "noop", "--parameters", "{\"x\":1}"], 65),
                (["enqueue", "notify"], 65), (["enqueue", "fly"], 66), (["enqueue", "defrag"], 65),
                (["enqueue", "defrag", "--target", "nowhere"], 66),
                (["enqueue", "ghost-scan", "--target", "nowhere"], 66),
                (["jobs", "show", "01a20841-9a2d-7857-a728-d48b587bd387"], 66),
                (["jobs", "cancel", "01a20841-9a2d-7857-a728-d48b587bd387"], 66),
                (["jobs", "retry", "01a20841-9a2d-7857-a728-d48b587bd387"], 66),
                (["jobs", "replay", "01a20841-9a2d-7857-a728-d48b587bd387"], 66),
                (["jobs", "logs", "01a20841-9a2d-7857-a728-d48b587bd387"], 66),
                (["jobs", "snooze", "01a20841-9a2d-7857-a728-d48b587bd387", "--for", "5s"], 66),
                (["jobs", "retry"], 64), (["jobs", "retry", "--state", "done"], 64), (["jobs", "cancel"], 64),
                (["jobs", "cancel", "--state", "queued", "--wait", "5s"], 64),
                (["jobs", "snooze", "--kind", "noop"], 64),
                (["jobs", "list", "--since", "soon"], 64), (["jobs", "list", "--since", "2h"], 0),
                (["pause", "noise", "x"], 64), (["pause", "kind"], 64), (["pause", "all", "x"], 64),
                (["pause", "kind", "fly"], 66), (["pause", "cluster", "nowhere"], 66),
                (["resume", "kind", "noop"], 66),
                (["schedules", "trigger", "fly"], 66), (["schedules", "backfill", "fly", "--from", "1h"], 66),
                (["limits", "set", "tenant", "acme"], 64), (["limits", "set", "kind", "noop", "--weight", "2"], 65),
                (["limits", "set", "tenant", "acme", "--running", "0"], 65),
                (["limits", "set", "all", "--running", "1"], 65),
                (["limits", "set", "kind", "fly", "--running", "1"], 66), (["limits", "clear", "kind", "noop"], 66),
                (["limits", "set", "api", "smtp", "--rate", "1"], 66),
                (["limits", "set", "api", "aws", "--running", "1"], 65), (["pause", "api", "aws"], 65),
                (["workers", "drain", "01a20841-9a2d-7857-a728-d48b587bd387"], 66),
                (["clusters", "check", "nowhere"], 66), (["clusters", "remove", "nowhere"], 66),
                (["clusters", "set-mode", "nowhere", "apply"], 66), (["clusters", "set-mode", "nowhere", "loud"], 64),
                (["jobspecs", "check", "/nowhere"], 65), (["jobspecs", "check", "/nowhere/x.yaml"], 65),
            ] as [([String], Int32)])
        func exitCodes(_ command: [String], _ status: Int32) async throws {
            let answer = try await Fleet.current.run(command)
            #expect(answer.status == status, "\(command): \(answer)")
            #expect(status == 0 ? answer.errors.isEmpty : !answer.errors.isEmpty, "\(command): \(answer)")
            #expect(!answer.errors.contains("Fatal error"), "\(answer)")
        }

        @Test("One key twice is one job; with other arguments it is a conflict, exit code 73")
        func idempotencyKey() async throws {
            let fleet = try Fleet.current
            let arguments = ["--key", "ticket-17", "--delay", "3600", "--parameters", "{\"wait_milliseconds\":5}"]
            let first = try await fleet.enqueue("noop", arguments)
            let again = try await fleet.succeed(["enqueue", "noop"] + arguments)
            #expect(again.output == "\(first) (the same request was enqueued before)\n")
            let other = try await fleet.run(
                ["enqueue", "noop", "--key", "ticket-17", "--parameters", "{\"wait_milliseconds\":6}"])
            #expect(other.status == 73, "\(other)")
            #expect(other.errors.contains("key 'ticket-17' belongs to job \(first) with other arguments"), "\(other)")
            let bySQL = try await fleet.text(
                "SELECT enqueue('noop', '{\"wait_milliseconds\":5}', 'sql-17', now() + interval '1 hour')")
            let bySQLAgain = try await fleet.text("SELECT enqueue('noop', '{\"wait_milliseconds\":5}', 'sql-17')")
            #expect(bySQL == bySQLAgain)
            await #expect(throws: QueueError.self) {
                try await fleet.rows("SELECT enqueue('noop', '{\"wait_milliseconds\":6}', 'sql-17')")
            }
        }

        @Test("A key of the command and the same key in SQL are one")
        func oneKeyForBoth() async throws {
            let fleet = try Fleet.current
            let first = try await fleet.enqueue(
                "noop", ["--key", "both", "--delay", "3600", "--parameters", "{\"wait_milliseconds\":5}"])
            let second = try await fleet.text("SELECT enqueue('noop', '{\"wait_milliseconds\":5}', 'both')")
            #expect(second == first)
        }

        @Test(
            "A queued job is cancelled at once, a running one as soon as its worker confirms, an ended one not at all")
        func cancel() async throws {
            let fleet = try Fleet.current
            let queued = try await fleet.enqueue("noop", ["--delay", "3600"])
            #expect(try await fleet.succeed(["jobs", "cancel", queued]).output == "\(queued): cancelled\n")
            #expect(try await fleet.state(of: queued) == "cancelled")

            let worker = try fleet.start(["worker"])
            defer { worker.kill() }
            let running = try await fleet.enqueue("noop", ["--parameters", "{\"wait_milliseconds\":30000}"])
            try await eventually("it runs") { try await fleet.state(of: running) == "running" }
            let asked = try await fleet.succeed(["jobs", "cancel", running])
            #expect(asked.output.contains("its worker was asked to stop"), "\(asked)")
            try await eventually("its worker confirms", within: .seconds(10)) {
                try await fleet.state(of: running) == "cancelled"
            }
            let ended = try await fleet.succeed(["jobs", "cancel", running])
            #expect(ended.output.contains("had ended before"), "\(ended)")
        }

        @Test("A dead job is run again as a new job that names it, once")
        func retry() async throws {
            let fleet = try Fleet.current
            let worker = try fleet.start(["worker"])
            defer { worker.kill() }
            let dead = try await fleet.enqueue(
                "notify", ["--parameters", "{\"url\":\"http://example.com\",\"body\":{\"text\":\"hi\"}}"])
            try await eventually("it dies") { try await fleet.state(of: dead) == "dead" }
            worker.kill()
            struct Retried: Decodable { var id, replay_of: String }
            let first: Retried = try await fleet.succeed(["jobs", "retry", dead, "-o", "json"]).json()
            #expect(first.replay_of == dead)
            #expect(first.id != dead)
            let named = try await fleet.text("SELECT replay_of FROM job_status WHERE id = $1::uuid", [.text(first.id)])
            #expect(named == dead)
            let back = try await fleet.text(
                "SELECT replayed_by FROM job_dead_letter WHERE id = $1::uuid", [.text(dead)])
            #expect(back == first.id)
            let second: Retried = try await fleet.succeed(["jobs", "retry", dead, "-o", "json"]).json()
            #expect(second.id == first.id, "asked twice, it is run once")
            let other = try await fleet.run(
                ["jobs", "replay", dead, "--parameters", "{\"url\":\"https://example.com\",\"body\":{}}"])
            #expect(other.status == 73, "\(other)")
            try await fleet.succeed(["jobs", "cancel", first.id])
        }

        @Test("A job that fails is tried again as its jobspec says, and its attempts are kept")
        func failingJob() async throws {
            let fleet = try Fleet.current
            let worker = try fleet.start(["worker"])
            defer { worker.kill() }
            let id = try await fleet.enqueue("noop", ["--parameters", "{\"fail\":\"out of luck\"}"])
            try await eventually("it waits for its next attempt") { try await fleet.state(of: id) == "retrying" }
            worker.kill()
            let told = try await fleet.succeed(["jobs", "explain", id]).output
            #expect(told.contains("out of luck"), "\(told)")
            #expect(told.contains("it is not due before"), "\(told)")
            try await fleet.succeed(["jobs", "cancel", id])
        }

        @Test("The mode of a cluster is observe unless it is said, and its meaning is told")
        func modes() async throws {
            let fleet = try Fleet.current
            try await register(fleet)
            let blue = try fleet.world.cluster(fleet.cluster("blue"))
            let added = try await fleet.succeed([
                "clusters", "add", "watched", "--tenant", "acme", "--kubeconfig", fleet.world.kubeconfig(blue.name),
                "--account", blue.account, "--region", blue.region,
            ])
            #expect(
                added.output
                    == "registered watched of acme, mode observe: everything is read and decided, nothing is changed\n")
            let changed = try await fleet.succeed(["clusters", "set-mode", "watched", "off"])
            #expect(changed.output == "watched: mode off: nothing is read and nothing is done\n")
            #expect(
                try await fleet.run([
                    "clusters", "add", "watched", "--tenant", "acme", "--kubeconfig",
                    fleet.world.kubeconfig(blue.name), "--account", blue.account, "--region", blue.region,
                ]).status == 73)
            try await fleet.succeed(["clusters", "remove", "watched"])
            #expect(try await fleet.number("SELECT count(*) FROM schedule WHERE target = 'watched'") == 0)
        }

        @Test("A fleet clock that is real is not moved")
        func clock() async throws {
            let fleet = try Fleet.current
            _ = try await fleet.rows("UPDATE world_clock SET is_simulated = false, shift = '0' RETURNING 1")
            let answer = try await fleet.run(["simulate", "clock", "advance", "5"])
            #expect(answer.status == 77, "\(answer)")
            #expect(answer.errors.contains("migrate --simulation"), "\(answer)")
        }

        @Test("Scheduler and worker answer /healthz, /readyz and /metrics", arguments: ["scheduler", "worker"])
        func health(_ role: String) async throws {
            let fleet = try Fleet.current
            let child = try fleet.start([role])
            defer { child.kill() }
            let port = try await Fleet.port(of: child)
            let transport = HTTPTransport(connectionsMax: 2)
            func get(_ path: String) async throws -> (Int, String) {
                let answer = try await transport.send(HTTPRequest(url: "http://127.0.0.1:\(port)\(path)"))
                return (answer.status, String(decoding: answer.body, as: UTF8.self))
            }
            #expect(try await get("/healthz") == (200, "ok\n"))
            try await eventually("it is ready") { try await get("/readyz") == (200, "ready\n") }
            let id = try await fleet.enqueue("noop", role == "scheduler" ? ["--delay", "3600"] : [])
            if role == "worker" {
                try await eventually("a job is done") { try await fleet.state(of: id) == "done" }
            }
            let (status, text) = try await get("/metrics")
            #expect(status == 200)
            #expect(text.contains("# TYPE "), "\(text.prefix(500))")
            for line in text.split(separator: "\n") where !line.hasPrefix("#") {
                #expect(
                    line.wholeMatch(of: /[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? [-+0-9.eE]+(Inf|NaN)?/) != nil, "\(line)")
            }
            #expect(text.contains(role == "scheduler" ? "queue_later" : "worker_in_flight"), "\(text)")
            #expect(try await get("/nothing").0 == 404)
            child.terminate()
            #expect(try await child.answer(within: .seconds(30)).status == 0)
        }

        private func register(_ fleet: Fleet) async throws {
            guard try await fleet.number("SELECT count(*) FROM cluster") == 0 else { return }
            let answer = try await fleet.add("blue", tenant: "acme")
            try #require(answer.status == 0, "\(answer)")
        }
    }
}
