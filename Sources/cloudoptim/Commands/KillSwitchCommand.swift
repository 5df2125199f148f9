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
    @OptionGroup var author: Author
    @OptionGroup var form: OutputOptions

    enum Position: String, ExpressibleByArgument, CaseIterable {
        case on, off
    }

    func run() async throws {
        let connection = try await PostgresConnection.connect(try Settings().database)
        let store = PolicyStore(connection)
        if let cluster {
            guard try await store.setKillSwitch(position == .on, of: ClusterID(rawValue: cluster), by: author.by) else {
                throw QueueError(.notFound, "no cluster '\(cluster)'")
            }
        } else {
            try await store.setKillSwitch(position == .on, by: author.by)
        }
        let meaning =
            position == .on ? "no job acts until it is off again" : "jobs act as their clusters' modes allow"
        Console.say(
            cluster.map { "\(position.rawValue) in \($0)" } ?? "\(position.rawValue): \(meaning)",
            [
                "position": .string(position.rawValue), "cluster": cluster.map(JSONValue.string) ?? .null,
                "by": .string(author.by),
            ], as: form.output)
        await connection.close()
    }
}
