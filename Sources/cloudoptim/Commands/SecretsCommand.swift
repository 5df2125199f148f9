import ArgumentParser
import JobQueue
import Postgres
import Sealing
import Stores

/// `cloudoptim secrets`
struct SecretsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secrets", abstract: "Looks after the keys that seal stored credentials.",
        subcommands: [Rotate.self])

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Seals stored credentials anew under the first key of SEALING_KEY.",
            discussion: """
                To change a key: put the new one first in SEALING_KEY and leave the old one behind it, restart every role, \
                run this, then take the old key away. It can be stopped and run again at any time. \
                Exit code 70: some rows open with no key that is there.
                """)
        @Flag(help: "Only say what would be done.") var dryRun = false
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let settings = Settings()
            guard let keyring = try settings.keyring else {
                throw QueueError(.invalid, "no sealing key is configured: SEALING_KEY or SEALING_KEY_FILE")
            }
            let connection = try await PostgresConnection.connect(try settings.database)
            let report = try await SecretRotation(connection, keyring: keyring).run(isDryRun: dryRun)
            await connection.close()
            switch form.output {
            case .json: Console.print(try JSONText(encoding: report).text)
            case .table:
                Console.print(
                    "\(dryRun ? "would seal" : "sealed") \(report.resealed) anew under key \(keyring.currentKeyID); "
                        + "\(report.current) were sealed by it before")
                if report.changed > 0 { Console.print("\(report.changed) were changed meanwhile: run it again") }
                for (cluster, reason) in report.unreadable.sorted(by: { $0.key < $1.key }) {
                    Console.error("\(cluster): \(reason)")
                }
            }
            if !report.unreadable.isEmpty { throw ExitCode(70) }
        }
    }
}
