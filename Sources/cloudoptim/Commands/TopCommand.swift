import ArgumentParser
import Foundation
import JobQueue
import Postgres
import Redis
import Stores
import UnixSignals

/// `cloudoptim top`
struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "The whole fleet on one screen: queues, workers, running jobs, failures, schedules, savings.",
        discussion: """
            Everything on the screen was true at one moment: it is read in one statement. Keys: j and k (or the arrows) choose, p \
            pauses or resumes the chosen queue or kind, c cancels a running job, r runs a dead one again (each is asked back), q \
            quits. Without a terminal, or with --once, it prints once.

              cloudoptim top
              cloudoptim top --once --output json > fleet.json    to keep, or to send
              cloudoptim top --from fleet.json                    shows what was kept
            """)

    @Flag(help: "Print once, as plain text, and end.") var once = false
    @Option(help: "Seconds between two looks.") var interval = 2.0
    @Option(help: "Show a snapshot that was kept with --once --output json.") var from: String?
    @OptionGroup var author: Author
    @OptionGroup var form: OutputOptions

    func validate() throws {
        guard (0.2...3600).contains(interval) else {
            throw ValidationError("--interval is \(interval), wanted 0.2 to 3600 seconds")
        }
    }

    func run() async throws {
        if let from { return try show(JSONText(text: try InputFile.text(from))) }
        let settings = Settings()
        let reader = try await StatusReader(try settings.database)
        guard form.output == .table, !once, let terminal = Terminal() else {
            return try show(try await reader.snapshot(also: SnapshotFields.all))
        }
        let desk = try await OperatorDesk.connect()
        var model = TopModel(try await reader.snapshot(also: SnapshotFields.all).decode())
        let stop = StopFlag()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup, .sigquit) {
                    return stop.raise()
                }
            }
            terminal.enter()
            defer {
                terminal.leave()
                group.cancelAll()
            }
            try await loop(terminal, reader, desk, &model, stop)
        }
    }

    /// Draws, reads keys and looks again, until somebody quits or the process is told to end.
    private func loop(
        _ terminal: Terminal, _ reader: StatusReader, _ desk: OperatorDesk, _ model: inout TopModel, _ stop: StopFlag
    ) async throws {
        var nextLook = ContinuousClock.now + .seconds(interval)
        var drawn: [String] = []
        while !stop.isRaised {
            let (width, height) = terminal.size
            let lines = model.screen.lines(width: width, height: height)
            if lines != drawn {
                terminal.draw(lines)
                drawn = lines
            }
            for key in TopKey.keys(in: terminal.typed()) {
                guard let request = model.press(key) else { continue }
                if request == .quit { return }
                model.message = try await carryOut(request, desk, isPaused: model.isPaused)
                nextLook = .now
            }
            if nextLook <= .now {
                do {
                    model.update(try await reader.snapshot(also: SnapshotFields.all).decode())
                } catch let error as QueueError where error.code == .unavailable {
                    model.message = "the database does not answer: \(error.message)"
                }
                nextLook = .now + .seconds(interval)
            }
            try await Task.sleep(for: .milliseconds(40))
        }
    }

    private func carryOut(
        _ request: TopModel.Request, _ desk: OperatorDesk, isPaused: (JobScope) -> Bool
    ) async throws -> String {
        do {
            switch request {
            case .quit: return ""
            case .togglePause(let scope) where isPaused(scope):
                _ = try await desk.ledger.resume(scope)
                return "\(ScopeArguments.text(scope)) goes on"
            case .togglePause(let scope):
                try await desk.ledger.pause(scope, by: author.by, reason: "from top", for: nil)
                return "\(ScopeArguments.text(scope)) is paused"
            case .cancel(let id):
                let result = try await desk.ledger.cancel(id, by: author.by)
                if result == .asked { await desk.hint([.cancel(id)]) }
                return "\(id): \(result.word)"
            case .retry(let id):
                let replaying = Replaying(desk: desk, specs: try await desk.ledger.kinds())
                return try await replaying.again([id]).first.map { "\(id): \($0.result.word)" } ?? "\(id) is not dead"
            }
        } catch let error as QueueError {
            return error.message
        }
    }

    private func show(_ snapshot: JSONText) throws {
        if form.output == .json { return Console.print(snapshot.text) }
        let screen = TopScreen(snapshot: try snapshot.decode())
        Console.print(screen.lines(width: 200, height: nil).joined(separator: "\n"))
    }
}
