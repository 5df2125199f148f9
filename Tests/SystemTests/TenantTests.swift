import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// "Tenants and trust" of docs/architecture.md: for each of its sentences a test that tries the opposite. Endpoints and
    /// kubeconfigs are in `BadInputTests`, forged events in `MessageTests`.
    @Suite(
        "Tenants and trust", .fleet(clusters: ["blue", "red"], nodes: 3, pods: 10, environment: FleetPlan.impatient))
    struct TenantTests {
        @Test("A queue belongs to one tenant: another tenant's cluster cannot name it")
        func queueOfAnotherTenant() async throws {
            let fleet = try Fleet.current
            try await registerBoth(fleet)
            let blue = try fleet.world.cluster(fleet.cluster("blue"))
            let answer = try await fleet.run([
                "clusters", "add", "thief", "--tenant", "globex", "--kubeconfig", fleet.world.kubeconfig(blue.name),
                "--account", blue.account, "--region", blue.region, "--queue-url", blue.queueURL,
            ])
            #expect(answer.status == 73, "\(answer)")
            #expect(answer.errors.contains("belongs to another tenant"), "\(answer)")
            #expect(try await fleet.number("SELECT count(*) FROM cluster WHERE id = 'thief'") == 0)
        }

        @Test("A role belongs to one tenant: another tenant's cluster cannot name it, even with its external id")
        func roleOfAnotherTenant() async throws {
            let fleet = try Fleet.current
            try await registerBoth(fleet)
            let blue = try fleet.world.cluster(fleet.cluster("blue"))
            func add(_ id: String, _ tenant: String) async throws -> Answer {
                try await fleet.run([
                    "clusters", "add", id, "--tenant", tenant, "--kubeconfig", fleet.world.kubeconfig(blue.name),
                    "--account", blue.account, "--region", blue.region, "--role-arn", blue.roleARN, "--external-id",
                    blue.externalID, "--offline",
                ])
            }
            let thief = try await add("thief", "globex")
            #expect(thief.status == 73, "\(thief)")
            #expect(thief.errors.contains("the role '\(blue.roleARN)' belongs to another tenant"), "\(thief)")
            #expect(try await fleet.number("SELECT count(*) FROM cluster WHERE id = 'thief'") == 0)
            await #expect(throws: QueueError.self, "nor can a row be changed so") {
                try await fleet.rows(
                    "UPDATE cluster SET role_arn = $1 WHERE id = $2 RETURNING id",
                    [.text(blue.roleARN), .text(fleet.cluster("red"))])
            }
            #expect(try await add("second", "acme").status == 0, "its own tenant may name it twice")
            try await fleet.succeed(["clusters", "remove", "second"])
        }

        @Test("The tenant of a job comes from its target and from nobody else")
        func tenantOfAJob() async throws {
            let fleet = try Fleet.current
            try await registerBoth(fleet)
            let target = fleet.cluster("blue")
            let byCommand = try await fleet.run(
                ["enqueue", "snapshot-cluster", "--target", target, "--tenant", "globex"])
            #expect(byCommand.status == 64, "\(byCommand)")
            let byParameter = try await fleet.run(
                ["enqueue", "snapshot-cluster", "--target", target, "--parameters", "{\"tenant\":\"globex\"}"])
            #expect(byParameter.status == 65, "\(byParameter)")
            #expect(byParameter.errors.contains("tenant"), "\(byParameter)")
            await #expect(throws: QueueError.self, "SQL knows no tenant either") {
                try await fleet.rows(
                    "SELECT enqueue('snapshot-cluster', '{\"tenant\":\"globex\"}', target => $1)", [.text(target)])
            }
            await #expect(throws: QueueError.self, "nor as an argument of its own") {
                try await fleet.rows(
                    "SELECT enqueue('snapshot-cluster', target => $1, tenant => 'globex')", [.text(target)])
            }
            let ids = [
                try await fleet.enqueue("snapshot-cluster", ["--target", target]),
                try #require(try await fleet.text("SELECT enqueue('snapshot-cluster', target => $1)", [.text(target)])),
            ]
            for id in ids {
                #expect(
                    try await fleet.text("SELECT tenant FROM job_status WHERE id = $1::uuid", [.text(id)]) == "acme")
            }
        }

        @Test("A job of another tenant finds no such cluster, even when its row was forged in the database")
        func forgedJobRow() async throws {
            let fleet = try Fleet.current
            try await registerBoth(fleet)
            let id = try await fleet.enqueue(
                "snapshot-cluster", ["--target", fleet.cluster("blue"), "--delay", "3600"])
            _ = try await fleet.rows(
                "UPDATE job SET tenant = 'globex', run_at = now() WHERE id = $1::uuid RETURNING id", [.text(id)])
            try await withWorker(fleet) {
                try await eventually("the job dies and says why") { try await fleet.state(of: id) == "dead" }
            }
            let why = try await fleet.text("SELECT last_error::text FROM job_dead WHERE id = $1::uuid", [.text(id)])
            #expect(why?.contains("of this job's tenant is registered") == true, "\(why ?? "")")
        }

        @Test("A sealed credential that was copied to another row does not open there")
        func swappedCredentials() async throws {
            let fleet = try Fleet.current
            try await registerBoth(fleet)
            let (blue, red) = (fleet.cluster("blue"), fleet.cluster("red"))
            let sealed = try await fleet.text("SELECT credential FROM cluster WHERE id = $1", [.text(blue)])
            #expect(sealed?.hasPrefix("v1:k1:") == true, "the key's id is stored, so that keys rotate")
            #expect(sealed?.contains("\(blue)-act") == false)
            func swap() async throws {
                _ = try await fleet.rows(
                    """
                    UPDATE cluster c SET credential = o.credential FROM cluster o
                     WHERE (c.id, o.id) IN (($1, $2), ($2, $1)) RETURNING c.id
                    """, [.text(blue), .text(red)])
            }
            try await swap()
            let check = try await fleet.run(["clusters", "check", blue])
            #expect(check.status == 77)
            #expect(check.output.contains("the credential of '\(blue)' does not open"), "\(check)")
            try await withWorker(fleet) {
                let id = try await fleet.enqueue("snapshot-cluster", ["--target", red])
                try await eventually("the job says why") {
                    try await fleet.text("SELECT last_error::text FROM job_status WHERE id = $1::uuid", [.text(id)])?
                        .contains("does not open") == true
                }
            }
            try await swap()
            #expect(try await fleet.run(["clusters", "check", blue]).output.contains("3 nodes"))
        }

        @Test("A credential opens with its key only; another key and no key are told apart")
        func otherKey() async throws {
            let fleet = try Fleet.current
            try await registerBoth(fleet)
            let blue = fleet.cluster("blue")
            let other = Data(repeating: 7, count: 32).base64EncodedString()
            let wrong = try await fleet.run(["clusters", "check", blue], environment: ["SEALING_KEY": "k1:\(other)"])
            #expect(wrong.status == 77)
            #expect(wrong.output.contains("does not open"), "\(wrong)")
            let unknown = try await fleet.run(["clusters", "check", blue], environment: ["SEALING_KEY": "k9:\(other)"])
            #expect(unknown.output.contains("k1"), "it names the key that is wanted: \(unknown)")
            let none = try await fleet.run(["clusters", "check", blue], environment: ["SEALING_KEY": ""])
            #expect(none.output.contains("no sealing key is configured"), "\(none)")
            let own = try #require(fleet.environment["SEALING_KEY"])
            let rotated = try await fleet.run(
                ["clusters", "check", blue], environment: ["SEALING_KEY": "k2:\(other)\n\(own)"])
            #expect(rotated.output.contains("3 nodes"), "the old key still opens after a rotation: \(rotated)")
        }

        @Test("Files that a kubeconfig names are read by the operator's command, and only their content is kept")
        func fileReferences() async throws {
            let fleet = try Fleet.current
            let world = try fleet.world
            try await registerBoth(fleet)
            let red = fleet.cluster("red")
            try await fleet.succeed(["clusters", "remove", red])
            let good = try String(contentsOfFile: world.kubeconfig(red), encoding: .utf8)
            try "\(red)-act".write(toFile: "\(world.directory)/token.txt", atomically: true, encoding: .utf8)
            let path = "\(world.directory)/files.kubeconfig"
            try good.replacing(/token: .*/, with: "tokenFile: token.txt")
                .replacing(/certificate-authority-data: .*/, with: "certificate-authority: ca.crt")
                .write(toFile: path, atomically: true, encoding: .utf8)
            let answer = try await fleet.add("red", tenant: "globex", kubeconfig: path)
            #expect(answer.status == 0, "\(answer)")
            #expect(try await fleet.run(["clusters", "check", red]).output.contains("3 nodes"))
            #expect(try await fleet.occurrences(of: "token.txt").isEmpty)
            #expect(try await fleet.occurrences(of: "\(red)-act").isEmpty)
        }

        @Test("A cluster that answers with a redirect is not followed")
        func redirect() async throws {
            let fleet = try Fleet.current
            let world = try fleet.world
            let target =
                try String(contentsOfFile: world.kubeconfig(fleet.cluster("blue")), encoding: .utf8)
                .firstMatch(of: /server: (.*)/)?.1 ?? ""
            let script = """
                import http.server, ssl, sys
                class Handler(http.server.BaseHTTPRequestHandler):
                    def log_message(self, *a): pass
                    def do_GET(self):
                        self.send_response(302)
                        self.send_header("Location", sys.argv[1] + self.path)
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain("world/server.crt", "world/server.key")
                server.socket = context.wrap_socket(server.socket, server_side=True)
                print(server.server_address[1], flush=True)
                server.serve_forever()
                """
            let server = try Child(
                "/usr/bin/python3", ["-c", script, String(target)], environment: fleet.environment,
                directory: fleet.directory, name: "redirect")
            defer { server.kill() }
            let port = try await eventually("the server tells its port") {
                server.output.split(separator: "\n").first.flatMap { Int($0) }
            }
            let token = "\(fleet.directory)/token"
            try "\(fleet.cluster("blue"))-act".write(toFile: token, atomically: true, encoding: .utf8)
            let answer = try await fleet.run([
                "clusters", "add", "elsewhere", "--tenant", "acme", "--endpoint", "https://127.0.0.1:\(port)",
                "--ca-file", "\(world.directory)/ca.crt", "--token-file", token, "--account", "123456789012",
                "--region",
                "us-east-1",
            ])
            #expect(answer.status == 77, "\(answer)")
            #expect(answer.errors.contains("302"), "\(answer)")
        }

        @Test(
            "A webhook that a caller names is held to the same rules",
            arguments: [
                ("http://example.com/hook", "https"), ("https://169.254.169.254/latest", "never connected to"),
                ("https://[::1]:1/", "never connected to|EGRESS_ALLOWED_CIDRS"),
            ])
        func webhookAddress(_ url: String, _ says: String) async throws {
            let fleet = try Fleet.current
            let id = try await fleet.enqueue(
                "notify", ["--parameters", "{\"url\":\"\(url)\",\"body\":{\"text\":\"hi\"}}"])
            try await withWorker(fleet) {
                try await eventually("the job dies and says why") { try await fleet.state(of: id) == "dead" }
            }
            let why =
                try await fleet.text("SELECT last_error::text FROM job_dead WHERE id = $1::uuid", [.text(id)]) ?? ""
            #expect(says.split(separator: "|").contains { why.contains($0) }, "\(why)")
        }

        // MARK: Parts

        private func registerBoth(_ fleet: Fleet) async throws {
            guard try await fleet.number("SELECT count(*) FROM cluster") == 0 else { return }
            for (short, tenant) in [("blue", "acme"), ("red", "globex")] {
                let answer = try await fleet.add(short, tenant: tenant)
                try #require(answer.status == 0, "\(answer)")
            }
        }

        private func withWorker(_ fleet: Fleet, _ body: () async throws -> Void) async throws {
            let worker = try fleet.start(["worker"])
            defer { worker.kill() }
            try await body()
        }
    }
}

extension Fleet {
    /// The tables of this schema in which a text stands, in any column, plain, in hexadecimal or in base64.
    func occurrences(of secret: String) async throws -> [String] {
        let tables = try await rows(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
        ).map { try $0.string(0) }
        let hex = secret.utf8.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        // Base64 of a part depends on where it stands: all three alignments, without the characters at the ends.
        let base64 = (0..<3).map { shift in
            String(
                Data(Array(repeating: UInt8(0), count: shift) + Array(secret.utf8)).base64EncodedString().dropFirst(4)
                    .dropLast(4))
        }
        var found: [String] = []
        for table in tables {
            for text in [secret, hex] + base64 {
                let count = try await number(
                    "SELECT count(*) FROM \"\(table)\" t WHERE position($1 IN t::text) > 0", [.text(text)])
                if count > 0 { found.append(table) }
            }
        }
        return found
    }
}
