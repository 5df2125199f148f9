import JobQueue
import Logging
import Metrics
import Postgres
import Stores

/// Gauges that are read from the database when somebody asks for the metrics of a scheduler.
actor LedgerGauges {
    private struct Series: Hashable {
        let name: String
        let labels: [String]
    }

    private let reader: StatusReader
    private let logger: Logger
    /// Series that had a value: without a row they are 0, not what they were last.
    private var known: [Series: Gauge] = [:]

    init(_ reader: StatusReader, logger: Logger) {
        self.reader = reader
        self.logger = logger
    }

    /// Reads all of them anew.
    func record() async {
        do {
            var values: [Series: Double] = [:]
            for row in try await reader.gauges(also: [SavingGauge.sql]) {
                values[Series(name: row.name, labels: row.labels.flatMap { [$0.name, $0.value] })] = row.value
            }
            for (series, value) in values { gauge(series).record(value) }
            for (series, gauge) in known where values[series] == nil { gauge.record(0) }
        } catch {
            logger.warning("the ledger's metrics cannot be read", metadata: ["error": .string("\(error)")])
        }
    }

    private func gauge(_ series: Series) -> Gauge {
        if let found = known[series] { return found }
        let pairs = stride(from: 0, to: series.labels.count, by: 2).map { (series.labels[$0], series.labels[$0 + 1]) }
        let made = Gauge(label: series.name, dimensions: pairs)
        known[series] = made
        return made
    }
}
