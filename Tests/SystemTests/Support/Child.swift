import Foundation
import Glibc
import JobQueue
import Testing

/// What a command that ended left behind.
struct Answer: Sendable, CustomStringConvertible {
    let status: Int32
    let output: String
    let errors: String

    var description: String { "exit \(status)\n--- output\n\(output.prefix(2000))\n--- errors\n\(errors.prefix(2000))" }

    func json<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value { try JSONText(text: output).decode() }
}

/// A program that a test starts and that ends with it, by its own process id. Its output goes to files, so that it never
/// waits for a reader.
final class Child: Sendable {
    let process = Process()
    let outputPath: String
    let errorPath: String

    struct Failure: Error, CustomStringConvertible { let description: String }

    /// Starts the program at once.
    init(_ path: String, _ arguments: [String], environment: [String: String], directory: String, name: String) throws {
        outputPath = "\(directory)/\(name).out"
        errorPath = "\(directory)/\(name).err"
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = environment
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try Child.file(outputPath)
        process.standardError = try Child.file(errorPath)
        try process.run()
    }

    private static func file(_ path: String) throws -> FileHandle {
        try Data().write(to: URL(fileURLWithPath: path))
        return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }

    var isRunning: Bool { process.isRunning }
    var output: String { Child.text(outputPath) }
    var errors: String { Child.text(errorPath) }

    private static func text(_ path: String) -> String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }

    /// Waits for its end; one that is late is killed, and the test fails.
    func answer(within limit: Duration) async throws -> Answer {
        let end = ContinuousClock.now + limit
        while process.isRunning {
            guard ContinuousClock.now < end else {
                kill()
                throw Failure(
                    description: "\(process.arguments ?? []) did not end within \(limit): \(errors.suffix(2000))")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        return Answer(status: process.terminationStatus, output: output, errors: errors)
    }

    /// Asks it to stop, as a deploy does.
    func terminate() { if process.isRunning { Glibc.kill(process.processIdentifier, SIGTERM) } }

    /// Ends it now.
    func kill() {
        guard process.isRunning else { return }
        Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}

/// Asks again until the answer is there; at the limit the test fails and says what never came.
@discardableResult
func eventually<Value>(
    _ what: String, within limit: Duration = .seconds(30), sourceLocation: SourceLocation = #_sourceLocation,
    _ probe: () async throws -> Value?
) async throws -> Value {
    let end = ContinuousClock.now + limit
    while true {
        if let value = try await probe() { return value }
        guard ContinuousClock.now < end else {
            let written = Fleet.running?.everythingWritten.suffix(3000) ?? ""
            Issue.record("never within \(limit): \(what)\n\(written)", sourceLocation: sourceLocation)
            throw Child.Failure(description: "never within \(limit): \(what)")
        }
        try await Task.sleep(for: .milliseconds(50))
    }
}

/// Asks again until it holds.
func eventually(
    _ what: String, within limit: Duration = .seconds(30), sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    try await eventually(what, within: limit, sourceLocation: sourceLocation) { try await condition() ? true : nil }
}
