import Foundation
import Glibc
import JobQueue

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

extension FileHandle {
    /// An empty file at this path, to be written.
    convenience init(creating path: String) throws {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw QueueError(.invalid, "\(path) cannot be written: errno \(errno)") }
        self.init(fileDescriptor: descriptor, closeOnDealloc: true)
    }
}

extension Process {
    /// Runs it with no signal blocked. A thread of the pool blocks them all and a child inherits that: servers would not
    /// hear SIGTERM.
    func runHearingSignals() throws {
        var none = sigset_t()
        var own = sigset_t()
        unsafe sigemptyset(&none)
        unsafe pthread_sigmask(SIG_SETMASK, &none, &own)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &own, nil) }
        try run()
    }
}

/// Commands that end.
enum Shell {
    /// Foundation sees the end of a process when the last copy of a descriptor closes that it gave to it: servers that
    /// the command leaves behind must not have one.
    private static let closingDescriptors = """
        for path in /proc/self/fd/*; do n=${path##*/}; [ "$n" -gt 2 ] && eval "exec $n>&-"; done; exec "$@"
        """

    /// Runs a command and returns its output.
    /// - Throws: `QueueError` code `transient` with what it said when it fails.
    @discardableResult
    static func run(_ command: [String], in directory: String? = nil) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["bash", "-c", Self.closingDescriptors, "chaos"] + command
        if let directory { process.currentDirectoryURL = URL(fileURLWithPath: directory) }
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("chaos-\(UUID().uuidString)")
        let output = try FileHandle(creating: file.path)
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.runHearingSignals()
        process.waitUntilExit()
        let text = try String(contentsOf: file, encoding: .utf8)
        try FileManager.default.removeItem(at: file)
        guard process.terminationStatus == 0 else {
            throw QueueError(
                .transient, "'\(command.joined(separator: " "))' ended with \(process.terminationStatus): \(text)")
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
