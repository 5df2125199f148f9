import ArgumentParser
import JobQueue
import Jobs
import Postgres

/// `cloudoptim jobspecs`
struct JobspecsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobspecs", abstract: "Checks jobspecs and prints their schema.",
        subcommands: [Check.self, Schema.self, List.self], defaultSubcommand: List.self)

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Checks the files of a folder, or one file; names file and line of every problem.")
        @Argument(help: "A file or a folder; default JOBSPECS_DIR.") var path: String?
        @OptionGroup var form: OutputOptions

        func run() throws {
            let settings = Settings()
            let path = path ?? settings.jobspecs
            let isFile = path.hasSuffix(".yaml") || path.hasSuffix(".yml")
            let files =
                isFile
                ? [try JobSpecFile.load(path, environment: settings.environment)]
                : try JobSpecFile.load(directory: path, environment: settings.environment)
            for file in files { try Specs.check(file) }
            switch form.output {
            case .json:
                let rows = files.map { file in
                    JSONValue.object([
                        "file": .string(file.file), "kind": .string(file.spec.kind.rawValue),
                        "version": .number("\(file.spec.version)"),
                    ])
                }
                Console.print(JSONValue.array(rows).canonical)
            case .table:
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
