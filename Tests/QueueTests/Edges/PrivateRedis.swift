import Foundation
import Glibc

/// A Redis of one test: no data on disk, ended by its id.
final class PrivateRedis: Sendable {
    let port: Int
    private let process: Process

    init(_ options: [String]) throws {
        port = try SilentListener().port  // free a moment ago
        let server = Process()
        server.executableURL = URL(fileURLWithPath: "/usr/bin/redis-server")
        server.arguments =
            ["--bind", "127.0.0.1", "--port", "\(port)", "--save", "", "--dir", NSTemporaryDirectory()] + options
        server.standardOutput = FileHandle.nullDevice
        try server.run()
        process = server
    }

    /// SIGKILL: a process that was begun on a thread of the shared pool inherits its mask, and never sees a SIGTERM.
    deinit { kill(process.processIdentifier, SIGKILL) }
}
