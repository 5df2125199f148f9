import ArgumentParser
import HTTPClient
import JobQueue
import Worker

/// `cloudoptim drain`
struct DrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Has the worker of this machine or container drain, and waits until it has: a preStop hook.",
        discussion: """
            The worker claims nothing more, lets its jobs reach a checkpoint, hands the rest back and ends: as on SIGTERM. \
            Exit code 0: it has drained. 1: it has not, or does not answer.
            """)
    @OptionGroup var form: OutputOptions

    func run() async throws {
        let settings = Settings()
        let url = "http://127.0.0.1:\(try settings.http.port)/drain"
        let limit = try settings.worker.drainTimeout + .seconds(15)
        do {
            let response = try await HTTPTransport(connectionsMax: 1).send(HTTPRequest(url: url, timeout: limit))
            guard response.status == 200 else {
                Console.error("\(url) answered \(response.status)")
                throw ExitCode(1)
            }
        } catch let error as HTTPError {
            Console.error("\(url) does not answer: \(error.message)")
            throw ExitCode(1)
        }
        Console.say("drained", ["result": .string("drained")], as: form.output)
    }
}
