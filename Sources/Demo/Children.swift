import Foundation
import Glibc
import Processes

/// The long-lived processes of the demo, each with a file that says which process it is: a run that crashed leaves
/// enough behind for the next one to end exactly what is its own.
actor Children {
    private struct Child {
        var name: String
        var process: ChildProcess
    }

    private let folder: String
    private var children: [Child] = []

    /// How long a process may take to end when it is asked to.
    private static let endSecondsMax = 8.0

    /// - Parameter folder: where the pid files are.
    init(folder: String) throws {
        self.folder = folder
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    func start(
        _ name: String, _ path: String, _ arguments: [String], environment: [String: String], log: String
    ) throws {
        // In a session of its own: a Ctrl-C at the terminal reaches only us.
        let process = try ChildProcess(
            path, arguments, environment: environment, output: .append(log), errors: .likeOutput, ownSession: true)
        children.append(Child(name: name, process: process))
        let started = startTime(process.id) ?? ""
        try "\(process.id) \(started)\n".write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
    }

    func pid(of name: String) -> pid_t? { children.last { $0.name == name }?.process.id }

    /// SIGKILL: the process gets no chance to say goodbye.
    func kill(_ name: String) async throws {
        guard let index = children.lastIndex(where: { $0.name == name }) else {
            throw DemoError("there is no process \(name) to kill")
        }
        let process = children[index].process
        process.send(SIGKILL)
        while process.isRunning { try await Task.sleep(for: .milliseconds(5)) }
        children.remove(at: index)
        try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
    }

    /// The first child that ended without being asked to.
    func fallen() -> (name: String, status: Int32)? {
        for (index, child) in children.enumerated() {
            guard let status = child.process.ended else { continue }
            children.remove(at: index)
            return (child.name, status)
        }
        return nil
    }

    /// Ends all: the workers while the world is still there, then the rest.
    func endAll() async {
        await end { $0 != "simulator" }
        await end { _ in true }
    }

    /// Asks, waits, and kills what does not listen.
    private func end(_ isMeant: (String) -> Bool) async {
        let leaving = children.filter { isMeant($0.name) }
        for child in leaving { child.process.send(SIGTERM) }
        let limit = ContinuousClock.now + .seconds(Self.endSecondsMax)
        for child in leaving {
            while child.process.isRunning {
                if ContinuousClock.now > limit { child.process.send(SIGKILL) }
                await pause()
            }
            forget(child.name)
        }
        children.removeAll { isMeant($0.name) }
    }

    /// Ends what an earlier run left behind, the world last.
    /// - Returns: the names of the processes that were still running.
    func endLeftovers() async throws -> [String] {
        var living: [(name: String, pid: pid_t, started: String)] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() {
            let text = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
            let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
            if words.count == 2, let pid = pid_t(words[0]), isOurs(pid, started: words[1]) {
                living.append((name, pid, words[1]))
            } else {
                forget(name)
            }
        }
        for group in [living.filter { $0.name != "simulator" }, living.filter { $0.name == "simulator" }] {
            for process in group { Glibc.kill(process.pid, SIGTERM) }
            let limit = ContinuousClock.now + .seconds(Self.endSecondsMax)
            for process in group {
                while isOurs(process.pid, started: process.started) {
                    if ContinuousClock.now > limit { Glibc.kill(process.pid, SIGKILL) }
                    await pause()
                }
                forget(process.name)
            }
        }
        return living.map(\.name)
    }

    /// A number may have been given to another process since: it is ours if it began at the same moment and is still
    /// the same program.
    private func isOurs(_ pid: pid_t, started: String) -> Bool {
        guard startTime(pid) == started,
            let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline")
        else { return false }
        return String(decoding: line, as: UTF8.self).contains("cloudoptim")
    }

    private func forget(_ name: String) { try? FileManager.default.removeItem(atPath: "\(folder)/\(name)") }

    /// Also when the task is cancelled: ending goes on.
    private func pause() async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(20)) { continuation.resume() }
        }
    }
}

/// When a process began, in ticks since boot: with its id it names one process for good. nil: there is none.
func startTime(_ pid: pid_t) -> String? {
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
        let end = text.lastIndex(of: ")")
    else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 19, fields[0] != "Z" else { return nil }
    return String(fields[19])
}
