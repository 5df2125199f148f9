import CoreMetrics
import JobQueue
import Synchronization

/// Keeps what the libraries measure, and writes it in Prometheus' text format (version 0.0.4).
///
/// Counters and gauges as they are; timers and recorders as histograms in seconds. Series per name are bounded: labels
/// come from our own kinds and codes, never from tenants or ids.
final class PrometheusRegistry: MetricsFactory, Sendable {
    private struct Key: Hashable, Comparable {
        let name: String
        let labels: String

        static func < (left: Key, right: Key) -> Bool {
            left.name != right.name ? left.name < right.name : left.labels < right.labels
        }
    }

    private struct State {
        var counters: [Key: CounterSeries] = [:]
        var gauges: [Key: GaugeSeries] = [:]
        var histograms: [Key: HistogramSeries] = [:]
        var dropped = 0
    }

    /// The most series of all names together.
    static let seriesMax = 5000
    private let state = Mutex(State())
    private let catalogue: [String: MetricDescription]

    /// - Parameter catalogue: what is explained; counters without labels are there from the start, with 0.
    init(_ catalogue: [MetricDescription] = []) {
        self.catalogue = Dictionary(catalogue.map { ($0.name, $0) }) { $1 }
        for metric in catalogue where metric.kind == .counter && metric.labels.isEmpty {
            _ = makeCounter(label: metric.name, dimensions: [])
        }
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(Key(name: Self.clean(label), labels: Self.labels(dimensions)), \.counters) { CounterSeries() }
    }

    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        let key = Key(name: Self.clean(label), labels: Self.labels(dimensions))
        return aggregate ? series(key, \.histograms) { HistogramSeries() } : series(key, \.gauges) { GaugeSeries() }
    }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(Key(name: Self.clean(label), labels: Self.labels(dimensions)), \.gauges) { GaugeSeries() }
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(Key(name: Self.clean(label), labels: Self.labels(dimensions)), \.histograms) { HistogramSeries() }
    }

    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}

    private func series<Series>(
        _ key: Key, _ path: any WritableKeyPath<State, [Key: Series]> & Sendable, _ make: () -> Series
    ) -> Series where Series: Sendable {
        state.withLock { state in
            if let found = state[keyPath: path][key] { return found }
            let made = make()
            guard state.counters.count + state.gauges.count + state.histograms.count < Self.seriesMax else {
                state.dropped += 1
                return made
            }
            state[keyPath: path][key] = made
            return made
        }
    }

    /// Everything, sorted by name and labels. What the catalogue names is explained even where it has no series yet.
    func exposition() -> String {
        let (counters, gauges, histograms, dropped) = state.withLock {
            ($0.counters, $0.gauges, $0.histograms, $0.dropped)
        }
        var families = catalogue.mapValues { Family(kind: $0.kind, help: $0.help, lines: []) }
        func add(_ key: Key, _ kind: MetricDescription.Kind, _ lines: [String]) {
            families[key.name, default: Family(kind: kind, help: nil, lines: [])].lines += lines
        }
        for (key, series) in counters.sorted(by: { $0.key < $1.key }) {
            add(key, .counter, ["\(key.name)\(Self.braces(key.labels)) \(series.value)"])
        }
        for (key, series) in gauges.sorted(by: { $0.key < $1.key }) {
            add(key, .gauge, ["\(key.name)\(Self.braces(key.labels)) \(series.value)"])
        }
        for (key, series) in histograms.sorted(by: { $0.key < $1.key }) {
            add(key, .histogram, Self.lines(key, series))
        }
        families["metrics_series_dropped"]?.lines = ["metrics_series_dropped \(dropped)"]
        var out = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            if let help = family.help { out += "# HELP \(name) \(help)\n" }
            out += "# TYPE \(name) \(family.kind.rawValue)\n"
            for line in family.lines { out += line + "\n" }
        }
        return out
    }

    private struct Family {
        let kind: MetricDescription.Kind
        let help: String?
        var lines: [String]
    }

    private static func braces(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }

    private static func lines(_ key: Key, _ series: HistogramSeries) -> [String] {
        let (buckets, sum, count) = series.snapshot
        let before = key.labels.isEmpty ? "" : key.labels + ","
        var total = 0
        var lines: [String] = []
        for (bound, inside) in zip(HistogramSeries.bounds, buckets) {
            total += inside
            lines.append("\(key.name)_bucket{\(before)le=\"\(bound)\"} \(total)")
        }
        lines.append("\(key.name)_bucket{\(before)le=\"+Inf\"} \(count)")
        return lines + [
            "\(key.name)_sum\(braces(key.labels)) \(sum)", "\(key.name)_count\(braces(key.labels)) \(count)",
        ]
    }

    private static func clean(_ label: String) -> String {
        String(label.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") ? $0 : "_" })
    }

    private static func labels(_ dimensions: [(String, String)]) -> String {
        dimensions.map { name, value in
            let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
            return "\(clean(name))=\"\(escaped)\""
        }.joined(separator: ",")
    }
}

/// A number that only grows.
final class CounterSeries: CounterHandler, Sendable {
    private let total = Atomic<Int64>(0)
    var value: Int64 { total.load(ordering: .relaxed) }
    func increment(by amount: Int64) { total.wrappingAdd(amount, ordering: .relaxed) }
    func reset() { total.store(0, ordering: .relaxed) }
}

/// The last value.
final class GaugeSeries: RecorderHandler, MeterHandler, Sendable {
    private let last = Mutex(0.0)
    var value: Double { last.withLock { $0 } }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }
    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { last.withLock { $0 = value } }
    func increment(by amount: Double) { last.withLock { $0 += amount } }
    func decrement(by amount: Double) { last.withLock { $0 -= amount } }
}

/// A distribution, in seconds.
final class HistogramSeries: RecorderHandler, TimerHandler, Sendable {
    static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
    private let state = Mutex((buckets: [Int](repeating: 0, count: bounds.count), sum: 0.0, count: 0))
    var snapshot: (buckets: [Int], sum: Double, count: Int) { state.withLock { $0 } }
    func record(_ value: Int64) { record(Double(value)) }
    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Double) {
        state.withLock { state in
            if let index = Self.bounds.firstIndex(where: { value <= $0 }) { state.buckets[index] += 1 }
            state.sum += value
            state.count += 1
        }
    }
}
