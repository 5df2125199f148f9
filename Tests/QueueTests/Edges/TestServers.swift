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

    /// The file of an authority that signed nothing here.
    static func foreignAuthority() throws -> String {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("cloudoptim-foreign-authority.crt")
        try foreignCertificate.write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    /// Self-signed for a hundred years; its key was thrown away.
    private static let foreignCertificate = """
        -----BEGIN CERTIFICATE-----
        MIIBjzCCATWgAwIBAgIUP89dKX64nl+VgzpucXsP0yQ+dC0wCgYIKoZIzj0EAwIw
        HDEaMBgGA1UEAwwRYW5vdGhlciBhdXRob3JpdHkwIBcNMjYxMTIzMTEzMjUyWhgP
        MjEyNjEwMzAxMTMyNTJaMBwxGjAYBgNVBAMMEWFub3RoZXIgYXV0aG9yaXR5MFkw
        EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsOVhe3A+rxaGZyoZ+6lRl8v+SDSBkY0s
        RcB58xqDZSAl7xCyIPQLdO/qxzR9VsZJiZEKLEPFFf7qM8RgawidGKNTMFEwHQYD
        VR0OBBYEFNFqudEcBaPsx2or4SJK6jEkoKFLMB8GA1UdIwQYMBaAFNFqudEcBaPs
        x2or4SJK6jEkoKFLMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIg
        LlfyqujyZlw6EXx2d9Qe9Rv98Te5InKeg9rKu7aeWmcCIQCv/aUOCaCgSRJyddWF
        YFm3Vw/cpDi6RRZTRLJjE3l39g==
        -----END CERTIFICATE-----
        """
}

/// Runs `body` and gives the `QueueError` it must throw.
func queueError(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async throws -> QueueError {
    var caught: QueueError?
    do { try await body() } catch let error as QueueError { caught = error }
    return try #require(caught, "expected a QueueError", sourceLocation: sourceLocation)
}
