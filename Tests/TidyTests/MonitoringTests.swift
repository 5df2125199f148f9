import Foundation
import Processes
import Testing
import Yams

/// What a PromQL expression asks for.
struct MetricQuestion: Equatable {
    var metrics: Set<String>
    /// In selectors and after `by`.
    var labels: Set<String>

    /// Reads the names out of an expression. Not a parser of the language: strings, durations, functions and keywords go.
    init(_ expression: String) {
        var labels: Set<String> = []
        for match in expression.matches(of: /\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/) {
            labels.formUnion(match.1.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) })
        }
        for match in expression.matches(of: /\{([^}]*)\}/) {
            labels.formUnion(match.1.matches(of: /([a-z_]+)\s*(?:=~|!~|!=|=)/).map { String($0.1) })
        }
        let bare = expression.replacing(/\{[^}]*\}/, with: "").replacing(/\[[^\]]*\]/, with: "")
            .replacing(/\b(?:by|without|on|ignoring)\s*\([^)]*\)/, with: "")
        let words = bare.matches(of: /([a-z_:][a-z0-9_:]*)\s*(\()?/).filter { $0.2 == nil }.map { String($0.1) }
        metrics = Set(words).subtracting(["or", "and", "unless", "e"])
        self.labels = labels.subtracting(["le"])
    }
}

/// The list in Sources/cloudoptim/Telemetry/MetricCatalogue.swift.
struct MetricList {
    struct Metric {
        var kind: String
        var labels: Set<String>
    }

    let metrics: [String: Metric]

    init() throws {
        let text = try Checkout.text("Sources/cloudoptim/Telemetry/MetricCatalogue.swift")
        let entry = /MetricDescription\(\s*"([a-z_]+)", \.([a-z]+), \[([^\]]*)\]/
        var metrics: [String: Metric] = [:]
        for match in text.matches(of: entry) {
            metrics[String(match.1)] = Metric(
                kind: String(match.2), labels: Set(match.3.matches(of: /"([a-z_]+)"/).map { String($0.1) }))
        }
        self.metrics = metrics
    }

    /// The metric that a name in a question belongs to: histograms have three series.
    func metric(_ name: String) -> Metric? {
        if let found = metrics[name] { return found.kind == "histogram" ? nil : found }
        for suffix in ["_bucket", "_count", "_sum"] where name.hasSuffix(suffix) {
            if let found = metrics[String(name.dropLast(suffix.count))], found.kind == "histogram" { return found }
        }
        return nil
    }

    /// What a question asks for that there is not.
    func problems(_ expression: String) -> [String] {
        let question = MetricQuestion(expression)
        let known = question.metrics.reduce(into: Set<String>()) { $0.formUnion(metric($1)?.labels ?? []) }
        return question.metrics.filter { metric($0) == nil }.sorted().map { "no metric \($0) in: \(expression)" }
            + question.labels.subtracting(known).sorted().map { "no label \($0) in: \(expression)" }
            + (question.metrics.isEmpty ? ["asks for nothing: \(expression)"] : [])
    }
}

/// Every expression of the dashboard and of the alerts.
enum Monitoring {
    static func dashboard() throws -> [String] {
        struct Dashboard: Decodable {
            struct Panel: Decodable {
                struct Target: Decodable { var expr: String }
                var targets: [Target]
            }
            var panels: [Panel]
        }
        let text = try Checkout.text("docker/monitoring/dashboard.json")
        return try JSONDecoder().decode(Dashboard.self, from: Data(text.utf8)).panels.flatMap { $0.targets.map(\.expr) }
    }

    static func alerts() throws -> [[String: Any]] {
        let text = try Checkout.text("docker/monitoring/alerts.yaml")
        let document = try #require(try Yams.load(yaml: text) as? [String: Any])
        let groups = try #require(document["groups"] as? [[String: Any]])
        return groups.flatMap { $0["rules"] as? [[String: Any]] ?? [] }
    }
}

@Suite("Monitoring")
struct MonitoringTests {
    @Test("every metric that the sources make is in the catalogue, with the same labels, and nothing else is")
    func catalogue() throws {
        let list = try MetricList()
        var made: Set<String> = ["metrics_series_dropped"]
        for file in try Checkout.files(below: "Sources", endingWith: ".swift") where !file.contains("Prometheus") {
            let text = try Checkout.text(file)
            let maker = /(?:Counter|Gauge|Timer|Recorder)\(\s*label: "([a-z_]+)"(?:,\s*dimensions: ([^\n]*))?/
            for match in text.matches(of: maker) {
                made.insert(String(match.1))
                let labels = Set((match.2 ?? "").matches(of: /\("([a-z_]+)",/).map { String($0.1) })
                let wanted = try #require(list.metrics[String(match.1)], "\(file): \(match.1)").labels
                // Labels that are put together elsewhere are checked where they are exported, by the system tests.
                #expect((match.2 ?? "").hasPrefix("labels") || labels == wanted, "\(file): \(match.1)")
            }
        }
        let gauges = try ["Sources/Postgres/GaugeReader.swift", "Sources/Stores/SavingGauge.swift"].map(Checkout.text)
        made.formUnion(gauges.joined().matches(of: /SELECT '([a-z_]+)',/).map { String($0.1) })
        #expect(made == Set(list.metrics.keys))
        #expect(list.metrics.count > 20)
    }

    @Test("the dashboard asks for metrics and labels that there are")
    func dashboard() throws {
        let expressions = try Monitoring.dashboard()
        #expect(expressions.count > 20)
        let list = try MetricList()
        #expect(expressions.flatMap(list.problems) == [])
    }

    @Test("every alert asks for metrics and labels that there are, and says what it means and what to do")
    func alerts() throws {
        let list = try MetricList()
        let alerts = try Monitoring.alerts()
        #expect(alerts.count > 10)
        for alert in alerts {
            let name = alert["alert"] as? String ?? ""
            #expect(name.hasPrefix("CloudOptim"))
            #expect(list.problems(try #require(alert["expr"] as? String)) == [], "\(name)")
            let notes = alert["annotations"] as? [String: String] ?? [:]
            #expect(notes["summary"]?.isEmpty == false && notes["action"]?.isEmpty == false, "\(name)")
            let severity = (alert["labels"] as? [String: String])?["severity"] ?? ""
            #expect(["info", "warning", "critical"].contains(severity), "\(name)")
        }
        #expect(Set(alerts.compactMap { $0["alert"] as? String }).count == alerts.count)
    }

    @Test("Prometheus itself can load the alert rules")
    func rules() throws {
        let promtool = ["/usr/bin/promtool", "/usr/local/bin/promtool"].first(
            where: FileManager.default.isExecutableFile(atPath:))
        let (status, output) = try ChildProcess.run([
            try #require(promtool, "no promtool: run tools/install"), "check", "rules",
            "\(Checkout.root)/docker/monitoring/alerts.yaml",
        ])
        let said = String(decoding: output, as: UTF8.self)
        #expect(status == 0 && said.contains("SUCCESS"), "\(said)")
    }

    @Test("docs/operations.md names every metric")
    func documented() throws {
        let text = try Checkout.text("docs/operations.md")
        #expect(try MetricList().metrics.keys.filter { !text.contains("`\($0)") }.sorted() == [])
    }

    @Test("what is not there is noticed")
    func offendersAreNoticed() throws {
        let list = try MetricList()
        #expect(list.problems("rate(job_runs_total{end=\"dead\"}[5m])") == [])
        #expect(list.problems("sum by (tenant) (queue_due)") == ["no label tenant in: sum by (tenant) (queue_due)"])
        #expect(list.problems("queue_dept > 5").count == 1)
        #expect(list.problems("job_run_seconds").count == 1, "a histogram has no series of its own name")
        #expect(list.problems("1 > 0").count == 1)
        let question = MetricQuestion("sum by (a) (x{b=\"c_d\"}) / on (e) y_total[5m] or z")
        #expect(question.metrics == ["x", "y_total", "z"])
        #expect(question.labels == ["a", "b", "e"])
    }
}
