import Foundation

/// A jobspec as it was read from a file.
public struct JobSpecFile: Sendable, Equatable {
    /// Where it was read, as named by the caller.
    public var file: String
    /// What it says.
    public var spec: JobSpec
    /// The variables it names.
    public var variables: [Variable]

    /// A variable of the environment that a file names: `${NAME:-default}`.
    public struct Variable: Sendable, Hashable {
        /// `SQS_POLL_INTERVAL_SECONDS`.
        public var name: String
        /// The text after `:-`; nil: the variable must be set.
        public var defaultValue: String?
        /// The field that uses it: `schedule.every`.
        public var field: String
        /// The line it stands in.
        public var line: Int

        /// Makes a variable.
        public init(name: String, defaultValue: String?, field: String, line: Int) {
            self.name = name
            self.defaultValue = defaultValue
            self.field = field
            self.line = line
        }
    }

    /// The largest file that is read.
    public static let bytesMax = 262_144
    /// The most files of a directory that are read.
    public static let filesMax = 1000

    /// Reads one spec from YAML text.
    /// - Parameters:
    ///   - text: the YAML.
    ///   - file: its name, for messages.
    ///   - environment: the values of `${NAME}`.
    /// - Throws: `QueueError` code `invalid`; its message has one line per problem, each `file:line: field: found X,
    ///   wanted Y`.
    public static func parse(_ text: String, file: String, environment: [String: String] = [:]) throws -> JobSpecFile {
        let (result, problems) = check(text, file: file, environment: environment)
        guard let result, problems.isEmpty else { throw JobSpecFile.error(problems) }
        return result
    }

    /// Reads one spec and says everything that is wrong with it, in the order of lines.
    public static func check(
        _ text: String, file: String, environment: [String: String] = [:]
    ) -> (JobSpecFile?, [JobSpecProblem]) {
        var reader = JobSpecReader(file: file, environment: environment)
        let spec = reader.read(text)
        let problems = reader.problems.sorted { ($0.line, $0.field) < ($1.line, $1.field) }
        guard problems.isEmpty, let spec else { return (nil, problems) }
        return (JobSpecFile(file: file, spec: spec, variables: reader.variables), [])
    }

    /// Reads one file.
    /// - Throws: `QueueError` code `invalid` as `parse`, also for a file that is absent, too large or not UTF-8.
    public static func load(_ path: String, environment: [String: String] = [:]) throws -> JobSpecFile {
        try parse(try contents(of: path), file: path, environment: environment)
    }

    /// Reads every `.yaml` and `.yml` file of a directory, sorted by name.
    /// - Throws: `QueueError` code `invalid` with the problems of all files; also when a file's name is not its kind's.
    public static func load(directory: String, environment: [String: String] = [:]) throws -> [JobSpecFile] {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: directory)
                .filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.sorted()
        } catch {
            throw QueueError(
                .invalid, "\(directory): cannot list it, wanted a directory of jobspecs", underlying: error)
        }
        guard names.count <= filesMax else {
            throw QueueError(.invalid, "\(directory): found \(names.count) jobspecs, wanted at most \(filesMax)")
        }
        var files: [JobSpecFile] = []
        var problems: [JobSpecProblem] = []
        for name in names {
            let path = directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
            let (found, wrong) = check(try contents(of: path), file: path, environment: environment)
            problems += wrong
            guard let found else { continue }
            let stem = String(name[..<(name.lastIndex(of: ".") ?? name.endIndex)])
            if stem != found.spec.kind.rawValue {
                problems.append(
                    JobSpecProblem(
                        file: path, line: 1, field: "kind", found: "'\(found.spec.kind)'",
                        wanted: "'\(stem)', the file's name"))
            }
            if let twin = files.first(where: { $0.spec.kind == found.spec.kind }) {
                problems.append(
                    JobSpecProblem(
                        file: path, line: 1, field: "kind", found: "'\(found.spec.kind)' again",
                        wanted: "one file per kind, it is in \(twin.file)"))
            }
            files.append(found)
        }
        guard problems.isEmpty else { throw error(problems) }
        return files
    }

    private static func contents(of path: String) throws -> String {
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw QueueError(.invalid, "\(path): cannot be opened, wanted a readable jobspec")
        }
        let data: Data
        do {
            data = try handle.read(upToCount: bytesMax + 1) ?? Data()
            try handle.close()
        } catch {
            throw QueueError(.invalid, "\(path): cannot be read", underlying: error)
        }
        guard let text = String(data: data, encoding: .utf8), data.count <= bytesMax else {
            throw QueueError(
                .invalid,
                "\(path): found \(data.count > bytesMax ? "more than \(bytesMax) bytes" : "other bytes"), wanted UTF-8 text of at most \(bytesMax) bytes"
            )
        }
        return text
    }

    private static func error(_ problems: [JobSpecProblem]) -> QueueError {
        QueueError(.invalid, problems.map(\.description).joined(separator: "\n"))
    }
}

/// One thing that is wrong with a jobspec.
public struct JobSpecProblem: Sendable, Hashable, CustomStringConvertible {
    /// The file.
    public var file: String
    /// The line, from 1.
    public var line: Int
    /// The field with its groups: `schedule.every`; empty for the document.
    public var field: String
    /// What stands there.
    public var found: String
    /// What should.
    public var wanted: String

    /// Names a problem.
    public init(file: String, line: Int, field: String, found: String, wanted: String) {
        self.file = file
        self.line = line
        self.field = field
        self.found = found
        self.wanted = wanted
    }

    /// `jobspecs/poll-sqs.yaml:7: schedule.every: found '5', wanted a duration …`.
    public var description: String {
        "\(file):\(line): \(field.isEmpty ? "jobspec" : field): found \(found), wanted \(wanted)"
    }
}
