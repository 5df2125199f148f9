import ArgumentParser
import Foundation
import Infrastructure
import JobQueue
import Optimizer
import Postgres
import Stores

/// `cloudoptim savings`
struct SavingsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "savings", abstract: "What was saved, by cluster and feature: projected and realised.",
        discussion: """
            projected = sum of (price before - price after) per hour, by the prices of the decision, times the hours since \
            then, at most 30 days. realised = measured afterwards, a UTC day at a time: hours in force x (price per hour \
            before - mean price per hour paid). A replaced node counts while the new one is a node; a removed node until \
            another joins the cluster; nothing counts longer than 30 days, and no day counts twice. freed = room on nodes that \
            smaller requests and sleeping workloads leave, at list prices: told, and in neither sum, for what is saved by \
            removing a node for it is counted under packing.
            """)
    @Option(help: "Only this cluster.") var cluster: String?
    @Option(help: "The first UTC day, as 2026-10-01; default 30 days ago.") var since: String?
    @OptionGroup var form: OutputOptions

    func run() async throws {
        let connection = try await PostgresConnection.connect(try Settings().database)
        guard let now = try await connection.query("SELECT world_now()").first?.date(0) else {
            throw QueueError(.unavailable, "the database tells no time")
        }
        var start = now - 30 * 86_400
        if let since {
            guard let day = LocalDay(since) else {
                throw QueueError(.invalid, "--since '\(since)': wanted a day such as 2026-10-01")
            }
            start = Date(timeIntervalSince1970: Double(day.number) * 86_400)
        }
        let lines = try await SavingsStore(connection).statement(cluster: cluster, since: start)
        await connection.close()
        try Console.show(
            try lines.map { try JSONText(encoding: $0) },
            columns: [
                "cluster", "feature", "savings", "projected_dollars_per_hour", "projected_dollars", "realised_hours",
                "realised_dollars", "measured_until", "freed_dollars",
            ], as: form.output, whenEmpty: "nothing was saved yet")
        guard form.output == .table, !lines.isEmpty else { return }
        func dollars(_ value: Double) -> String { "$\((value * 100).rounded() / 100)" }
        let projected = lines.map(\.projectedDollars).reduce(0, +)
        let realised = lines.map(\.realisedDollars).reduce(0, +)
        Console.print(
            "sum since \(LocalDay(start, in: .gmt)): projected \(dollars(projected)), realised \(dollars(realised))")
        Console.print(
            SavingsMeasure.formula + "; projected = hours since the decision, at most 30 days, x (before - after)")
    }
}
