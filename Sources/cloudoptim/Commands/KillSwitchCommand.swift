import ArgumentParser
import Infrastructure
import JobQueue
import Postgres
import Stores

/// `cloudoptim kill-switch`
struct KillSwitchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kill-switch",
        abstract:
            "Stops every action of every job before the next one, everywhere or in one cluster; or lets them go on.",
        discussion: "Jobs go on observing. Marks that a stopped plan left on nodes are undone by restore-marks.")

    @Argument(help: "on or off.") var position: Position
    @Option(help: "Only in this cluster.") var cluster: String?
    @Option(help: "Who turns it; kept with it.") var by = "operator"

    enum Position: String, ExpressibleByArgument, CaseIterable {
        case on, off
    }

    func run() async throws {
        let connection = try await PostgresConnection.connect(try Settings().database)
        let store = PolicyStore(connection)
        if let cluster {
            guard try await store.setKillSwitch(position == .on, of: ClusterID(rawValue: cluster), by: by) else {
                throw QueueError(.notFound, "no cluster '\(cluster)'")
            }
            Console.print("\(position.rawValue) in \(cluster)")
        } else {
            try await store.setKillSwitch(position == .on, by: by)
            Console.print(
                position == .on
                    ? "on: no job acts until it is off again" : "off: jobs act as their clusters' modes allow")
        }
        await connection.close()
    }
}
