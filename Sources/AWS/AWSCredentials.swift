import Foundation

/// An access key, with its session token where it is temporary. Prints as its key id alone.
public struct AWSCredentials: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The key's id, which is no secret.
    public let accessKeyID: String
    let secretAccessKey: String
    let sessionToken: String?
    /// When it ends; nil: never.
    public let expiry: Date?

    /// Takes a key.
    public init(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expiry: Date? = nil) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
        self.expiry = expiry
    }

    /// The key's id alone.
    public var description: String { "AWSCredentials(\(accessKeyID))" }
    /// The key's id alone.
    public var debugDescription: String { description }
    /// Empty, so that `dump` tells no secret.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// What no message may hold.
    var secrets: [String] { [secretAccessKey, sessionToken ?? ""].filter { !$0.isEmpty } }
}

/// Where credentials come from: gets them when needed, keeps them until five minutes before they end, and asks once
/// however many calls wait for them.
public actor CredentialsSource {
    /// Keys are renewed this long before they end.
    static let renewBefore: TimeInterval = 300

    private let fetch: @Sendable () async throws -> AWSCredentials
    private let now: @Sendable () -> Date
    private var kept: AWSCredentials?
    private var flight: (number: Int, task: Task<AWSCredentials, any Error>)?
    private var flights = 0

    /// Makes a source; `fetch` is called for the first use and for each renewal.
    public init(
        now: @escaping @Sendable () -> Date = { Date() }, fetch: @escaping @Sendable () async throws -> AWSCredentials
    ) {
        self.now = now
        self.fetch = fetch
    }

    /// A source that always gives the same.
    public init(_ credentials: AWSCredentials) {
        self.init(fetch: { credentials })
    }

    /// The credentials in force.
    /// - Throws: what `fetch` throws; `CredentialsError` or `AWSError`.
    public func current() async throws -> AWSCredentials {
        if let kept, kept.expiry.map({ $0.timeIntervalSince(now()) > CredentialsSource.renewBefore }) ?? true {
            return kept
        }
        if let flight { return try await flight.task.value }
        // Unstructured on purpose: others wait for it too, so one caller's cancellation must not end it.
        flights += 1
        let number = flights
        let task = Task { [fetch] in try await fetch() }
        flight = (number, task)
        defer { if flight?.number == number { flight = nil } }
        let fetched = try await task.value
        kept = fetched
        return fetched
    }

    /// Forgets these credentials because AWS says that they have ended; others, fetched meanwhile, stay.
    func forget(_ refused: AWSCredentials) {
        if kept == refused { kept = nil }
    }
}

/// Why there are no credentials. Never holds one.
public struct CredentialsError: Error, Sendable, CustomStringConvertible {
    /// What was found and what to do.
    public let description: String
}
