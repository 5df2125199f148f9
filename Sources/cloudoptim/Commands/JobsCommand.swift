import ArgumentParser
import Foundation
import JobQueue
import Postgres
import Redis
import Stores
import Worker

/// `cloudoptim jobs`
struct JobsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs", abstract: "Looks at jobs, cancels or postpones them, runs dead ones again.",
        subcommands: [
            List.self, Show.self, Explain.self, Logs.self, Cancel.self, Snooze.self, Retry.self, Replay.self,
        ], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists jobs, the newest first.",
            discussion: "States: \(JobFilterOptions.states.joined(separator: ", ")).")
        @OptionGroup var filter: JobFilterOptions
        @Option(help: "At most so many.") var limit = 50
        @OptionGroup var form: OutputOptions

        func validate() throws {
            if limit < 0 { throw ValidationError("--limit is \(limit), wanted zero or more") }
        }

        func run() async throws {
            let reader = try await StatusReader(try Settings().database)
            let rows = try await reader.jobs(filter.filter(now: try await reader.times().machine), limit: limit)
            try Console.show(
                rows, columns: ["id", "kind", "target", "state", "attempt", "run_at", "finished_at", "reason"],
                as: form.output, whenEmpty: "no such jobs")
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows one job: its row, attempts, effects and log.")
        @Argument(help: "The job's id.") var id: JobID
        @OptionGroup var form: OutputOptions

        /// What people look for first.
        private static let fields = [
            "id", "kind", "state", "reason", "target", "tenant", "queue", "lane", "created_at", "run_at", "claimed_at",
            "deadline_at", "finished_at", "attempt", "max_attempts", "crashes", "interrupts", "snoozes", "fence",
            "worker_id",
            "args", "progress", "result", "last_error", "cancel_at", "cancelled_by", "replay_of", "replayed_by",
            "attempts",
            "effects", "log",
        ]

        func run() async throws {
            let reader = try await StatusReader(try Settings().database)
            try Console.show(
                try await reader.job(id), first: Self.fields,
                elements: [
                    "attempts": ["fence", "started_at", "ended_at", "how", "error"],
                    "effects": ["at", "state", "step", "key"],
                ], as: form.output)
        }
    }

    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tells the life of a job, and every reason why it is not running now.",
            discussion: "All of it was true at one moment: it is read in one statement.")
        @Argument(help: "The job's id.") var id: JobID
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let settings = Settings()
            let reader = try await StatusReader(try settings.database)
            var explanation = try await reader.explain(id, also: ExplainReasons.all)
            let isDue =
                !["running", "cancelling", "done", "cancelled", "dead"].contains(explanation.state)
                && !explanation.reasons.contains { $0.code == "not-due" }
            if isDue, let away = try await brokerTrouble(settings) { explanation.reasons.append(away) }
            switch form.output {
            case .json: Console.print(try JSONText(encoding: explanation).text)
            case .table: for line in explanation.lines { Console.print(line) }
            }
        }

        /// Whether ids reach workers: asked of Redis itself.
        private func brokerTrouble(_ settings: Settings) async throws -> Explanation.Reason? {
            guard let redis = try settings.redis else { return nil }
            let scan = WorkerConfiguration().scanEvery.seconds
            do {
                _ = try await RedisBroker(redis, prefix: settings.redisPrefix).lengths(of: [
                    ReadyList(queue: "default", lane: .work)
                ])
                return nil
            } catch let error as QueueError where error.code == .unavailable {
                return .init(
                    code: "redis-down",
                    text:
                        "Redis does not answer: workers look into the ledger themselves, within \(scan * 1.5) s (\(error.message))"
                )
            }
        }
    }

    struct Logs: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints the lines that a job wrote, with their run.",
            discussion: """
                A run writes at most \(JobLog.linesPerRunMax) lines, and of one job the newest \(JobLog.linesMax) are kept, \
                for 30 days.
                """)
        @Argument(help: "The job's id.") var id: JobID
        @Flag(name: .shortAndLong, help: "Go on until the job has ended.") var follow = false
        @OptionGroup var form: OutputOptions

        private struct Line: Encodable {
            var at: Date
            var run: Int64
            var line: String
        }

        func run() async throws {
            let reader = try await StatusReader(try Settings().database)
            var last: Int64 = 0
            while true {
                let hasEnded = try await reader.stop(of: id).hasEnded  // asked first: its last lines are read after it
                let lines = try await reader.log(of: id, after: last, limit: Self.pageMax)
                for line in lines {
                    last = line.number
                    switch form.output {
                    case .json:
                        Console.print(try JSONText(encoding: Line(at: line.at, run: line.fence, line: line.text)).text)
                    case .table:
                        Console.print("\(line.at.formatted(.iso8601))  run \(line.fence)  \(line.text)")
                    }
                }
                if lines.count == Self.pageMax { continue }
                if !follow || hasEnded { return }
                try await Task.sleep(for: .milliseconds(300))
            }
        }

        private static let pageMax = 500
    }
}

extension JobID: ArgumentParser.ExpressibleByArgument {
    /// Reads a job's id from the command line.
    public init?(argument: String) { self.init(argument) }
}
