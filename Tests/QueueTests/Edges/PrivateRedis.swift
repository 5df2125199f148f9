import Foundation
import Glibc
import Processes

/// A Redis of one test: no data on disk, ended by its id.
final class PrivateRedis: Sendable {
    let port: Int
    private let process: ChildProcess

    init(_ options: [String]) throws {
        port = try SilentListener().port  // free a moment ago
        process = try ChildProcess(
            "/usr/bin/redis-server",
            ["--bind", "127.0.0.1", "--port", "\(port)", "--save", "", "--dir", NSTemporaryDirectory()] + options,
            output: .nothing)
    }

    deinit { process.send(SIGKILL) }
}
