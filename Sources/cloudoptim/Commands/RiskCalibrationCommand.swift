import ArgumentParser
import Foundation
import Infrastructure
import JobQueue
import Optimizer
import Postgres
import Stores

/// `cloudoptim risk calibration`
struct RiskCalibrationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibration",
        abstract: "How the risk scores of the past compare with what happened.",
        discussion: """
            Once a day the score of each spot pool in use is kept; after 24 hours it is known whether an instance of the \
            pool was interrupted.

              brier     the mean of (score - what happened) squared;
                        below that of the base rate a score is worth something
              ranking   how often an interrupted pool had a higher score than one
                        that was not; 0.5 is chance

            The score is a ranking heuristic, no probability: look at the ranking first.
            """)
    @Option(help: "Predictions of so many days.") var days = 90
    @Option(help: "Only this region.") var region: String?
    @OptionGroup var form: OutputOptions

    func validate() throws {
        guard (1...730).contains(days) else { throw ValidationError("--days is \(days), wanted 1 to 730") }
    }

    func run() async throws {
        let connection = try await PostgresConnection.connect(try Settings().database)
        guard let now = try await connection.query("SELECT world_now()").first?.date(0) else {
            throw QueueError(.unavailable, "the database tells no time")
        }
        let found = RiskCalibration(
            try await PriceStore(connection).outcomes(region: region, since: now - Double(days) * 86_400))
        await connection.close()
        if form.output == .json { return Console.print(try JSONText(encoding: found).text) }
        guard found.predictions > 0 else { return Console.print("no prediction is 24 hours old yet") }
        func text(_ value: Double) -> String { String(format: "%.4f", value) }
        Console.print(
            "\(found.predictions) predictions, \(text(found.baseRate)) of them interrupted within 24 hours")
        Console.print("brier \(text(found.brier)), of the base rate \(text(found.brierOfBaseRate))")
        Console.print("ranking \(found.ranking.map(text) ?? "unknown: all or none were interrupted")")
        for band in found.bands {
            Console.print(
                "  score \(text(band.from)) to \(text(band.to)): \(band.predictions) predictions, mean \(text(band.meanScore)), interrupted \(text(band.rate))"
            )
        }
    }
}
