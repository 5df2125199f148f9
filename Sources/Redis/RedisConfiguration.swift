import Foundation
import JobQueue

/// Where a Redis server is and how to speak to it. Its description never holds the password.
public struct RedisConfiguration: Sendable, CustomStringConvertible {
    /// A host name or an address.
    public var host: String
    /// The TCP port.
    public var port: Int
    /// The user; nil means the server's default user.
    public var user: String?
    /// The password, or nil when the server asks for none.
    public var password: String?
    /// The number of the database.
    public var database: Int
    /// Whether TLS is spoken; the server's certificate and name are always checked then.
    public var usesTLS: Bool
    /// A PEM file with the trusted authorities; nil means the system's.
    public var caFile: String?
    /// The limit for one connection attempt, TLS and login included.
    public var connectTimeout: Duration
    /// The limit for one command's answer, on top of the time a blocking command was told to wait.
    public var commandTimeout: Duration

    /// Names a server.
    public init(
        host: String = "127.0.0.1", port: Int = 6379, user: String? = nil, password: String? = nil, database: Int = 0,
        usesTLS: Bool = false, caFile: String? = nil, connectTimeout: Duration = .seconds(3),
        commandTimeout: Duration = .seconds(5)
    ) {
        self.host = host
        self.port = port
        self.user = user
        self.password = password
        self.database = database
        self.usesTLS = usesTLS
        self.caFile = caFile
        self.connectTimeout = connectTimeout
        self.commandTimeout = commandTimeout
    }

    /// Reads `redis://user:password@host:port/0`, or `rediss://…?ca=/ca.pem` for TLS.
    ///
    /// Other options: `connect_timeout` and `command_timeout` (seconds). A password with reserved characters is
    /// percent-encoded.
    /// - Throws: `QueueError` with code `invalid` that names the part at fault and never repeats the URL.
    public init(url: String) throws {
        guard let parts = URLComponents(string: url), let scheme = parts.scheme else {
            throw QueueError(
                .invalid,
                "the Redis URL is not a URL; wanted redis://user:password@host:port/0 or rediss:// for TLS "
                    + "(reserved characters of the password percent-encoded)")
        }
        guard scheme == "redis" || scheme == "rediss" else {
            throw QueueError(.invalid, "the Redis URL begins with '\(scheme)://', wanted redis:// or rediss://")
        }
        var host = parts.host ?? ""
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty else { throw QueueError(.invalid, "the Redis URL names no host") }
        let path = parts.path.drop { $0 == "/" }
        guard let database = path.isEmpty ? 0 : Int(path), database >= 0 else {
            throw QueueError(.invalid, "the Redis URL has the database '\(path)', wanted a number such as /0")
        }
        let user = parts.user.flatMap { $0.isEmpty ? nil : $0 }
        let password = parts.password.flatMap { $0.isEmpty ? nil : $0 }
        guard user == nil || password != nil else {
            throw QueueError(
                .invalid,
                "the Redis URL has a user and no password; wanted redis://user:password@…, or redis://:password@…")
        }
        self.init(
            host: host, port: parts.port ?? 6379, user: user, password: password, database: database,
            usesTLS: scheme == "rediss")
        for item in parts.queryItems ?? [] { try set(item.name, to: item.value ?? "") }
    }

    private mutating func set(_ name: String, to value: String) throws {
        func seconds() throws -> Duration {
            guard let seconds = Int(value), (1...300).contains(seconds) else {
                throw QueueError(.invalid, "the Redis URL has \(name)=\(value), wanted 1 to 300 seconds")
            }
            return .seconds(seconds)
        }
        switch name {
        case "ca":
            guard usesTLS else { throw QueueError(.invalid, "the Redis URL has ca=… without TLS; wanted rediss://") }
            caFile = value
        case "connect_timeout": connectTimeout = try seconds()
        case "command_timeout": commandTimeout = try seconds()
        default:
            throw QueueError(
                .invalid,
                "the Redis URL has the unknown option '\(name)'; known are ca, connect_timeout, command_timeout")
        }
    }

    /// What was tried, fit for a message.
    public var description: String {
        "Redis at \(host):\(port)" + (usesTLS ? " with TLS" : "") + (user.map { " as user '\($0)'" } ?? "")
    }
}
