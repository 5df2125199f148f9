import Foundation
import HTTPClient
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// What a running fleet tells: metrics, the autoscaler's signal, traces.
    @Suite("Insight", .fleet())
    struct InsightTests {
        private static let transport = HTTPTransport(connectionsMax: 4)

        private func get(_ port: Int, _ path: String) async throws -> (status: Int, text: String) {
            let answer = try await Self.transport.send(HTTPRequest(url: "http://127.0.0.1:\(port)\(path)"))
            return (answer.status, String(decoding: answer.body, as: UTF8.self))
        }

        /// Name of a family -> the label names of its series.
        private func families(_ exposition: String) -> [String: [Set<String>]] {
            var found: [String: [Set<String>]] = [:]
            for match in exposition.matches(of: /(?m)^# TYPE ([a-z_]+) (counter|gauge|histogram)$/) {
                found[String(match.1)] = []
            }
            for match in exposition.matches(of: /(?m)^([a-z_]+)(?:\{(.*)\})? [-+0-9.eEInf]+$/) {
                var name = String(match.1)
                for suffix in ["_bucket", "_sum", "_count"] where found[name] == nil && name.hasSuffix(suffix) {
                    name = String(name.dropLast(suffix.count))
                }
                let labels = Set((match.2 ?? "").matches(of: /([a-z_]+)="/).map { String($0.1) })
                found[name, default: []].append(labels.subtracting(["le"]))
            }
            return found
        }

        @Test("Every metric that dashboard and alerts ask for is exported, with the labels that the catalogue says")
        func metrics() async throws {
            let fleet = try Fleet.current
            let (scheduler, worker) = (try fleet.start(["scheduler"]), try fleet.start(["worker"]))
            defer { [scheduler, worker].forEach { $0.kill() } }
            let ports = [try await Fleet.port(of: scheduler), try await Fleet.port(of: worker)]
            let done = try await fleet.enqueue("noop")
            let failing = try await fleet.enqueue("noop", ["--parameters", "{\"fail\":\"on purpose\"}"])
            _ = try await fleet.enqueue("noop", ["--delay", "3600"])
            try await eventually("a job is done") { try await fleet.state(of: done) == "done" }
            try await eventually("one is retried") { try await fleet.state(of: failing) == "retrying" }
            let catalogue = try String(
                contentsOfFile: "\(Fleet.root)/Sources/cloudoptim/Telemetry/MetricCatalogue.swift", encoding: .utf8)
            var wanted: [String: Set<String>] = [:]
            for match in catalogue.matches(of: /MetricDescription\(\s*"([a-z_]+)", \.[a-z]+, \[([^\]]*)\]/) {
                wanted[String(match.1)] = Set(match.2.matches(of: /"([a-z_]+)"/).map { String($0.1) })
            }
            #expect(wanted.count > 20)
            var withSeries: Set<String> = []
            for port in ports {
                let found = families(try await get(port, "/metrics").text)
                #expect(Set(found.keys) == Set(wanted.keys), "each role explains every metric")
                for (name, series) in found {
                    for labels in series { #expect(labels == wanted[name], "\(name)") }
                    if !series.isEmpty { withSeries.insert(name) }
                }
            }
            let provoked: Set = [
                "job_runs_total", "job_run_seconds", "job_start_delay_seconds", "worker_in_flight", "scheduler_leads",
                "queue_later", "needed_workers", "table_bytes", "table_dead_rows", "history_days_ahead",
                "database_oldest_xmin_seconds", "saving_dollars_per_hour", "lease_lost_total", "workers_lost_total",
            ]
            #expect(provoked.subtracting(withSeries) == [])
            let text = try await get(ports[1], "/metrics").text
            // At least: the one that fails may have been tried again meanwhile.
            let retried = try #require(
                text.firstMatch(of: /job_runs_total\{kind="noop",end="retried"\} (\d+)/), "\(text)")
            #expect(try #require(Int(retried.1)) >= 1)
            let started = try #require(
                text.firstMatch(of: /job_start_delay_seconds_count\{lane="2"\} (\d+)/), "\(text)")
            #expect(try #require(Int(started.1)) >= 2)
            #expect(try await get(ports[0], "/metrics").text.contains("\nhistory_days_ahead 3.0\n"))
            try await fleet.succeed(["jobs", "cancel", failing])
        }

        @Test("A queue that has emptied is told as empty, not as it was last")
        func emptied() async throws {
            let fleet = try Fleet.current
            let scheduler = try fleet.start(["scheduler"])
            defer { scheduler.kill() }
            let port = try await Fleet.port(of: scheduler)
            let id = try await fleet.enqueue("noop", ["--delay", "3600"])
            let series = /(?m)^queue_later\{queue="default",lane="2"\} ([0-9.]+)$/
            let before = try #require(try await get(port, "/metrics").text.firstMatch(of: series))
            #expect(try #require(Double(before.1)) >= 1)
            _ = try await fleet.rows("DELETE FROM job_key WHERE job_id = $1::uuid", [.text(id)])
            _ = try await fleet.rows("DELETE FROM job")
            let after = try #require(try await get(port, "/metrics").text.firstMatch(of: series))
            #expect(after.1 == "0.0")
        }

        @Test("The autoscaler's signal counts due and running work, and is the same by HTTP, as a metric and in SQL")
        func scale() async throws {
            let fleet = try Fleet.current
            let scheduler = try fleet.start(["scheduler"])
            let port = try await Fleet.port(of: scheduler)
            defer { scheduler.kill() }
            struct Scale: Decodable {
                struct Queue: Decodable {
                    var queue: String
                    var due: Int
                    var needed_workers: Int
                }
                var needed_workers: Int
                var due: Int
                var running: Int
                var backlog_seconds: Double
                var queues: [Queue]
            }
            func ask() async throws -> Scale { try JSONText(text: try await get(port, "/scale").text).decode() }
            _ = try await fleet.rows("DELETE FROM job")
            _ = try await fleet.rows("DELETE FROM worker")
            #expect(try await ask().needed_workers == 0)
            try await fleet.succeed(["enqueue", "noop", "--count", "33"])
            let scale = try await ask()
            #expect(scale.due == 33 && scale.running == 0)
            #expect(scale.needed_workers == 3, "33 jobs, 16 slots where no worker says otherwise")
            #expect(scale.queues.map(\.needed_workers) == [3])
            #expect(try await fleet.number("SELECT needed_workers()") == 3)
            #expect(try await fleet.number("SELECT needed_workers(33)") == 1)
            #expect(try await fleet.number("SELECT needed_workers(1, 'default')") == 33)
            #expect(try await fleet.number("SELECT needed_workers(1, 'other')") == 0)
            #expect(try await get(port, "/metrics").text.contains("\nneeded_workers 3.0\n"))
            _ = try await fleet.rows("INSERT INTO pause (scope, name, by) VALUES ('kind', 'noop', 'test')")
            #expect(try await ask().needed_workers == 0, "nobody is needed for what is paused")
            _ = try await fleet.rows("DELETE FROM pause")
            _ = try await fleet.rows(
                """
                WITH w AS (INSERT INTO worker (id, host, queues, kinds, slots, in_flight_max, version, expires_at)
                           VALUES (gen_random_uuid(), 'h', '{default}', '{noop}', 4, 4, '1', now() + interval '1 minute')
                           RETURNING id)
                UPDATE job SET state = 1, worker_id = w.id, deadline_at = now() + interval '1 minute', claimed_at = now() FROM w
                """)
            let running = try await ask()
            #expect(running.due == 0 && running.running == 33)
            #expect(running.needed_workers == 9, "what runs keeps its workers: 33 jobs, 4 slots")
            _ = try await fleet.rows("DELETE FROM job")
            _ = try await fleet.rows("DELETE FROM worker")
        }

        @Test(
            "`cloudoptim drain` has the worker of this machine drain: it hands back, ends with 0, and costs no attempt")
        func drain() async throws {
            let fleet = try Fleet.current
            let worker = try fleet.start(["worker"], environment: ["WORKER_DRAIN_SECONDS": "1"])
            defer { worker.kill() }
            let port = try await Fleet.port(of: worker)
            let id = try await fleet.enqueue("noop", ["--parameters", "{\"wait_milliseconds\":30000}"])
            try await eventually("it runs") { try await fleet.state(of: id) == "running" }
            let drained = try await fleet.run(
                ["drain"], environment: ["HTTP_PORT": "\(port)", "WORKER_DRAIN_SECONDS": "1"])
            // The worker may end before its answer is read.
            #expect(drained.status == 0 || drained.errors.contains("does not answer"), "\(drained)")
            #expect(try await worker.answer(within: .seconds(10)).status == 0)
            let counts = try #require(
                try await fleet.rows("SELECT attempt, interrupts FROM job WHERE id = $1::uuid", [.text(id)]).first)
            #expect(try counts.int(0) == 0 && counts.int(1) == 1)
            try await fleet.succeed(["jobs", "cancel", id])
        }

        @Test("A trace goes from the command through the ledger to the worker's run, and arrives at a collector")
        func trace() async throws {
            let fleet = try Fleet.current
            let collector = try Child(
                "/usr/bin/env", ["python3", "-u", "-c", Self.collector], environment: fleet.environment,
                directory: fleet.directory, name: "collector")
            defer { collector.kill() }
            let port = try await eventually("the collector says its port") {
                collector.output.firstMatch(of: /port ([0-9]+)\n/).map { String($0.1) }
            }
            let settings = [
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:\(port)", "OTEL_BSP_SCHEDULE_DELAY": "50",
                "OTEL_EXPORTER_OTLP_HEADERS": "x-token=open%20sesame",
            ]
            let worker = try fleet.start(["worker"], environment: settings)
            defer { worker.kill() }
            let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
            try await fleet.run(
                ["enqueue", "noop"],
                environment: settings.merging([
                    "TRACEPARENT": "00-\(trace)-00f067aa0ba902b7-01", "TRACESTATE": "congo=t61rcWkgMzE",
                ]) { $1 }
            ).expectSuccess()
            func span(_ name: String, in trace: String = trace) -> [String: String]? {
                collector.output.split(separator: "\n").compactMap { line in
                    try? JSONText(text: String(line)).decode([String: String].self)  // its first line is the port
                }.first { $0["name"] == name && $0["trace"] == trace }
            }
            let run = try await eventually("the worker's run is exported") { span("run noop") }
            let enqueue = try #require(span("enqueue noop"))
            #expect(enqueue["parent"] == "00f067aa0ba902b7")
            #expect(enqueue["trace"] == trace && run["trace"] == trace)
            #expect(run["parent"] == enqueue["span"])
            #expect(run["service"] == "cloudoptim-worker" && enqueue["service"] == "cloudoptim-enqueue")
            #expect(run["token"] == "open sesame")
            #expect(run["state"] == "congo=t61rcWkgMzE" && enqueue["state"] == run["state"])

            // The same from SQL, within the caller's own trace.
            let other = "4bf92f3577b34da6a3ce929d0e0e4737"
            let bySQL = "SELECT enqueue('noop', traceparent => $1, tracestate => $2)"
            _ = try await fleet.rows(bySQL, [.text("00-\(other)-00f067aa0ba902b8-01"), .text("rojo=1")])
            let second = try await eventually("its run is exported, too") { span("run noop", in: other) }
            #expect(second["parent"] == "00f067aa0ba902b8" && second["state"] == "rojo=1")
            worker.kill()
            let odd = [("nonsense", "a=1"), ("00-\(other)-00f067aa0ba902b8-01", String(repeating: "a", count: 513))]
            for (parent, state) in odd {
                let id = try #require(try await fleet.text(bySQL, [.text(parent), .text(state)]))
                let kept =
                    "SELECT count(*) FROM job WHERE id = $1::uuid AND tracestate IS NULL AND (traceparent IS NULL) = $2"
                #expect(try await fleet.number(kept, [.text(id), .bool(parent == "nonsense")]) == 1)
            }
            // A command without a collector hands on what it was given.
            let id = try await fleet.run(
                ["enqueue", "noop"],
                environment: ["TRACEPARENT": "00-\(other)-00f067aa0ba902b8-01", "TRACESTATE": "rojo=2"])
            #expect(id.status == 0, "\(id)")
            let carried = "SELECT count(*) FROM job WHERE traceparent = $1 AND tracestate = 'rojo=2'"
            #expect(try await fleet.number(carried, [.text("00-\(other)-00f067aa0ba902b8-01")]) == 1)
        }

        @Test(
            "A wrong setting for traces is told with its name",
            arguments: [
                ["OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"], ["OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"],
                ["OTEL_TRACES_SAMPLER": "sometimes"], ["OTEL_BSP_MAX_QUEUE_SIZE": "many"],
                ["OTEL_EXPORTER_OTLP_HEADERS": "token"],
            ])
        func wrongSetting(_ setting: [String: String]) async throws {
            let whole = ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"].merging(setting) { $1 }
            let answer = try await Fleet.current.run(["worker"], environment: whole)
            #expect(answer.status == 65, "\(answer)")
            #expect(answer.errors.contains(try #require(setting.keys.first)), "\(answer)")
        }

        /// Prints one line of JSON for each span it gets.
        private static let collector = """
            import http.server, json
            class Handler(http.server.BaseHTTPRequestHandler):
                def log_message(self, *a): pass
                def do_POST(self):
                    body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                    for r in body["resourceSpans"]:
                        names = {a["key"]: a["value"].get("stringValue", "") for a in r["resource"]["attributes"]}
                        for s in (s for scope in r["scopeSpans"] for s in scope["spans"]):
                            print(json.dumps({"name": s["name"], "trace": s["traceId"], "span": s["spanId"],
                                "parent": s.get("parentSpanId", ""), "state": s.get("traceState", ""), "service": names["service.name"],
                                "token": self.headers.get("x-token", "")}), flush=True)
                    self.send_response(200)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
            server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
            print("port", server.server_address[1], flush=True)
            server.serve_forever()
            """
    }
}

extension Answer {
    /// Fails the test unless the command succeeded.
    func expectSuccess(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(status == 0, "\(self)", sourceLocation: sourceLocation)
    }
}
