import ArgumentParser
import JobQueue
import Postgres
import Redis

/// `cloudoptim jobs`
struct JobsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs", abstract: "Looks at jobs, cancels them, runs dead ones again.",
        subcommands: [List.self, Show.self, Explain.self, Cancel.self, Retry.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists jobs, the newest first.",
            discussion: "States: \(states.joined(separator: ", ")).")
        /// As the view `job_status` names them.
        private static let states = [
            "queued", "scheduled", "retrying", "paused", "blocked", "suspect", "running", "cancelling", "done",
            "cancelled", "dead",
        ]
        @Option(help: "Only this state.") var state: String?
        @Option(help: "Only this kind.") var kind: String?
        @Option(help: "Only this tenant.") var tenant: String?
        @Option(help: "Only this target.") var target: String?
        @Option(help: "At most so many.") var limit = 50
        @OptionGroup var form: OutputOptions

        func validate() throws {
            if let state, !Self.states.contains(state) {
                throw ValidationError("--state is '\(state)', wanted one of \(Self.states.joined(separator: ", "))")
            }
            if limit < 0 { throw ValidationError("--limit is \(limit), wanted zero or more") }
        }

        func run() async throws {
            let reader = try await StatusReader(try Settings().database)
            let rows = try await reader.jobs(
                StatusReader.Filter(state: state, kind: kind, tenant: tenant, target: target), limit: limit)
            try Console.show(
                rows, columns: ["id", "kind", "target", "state", "attempt", "run_at", "finished_at", "reason"],
                as: form.output, whenEmpty: "no such jobs")
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows one job: its row, attempts, effects and log.")
        @Argument(help: "The job's id.") var id: JobID
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let reader = try await StatusReader(try Settings().database)
            try Console.show(try await reader.job(id), as: form.output)
        }
    }

    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tells the life of a job, and why it is not running now.")
        @Argument(help: "The job's id.") var id: JobID
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let reader = try await StatusReader(try Settings().database)
            let story = try await reader.explain(id)
            switch form.output {
            case .json: Console.print(try JSONText(encoding: story).text)
            case .table: for line in story { Console.print(line) }
            }
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Cancels a job: a queued one at once, a running one as soon as its worker confirms.")
        @Argument(help: "The job's id.") var id: JobID
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let settings = Settings()
            let ledger = try await PostgresLedger(try settings.database)
            let result = try await ledger.cancel(id, by: "operator")
            if result == .unknown { throw QueueError(.notFound, "no job \(id)") }
            if result == .asked, let redis = try settings.redis {
                do {
                    try await RedisBroker(redis, prefix: settings.redisPrefix).publish(.cancel(id))
                } catch {
                    Console.error("the worker could not be told at once; it learns of it within seconds (\(error))")
                }
            }
            switch form.output {
            case .json: Console.print(try JSONText(encoding: ["id": id.description, "result": result.rawValue]).text)
            case .table: Console.print("\(id): \(sentence(result))")
            }
        }

        private func sentence(_ result: CancelResult) -> String {
            switch result {
            case .cancelled: "cancelled"
            case .asked: "its worker was asked to stop; `jobs show` tells when it has"
            case .ended: "had ended before"
            case .unknown: "unknown"
            }
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs a dead job again, as a new job that names the old one.")
        @Argument(help: "The dead job's id.") var id: JobID
        @Option(help: "Other parameters than it had: a JSON object.") var parameters: String?
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let settings = Settings()
            let database = try settings.database
            let ledger = try await PostgresLedger(database)
            let reader = try await StatusReader(database)
            let dead = try await reader.deadJob(id)
            guard let spec = try await ledger.kinds().first(where: { $0.kind == dead.kind }) else {
                throw QueueError(.notFound, "kind '\(dead.kind)' of job \(id) is known no more")
            }
            let job = NewJob(
                request: JobRequest(
                    dead.kind, parameters: parameters.map { JSONText(text: $0) } ?? dead.parameters,
                    target: dead.target, key: IdempotencyKey("replay/\(id)", release: .atEnd), replayOf: id),
                spec: spec)
            let result = try await ledger.enqueue([job])[0]
            guard let new = result.id else {
                throw QueueError(.conflict, "job \(id) is being replayed with other parameters already")
            }
            try await reader.markReplayed(id, by: new)
            await PushShortCut(try settings.redis.map { RedisBroker($0, prefix: settings.redisPrefix) }).push([job])
            switch form.output {
            case .json:
                Console.print(try JSONText(encoding: ["id": new.description, "replay_of": id.description]).text)
            case .table: Console.print("\(new) runs \(id) again")
            }
        }
    }
}

extension JobID: ArgumentParser.ExpressibleByArgument {
    /// Reads a job's id from the command line.
    public init?(argument: String) { self.init(argument) }
}
