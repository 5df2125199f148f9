import Foundation
import Glibc
import JobQueue
import Processes

/// The private PostgreSQL and Redis of a round, started by tools/services.
struct Servers: Sendable {
    let directory: String
    let databaseURL: String
    let redisURL: String

    /// Starts what does not run yet.
    static func start(_ directory: String) throws -> Servers {
        try Shell.run(["bash", "tools/services", "start", directory])
        var values: [String: String] = [:]
        for line in try String(contentsOfFile: "\(directory)/env", encoding: .utf8).split(separator: "\n") {
            let parts = line.dropFirst("export ".count).split(separator: "=", maxSplits: 1)
            // The file quotes for bash: a backslash stands before what bash would read.
            if parts.count == 2 { values[String(parts[0])] = String(parts[1].replacing("\\", with: "")) }
        }
        guard let database = values["DATABASE_URL"], let redis = values["REDIS_URL"] else {
            throw QueueError(.invalid, "\(directory)/env names no DATABASE_URL and REDIS_URL")
        }
        return Servers(directory: directory, databaseURL: database + "?sslmode=disable", redisURL: redis)
    }

    /// As a power cut: no shutdown checkpoint, recovery at the next start.
    func restartPostgres() throws {
        let home = try String(contentsOfFile: "\(directory)/postgres-home", encoding: .utf8).trimmingCharacters(
            in: .whitespacesAndNewlines)
        let control = try Shell.run(["bash", "-c", "ls /usr/lib/postgresql/*/bin/pg_ctl | sort -V | tail -n 1"])
        var command = [
            control.trimmingCharacters(in: .whitespacesAndNewlines), "-D", "\(home)/data", "-m", "immediate", "stop",
        ]
        if getuid() == 0 { command = ["runuser", "-u", "postgres", "--"] + command }
        let pid = try processID("postgres")
        try Shell.run(command, in: "/")
        while Shell.isAlive(pid) { usleep(20_000) }
        _ = try Servers.start(directory)
    }

    /// SIGKILL: it keeps nothing.
    func restartRedis() throws {
        let pid = try processID("redis")
        kill(pid, SIGKILL)
        while Shell.isAlive(pid) { usleep(20_000) }
        _ = try Servers.start(directory)
    }

    private func processID(_ name: String) throws -> pid_t {
        let text = try String(contentsOfFile: "\(directory)/pids/\(name)", encoding: .utf8)
        guard let pid = text.split(whereSeparator: \.isWhitespace).first.flatMap({ pid_t($0) }) else {
            throw QueueError(.invalid, "\(directory)/pids/\(name) holds no process id")
        }
        return pid
    }

    /// The same URL through a proxy's port.
    static func through(_ port: UInt16, _ url: String) throws -> String {
        guard var parts = URLComponents(string: url) else { throw QueueError(.invalid, "a server's URL is none") }
        parts.port = Int(port)
        return parts.string ?? url
    }

    static func port(of url: String) -> UInt16 { URLComponents(string: url)?.port.flatMap { UInt16($0) } ?? 0 }
}

/// Commands that end.
enum Shell {
    /// Runs a command and returns its output.
    /// - Throws: `QueueError` code `transient` with what it said when it fails.
    @discardableResult
    static func run(_ command: [String], in directory: String? = nil) throws -> String {
        // Not a pipe: servers that the command leaves behind would keep it open.
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("chaos-\(UUID().uuidString)")
        let status = try ChildProcess(
            command[0], Array(command.dropFirst()), directory: directory, output: .file(file.path),
            errors: .likeOutput
        ).waitUntilExit()
        let text = try String(contentsOf: file, encoding: .utf8)
        try FileManager.default.removeItem(at: file)
        guard status == 0 else {
            throw QueueError(
                .transient, "'\(command.joined(separator: " "))' ended with \(status): \(text)")
        }
        return text
    }

    /// Whether the process runs; a zombie does not.
    static func isAlive(_ pid: pid_t) -> Bool {
        guard let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return false }
        let stat = String(decoding: bytes, as: UTF8.self)
        return stat.split(separator: ")").last.map { !$0.hasPrefix(" Z") } ?? false
    }
}
