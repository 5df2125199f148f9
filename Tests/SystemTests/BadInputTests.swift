import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// Bad input each time gives a clear error, names what was found and what is wanted, and loses nothing.
    @Suite(
        "Bad input at the command line", .fleet(clusters: ["blue"], nodes: 3, pods: 8, environment: FleetPlan.impatient)
    )
    struct BadInputTests {
        @Test("A wrong field of a jobspec is named with file and line, and nothing of the folder is published")
        func wrongJobspecField() async throws {
            let fleet = try Fleet.current
            let folder = try copyOfJobspecs(fleet)
            let path = "\(folder)/noop.yaml"
            let text = try String(contentsOfFile: path, encoding: .utf8)
            try (text + "retires: 3\n").write(toFile: path, atomically: true, encoding: .utf8)
            let line = text.split(separator: "\n", omittingEmptySubsequences: false).count
            let before = try await fleet.text("SELECT string_agg(kind || spec::text, ',' ORDER BY kind) FROM job_kind")
            for command in [
                ["jobspecs", "check", folder], ["jobspecs", "check", path], ["migrate"], ["scheduler"], ["worker"],
            ] {
                let answer = try await fleet.run(command, environment: ["JOBSPECS_DIR": folder])
                #expect(answer.status == 65, "\(command): \(answer)")
                #expect(answer.errors.contains("noop.yaml:\(line): retires: found"), "\(command): \(answer)")
            }
            let after = try await fleet.text("SELECT string_agg(kind || spec::text, ',' ORDER BY kind) FROM job_kind")
            #expect(before == after)
        }

        @Test("A kind that the program does not have is named with the kinds it has")
        func unknownKind() async throws {
            let fleet = try Fleet.current
            let folder = try copyOfJobspecs(fleet)
            try "kind: fly\nversion: 1\nsummary: Flies.\n".write(
                toFile: "\(folder)/fly.yaml", atomically: true, encoding: .utf8)
            let answer = try await fleet.run(["worker"], environment: ["JOBSPECS_DIR": folder])
            #expect(answer.status == 65, "\(answer)")
            #expect(answer.errors.contains("fly.yaml: this program has no job of kind 'fly'; it has"), "\(answer)")
        }

        struct WrongKubeconfig: Sendable, CustomTestStringConvertible {
            var what: String
            var edit: @Sendable (String) -> String
            var says: [String]
            var testDescription: String { what }
        }

        static let wrongKubeconfigs: [WrongKubeconfig] = [
            .init(what: "malformed YAML", edit: { $0 + "users: [\n" }, says: ["line"]),
            .init(what: "not YAML at all", edit: { _ in "\u{1}\u{2}\u{3}" }, says: ["kubeconfig"]),
            .init(what: "empty", edit: { _ in "" }, says: ["kubeconfig", "wanted a mapping"]),
            .init(
                what: "exec",
                edit: {
                    replaceToken(
                        $0, "exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: [/tmp/co-ran]}")
                },
                says: ["uses exec, which is refused", "line"]),
            .init(
                what: "auth-provider", edit: { replaceToken($0, "auth-provider: {name: gcp}") },
                says: ["uses auth-provider, which is refused", "line"]),
            .init(
                what: "password", edit: { replaceToken($0, "username: a\n    password: hunter2") }, says: ["refused"]),
            .init(
                what: "no check of the certificate",
                edit: {
                    $0.replacing("    certificate-authority-data:", with: "    insecure-skip-tls-verify: true\n    x:")
                },
                says: ["insecure-skip-tls-verify is refused"]),
            .init(
                what: "plain http", edit: { $0.replacing("server: https://", with: "server: http://") }, says: ["https"]
            ),
        ]

        @Test(
            "A kubeconfig that is wrong, or asks for more than data, is refused and nothing is registered",
            arguments: wrongKubeconfigs)
        func wrongKubeconfig(_ wrong: WrongKubeconfig) async throws {
            let fleet = try Fleet.current
            let good = try String(contentsOfFile: try fleet.world.kubeconfig(fleet.cluster("blue")), encoding: .utf8)
            let path = "\(fleet.directory)/wrong.kubeconfig"
            try wrong.edit(good).write(toFile: path, atomically: true, encoding: .utf8)
            let answer = try await fleet.add("blue", tenant: "acme", kubeconfig: path)
            #expect(answer.status == 65, "\(answer)")
            for text in wrong.says { #expect(answer.errors.contains(text), "\(answer)") }
            #expect(!answer.errors.contains("hunter2"))
            #expect(!FileManager.default.fileExists(atPath: "/tmp/co-ran"))
            #expect(try await fleet.number("SELECT count(*) FROM cluster") == 0)
        }

        private static func replaceToken(_ text: String, _ other: String) -> String {
            text.replacing(/token: .*/, with: other)
        }

        @Test("A token that the cluster does not know: told at once, nothing is registered, the token is not repeated")
        func revokedToken() async throws {
            let fleet = try Fleet.current
            let answer = try await addEdited(fleet) { $0.replacing(/token: .*/, with: "token: no-longer-good-4711") }
            #expect(answer.status == 77, "\(answer)")
            #expect(answer.errors.contains("401") || answer.errors.contains("Unauthorized"), "\(answer)")
            #expect(!answer.errors.contains("no-longer-good-4711"))
            #expect(try await fleet.number("SELECT count(*) FROM cluster") == 0)
        }

        @Test("A certificate authority that did not sign the cluster's certificate: told at once")
        func wrongAuthority() async throws {
            let fleet = try Fleet.current
            let path = "\(fleet.directory)/other"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            let openssl = try Child(
                "/usr/bin/openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=other",
                    "-keyout", "\(path)/ca.key", "-out", "\(path)/ca.crt",
                ],
                environment: fleet.environment, directory: path, name: "openssl")
            #expect(try await openssl.answer(within: .seconds(30)).status == 0)
            let other = Data(try Data(contentsOf: URL(fileURLWithPath: "\(path)/ca.crt"))).base64EncodedString()
            let answer = try await addEdited(fleet) {
                $0.replacing(/certificate-authority-data: .*/, with: "certificate-authority-data: \(other)")
            }
            #expect(answer.status == 77, "\(answer)")
            #expect(answer.errors.localizedCaseInsensitiveContains("certificate"), "\(answer)")
            #expect(try await fleet.number("SELECT count(*) FROM cluster") == 0)
        }

        @Test("A 50 MB answer from a cluster is cut off with its limit named, and the next answer is read as ever")
        func hugeAnswer() async throws {
            let fleet = try Fleet.current
            let world = try fleet.world
            let refused = try await world.withFault(
                "{\"effect\":\"huge\",\"endpoint\":\"kubernetes\",\"path\":\"/nodes\"}"
            ) {
                try await fleet.add("blue", tenant: "acme")
            }
            #expect(refused.status == 77, "\(refused)")
            #expect(refused.errors.contains("bytes"), "\(refused)")
            #expect(try await fleet.number("SELECT count(*) FROM cluster") == 0)
            #expect(try await fleet.add("blue", tenant: "acme", mode: "observe").status == 0)

            // The same to a job: it is tried again later and then succeeds; the worker lives on.
            let roles = try await fleet.startRoles()
            try await fleet.awaitIndex("blue", nodes: 3)
            let id = try await world.withFault("{\"effect\":\"huge\",\"endpoint\":\"kubernetes\",\"path\":\"/nodes\"}")
            {
                let id = try await fleet.enqueue("snapshot-cluster", ["--target", fleet.cluster("blue")])
                try await eventually("the job says what it was given") {
                    try await fleet.text("SELECT last_error::text FROM job_status WHERE id = $1::uuid", [.text(id)])?
                        .contains("bytes") == true
                }
                return id
            }
            try await eventually("the job succeeds later") { try await fleet.state(of: id) == "done" }
            #expect(roles[1].isRunning)
            roles.forEach { $0.kill() }
            try await fleet.succeed(["clusters", "remove", fleet.cluster("blue")])
        }

        static let endpoints: [(String, [String], Int32, String)] = [
            ("https://169.254.169.254", ["127.0.0.0/8"], 77, "a link-local address, which is never connected to"),
            ("https://169.254.169.254", ["169.254.0.0/16"], 77, "a link-local address, which is never connected to"),
            ("https://[::ffff:169.254.169.254]", ["0.0.0.0/0"], 77, "link-local"),
            ("https://[fd00:ec2::254]", ["fd00::/8"], 77, "a metadata address"),
            ("https://127.0.0.1:1", [], 77, "a loopback address and not within EGRESS_ALLOWED_CIDRS"),
            ("https://localhost:1", [], 77, "a loopback address and not within EGRESS_ALLOWED_CIDRS"),
            ("https://0.0.0.0:1", ["0.0.0.0/0"], 77, "an unspecified address"),
            ("https://10.1.2.3", [], 77, "a private address and not within EGRESS_ALLOWED_CIDRS"),
            ("https://224.0.0.1", ["0.0.0.0/0"], 77, "a multicast address"),
            ("http://127.0.0.1:1", ["127.0.0.0/8"], 65, "https"),
            ("ftp://example.com", [], 65, "https"),
            ("file:///etc/passwd", [], 65, "https"),
        ]

        @Test(
            "An endpoint that no customer may name is refused after DNS, and nothing is registered",
            arguments: endpoints)
        func forbiddenEndpoint(_ endpoint: String, _ allowed: [String], _ status: Int32, _ says: String) async throws {
            let fleet = try Fleet.current
            let answer = try await addEndpoint(fleet, endpoint, allowed: allowed)
            #expect(answer.status == status, "\(answer)")
            #expect(answer.errors.contains(says), "\(answer)")
            #expect(try await fleet.number("SELECT count(*) FROM cluster") == 0)
        }

        @Test("Registered with --offline all the same, a metadata endpoint is refused by the job that would connect")
        func forbiddenEndpointOffline() async throws {
            let fleet = try Fleet.current
            let answer = try await addEndpoint(fleet, "https://169.254.169.254", allowed: [], more: ["--offline"])
            #expect(answer.status == 0, "\(answer)")
            let check = try await fleet.run(["clusters", "check", "metadata"])
            #expect(check.status == 77)
            #expect(check.output.contains("a link-local address, which is never connected to"), "\(check)")
            let worker = try fleet.start(["worker"])
            let id = try await fleet.enqueue("snapshot-cluster", ["--target", "metadata"])
            try await eventually("the job says why") {
                try await fleet.text("SELECT last_error::text FROM job_status WHERE id = $1::uuid", [.text(id)])?
                    .contains("which is never connected to") == true
            }
            worker.kill()
            try await fleet.succeed(["clusters", "remove", "metadata"])
        }

        // MARK: Parts

        private func copyOfJobspecs(_ fleet: Fleet) throws -> String {
            let folder = "\(fleet.directory)/jobspecs-\(UInt32.random(in: 0...UInt32.max))"
            try FileManager.default.copyItem(atPath: "\(Fleet.root)/jobspecs", toPath: folder)
            return folder
        }

        private func addEdited(_ fleet: Fleet, _ edit: (String) -> String) async throws -> Answer {
            let good = try String(contentsOfFile: try fleet.world.kubeconfig(fleet.cluster("blue")), encoding: .utf8)
            let path = "\(fleet.directory)/edited.kubeconfig"
            try edit(good).write(toFile: path, atomically: true, encoding: .utf8)
            return try await fleet.add("blue", tenant: "acme", kubeconfig: path)
        }

        private func addEndpoint(
            _ fleet: Fleet, _ endpoint: String, allowed: [String], more: [String] = []
        ) async throws -> Answer {
            let token = "\(fleet.directory)/token"
            try "some-token".write(toFile: token, atomically: true, encoding: .utf8)
            return try await fleet.run(
                [
                    "clusters", "add", "metadata", "--tenant", "acme", "--endpoint", endpoint, "--token-file", token,
                    "--account", "123456789012", "--region", "us-east-1",
                ] + more,
                environment: ["EGRESS_ALLOWED_CIDRS": allowed.joined(separator: ",")])
        }
    }
}
