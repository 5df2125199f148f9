import ArgumentParser
import JobQueue
import Postgres

/// `cloudoptim doctor`
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Looks at the whole installation and says what to do.",
        discussion: """
            Settings, database (version, schema, permissions, clock, bloat), Redis, partitions, leader, workers, stuck work, \
            credentials. Changes nothing. Exit codes: 0 nothing fails (warnings may be there), 1 something fails; \
            with --strict a warning counts as a failure.
            """)

    @Flag(help: "Only what is not as it should be.") var quiet = false
    @Flag(help: "A warning counts as a failure.") var strict = false
    @OptionGroup var form: OutputOptions

    func run() async throws {
        var doctor = Doctor(Settings())
        await doctor.examine()
        let shown = quiet ? doctor.found.filter { $0.level > .ok } : doctor.found
        switch form.output {
        case .json: Console.print(try JSONText(encoding: shown).text)
        case .table:
            for item in shown {
                Console.print("\(Self.mark(item.level)) \(item.check): \(item.found)")
                if !item.advice.isEmpty { Console.print("       \(item.advice)") }
            }
            let counts = [Examination.Level.failure, .warning].map { level in
                doctor.found.count { $0.level == level }
            }
            Console.print("\(doctor.found.count) looked at, \(counts[0]) fail, \(counts[1]) warn")
        }
        let worst = doctor.found.map(\.level).max() ?? .ok
        if worst == .failure || (strict && worst == .warning) { throw ExitCode(1) }
    }

    private static func mark(_ level: Examination.Level) -> String {
        switch level {
        case .ok: "  ok  "
        case .warning: " warn "
        case .failure: " FAIL "
        }
    }
}
