import Foundation
import Glibc
import Processes

/// A Python script that serves on a free loopback port until this object goes. It prints the port as its first line, and
/// ends when its input closes, so that it does not outlive the tests.
package final class ScriptServer: Sendable {
    private let process: ChildProcess
    /// Where it listens.
    package let port: Int

    /// Its address, for plain HTTP.
    package var url: String { "http://127.0.0.1:\(port)" }

    package struct DidNotStart: Error {}

    /// Starts the script and waits for its port.
    package init(script: String, arguments: [String] = [], python: String = "python3") throws {
        process = try ChildProcess(
            python, ["-u", "-c", script] + arguments, input: .pipe, output: .pipe, errors: .nothing)
        var line = Data()
        while line.last != UInt8(ascii: "\n") {
            guard let more = try process.output?.read(upToCount: 1), !more.isEmpty else { throw DidNotStart() }
            line += more
        }
        guard let port = Int(String(decoding: line.dropLast(), as: UTF8.self)) else { throw DidNotStart() }
        self.port = port
    }

    deinit { process.send(SIGTERM) }
}
