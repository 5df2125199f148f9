import ArgumentParser
import Foundation
import JobQueue
import Postgres
import Redis

/// What is paused or limited, on the command line.
struct ScopeArguments: ParsableArguments {
    @Argument(help: "queue, kind, cluster, tenant, schedule or all; for limits also api.") var scope: String
    @Argument(help: "Its name; none for all.") var name = ""

    func validate() throws {
        if JobScope(scope, name) != nil { return }
        guard JobScope.words.contains(scope) else {
            throw ValidationError("'\(scope)': wanted one of \(JobScope.words.joined(separator: ", "))")
        }
        throw ValidationError(scope == "all" ? "all takes no name" : "\(scope): its name is missing")
    }

    var value: JobScope { get throws { try JobScope(scope, name) ?? { throw CleanExit.helpRequest() }() } }

    static func text(_ scope: JobScope) -> String { scope == .all ? "everything" : "\(scope.word) \(scope.name)" }

    /// The scope and more, for programs.
    static func fields(_ scope: JobScope, _ more: [String: JSONValue]) -> [String: JSONValue] {
        more.merging(["scope": .string(scope.word), "name": .string(scope.name)]) { _, scope in scope }
    }
}

/// `cloudoptim pause`
struct PauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Stops claims of a queue, kind, cluster or tenant, the slots of a schedule, or everything.",
        discussion: """
            What runs goes on to its end. Nothing is lost: jobs wait, and start when the pause ends or is lifted. Who paused, \
            why and until when is shown by `cloudoptim pauses`, `jobs explain` and the view pause_status.

              cloudoptim pause kind replace-node --why "prices look wrong" --for 2h
              cloudoptim pause schedule snapshot-cluster/prod-eu
            """)

    @OptionGroup var target: ScopeArguments
    @Option(help: "Why; shown to whoever asks.") var why = ""
    @Option(name: .customLong("for"), help: "How long: 90s, 15m, 2h, 7d; without it, until it is resumed.")
    var span: TimeSpan?
    @OptionGroup var author: Author
    @OptionGroup var form: OutputOptions

    func run() async throws {
        let scope = try target.value
        if case .api = scope {
            throw QueueError(.invalid, "an api is not paused: give it a rate with `limits set`, or pause what asks it")
        }
        let desk = try await OperatorDesk.connect()
        guard try await desk.reader.exists(scope) else {
            throw QueueError(.notFound, "no \(ScopeArguments.text(scope))")
        }
        try await desk.ledger.pause(scope, by: author.by, reason: why, for: span?.duration)
        await desk.hint([.pause])
        let end = span.map { "for \(Int($0.duration.seconds)) s" } ?? "until it is resumed"
        Console.say(
            "\(ScopeArguments.text(scope)): paused by \(author.by) \(end)\(why.isEmpty ? "" : ": \(why)")",
            ScopeArguments.fields(
                scope,
                [
                    "result": .string("paused"), "by": .string(author.by), "reason": .string(why),
                    "seconds": span.map { .number("\(Int($0.duration.seconds))") } ?? .null,
                ]), as: form.output)
    }
}

/// `cloudoptim resume`
struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "resume", abstract: "Lifts a pause.")

    @OptionGroup var target: ScopeArguments
    @OptionGroup var form: OutputOptions

    func run() async throws {
        let scope = try target.value
        let desk = try await OperatorDesk.connect()
        guard try await desk.ledger.resume(scope) else {
            throw QueueError(.notFound, "\(ScopeArguments.text(scope)) is not paused")
        }
        await desk.hint([.pause])
        Console.say(
            "\(ScopeArguments.text(scope)): goes on", ScopeArguments.fields(scope, ["result": .string("resumed")]),
            as: form.output)
    }
}
