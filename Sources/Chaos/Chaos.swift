import Foundation

/// Attacks the queue with real processes on real servers and checks afterwards that its promises held.
/// `Chaos run` conducts, `Chaos mutants` proves that the checker sees what it should; see docs/chaos.md.
/// The other words are the processes that these two start from their own binary.
@main
struct Chaos {
    static let usage = """
        usage: Chaos run        DURATION=120 SEED=… FAULTS=kill-worker,restart-postgres,…
               Chaos mutants    SEED=… MUTANTS=no-fence-in-finish,…
        """

    static func main() async {
        do {
            try await obey()
        } catch {
            FileHandle.standardError.write(Data("chaos: \(error)\n".utf8))
            exit(70)
        }
    }

    private static func obey() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        let environment = ProcessInfo.processInfo.environment
        switch arguments.first {
        case "run":
            let settings = try ChaosSettings(environment: environment)
            exit(try await Conductor(settings).runAndReport() ? 0 : 1)
        case "mutants":
            exit(try await MutantRounds(environment: environment).run() ? 0 : 1)
        case "worker": try await RoleProcess(environment: environment).runWorker()
        case "scheduler": try await RoleProcess(environment: environment).runScheduler()
        case "farside": try FarSide(arguments: Array(arguments.dropFirst())).serve()
        case "proxy": try ProxyServer(arguments: Array(arguments.dropFirst())).serve()
        default:
            tell(usage)
            exit(64)
        }
    }
}

/// Prints a line at once, also into a file or a pipe.
func tell(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }
