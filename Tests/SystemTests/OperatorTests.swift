import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// What an operator reads, and what a program of theirs does.
    @Suite("What operators read", .fleet(clusters: ["blue"], nodes: 3, pods: 6, environment: FleetPlan.impatient))
    struct OperatorTests {
        /// Those that run until they are stopped, and those whose answer is one JSON document whatever is asked.
        static let withoutForm: Set<[String]> = [
            ["scheduler"], ["worker"], ["simulate", "serve"], ["simulate", "interrupt"], ["simulate", "state"],
            ["simulate", "clock", "advance"], ["jobspecs", "schema"], ["snapshot"], ["plan"],
        ]

        static let leaves = CommandTests.commands.filter { command in
            !command.isEmpty
                && !CommandTests.commands.contains { $0.count > command.count && $0.starts(with: command) }
        }

        @Test("Every command that answers does so as JSON, too", arguments: leaves)
        func everyCommandHasJSON(_ command: [String]) async throws {
            let help = try await Fleet.current.run(command + ["--help"]).output
            #expect(help.contains("--output <output>") == !Self.withoutForm.contains(command), "\(help)")
        }

        @Test(
            "Help fits a terminal of 80 columns: no line of it was broken by hand, none of an example by the terminal")
        func helpFits() async throws {
            for command in CommandTests.commands {
                let help = try await Fleet.current.run(command + ["--help"]).output
                let overview = help.prefix(upTo: help.firstRange(of: "\nUSAGE:")?.lowerBound ?? help.endIndex)
                let lines = overview.split(separator: "\n", omittingEmptySubsequences: false)
                for (line, next) in zip(lines, lines.dropFirst()) where !line.isEmpty && !next.isEmpty {
                    #expect(line.count <= 80, "\(command): \(line)")
                    if line.hasPrefix(" ") {
                        #expect(next.hasPrefix(" "), "\(command): the terminal broke an example: \(next)")
                    } else if !next.hasPrefix(" ") {
                        let word = next.prefix { $0 != " " }
                        #expect(line.count + 1 + word.count >= 80, "\(command): broken by hand after: \(line)")
                    }
                }
            }
        }

        @Test("What changes something answers as JSON that says what became of it")
        func changesAsJSON() async throws {
            let fleet = try Fleet.current
            let blue = try await register(fleet)
            func say(_ command: [String]) async throws -> [String: JSONValue] {
                try await fleet.succeed(command + ["--output", "json"]).json()
            }
            #expect(try await say(["migrate"])["applied"] == .array([]))
            #expect(try await say(["migrate", "--dry-run"])["dry_run"] == .boolean(true))
            let paused = try await say(["pause", "kind", "noop", "--why", "a test", "--for", "1h", "--by", "anna"])
            #expect(paused["result"] == .string("paused") && paused["by"] == .string("anna"))
            #expect(paused["scope"] == .string("kind") && paused["name"] == .string("noop"))
            #expect(try await say(["resume", "kind", "noop"])["result"] == .string("resumed"))
            #expect(try await say(["limits", "set", "kind", "noop", "--running", "3"])["limit"] != nil)
            #expect(try await say(["limits", "clear", "kind", "noop"])["result"] == .string("cleared"))
            #expect(try await say(["kill-switch", "on", "--cluster", blue])["cluster"] == .string(blue))
            #expect(try await say(["kill-switch", "off", "--cluster", blue])["position"] == .string("off"))
            #expect(try await say(["clusters", "set-mode", blue, "propose"])["mode"] == .string("propose"))
            #expect(try await say(["clusters", "set-mode", blue, "apply", "--kind", "packing"])["kind"] != nil)
            let policy = try await say(["policy", "set", blue, "disruption.nodes_per_hour_max=4"])
            #expect(policy["changed"] != .array([]) && policy["cluster"] == .string(blue))
            #expect(try await say(["policy", "set", blue, "disruption.nodes_per_hour_max=4"])["changed"] == .array([]))
            #expect(try await say(["enqueue", "noop", "--count", "3", "--delay", "3600"])["jobs"] == .number("3"))
            let checked: [[String: JSONValue]] = try await fleet.succeed(["jobspecs", "check", "-o", "json"]).json()
            #expect(checked.contains { $0["kind"] == .string("drain-node") && $0["version"] != nil })
        }

        @Test("A job is shown for people: what matters first, times to the second, a line for each thing it did")
        func shownForPeople() async throws {
            let fleet = try Fleet.current
            let id = try await fleet.enqueue("noop", ["--delay", "3600"])
            let lines = try await fleet.succeed(["jobs", "show", id]).output.split(separator: "\n")
            #expect(lines.first?.hasSuffix(id) == true, "\(lines)")
            #expect(lines.contains { $0.wholeMatch(of: /run_at +[0-9-]+T[0-9:]+Z/) != nil }, "\(lines)")
            #expect(!lines.contains { $0.hasPrefix("effects") || $0.hasPrefix("target") }, "what is empty is left out")
            let told = try await fleet.succeed(["jobs", "explain", id]).output
            #expect(told.contains(/it is not due before [0-9-]+T[0-9:]+Z \(in/), "\(told)")
        }

        @Test(
            "Errors are said once, in words: a file that is not there, a job that is not dead, a schema that is not made"
        )
        func errorsInWords() async throws {
            let fleet = try Fleet.current
            let file = try await fleet.run([
                "clusters", "add", "prod", "--tenant", "acme", "--kubeconfig", "/nowhere", "--account", "123456789012",
                "--region", "us-east-1",
            ])
            #expect(file.status == 65)
            #expect(file.errors == "cloudoptim: '/nowhere' cannot be read (there is no such file)\n", "\(file)")
            let waiting = try await fleet.enqueue("noop", ["--delay", "3600"])
            for command in [["jobs", "retry", waiting], ["jobs", "replay", waiting]] {
                let answer = try await fleet.run(command)
                #expect(answer.status == 73, "\(answer)")
                #expect(answer.errors.contains("is scheduled: only dead jobs are run again"), "\(answer)")
            }
            let bare = try await fleet.run(["jobs", "list"], environment: ["DB_SCHEMA": "nobody_made_this_either"])
            #expect(
                bare.errors.hasPrefix("cloudoptim: the schema lacks what this program needs: run `cloudoptim migrate`"))
            #expect(bare.errors.split(separator: "does not exist").count == 2, "said once: \(bare)")
        }

        @Test("A jobspec of a kind that the program lacks is found by `jobspecs check`, before a worker refuses it")
        func checkFindsStrangers() async throws {
            let fleet = try Fleet.current
            let path = "\(fleet.directory)/fly.yaml"
            try "kind: fly\nversion: 1\nsummary: Flies.\n".write(toFile: path, atomically: true, encoding: .utf8)
            let answer = try await fleet.run(["jobspecs", "check", path])
            #expect(answer.status == 65, "\(answer)")
            #expect(answer.errors.contains("\(path): this program has no job of kind 'fly'; it has"), "\(answer)")
        }

        @Test("Findings are listed, the worst first, and chosen by cluster, code and severity")
        func findings() async throws {
            let fleet = try Fleet.current
            let blue = try await register(fleet)
            _ = try await fleet.rows(
                """
                INSERT INTO finding (key, tenant, code, cluster_id, subject, severity, message, kind, job_id, first_at, last_at, times)
                SELECT 'k' || n, 'acme', (ARRAY['node-stays', 'no-capacity', 'late'])[n], $1, 's' || n,
                       (ARRAY['info', 'critical', 'warning'])[n], 'm' || n, 'drain-node', gen_random_uuid(),
                       world_now(), world_now(), 1
                  FROM generate_series(1, 3) n RETURNING key
                """, [.text(blue)])
            func codes(_ options: String...) async throws -> [JSONValue?] {
                let rows: [[String: JSONValue]] =
                    try await fleet.succeed(["findings", "-o", "json"] + options).json()
                return rows.map { $0["code"] }
            }
            #expect(
                try await codes("--cluster", blue)
                    == [.string("no-capacity"), .string("late"), .string("node-stays")])
            #expect(try await codes("--severity", "warning") == [.string("no-capacity"), .string("late")])
            #expect(try await codes("--code", "late", "--since", "1h") == [.string("late")])
            #expect(try await codes("--cluster", "nowhere").isEmpty)
            #expect(try await fleet.succeed(["findings"]).output.contains("m2"))
            #expect(try await fleet.run(["findings", "--severity", "loud"]).status == 64)
            let doctor = try await fleet.run(["doctor", "--quiet"])
            #expect(doctor.output.contains("warn  critical findings: 1 in the last day: no-capacity"), "\(doctor)")
        }

        @Test("A check of a cluster says which nodes would not be replaced, before a warning comes")
        func replacementsAreForeseen() async throws {
            let fleet = try Fleet.current
            let blue = try await register(fleet)
            let named = try await fleet.succeed(["clusters", "check", blue]).output
            #expect(named.contains(/feature: replacements +yes +3 nodes would be replaced/), "\(named)")
            let plain = try fleet.world.cluster(blue)
            try await fleet.succeed(["clusters", "remove", blue])
            try await fleet.succeed([
                "clusters", "add", blue, "--tenant", "acme", "--kubeconfig", fleet.world.kubeconfig(blue),
                "--account", plain.account, "--region", plain.region,
            ])
            let unnamed = try await fleet.run(["clusters", "check", blue])
            #expect(unnamed.status == 0, "the rest works: \(unnamed)")
            #expect(
                unnamed.output.contains(/feature: replacements +no .*3 would be drained and not replaced/), "\(unnamed)"
            )
            try await fleet.succeed(["clusters", "remove", blue])
        }

        private func register(_ fleet: Fleet) async throws -> String {
            if try await fleet.number("SELECT count(*) FROM cluster") == 0 {
                let answer = try await fleet.add("blue", tenant: "acme", mode: "observe")
                try #require(answer.status == 0, "\(answer)")
            }
            return fleet.cluster("blue")
        }
    }
}
