import Foundation
import Glibc
import HTTPClient
import Processes

/// A small OpenTelemetry collector on loopback, in a child process that ends with this object: it keeps what it is sent.
/// `/v1/traces` takes spans, `/busy` answers 503 twice, `/refuse` always 400, `/hang` never, `/far` is a far side.
final class Collector: Sendable {
    private let process: ChildProcess
    let port: Int

    struct DidNotStart: Error {}

    struct Seen: Decodable {
        var path: String
        var headers: [String: String]
        var body: String
    }

    init() throws {
        process = try ChildProcess("python3", ["-u", "-c", Self.script], input: .pipe, output: .pipe)
        var line = Data()
        while line.last != UInt8(ascii: "\n") {
            guard let more = try process.output?.read(upToCount: 1), !more.isEmpty else { throw DidNotStart() }
            line += more
        }
        guard let port = Int(String(decoding: line.dropLast(), as: UTF8.self)) else { throw DidNotStart() }
        self.port = port
    }

    deinit { process.send(SIGTERM) }

    func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }

    /// Every request so far, in order.
    func seen() async throws -> [Seen] {
        var request = HTTPRequest(url: url("/seen"))
        request.isTraced = false
        return try JSONDecoder().decode([Seen].self, from: Data(try await HTTPTransport().send(request).body))
    }

    /// Every span that was taken, in order.
    func spans() async throws -> [SpanSeen] {
        try await seen().filter { $0.path == "/v1/traces" }.flatMap { seen in
            let document = try JSONDecoder().decode(DocumentSeen.self, from: Data(seen.body.utf8))
            return document.resourceSpans.flatMap(\.scopeSpans).flatMap(\.spans)
        }
    }

    private static let script = """
        import http.server, json, sys, threading
        seen = []
        hang = threading.Event()
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def log_message(self, *a): pass
            def answer(self, status, body=b"{}", headers=()):
                self.send_response(status)
                for n, v in headers: self.send_header(n, v)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def do_GET(self): 
                if self.path == "/seen": return self.answer(200, json.dumps(seen).encode())
                self.note(b"")
                self.answer(200)
            def note(self, body):
                seen.append({"path": self.path, "headers": {n.lower(): v for n, v in self.headers.items()},
                             "body": body.decode()})
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.note(body)
                count = sum(1 for s in seen if s["path"] == self.path)
                if self.path == "/busy" and count <= 2: return self.answer(503, headers=[("Retry-After", "0")])
                if self.path == "/refuse": return self.answer(400)
                if self.path == "/hang": hang.wait()
                self.answer(200)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()
        """
}

/// What OTLP's JSON looks like to a reader that knows only its specification.
struct DocumentSeen: Decodable {
    struct ResourceSpans: Decodable {
        var resource: Resource
        var scopeSpans: [ScopeSpans]
    }
    struct Resource: Decodable { var attributes: [SpanSeen.Pair] }
    struct ScopeSpans: Decodable { var spans: [SpanSeen] }
    var resourceSpans: [ResourceSpans]
}

struct SpanSeen: Decodable {
    struct Pair: Decodable {
        struct Value: Decodable {
            var stringValue: String?
            var intValue: String?
            var doubleValue: Double?
            var boolValue: Bool?
        }
        var key: String
        var value: Value
    }
    struct Link: Decodable {
        var traceId: String
        var spanId: String
    }
    struct Event: Decodable {
        var name: String
        var attributes: [Pair]
    }
    struct Status: Decodable { var code: Int }
    var traceId: String
    var spanId: String
    var parentSpanId: String?
    var name: String
    var kind: Int
    var startTimeUnixNano: String
    var endTimeUnixNano: String
    var attributes: [Pair]
    var events: [Event]
    var links: [Link]
    var status: Status

    func attribute(_ key: String) -> String? {
        attributes.first { $0.key == key }.flatMap { $0.value.stringValue ?? $0.value.intValue }
    }
}
