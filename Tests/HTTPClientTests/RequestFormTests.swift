import Testing

@testable import HTTPClient

@Suite("Requests that never leave", .timeLimit(.minutes(10)))
struct RequestFormTests {
    let transport = HTTPTransport()

    private func failure(_ request: HTTPRequest) async -> HTTPError? {
        await #expect(throws: HTTPError.self) { try await transport.send(request) }
    }

    @Test("nothing listening, no such host: surely not sent")
    func unreachable() async {
        let refused = await failure(HTTPRequest(url: "http://127.0.0.1:1/"))
        #expect(refused?.code == .cannotConnect)
        #expect(refused?.mayHaveReachedServer == false)
        let unknown = await failure(HTTPRequest(url: "http://no-such-host.invalid/"))
        #expect(unknown?.code == .dns)
        #expect(unknown?.mayHaveReachedServer == false)
    }

    @Test(
        "what cannot be sent is refused before it is",
        arguments: [
            HTTPRequest(url: "file:///etc/passwd"), HTTPRequest(url: "127.0.0.1/x"), HTTPRequest(url: ""),
            HTTPRequest(url: "http://user:hunter2@127.0.0.1/"), HTTPRequest(url: "http://127.0.0.1/a b"),
            HTTPRequest(url: "ftp://127.0.0.1/"), HTTPRequest(method: "GET /x", url: "http://127.0.0.1/"),
            HTTPRequest(url: "http://127.0.0.1/", headers: [("X", "a\r\nY: b")]),
            HTTPRequest(url: "http://127.0.0.1/", headers: [("X Y", "a")]),
        ])
    func malformed(request: HTTPRequest) async {
        let error = await failure(request)
        #expect(error?.code == .badURL)
        #expect(error?.description.contains("hunter2") == false)
    }

    @Test("a request's description holds no header, body or query")
    func description() {
        let request = HTTPRequest(
            url: "https://127.0.0.1/x?X-Amz-Signature=secret", headers: [("Authorization", "Bearer secret")],
            body: Array("secret".utf8))
        #expect("\(request)" == "GET https://127.0.0.1/x")
        #expect(String(reflecting: request) == "GET https://127.0.0.1/x")
    }
}
