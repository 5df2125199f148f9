import Foundation
import TestSupport
import Testing

/// A child process that speaks HTTPS with a throw-away authority on a free loopback port: just enough of an API server to
/// try the client over a real connection. It ends with this object, and with the tests' process.
final class FakeAPIServer: Sendable {
    private let server: ScriptServer
    let folder: String
    var port: Int { server.port }

    init() throws {
        folder = NSTemporaryDirectory() + "kubernetes-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        server = try ScriptServer(script: FakeAPIServer.script, arguments: [folder])
    }

    deinit {
        // Whatever is left of it in the temporary folder harms nobody.
        try? FileManager.default.removeItem(atPath: folder)
    }

    func text(_ file: String) throws -> String { try String(contentsOfFile: folder + "/" + file, encoding: .utf8) }

    static let token = "planted-good-token"

    private static let script = """
        import http.server, json, os, ssl, subprocess, sys, threading
        folder = sys.argv[1]
        for name in ("server", "other"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem", "-days", "2", "-subj", "/CN=fake",
                "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
        pods = {f"p{i}": f"uid-{i}" for i in range(1200)}
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def log_message(self, *a): pass
            def answer(self, status, body):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            def status(self, code, reason, message, name=None):
                self.answer(code, {"kind": "Status", "reason": reason, "message": message, "code": code,
                    "details": {"name": name} if name else {}})
            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path, _, query = self.path.partition("?")
                given = self.headers.get("Authorization", "")
                if given != "Bearer planted-good-token":
                    self.status(401, "Unauthorized", "Unauthorized: " + given)
                elif path == "/version":
                    self.answer(200, {"major": "1", "minor": "31", "gitVersion": "v1.31.0"})
                elif path == "/api/v1/nodes/big":
                    self.send_response(200)
                    self.send_header("Content-Length", str(50 << 20))
                    self.end_headers()
                    for _ in range(50): self.wfile.write(b" " * (1 << 20))
                elif path == "/api/v1/nodes/deep":
                    self.answer(200, b'{"metadata":' + b'{"a":' * 100000)
                elif path == "/api/v1/nodes/moved":
                    self.send_response(302)
                    self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif path == "/api/v1/pods":
                    given = dict(p.split("=") for p in query.split("&"))
                    start, limit = int(given.get("continue", 0)), int(given["limit"])
                    names = list(pods)[start:start + limit]
                    more = str(start + limit) if start + limit < len(pods) else ""
                    self.answer(200, {"metadata": {"resourceVersion": "8", "continue": more}, "items": [
                        {"metadata": {"name": n, "namespace": "web", "uid": pods[n]}, "spec": {"containers": []},
                         "status": {"phase": "Running"}} for n in names]})
                elif path.endswith("/eviction"):
                    name = path.split("/")[-2]
                    wanted = json.loads(body)["deleteOptions"]["preconditions"]["uid"]
                    if name not in pods:
                        self.status(404, "NotFound", f'pods "{name}" not found', name)
                    elif pods[name] != wanted:
                        self.status(409, "Conflict", "the UID in the precondition does not match the UID in record", name)
                    else:
                        del pods[name]
                        if name == "p7":
                            self.close_connection = True  # acted, and the reply is lost
                            self.connection.close()
                        else:
                            self.answer(201, {"kind": "Status", "status": "Success"})
                else:
                    self.status(404, "NotFound", "no such object", "x")
            do_GET = do_POST = do_PATCH = do_DELETE = serve
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
        print(server.server_address[1])
        server.serve_forever()
        """
}
