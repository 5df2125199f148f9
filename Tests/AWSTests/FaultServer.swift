import Foundation
import HTTPClient
import TestSupport

extension ScriptServer {
    /// The real moto, on a free port.
    static let moto = """
        import os, sys, threading
        from werkzeug.serving import make_server
        from moto.server import DomainDispatcherApplication, create_backend_app
        server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
        print(server.server_port)
        server.serve_forever()
        """

    /// Answers with the given list of faults, one each, the last one for ever; GET /seen tells what came.
    static let faults = """
        import email.utils, http.server, json, os, socket, sys, threading, time
        answers = json.loads(sys.argv[1])
        seen = []
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def log_message(self, *a): pass
            def answer(self, a):
                body = a.get("body", "").encode()
                self.send_response_only(a.get("status", 200))
                self.send_header("Date", email.utils.formatdate(time.time() + a.get("ahead", 0), usegmt=True))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def do_GET(self):
                if self.path == "/seen": self.answer({"body": json.dumps(seen)})
                else: self.do_POST()
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                a = answers[min(len(seen), len(answers) - 1)]
                seen.append({"body": body, "headers": {n.lower(): v for n, v in self.headers.items()}})
                if a.get("drop"):
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.answer(a)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
        print(server.server_port)
        server.serve_forever()
        """
}

/// One scripted answer of the fault server.
struct Fault: Encodable {
    var status = 200
    var body = ""
    /// How far its clock is ahead of ours, in seconds.
    var ahead = 0
    /// Close the connection instead of answering.
    var drop = false

    static func ec2(_ status: Int, _ code: String, _ message: String = "why", ahead: Int = 0) -> Fault {
        Fault(
            status: status,
            body:
                "<?xml version=\"1.0\"?><Response><Errors><Error><Code>\(code)</Code><Message>\(message)</Message></Error>"
                + "</Errors><RequestID>req-1</RequestID></Response>", ahead: ahead)
    }

    static func query(_ status: Int, _ code: String, _ message: String = "why") -> Fault {
        Fault(
            status: status,
            body: "<ErrorResponse><Error><Type>Sender</Type><Code>\(code)</Code><Message>\(message)</Message></Error>"
                + "<RequestId>req-2</RequestId></ErrorResponse>")
    }

    static func json(_ status: Int, _ code: String, _ message: String = "why") -> Fault {
        Fault(status: status, body: "{\"__type\":\"com.amazonaws.sqs#\(code)\",\"message\":\"\(message)\"}")
    }

    static let done = Fault(body: "<R><return>true</return></R>")
    static let noInstances = Fault(body: "<R><reservationSet/></R>")
}

/// What the fault server saw of one request.
struct Seen: Decodable {
    var body: String
    var headers: [String: String]
}

extension ScriptServer {
    convenience init(_ faults: [Fault]) throws {
        let script = String(decoding: try JSONEncoder().encode(faults), as: UTF8.self)
        try self.init(script: ScriptServer.faults, arguments: [script])
    }

    func seen() async throws -> [Seen] {
        let answer = try await HTTPTransport().send(HTTPRequest(url: url + "/seen"))
        return try JSONDecoder().decode([Seen].self, from: Data(answer.body))
    }
}
