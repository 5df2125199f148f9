import ArgumentParser
import HTTPClient
import JobQueue

/// `cloudoptim health`
struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Asks a role of this machine whether it can work: its /readyz, for container health checks.",
        discussion: "Exit code 0: it is ready. 1: it is not, or does not answer.")

    @Option(help: "Where to ask; default /readyz on HTTP_PORT of this machine.")
    var url: String?
    @OptionGroup var form: OutputOptions

    func run() async throws {
        let url = try url ?? "http://127.0.0.1:\(Settings().http.port)/readyz"
        do {
            let response = try await HTTPTransport(connectionsMax: 1).send(HTTPRequest(url: url, timeout: .seconds(3)))
            guard response.status == 200 else {
                Console.error("\(url) answered \(response.status)")
                throw ExitCode(1)
            }
        } catch let error as HTTPError {
            Console.error("\(url) does not answer: \(error.message)")
            throw ExitCode(1)
        }
        Console.say("ready", ["result": .string("ready")], as: form.output)
    }
}
