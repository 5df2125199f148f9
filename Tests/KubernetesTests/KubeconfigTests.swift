import Foundation
import Testing

@testable import Kubernetes

@Suite("A kubeconfig")
struct KubeconfigTests {
    static let authority = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    static let key = "-----BEGIN PRIVATE KEY-----\nS2V5U2VjcmV0\n-----END PRIVATE KEY-----\n"

    static func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    static func config(
        cluster: String = "", user: String = "token: planted-secret", server: String = "https://api.example.com:6443",
        current: String = "prod"
    ) -> String {
        """
        apiVersion: v1
        kind: Config
        current-context: \(current)
        clusters:
        - name: c1
          cluster:
            server: \(server)
            certificate-authority-data: \(base64(authority))
            \(cluster)
        contexts:
        - name: prod
          context: {cluster: c1, user: u1, namespace: web}
        - name: other
          context: {cluster: missing, user: u1}
        users:
        - name: u1
          user:
            \(user)
        """
    }

    @Test("gives the connection of its current context")
    func current() throws {
        let connection = try Kubeconfig(Self.config()).connection()
        #expect(connection.endpoint == "https://api.example.com:6443")
        #expect(connection.authorityPEM == Self.authority)
        #expect(connection.credential == .token("planted-secret"))
    }

    @Test("gives the connection of a named context, from JSON as well")
    func named() throws {
        let json = """
            {"kind":"Config","current-context":"a","clusters":[{"name":"x","cluster":{"server":"https://x/"}},
             {"name":"y","cluster":{"server":"https://y/k8s/clusters/c-1/"}}],
             "contexts":[{"name":"a","context":{"cluster":"x","user":"u"}},{"name":"b","context":{"cluster":"y","user":"u"}}],
             "users":[{"name":"u","user":{"token":"t"}}]}
            """
        let config = try Kubeconfig(json)
        #expect(try config.contextNames() == ["a", "b"])
        #expect(try config.connection(context: "b").endpoint == "https://y/k8s/clusters/c-1")
        #expect(try config.connection().endpoint == "https://x")
        #expect(try config.connection().authorityPEM == nil)
    }

    @Test("gives a client certificate with its key")
    func certificate() throws {
        let user = """
            client-certificate-data: \(Self.base64(Self.authority))
                client-key-data: \(Self.base64(Self.key))
            """
        let connection = try Kubeconfig(Self.config(user: user)).connection()
        #expect(connection.credential == .clientCertificate(certificatePEM: Self.authority, keyPEM: Self.key))
    }

    @Test("reads files only through the closure it is given")
    func files() throws {
        let config = try Kubeconfig(Self.config(user: "tokenFile: /etc/shadow"))
        let error = #expect(throws: KubernetesError.self) { try config.connection() }
        #expect(error?.message.contains("command line") == true)
        #expect(error?.message.contains("line 18: users[0].user.tokenFile") == true, "\(String(describing: error))")
        var asked: [String] = []
        let connection = try config.connection { path in
            asked.append(path)
            return Array("from-file\n".utf8)
        }
        #expect(asked == ["/etc/shadow"])
        #expect(connection.credential == .token("from-file"))
    }

    @Test(
        "is refused with the entry and the line",
        arguments: [
            (config(user: "exec: {command: aws, args: [eks, get-token]}"), "line 18", "user \"u1\" uses exec"),
            (config(user: "auth-provider: {name: gcp}"), "line 18", "user \"u1\" uses auth-provider"),
            (config(user: "{username: admin, password: planted-secret}"), "line 18", "uses username"),
            (config(user: "{token: planted-secret, as: system:admin}"), "line 18", "uses as"),
            (config(cluster: "insecure-skip-tls-verify: true"), "line 9", "insecure-skip-tls-verify is refused"),
            (config(cluster: "proxy-url: http://proxy"), "line 9", "proxy-url is refused"),
            (config(cluster: "tls-server-name: other"), "line 9", "tls-server-name is refused"),
            (config(server: "http://api.example.com"), "line 7", "plain http"),
            (config(server: "ftp://api.example.com"), "line 7", "not https"),
            (config(server: "https://user:planted-secret@api.example.com"), "line 7", "user or password"),
            (config(server: "https://api.example.com/?a=planted"), "line 7", "query"),
            (config(server: "'https:// api'"), "line 7", "not a URL"),
            (config(server: "https://"), "line 7", "names no host"),
            (config(user: "{}"), "line 18", "has no credential"),
            (config(user: "client-key-data: \(base64(key))"), "line 18", "only one of"),
            (config(user: "token: 'planted-secret with space'"), "", "bearer token"),
            (config(user: "token: [planted-secret]"), "line 18", "wanted a string"),
            (config(current: "nowhere"), "", "no entry named \"nowhere\""),
            (config(current: "other"), "", "no entry named \"missing\""),
            ("clusters: []", "", "no current-context"),
            ("kind: Pod", "", "wanted Config"),
            ("just text", "line 1", "wanted a mapping"),
            ("", "line 1", "wanted a mapping"),
            ("a: b\nc: [planted-secret\nd: e", "line", ""),
            ("a: b\n\tplanted-secret: c", "line 2", ""),
            ("a: 1\na: 2", "", "twice"),
            ("clusters: planted-secret\nusers: {}\ncontexts: 3", "line 3", "wanted a list"),
        ])
    func refused(_ text: String, _ line: String, _ words: String) {
        let error = #expect(throws: KubernetesError.self) { try Kubeconfig(text).connection() }
        #expect(error?.code == .badConfiguration)
        let message = error?.description ?? ""
        #expect(line.isEmpty || message.contains(line), "\(message)")
        #expect(words.isEmpty || message.contains(words), "\(message)")
        #expect(!message.contains("planted-secret"), "\(message)")
    }

    @Test("that is not base64 or not PEM is refused without showing it")
    func badData() {
        for data in ["planted-secret!", Self.base64("planted-secret")] {
            let user = "{client-certificate-data: '\(data)', client-key-data: '\(data)'}"
            let error = #expect(throws: KubernetesError.self) { try Kubeconfig(Self.config(user: user)).connection() }
            #expect(error?.code == .badConfiguration)
            #expect(error?.description.contains("planted") == false)
        }
    }

    @Test(
        "that nests without end is refused before it is parsed",
        arguments: [
            String(repeating: "[", count: 100_000), String(repeating: "{a: ", count: 100_000),
            String(repeating: "[']',", count: 100_000), String(repeating: "- ", count: 100_000) + "a",
            String(repeating: "? ", count: 100_000) + "a", String(repeating: ": ", count: 100_000) + "a",
            (0..<1_200).map { String(repeating: " ", count: $0) + "a:\n" }.joined(),
        ])
    func deep(_ text: String) {
        let error = #expect(throws: KubernetesError.self) { try Kubeconfig(text) }
        #expect(error?.message.contains("nested too deep") == true, "\(String(describing: error))")
    }

    @Test("as deep as is let through is parsed without harm")
    func deepest() throws {
        let flow = "a: " + String(repeating: "[", count: 1_999) + String(repeating: "]", count: 1_999)
        #expect(throws: KubernetesError.self) { try Kubeconfig(flow).connection() }
    }

    @Test("that multiplies itself by aliases is refused before it is parsed", .timeLimit(.minutes(10)))
    func aliases() throws {
        func bomb(levels: Int) -> String {
            let steps = (1...levels).map { "a\($0): &a\($0) [*a\($0 - 1), *a\($0 - 1)]\n" }.joined()
            return "a0: &a0 x\n\(steps)? *a\(levels)\n: b\n"
        }
        let error = #expect(throws: KubernetesError.self) { try Kubeconfig(bomb(levels: 64)) }
        #expect(error?.message.contains("aliases") == true)
        #expect(throws: KubernetesError.self) { try Kubeconfig(bomb(levels: 9)).connection() }
    }

    @Test("that is too large is refused")
    func large() {
        let error = #expect(throws: KubernetesError.self) {
            try Kubeconfig("a: " + String(repeating: "x", count: Kubeconfig.bytesMax))
        }
        #expect(error?.message.contains("bytes") == true)
    }

    @Test("gives a connection that shows no secret")
    func redacted() throws {
        let token = try ClusterConnection(
            endpoint: "https://a", authorityPEM: nil, credential: .token("planted-secret"))
        let pair = try ClusterConnection(
            endpoint: "https://a", authorityPEM: nil,
            credential: .clientCertificate(certificatePEM: Self.authority, keyPEM: Self.key))
        for connection in [token, pair] {
            var dumped = ""
            dump(connection, to: &dumped)
            dump(connection.credential, to: &dumped)
            let shown =
                "\(connection) \(String(reflecting: connection)) \(connection.credential)"
                + "\(String(reflecting: connection.credential)) \(String(describing: Optional(connection))) \(dumped)"
            #expect(shown.contains("https://a"))
            #expect(!shown.contains("planted") && !shown.contains("S2V5U2VjcmV0"), "\(shown)")
        }
    }
}
