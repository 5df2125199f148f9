import Foundation
import JobQueue
import Postgres
import Testing

/// The private servers that `make test` starts; a missing one is a failure.
enum TestServers {
    static func variable(_ name: String) throws -> String {
        try #require(
            ProcessInfo.processInfo.environment[name],
            "\(name) is not set: run `make test`, or `tools/services start .run/test` and source .run/test/env")
    }

    static func database() throws -> PostgresConfiguration {
        try PostgresConfiguration(url: variable("TEST_DATABASE_URL"))
    }

    static func connect(timeout: Duration = .seconds(30)) async throws -> PostgresConnection {
        try await PostgresConnection.connect(database(), timeout: timeout, name: "pg-test")
    }

    /// Makes an authority that signed nothing here, and gives its file.
    static func foreignAuthority() throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("co-ca-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let certificate = folder.appendingPathComponent("ca.crt").path
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        openssl.arguments = [
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=another authority",
            "-keyout", folder.appendingPathComponent("ca.key").path, "-out", certificate,
        ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        #expect(openssl.terminationStatus == 0)
        return certificate
    }
}

/// Runs `body` and gives the `QueueError` it must throw.
func queueError(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async throws -> QueueError {
    var caught: QueueError?
    do { try await body() } catch let error as QueueError { caught = error }
    return try #require(caught, "expected a QueueError", sourceLocation: sourceLocation)
}

/// Asks again until the answer is yes, for at most ten seconds.
func eventually(
    _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws {
    let limit = ContinuousClock.now + .seconds(10)
    while try await !condition() {
        guard ContinuousClock.now < limit else {
            Issue.record(what, sourceLocation: sourceLocation)
            return
        }
        await Task.yield()
    }
}
