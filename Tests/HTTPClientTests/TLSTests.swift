import Foundation
import TestSupport
import Testing

@testable import HTTPClient

/// Throw-away certificates: an authority, a server for 127.0.0.1 and localhost, a client, and a second authority.
final class Certificates: Sendable {
    let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "httpclient-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        try run("openssl req -x509 \(key) -keyout ca.key -out ca.pem -days 2 -subj /CN=one")
        try run("openssl req -x509 \(key) -keyout other.key -out other.pem -days 2 -subj /CN=two")
        for (name, alternative) in [("server", "IP:127.0.0.1,DNS:localhost"), ("client", "DNS:client.invalid")] {
            try run("openssl req \(key) -keyout \(name).key -out \(name).csr -subj /CN=\(name)")
            try run(
                "printf 'subjectAltName=\(alternative)' > ext && openssl x509 -req -in \(name).csr -CA ca.pem"
                    + " -CAkey ca.key -CAcreateserial -out \(name).pem -days 2 -extfile ext")
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func text(_ name: String) throws -> String { try String(contentsOfFile: folder + "/" + name, encoding: .utf8) }

    private func run(_ command: String) throws {
        let status = unsafe system("cd '\(folder)' && { \(command); } 2>/dev/null")
        try #require(status == 0, "openssl failed: \(command)")
    }
}

@Suite("TLS", .timeLimit(.minutes(10)))
struct TLSTests {
    let certificates: Certificates
    let server: ScriptServer
    let transport = HTTPTransport()
    let loopback: EgressPolicy

    init() throws {
        certificates = try Certificates()
        server = try ScriptServer(script: ScriptServer.paths, arguments: [certificates.folder, "server"])
        loopback = .customerNamed(allowed: try CIDR.list("127.0.0.0/8,::1"))
    }

    private func request(
        _ host: String = "127.0.0.1", trust: String? = "ca.pem", egress: EgressPolicy = .operatorConfigured
    ) throws -> HTTPRequest {
        let trust = try trust.map { TLSTrust.authority(pem: try certificates.text($0)) } ?? .system
        return HTTPRequest(url: "https://\(host):\(server.port)/echo", trust: trust, egress: egress)
    }

    private func failure(_ request: HTTPRequest) async -> HTTPError? {
        await #expect(throws: HTTPError.self) { try await transport.send(request) }
    }

    @Test("a server vouched for by the given authority is trusted, by name and by address")
    func rightAuthority() async throws {
        #expect(try await transport.send(request()).status == 200)
        #expect(try await transport.send(request("localhost")).status == 200)
    }

    @Test(
        "another authority, the system's, or none at all is refused, also after a trusted exchange",
        arguments: ["other.pem", nil, "server.key"])
    func wrongAuthority(trust: String?) async throws {
        #expect(try await transport.send(request()).status == 200)
        let error = await failure(try request(trust: trust))
        #expect(error?.code == .tls)
        #expect(error?.mayHaveReachedServer == false)
    }

    @Test("a certificate for another name is refused")
    func wrongName() async throws {
        let other = try ScriptServer(script: ScriptServer.paths, arguments: [certificates.folder, "client"])
        var request = try request()
        request.url = "https://127.0.0.1:\(other.port)/echo"
        #expect(await failure(request)?.code == .tls)
    }

    @Test("a client certificate is presented, and its connection is not lent to one without the key")
    func clientIdentity() async throws {
        let strict = try ScriptServer(
            script: ScriptServer.paths, arguments: [certificates.folder, "server", "mutual"])
        var request = try request()
        request.url = "https://127.0.0.1:\(strict.port)/echo"
        let anonymous = try #require(await failure(request))
        #expect([.tls, .network].contains(anonymous.code))
        let certificate = try certificates.text("client.pem")
        request.clientIdentity = ClientIdentity(
            certificatePEM: certificate, privateKeyPEM: try certificates.text("client.key"))
        #expect(try await transport.send(request).status == 200)
        request.clientIdentity = ClientIdentity(
            certificatePEM: certificate, privateKeyPEM: try certificates.text("server.key"))
        let error = await failure(request)
        #expect(error?.code == .tls)
        #expect(error?.description.contains("PRIVATE") == false)
        #expect("\(request)".contains("PRIVATE KEY") == false)
    }

    @Test("an allowed range is reached, by address and by name")
    func allowed() async throws {
        #expect(try await transport.send(request(egress: loopback)).status == 200)
        #expect(try await transport.send(request("localhost", egress: loopback)).status == 200)
    }

    @Test("a connection that the operator opened is not lent to a customer's request")
    func keptConnection() async throws {
        #expect(try await transport.send(request()).status == 200)
        #expect(await failure(try request(egress: .customerNamed(allowed: [])))?.code == .egressRefused)
    }

    @Test("a customer's endpoint must be https")
    func plain() async throws {
        var plain = try request(egress: loopback)
        plain.url = "http://127.0.0.1:\(server.port)/echo"
        #expect(await failure(plain)?.code == .egressRefused)
    }
}
