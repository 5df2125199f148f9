import ArgumentParser
import JobQueue
import Jobs
import Postgres

/// `cloudoptim queues`
struct QueuesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queues", abstract: "Depth and age of every queue and lane.")
    @OptionGroup var form: OutputOptions

    func run() async throws {
        let rows = try await StatusReader(try Settings().database).view("queue_depth", order: "queue, lane")
        try Console.show(
            rows, columns: ["queue", "lane", "due", "later", "running", "oldest_due_seconds"], as: form.output,
            whenEmpty: "nothing is queued or running")
    }
}

/// `cloudoptim schedules`
struct SchedulesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedules", abstract: "Every schedule with its last and next slot.")
    @OptionGroup var form: OutputOptions

    func run() async throws {
        let rows = try await StatusReader(try Settings().database).view("schedule_health", order: "id")
        try Console.show(
            rows, columns: ["id", "enabled", "last_slot", "next_slot", "late_seconds"], as: form.output,
            whenEmpty: "no schedules: register a cluster, or run `cloudoptim migrate` to publish jobspecs")
    }
}

/// `cloudoptim workers`
struct WorkersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workers", abstract: "The workers that are known, and what they run.")
    @OptionGroup var form: OutputOptions

    func run() async throws {
        let rows = try await StatusReader(try Settings().database).view("worker_health", order: "state, host, id")
        try Console.show(
            rows, columns: ["id", "host", "state", "slots", "running", "version", "started_at", "expires_at"],
            as: form.output, whenEmpty: "no workers")
    }
}

/// `cloudoptim jobspecs`
struct JobspecsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobspecs", abstract: "Checks jobspecs and prints their schema.",
        subcommands: [Check.self, Schema.self, List.self], defaultSubcommand: List.self)

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Checks the files of a folder, or one file; names file and line of every problem.")
        @Argument(help: "A file or a folder; default JOBSPECS_DIR.") var path: String?

        func run() throws {
            let settings = Settings()
            let path = path ?? settings.jobspecs
            if path.hasSuffix(".yaml") || path.hasSuffix(".yml") {
                let file = try JobSpecFile.load(path, environment: settings.environment)
                Console.print("\(path): ok (\(file.spec.kind), version \(file.spec.version))")
            } else {
                let files = try JobSpecFile.load(directory: path, environment: settings.environment)
                for file in files {
                    Console.print("\(file.file): ok (\(file.spec.kind), version \(file.spec.version))")
                }
            }
        }
    }

    struct Schema: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints the JSON Schema of jobspecs, for editors.")
        func run() throws { Console.print(JobSpecSchema.text) }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the kinds in force.")
        @OptionGroup var form: OutputOptions
        func run() async throws {
            let rows = try await StatusReader(try Settings().database).kinds()
            try Console.show(
                rows, columns: ["kind", "version", "lane", "schedule", "fan_out", "mode_max", "external", "summary"],
                as: form.output, whenEmpty: "no kinds: run `cloudoptim migrate`")
        }
    }
}
