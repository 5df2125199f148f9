import ArgumentParser
import Foundation
import Infrastructure
import Postgres
import Stores

/// `cloudoptim findings`
struct FindingsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "findings", abstract: "What people should see, the worst first; also why something was not done.",
        discussion: """
            critical: something is lost if nobody looks. warning: something needs attention. info: good to know, such as why a \
            node stays. What is found again is one finding, with how often.

              cloudoptim findings --severity warning          these and worse
              cloudoptim findings --cluster prod-eu --since 1d
              cloudoptim findings --code no-capacity -o json
            """)

    @Option(help: "Only of this cluster.") var cluster: String?
    @Option(help: "Only this code.") var code: String?
    @Option(help: "info, warning or critical: these and worse.") var severity: Finding.Severity = .info
    @Option(help: "Only those found since then, world time: 2h, 7d, 2026-11-23T14:00:00Z.") var since: TimePoint?
    @Option(help: "At most so many.") var limit = 50
    @OptionGroup var form: OutputOptions

    func validate() throws {
        if limit < 0 { throw ValidationError("--limit is \(limit), wanted zero or more") }
    }

    func run() async throws {
        let connection = try await PostgresConnection.connect(try Settings().database)
        let now = try await connection.worldTime()
        let worse = Finding.Severity.allCases.drop { $0 != severity }
        let rows = try await FindingReader(connection).findings(
            cluster: cluster, code: code, severities: worse.map(\.rawValue), since: since?.date(now: now), limit: limit)
        try Console.show(
            rows, columns: ["severity", "code", "cluster_id", "subject", "last_at", "times", "message"],
            as: form.output, whenEmpty: "nothing was found")
        await connection.close()
    }
}

/// `cloudoptim interruptions`
struct InterruptionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "interruptions",
        abstract:
            "Interrupted instances, the newest first: how fast they were cordoned and emptied, and by what replaced.",
        discussion: """
            opened: an event came. drains: its node is cordoned. empty: nothing is left to move. over: the instance is gone. Times \
            are world time; what went wrong is told by `cloudoptim findings`.
            """)

    @Option(help: "Only of this cluster.") var cluster: String?
    @Flag(help: "Only those that are not over.") var open = false
    @Option(help: "At most so many.") var limit = 50
    @OptionGroup var form: OutputOptions

    func validate() throws {
        if limit < 0 { throw ValidationError("--limit is \(limit), wanted zero or more") }
    }

    func run() async throws {
        let connection = try await PostgresConnection.connect(try Settings().database)
        let rows = try await FindingReader(connection).interruptions(cluster: cluster, onlyOpen: open, limit: limit)
        try Console.show(
            rows,
            columns: [
                "cluster_id", "instance_id", "kind", "state", "event_at", "deadline", "seconds_to_cordon",
                "seconds_to_drain", "replacement",
            ], as: form.output, whenEmpty: "no interruptions")
        await connection.close()
    }
}

extension Finding.Severity: ArgumentParser.ExpressibleByArgument {}
