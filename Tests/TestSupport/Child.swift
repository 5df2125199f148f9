import Foundation
import Glibc
import Processes

/// What a program that ended left behind.
package struct Answer: Sendable, CustomStringConvertible {
    package let status: Int32
    package let output: String
    package let errors: String

    package var description: String {
        "exit \(status)\n--- output\n\(output.prefix(2000))\n--- errors\n\(errors.prefix(2000))"
    }
}

/// A program that a test starts and that ends with it, by its own process id. Its output goes to files, so that it never
/// waits for a reader.
package final class Child: Sendable {
    private let process: ChildProcess
    private let arguments: [String]
    package let outputPath: String
    package let errorPath: String

    /// What a test cannot go on without.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String

        package init(description: String) { self.description = description }
    }

    /// Starts the program at once.
    /// - Parameters:
    ///   - environment: all of it.
    ///   - directory: where it runs, and where `NAME.out` and `NAME.err` are written.
    package init(
        _ path: String, _ arguments: [String], environment: [String: String] = ProcessInfo.processInfo.environment,
        directory: String, name: String
    ) throws {
        outputPath = "\(directory)/\(name).out"
        errorPath = "\(directory)/\(name).err"
        self.arguments = arguments
        process = try ChildProcess(
            path, arguments, environment: environment, directory: directory, output: .file(outputPath),
            errors: .file(errorPath))
    }

    package var isRunning: Bool { process.isRunning }
    package var output: String { Child.text(outputPath) }
    package var errors: String { Child.text(errorPath) }

    private static func text(_ path: String) -> String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }

    /// Waits for its end; one that is late is killed, and the test fails.
    package func answer(within limit: Duration) async throws -> Answer {
        do {
            try await eventually("\(arguments) ends", within: limit) { !isRunning }
        } catch let late as NeverCame {
            kill()
            throw Failure(description: "\(late): \(errors.suffix(2000))")
        }
        return Answer(status: process.waitUntilExit(), output: output, errors: errors)
    }

    /// Forgets what it wrote.
    package func removeOutput() {
        for path in [outputPath, errorPath] { unsafe unlink(path) }
    }

    /// Asks it to stop, as a deploy does.
    package func terminate() { process.send(SIGTERM) }

    /// Ends it now.
    package func kill() {
        process.send(SIGKILL)
        process.waitUntilExit()
    }
}
