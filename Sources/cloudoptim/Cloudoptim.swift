import ArgumentParser
import Foundation
import Glibc
import HTTPClient
import JobQueue
import Postgres

/// The command: every role of the fleet, and everything an operator asks of it.
@main
struct Cloudoptim: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cloudoptim",
        abstract: "Cuts the cost of Kubernetes clusters on AWS, from outside, without an agent.",
        discussion: """
            A scheduler enqueues jobs, workers run them, PostgreSQL keeps the truth about them. Settings come from the \
            environment: docs/configuration.md lists every name. A first look:

              cloudoptim migrate                    make or upgrade the schema
              cloudoptim clusters add --help        register a cluster (observed at first)
              cloudoptim scheduler | worker         the two long-running roles
              cloudoptim doctor                     is everything there, and well?
              cloudoptim findings                   what people should see
              cloudoptim jobs list --state running  what runs now
              cloudoptim jobs explain ID            a job's life, and why it does not run

            Every command that answers does so as JSON with `--output json`. Exit codes: 0 done, 1 failed, 64 wrong usage, 65 \
            bad input, 66 not found, 69 database or broker away, 70 internal error, 73 conflict, 77 refused.
            """,
        version: Version.text,
        subcommands: [
            MigrateCommand.self, SchedulerCommand.self, WorkerCommand.self, SimulateCommand.self, EnqueueCommand.self,
            JobsCommand.self, QueuesCommand.self, SchedulesCommand.self, WorkersCommand.self, ClustersCommand.self,
            JobspecsCommand.self, FindingsCommand.self, InterruptionsCommand.self, PolicyCommand.self,
            ProposalsCommand.self, RiskCommand.self, PricesCommand.self,
            SavingsCommand.self, PauseCommand.self, ResumeCommand.self, PausesCommand.self, LimitsCommand.self,
            CircuitsCommand.self, TopCommand.self, KillSwitchCommand.self, HealthCommand.self, DrainCommand.self,
            DoctorCommand.self, SecretsCommand.self, SnapshotCommand.self, PlanCommand.self, ReportCommand.self,
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            leave(0)
        } catch let error as QueueError {
            // 42P01: no such table; 42883: no such function; 3F000: no such schema.
            let isBare = ["42P01", "42883", "3F000"].contains(error.postgres?.sqlState ?? "")
            Console.error(
                isBare
                    ? "the schema lacks what this program needs: run `cloudoptim migrate`, or look at DB_SCHEMA (\(error.message))"
                    : error.message + (error.underlying.map { " (\(brief($0)))" } ?? ""))
            leave(ExitStatus.of(error))
        } catch let error as HTTPError {
            Console.error("\(error)")
            leave(69)
        } catch {
            let (code, text) = (exitCode(for: error), fullMessage(for: error) + "\n")
            let output: FileHandle = code.isSuccess ? .standardOutput : .standardError
            if text.count > 1 { output.write(Data(text.utf8)) }
            leave(code.rawValue)
        }
    }

    /// An error below, in its own words. Foundation's about files name the file, which was said, and everything they know.
    private static func brief(_ error: any Error) -> String {
        guard let error = error as? CocoaError else { return "\(error)" }
        return switch error.code {
        case .fileReadNoSuchFile, .fileNoSuchFile: "there is no such file"
        case .fileReadNoPermission, .fileWriteNoPermission: "no permission"
        case .fileReadInapplicableStringEncoding, .fileReadCorruptFile: "it is not UTF-8 text"
        default: error.localizedDescription
        }
    }

    /// Ends the process without the libraries' clean-up at exit: connections that nobody needs any more are being closed on
    /// their own threads, and OpenSSL would free under their feet what they free themselves.
    private static func leave(_ status: Int32) -> Never {
        _ = fflush(nil)
        _exit(status)
    }
}

/// What the program calls itself.
enum Version {
    /// The released version.
    static let text = "0.1.0"
}

/// Exit codes, after sysexits(3).
enum ExitStatus {
    static func of(_ error: QueueError) -> Int32 {
        switch error.code {
        case .invalid: 65
        case .notFound: 66
        case .unavailable, .timeout, .queueFull, .transient: 69
        case .outcomeUnknown, .fenced: 70
        case .conflict: 73
        case .refused: 77
        }
    }
}
