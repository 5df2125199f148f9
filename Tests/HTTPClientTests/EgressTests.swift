import Testing

@testable import HTTPClient

@Suite("Egress", .timeLimit(.minutes(10)))
struct EgressTests {
    let transport = HTTPTransport()

    private func failure(_ request: HTTPRequest) async -> HTTPError? {
        await #expect(throws: HTTPError.self) { try await transport.send(request) }
    }

    @Test(
        "addresses that a customer may not name are refused before a packet is sent",
        arguments: [
            "169.254.169.254", "127.0.0.1", "10.0.0.1", "172.31.255.1", "192.168.1.1", "100.64.0.1", "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255", "[::1]", "[::]", "[fe80::1]", "[fd00:ec2::254]", "[fd12::1]", "[ff02::1]",
            "[::ffff:169.254.169.254]", "[::ffff:10.0.0.1]", "[64:ff9b::a9fe:a9fe]", "localhost", "2130706433",
            "0x7f.1",
        ])
    func refused(host: String) async {
        let error = await failure(
            HTTPRequest(url: "https://\(host):6443/", timeout: .seconds(5), egress: .customerNamed(allowed: [])))
        #expect(error?.code == .egressRefused)
        #expect(error?.mayHaveReachedServer == false)
    }

    @Test(
        "link-local, metadata and multicast addresses stay refused whatever is allowed",
        arguments: [
            "169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "224.0.0.1", "[::ffff:169.254.169.254]", "0.0.0.0",
        ])
    func never(host: String) async throws {
        let all = EgressPolicy.customerNamed(allowed: try CIDR.list("0.0.0.0/0,::/0"))
        let error = await failure(HTTPRequest(url: "https://\(host)/", timeout: .seconds(5), egress: all))
        #expect(error?.code == .egressRefused)
    }

    @Test(
        "public addresses are not refused", arguments: ["52.94.236.248", "2600:1f18::1", "100.128.0.1", "172.32.0.1"])
    func open(address: String) throws {
        #expect(EgressPolicy.customerNamed(allowed: []).refusal(of: try #require(IPAddress(address))) == nil)
    }
}
