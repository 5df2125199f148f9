import Foundation
import Glibc
import Synchronization

/// A program that this one starts, and that is ended by its own id.
///
/// Foundation's `Process` is not used anywhere: on Linux its `run()` reads past the end of a directory's buffer (it copies a
/// whole `dirent` for each descriptor of ours), which crashes now and then; children inherit the signal mask of the thread
/// they are started on; and its wait can hang while other children run.
///
/// A child has the default signals, none blocked, and of our descriptors only its three.
public final class ChildProcess: Sendable {
    /// What a child reads.
    public enum Input: Sendable {
        /// Nothing.
        case nothing
        /// What is written to `input`, until that is closed or this object goes.
        case pipe
    }

    /// Where a child's words go.
    public enum Output: Sendable {
        /// Nowhere.
        case nothing
        /// To where ours go.
        case inherited
        /// To a file, which is emptied first.
        case file(String)
        /// To a file's end.
        case append(String)
        /// To `output`. Only one of the two may ask for it.
        case pipe
        /// The errors: to where the output goes.
        case likeOutput
    }

    /// Why a program does not run.
    public struct Failure: Error, CustomStringConvertible, Sendable {
        /// The program and the system's reason.
        public let description: String
    }

    /// The process; it names no other until its end has been seen here.
    public let id: pid_t
    /// The writing end of its input, where that is a pipe.
    public let input: FileHandle?
    /// The reading end of its output, where that is a pipe.
    public let output: FileHandle?
    private let status = Mutex<Int32?>(nil)

    /// Starts a program.
    /// - Parameters:
    ///   - path: its file; a name without a slash is looked for as a shell does.
    ///   - environment: all of it; nil: ours.
    ///   - directory: where it runs; nil: where we do.
    ///   - ownSession: whether a Ctrl-C at our terminal does not reach it.
    /// - Throws: `Failure`.
    public init(
        _ path: String, _ arguments: [String] = [], environment: [String: String]? = nil, directory: String? = nil,
        input: Input = .nothing, output: Output = .inherited, errors: Output = .inherited, ownSession: Bool = false
    ) throws {
        var plan = try SpawnPlan()
        defer { plan.end() }
        self.input = try plan.input(input)
        self.output = try plan.output(output, errors)
        if let directory { plan.directory(directory) }
        id = try plan.start(
            path, arguments, environment: environment ?? ProcessInfo.processInfo.environment, ownSession: ownSession)
    }

    /// Whether it has not ended.
    public var isRunning: Bool { ended == nil }

    /// How it ended: its exit code, or 128 and the number of the signal, as in a shell; nil while it runs.
    public var ended: Int32? { status.withLock { look(&$0, WNOHANG) } }

    /// Blocks this thread until it has ended.
    /// - Returns: as `ended`.
    @discardableResult
    public func waitUntilExit() -> Int32 {
        while true {
            if let ended { return ended }
            usleep(2_000)
        }
    }

    /// Sends a signal, unless it has ended.
    public func send(_ signal: Int32) {
        // Under the lock: as long as nobody has seen its end, the number is its own.
        status.withLock { if look(&$0, WNOHANG) == nil { kill(id, signal) } }
    }

    private func look(_ known: inout Int32?, _ options: Int32) -> Int32? {
        if known != nil { return known }
        var word: Int32 = 0
        let found = unsafe waitpid(id, &word, options)
        // Somebody else has waited for it: it has ended, and how is not known.
        if found < 0, errno == ECHILD { known = 255 }
        if found == id { known = word & 0x7F == 0 ? (word >> 8) & 0xFF : 128 + (word & 0x7F) }
        return known
    }

    /// Runs a program to its end.
    /// - Parameters:
    ///   - command: the program and its arguments.
    ///   - input: what it reads. It must read it all before it writes much.
    ///   - together: whether its errors come with its output; else they go to where ours go.
    /// - Returns: as `ended`, and what it wrote.
    /// - Throws: `Failure` when it cannot be started.
    public static func run(
        _ command: [String], input: [UInt8] = [], directory: String? = nil, together: Bool = true
    ) throws -> (status: Int32, output: [UInt8]) {
        let child = try ChildProcess(
            command[0], Array(command.dropFirst()), directory: directory, input: input.isEmpty ? .nothing : .pipe,
            output: .pipe, errors: together ? .likeOutput : .inherited)
        if !input.isEmpty {
            try child.input?.write(contentsOf: input)
            try child.input?.close()
        }
        let bytes = try child.output?.readToEnd() ?? Data()
        return (child.waitUntilExit(), [UInt8](bytes))
    }
}
