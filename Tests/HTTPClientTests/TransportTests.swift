import Foundation
import TestSupport
import Testing

@testable import HTTPClient

@Suite("HTTP transport", .timeLimit(.minutes(10)))
struct TransportTests {
    let server: ScriptServer
    let transport = HTTPTransport()

    init() throws { server = try ScriptServer(script: ScriptServer.paths) }

    private func url(_ path: String) -> String { "http://127.0.0.1:\(server.port)\(path)" }

    private struct Echo: Decodable {
        var method: String
        var path: String
        var body: String
        var headers: [[String]]
    }

    private struct Count: Decodable {
        var accepted: Int
        var seen: [String: Int]
    }

    private func count() async throws -> Count {
        let answer = try await HTTPTransport().send(HTTPRequest(url: url("/count")))
        return try JSONDecoder().decode(Count.self, from: Data(answer.body))
    }

    private func failure(_ request: HTTPRequest) async -> HTTPError? {
        await #expect(throws: HTTPError.self) { try await transport.send(request) }
    }

    @Test(
        "method, path, headers and body arrive as given",
        arguments: [
            ("GET", nil), ("DELETE", nil), ("POST", "a=1"), ("POST", ""), ("POST", nil), ("PUT", "{}"), ("PATCH", "[]"),
            ("DELETE", "{\"preconditions\":{}}"),
        ] as [(String, String?)])
    func exact(method: String, body: String?) async throws {
        let answer = try await transport.send(
            HTTPRequest(
                method: method, url: url("/echo?a=/../b&c=%2F"), headers: [("X-One", "1"), ("X-Empty", "")],
                body: body.map { Array($0.utf8) }))
        let echo = try JSONDecoder().decode(Echo.self, from: Data(answer.body))
        #expect(answer.status == 200)
        #expect(answer.headers.filter { $0.name == "X-Two" }.map(\.value) == ["a", "b"])
        #expect(answer.header("x-two") == "a")
        #expect(echo.method == method)
        #expect(echo.path == "/echo?a=/../b&c=%2F")
        #expect(echo.body == body ?? "")
        #expect(echo.headers.contains(["X-One", "1"]))
        #expect(echo.headers.contains(["X-Empty", ""]))
        #expect(!echo.headers.contains { ["expect", "content-type", "user-agent"].contains($0[0].lowercased()) })
    }

    @Test("an answer of any status is an answer, and a redirect is not followed")
    func redirect() async throws {
        let answer = try await transport.send(HTTPRequest(url: url("/redirect")))
        #expect(answer.status == 302)
        #expect(answer.header("location") == "/echo")
        #expect(try await count().seen["/echo"] == nil)
        #expect(try await transport.send(HTTPRequest(url: url("/nowhere"))).status == 404)
    }

    @Test("a server that does not answer is a timeout, and may have acted")
    func timeout() async {
        let error = await failure(HTTPRequest(url: url("/hang?secret=1"), timeout: .milliseconds(150)))
        #expect(error?.code == .timeout)
        #expect(error?.mayHaveReachedServer == true)
        #expect(error?.description.contains("secret") == false)
    }

    @Test("a request that waits for a free connection times out without having been sent")
    func timeoutInLine() async throws {
        let narrow = HTTPTransport(connectionsMax: 1)
        let hanging = Task { try await narrow.send(HTTPRequest(url: url("/hang"))) }
        while try await count().seen["/hang"] == nil { await Task.yield() }
        let error = await #expect(throws: HTTPError.self) {
            try await narrow.send(HTTPRequest(url: url("/echo"), timeout: .milliseconds(150)))
        }
        #expect(error?.code == .timeout)
        #expect(error?.mayHaveReachedServer == false)
        hanging.cancel()
        await #expect(throws: HTTPError.self) { try await hanging.value }
        #expect(try await narrow.send(HTTPRequest(url: url("/echo"))).status == 200)
    }

    @Test("an answer over the limit is refused", arguments: ["/big", "/bigchunked"])
    func tooLarge(path: String) async {
        let error = await failure(HTTPRequest(url: url(path), responseBytesMax: 1 << 20))
        #expect(error?.code == .tooLarge)
        #expect(error?.mayHaveReachedServer == true)
    }

    @Test("an answer of 50 MB within the limit is whole", arguments: ["/big", "/bigchunked"])
    func large(path: String) async throws {
        #expect(try await transport.send(HTTPRequest(url: url(path))).body.count == 50 << 20)
    }

    @Test("endless headers are refused")
    func headers() async {
        #expect(await failure(HTTPRequest(url: url("/manyheaders")))?.code == .tooLarge)
    }

    @Test("requests one after another share one connection")
    func reuse() async throws {
        for _ in 0..<10 { _ = try await transport.send(HTTPRequest(url: url("/echo"))) }
        #expect(try await count().accepted == 2)
    }

    @Test("requests side by side all get their own answer, over no more connections than allowed")
    func sideBySide() async throws {
        let narrow = HTTPTransport(connectionsMax: 4)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<200 {
                group.addTask {
                    let answer = try await narrow.send(HTTPRequest(url: url("/echo?\(number)")))
                    return try JSONDecoder().decode(Echo.self, from: Data(answer.body)).path == "/echo?\(number)"
                }
            }
            for try await isOwn in group { #expect(isOwn) }
        }
        #expect(try await count().accepted <= 5)
    }

    @Test(
        "a lost reply may have reached the server, and only what is idempotent is sent again",
        arguments: [("POST", 1), ("PATCH", 1), ("GET", 2)])
    func lost(method: String, most: Int) async throws {
        _ = try await transport.send(HTTPRequest(url: url("/echo")))
        let error = await failure(HTTPRequest(method: method, url: url("/lost")))
        #expect(error?.code == .network)
        #expect(error?.mayHaveReachedServer == true)
        let seen = try #require(try await count().seen["/lost"])
        #expect(seen <= most)
    }

    @Test("an answer that is not HTTP is an error")
    func garbage() async {
        #expect(await failure(HTTPRequest(url: url("/garbage")))?.code == .network)
    }

    @Test("cancelling the task ends the exchange at once")
    func cancellation() async throws {
        let task = Task { try await transport.send(HTTPRequest(url: url("/hang"))) }
        while try await count().seen["/hang"] == nil { await Task.yield() }
        task.cancel()
        let error = await #expect(throws: HTTPError.self) { try await task.value }
        #expect(error?.code == .cancelled)
        #expect(error?.mayHaveReachedServer == true)
        let late = Task {
            unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
            return try await transport.send(HTTPRequest(url: url("/never")))
        }
        let unsent = await #expect(throws: HTTPError.self) { try await late.value }
        #expect(unsent?.mayHaveReachedServer == false)
        #expect(try await count().seen["/never"] == nil)
    }

    @Test("a stream gives the head and each chunk as they come, then its end")
    func stream() async throws {
        let stream = try await transport.stream(HTTPRequest(url: url("/drip?end")))
        #expect(stream.status == 200)
        #expect(stream.header("transfer-encoding") == "chunked")
        var all: [UInt8] = []
        for try await chunk in stream.body { all += chunk }
        #expect(String(decoding: all, as: UTF8.self) == "firstsecond")
    }

    @Test("a stream that breaks off is an error, not an end")
    func brokenStream() async throws {
        let stream = try await transport.stream(HTTPRequest(url: url("/drip?break")))
        await #expect(throws: HTTPError.self) { for try await _ in stream.body {} }
    }

    @Test("a silent stream ends by its idle timeout, a cancelled one at once, a dropped one frees its connection")
    func silentStream() async throws {
        let request = HTTPRequest(url: url("/drip?hang"), timeout: .seconds(50), idleTimeout: .seconds(1))
        let stream = try await transport.stream(request)
        let error = await #expect(throws: HTTPError.self) { for try await _ in stream.body {} }
        #expect(error?.code == .timeout)

        let narrow = HTTPTransport(connectionsMax: 1)
        let reader = Task {
            for try await _ in try await narrow.stream(HTTPRequest(url: url("/drip?hang"))).body {
                unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
            }
        }
        let ended = await #expect(throws: HTTPError.self) { try await reader.value }
        #expect(ended?.code == .cancelled)
        do { _ = try await narrow.stream(HTTPRequest(url: url("/drip?hang"))) }
        #expect(try await narrow.send(HTTPRequest(url: url("/echo"))).status == 200)
    }

    @Test("a slow reader holds the sender back and gets every byte in order")
    func slowReader() async throws {
        let stream = try await transport.stream(HTTPRequest(url: url("/flood"), responseBytesMax: 1))
        // The sender can run ahead only as far as socket buffers and ours go: far less than 50 MB.
        var sent = -1
        while true {
            let now = try await count().seen["sent"] ?? 0
            if now == sent, now > 0 { break }
            sent = now
        }
        #expect(sent < 40)
        var total = 0
        for try await chunk in stream.body {
            let wanted = UInt8(97 + (total >> 20) % 26)
            #expect(chunk[0] == wanted)
            total += chunk.count
        }
        #expect(total == 50 << 20)
    }
}
