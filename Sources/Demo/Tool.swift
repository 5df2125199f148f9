import Foundation
import Processes

/// Runs a command to its end. Not cancelled half-way: what it began is then known to be begun.
enum Tool {
    struct Answer: Sendable {
        var status: Int32
        var output: String
    }

    /// - Parameters:
    ///   - log: the file its output is appended to.
    ///   - seconds: after that it is killed.
    /// - Throws: `DemoError` when it fails or does not end; the message has its last lines.
    @discardableResult
    static func run(
        _ path: String, _ arguments: [String], environment: [String: String], log: String, seconds: Double = 90
    ) async throws -> Answer {
        let before = size(of: log)
        let process = try ChildProcess(
            path, arguments, environment: environment, output: .append(log), errors: .likeOutput, ownSession: true)
        let limit = ContinuousClock.now + .seconds(seconds)
        var isKilled = false
        while process.isRunning {
            if ContinuousClock.now > limit, !isKilled {
                process.send(SIGKILL)
                isKilled = true
            }
            await pause()
        }
        let text = FileManager.default.contents(atPath: log).map {
            String(decoding: $0.dropFirst(before), as: UTF8.self)
        }
        let answer = Answer(status: process.waitUntilExit(), output: text ?? "")
        guard answer.status == 0 else {
            let name = URL(fileURLWithPath: path).lastPathComponent + " " + arguments.prefix(2).joined(separator: " ")
            let tail = answer.output.split(separator: "\n").suffix(6).joined(separator: "\n  ")
            throw DemoError("\(name) ended with \(answer.status)\(isKilled ? " (too slow)" : ""):\n  \(tail)")
        }
        try Task.checkCancellation()
        return answer
    }

    private static func size(of path: String) -> Int { FileManager.default.contents(atPath: path)?.count ?? 0 }

    private static func pause() async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(20)) { continuation.resume() }
        }
    }
}
