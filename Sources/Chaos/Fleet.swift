import Foundation
import Glibc
import JobQueue
import Processes

/// The processes under attack, and those that attack them.
actor Fleet {
    private struct Member {
        let process: ChildProcess
        let arguments: [String]
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
        // Only this process holds its input: the end of it is what tells the members that nobody conducts any more.
        let process = try ChildProcess(
            "/proc/self/exe", arguments, environment: environment.merging(["CHAOS_HOST": host]) { $1 }, input: .pipe,
            output: .file("\(logs)/\(host).log"), errors: .likeOutput)
        members[name] = Member(process: process, arguments: arguments, host: host, respawns: respawns)
    }

    /// Starts again what has ended, as an orchestrator does.
    func tend() throws {
        for (name, member) in members where member.respawns {
            guard let status = member.process.ended else { continue }
            // SIGTERM ends a process that has not begun to work yet.
            if ![0, 128 + SIGKILL, 128 + SIGTERM].contains(status) {
                crashes.append("\(member.host) ended by itself with \(status)")
            }
            try start(name, member.arguments, respawns: true)
        }
    }

    /// Sends a signal. Returns the host that got it; nil: there is none that runs.
    @discardableResult
    func signal(_ name: String, _ number: Int32) -> String? {
        guard let member = members[name], member.process.isRunning else { return nil }
        member.process.send(number)
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
        try members[name]?.process.input?.write(contentsOf: Data("\(line)\n".utf8))
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
