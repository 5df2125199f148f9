import TestSupport

extension ScriptServer {
    /// Answers by path; counts accepted connections and, by path, requests.
    static let paths = """
        import http.server, json, os, socket, ssl, sys, threading
        accepted = 0
        seen = {}
        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            def get_request(self):
                global accepted
                accepted += 1
                return super().get_request()
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def log_message(self, *a): pass
            def answer(self, status, body, headers=()):
                self.send_response(status)
                for n, v in headers: self.send_header(n, v)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def chunk(self, data):
                self.wfile.write(b"%x\\r\\n" % len(data) + data + b"\\r\\n")
            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.split("?")[0]
                seen[path] = seen.get(path, 0) + 1
                if path == "/echo":
                    self.answer(200, json.dumps({"method": self.command, "path": self.path, "body": body.decode(),
                        "headers": [[n, v] for n, v in self.headers.items()]}).encode(), [("X-Two", "a"), ("X-Two", "b")])
                elif path == "/count":
                    self.answer(200, json.dumps({"accepted": accepted, "seen": seen}).encode())
                elif path == "/hang":
                    threading.Event().wait(60)
                elif path == "/big":
                    self.send_response(200)
                    self.send_header("Content-Length", str(50 << 20))
                    self.end_headers()
                    for _ in range(50): self.wfile.write(b"x" * (1 << 20))
                elif path == "/bigchunked" or path == "/flood":
                    self.send_response(200)
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for i in range(50):
                        self.chunk(b"%c" % (97 + i % 26) * (1 << 20))
                        seen["sent"] = i + 1
                    self.chunk(b"")
                elif path == "/manyheaders":
                    self.answer(200, b"", [("X-%d" % i, "y" * 1000) for i in range(400)])
                elif path == "/redirect":
                    self.answer(302, b"", [("Location", "/echo")])
                elif path == "/drip":
                    self.send_response(200)
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    self.chunk(b"first")
                    if self.path.endswith("break"):
                        self.close_connection = True
                        return
                    if self.path.endswith("end"):
                        self.chunk(b"second")
                        self.chunk(b"")
                        return
                    threading.Event().wait(60)
                elif path == "/lost":
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                elif path == "/garbage":
                    self.wfile.write(b"SSH-2.0-OpenSSH\\r\\n")
                    self.close_connection = True
                else:
                    self.answer(404, b"nothing here")
            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve
        server = Server(("127.0.0.1", 0), Handler)
        if len(sys.argv) > 1:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*(sys.argv[1] + "/" + sys.argv[2] + end for end in (".pem", ".key")))
            if len(sys.argv) > 3:
                context.load_verify_locations(sys.argv[1] + "/ca.pem")
                context.verify_mode = ssl.CERT_REQUIRED
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
        print(server.server_address[1])
        server.serve_forever()
        """
}
