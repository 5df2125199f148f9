import Foundation
import Glibc
import JobQueue

/// The processes under attack, and those that attack them.
actor Fleet {
    private struct Member {
        let process: Process
        let input: Pipe
        let host: String
        let respawns: Bool
        var isStopped = false
    }

    private let logs: String
    private let environment: [String: String]
    private var members: [String: Member] = [:]
    private var incarnations: [String: Int] = [:]
    /// Processes that ended neither by SIGKILL nor because they were asked to.
    private(set) var crashes: [String] = []

    /// - Parameters:
    ///   - logs: a folder for what they print.
    ///   - environment: added to this process's own.
    init(logs: String, environment: [String: String]) {
        self.logs = logs
        self.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    }

    /// Starts a process of this binary; its host is `<name>.<incarnation>`.
    func start(_ name: String, _ arguments: [String], respawns: Bool) throws {
        let incarnation = incarnations[name, default: 0] + 1
        incarnations[name] = incarnation
        let host = "\(name).\(incarnation)"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        process.environment = environment.merging(["CHAOS_HOST": host]) { $1 }
        let input = Pipe()
        process.standardInput = input
        // Only this process may hold it: its end is what tells the members that nobody conducts any more.
        _ = fcntl(input.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        let path = "\(logs)/\(host).log"
        let output = try FileHandle(creating: path)
        process.standardOutput = output
        process.standardError = output
        try process.runHearingSignals()
        members[name] = Member(process: process, input: input, host: host, respawns: respawns)
    }

    /// Starts again what has ended, as an orchestrator does.
    func tend() throws {
        for (name, member) in members where member.respawns && !member.process.isRunning {
            let process = member.process
            // SIGTERM ends a process that has not begun to work yet.
            let wasKilled =
                process.terminationReason == .uncaughtSignal && [SIGKILL, SIGTERM].contains(process.terminationStatus)
            if !wasKilled && process.terminationStatus != 0 {
                crashes.append("\(member.host) ended by itself with \(process.terminationStatus)")
            }
            try start(name, member.process.arguments ?? [], respawns: true)
        }
    }

    /// Sends a signal. Returns the host that got it; nil: there is none that runs.
    @discardableResult
    func signal(_ name: String, _ number: Int32) -> String? {
        guard let member = members[name], member.process.isRunning else { return nil }
        kill(member.process.processIdentifier, number)
        if number == SIGSTOP { members[name]?.isStopped = true }
        if number == SIGCONT { members[name]?.isStopped = false }
        return member.host
    }

    /// Those with this first letter that run and are not stopped, sorted.
    func awake(_ prefix: String) -> [String] {
        members.filter { $0.key.hasPrefix(prefix) && !$0.value.isStopped && $0.value.process.isRunning }.map(\.key)
            .sorted()
    }

    /// The names whose host this is.
    func name(ofHost host: String) -> String? { members.first { $0.value.host == host }?.key }

    /// Writes a command to a process's standard input.
    func command(_ name: String, _ line: String) throws {
        try members[name]?.input.fileHandleForWriting.write(contentsOf: Data("\(line)\n".utf8))
    }

    func wakeAll() {
        for name in members.keys { signal(name, SIGCONT) }
    }

    /// Asks everything to end, waits up to ten seconds, and kills what is left.
    func end() async throws {
        for name in members.keys {
            signal(name, SIGCONT)
            signal(name, name.hasPrefix("w") || name.hasPrefix("s") ? SIGTERM : SIGKILL)
        }
        for _ in 0..<100 where members.values.contains(where: { $0.process.isRunning }) {
            try await Task.sleep(for: .milliseconds(100))
        }
        for name in members.keys { signal(name, SIGKILL) }
        members = [:]
    }
}
