import Foundation
import JobQueue

/// Where a database is and how to speak to it. Its description never holds the password.
public struct PostgresConfiguration: Sendable, CustomStringConvertible {
    /// How much of TLS is asked for; the names are libpq's.
    public enum SSLMode: String, Sendable, CaseIterable {
        /// Never TLS.
        case disable
        /// TLS when the server has it, nothing is checked.
        case prefer
        /// TLS, nothing is checked.
        case require
        /// TLS, and the certificate comes from a trusted authority.
        case verifyCA = "verify-ca"
        /// TLS, a trusted authority, and the host's name stands in the certificate.
        case verifyFull = "verify-full"
    }

    /// What stands between this process and the server.
    public enum Pooler: String, Sendable {
        /// Nothing, or a pooler in session mode: statements are prepared and kept.
        case none
        /// A pooler in transaction mode (pgbouncer): no prepared statements, no session settings.
        case transaction
    }

    /// A host name, an address, or the directory of a Unix socket.
    public var host: String
    /// The TCP port.
    public var port: Int
    /// The database.
    public var database: String
    /// The role.
    public var user: String
    /// The password, or nil when the server asks for none.
    public var password: String?
    /// How much of TLS is asked for.
    public var sslMode: SSLMode
    /// A PEM file with the trusted authorities; nil means the system's.
    public var sslRootCertificate: String?
    /// Shown in `pg_stat_activity`.
    public var applicationName: String
    /// The limit for one connection attempt, TLS and login included.
    public var connectTimeout: Duration
    /// The only schema on the search path; nil leaves the role's own path.
    public var schema: String?
    /// The server's own limit for one statement; nil leaves the role's.
    public var statementTimeout: Duration?
    /// What stands between.
    public var pooler: Pooler
    /// Sessions look rows up by an index wherever one fits, however small the planner believes a table to be. For
    /// connections that ask for known rows only: a plan that was made while the queue was empty is kept when it is long.
    public var looksRowsUp = false

    /// Names a database; everything else has a default.
    public init(
        host: String = "127.0.0.1", port: Int = 5432, database: String, user: String, password: String? = nil,
        sslMode: SSLMode = .prefer, sslRootCertificate: String? = nil, applicationName: String = "cloudoptim",
        connectTimeout: Duration = .seconds(5), schema: String? = nil, statementTimeout: Duration? = nil,
        pooler: Pooler = .none
    ) {
        self.host = host
        self.port = port
        self.database = database
        self.user = user
        self.password = password
        self.sslMode = sslMode
        self.sslRootCertificate = sslRootCertificate
        self.applicationName = applicationName
        self.connectTimeout = connectTimeout
        self.schema = schema
        self.statementTimeout = statementTimeout
        self.pooler = pooler
    }

    /// Reads `postgresql://user:password@host:port/database?sslmode=verify-full&sslrootcert=/ca.pem`.
    ///
    /// Other options: `application_name`, `connect_timeout` (seconds), `schema`, `statement_timeout` (milliseconds),
    /// `pooler` (`none` or `transaction`), and `host` for the directory of a Unix socket. A password with reserved
    /// characters is percent-encoded.
    /// - Throws: `QueueError` with code `invalid` that names the part at fault and never repeats the URL.
    public init(url: String) throws {
        guard let parts = URLComponents(string: url), let scheme = parts.scheme else {
            throw QueueError(
                .invalid,
                "the database URL is not a URL; wanted postgresql://user:password@host:port/database "
                    + "(reserved characters of the password percent-encoded)")
        }
        guard scheme == "postgres" || scheme == "postgresql" else {
            throw QueueError(.invalid, "the database URL begins with '\(scheme)://', wanted postgresql://")
        }
        let database = String(parts.path.dropFirst())
        guard !database.isEmpty, !database.contains("/") else {
            throw QueueError(.invalid, "the database URL names no database; wanted …host:port/database")
        }
        guard let user = parts.user, !user.isEmpty else {
            throw QueueError(.invalid, "the database URL names no user; wanted postgresql://user:password@host…")
        }
        var host = parts.host ?? ""
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        self.init(
            host: host.isEmpty ? "127.0.0.1" : host, port: parts.port ?? 5432, database: database, user: user,
            password: parts.password)
        for item in parts.queryItems ?? [] { try set(item.name, to: item.value ?? "") }
    }

    private mutating func set(_ name: String, to value: String) throws {
        func wrong(_ wanted: String) -> QueueError {
            QueueError(.invalid, "the database URL has \(name)=\(value), wanted \(wanted)")
        }
        switch name {
        case "sslmode":
            guard let mode = SSLMode(rawValue: value) else {
                throw wrong(SSLMode.allCases.map(\.rawValue).joined(separator: ", "))
            }
            sslMode = mode
        case "sslrootcert": sslRootCertificate = value
        case "application_name": applicationName = value
        case "host": host = value
        case "schema": schema = value
        case "connect_timeout":
            guard let seconds = Int(value), (1...300).contains(seconds) else { throw wrong("1 to 300 seconds") }
            connectTimeout = .seconds(seconds)
        case "statement_timeout":
            guard let milliseconds = Int(value), (0...86_400_000).contains(milliseconds) else {
                throw wrong("0 to 86400000 milliseconds")
            }
            statementTimeout = milliseconds == 0 ? nil : .milliseconds(milliseconds)
        case "pooler":
            guard let known = Pooler(rawValue: value) else { throw wrong("none or transaction") }
            pooler = known
        default:
            throw QueueError(
                .invalid,
                "the database URL has the unknown option '\(name)'; known are sslmode, sslrootcert, "
                    + "application_name, host, schema, connect_timeout, statement_timeout, pooler")
        }
    }

    /// What was tried, fit for a message: host, port, database and user.
    public var description: String { "database '\(database)' at \(host):\(port) as user '\(user)'" }
}

extension PostgresConfiguration {
    /// Debian's and Alpine's bundle of authorities: libpq 15 has no word for "the system's".
    private static let systemAuthorities = "/etc/ssl/certs/ca-certificates.crt"

    /// The connection parameters as libpq names them.
    /// - Throws: `QueueError` with code `invalid` for session settings that a transaction pooler cannot keep.
    func libpqParameters() throws -> [(keyword: String, value: String)] {
        var parameters = [
            ("host", host), ("port", String(port)), ("dbname", database), ("user", user),
            ("sslmode", sslMode.rawValue), ("gssencmode", "disable"), ("client_encoding", "UTF8"),
            ("application_name", applicationName),
            // A dead host is noticed in about 25 s even when nobody asks anything.
            ("keepalives", "1"), ("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "20000"),
        ]
        if let password { parameters.append(("password", password)) }
        if let sslRootCertificate {
            parameters.append(("sslrootcert", sslRootCertificate))
        } else if sslMode == .verifyCA || sslMode == .verifyFull {
            parameters.append(("sslrootcert", Self.systemAuthorities))
        }
        switch pooler {
        case .none:
            parameters.append(("options", sessionOptions()))
        case .transaction:
            // The schema comes from the role (`PoolerSettings`), and is checked when a session is opened.
            guard statementTimeout == nil else {
                throw QueueError(
                    .invalid,
                    "a transaction pooler keeps no session settings: instead of statement_timeout use "
                        + "ALTER ROLE … SET statement_timeout for \(self)")
            }
        }
        return parameters
    }

    /// What every session of ours has set; behind a pooler the role has it.
    static let sessionSettings = [
        ("TimeZone", "UTC"), ("DateStyle", "ISO"), ("bytea_output", "hex"),
        // Compiling a plan takes up to a second, and no statement of ours runs that long.
        ("jit", "off"),
        // A process that is stopped inside a transaction must not hold its rows: the reaper skips locked ones.
        ("idle_in_transaction_session_timeout", "15000"),
    ]

    private func sessionOptions() -> String {
        var settings = Self.sessionSettings
        if looksRowsUp { settings.append(("enable_seqscan", "off")) }
        if let statementTimeout { settings.append(("statement_timeout", String(statementTimeout.wholeMilliseconds))) }
        if let schema { settings.append(("search_path", "\"" + schema.replacing("\"", with: "\"\"") + "\"")) }
        return settings.map { name, value in
            // In `options` a backslash escapes white space and itself.
            let escaped = value.flatMap { $0 == "\\" || $0.isWhitespace ? ["\\", $0] : [$0] }
            return "-c \(name)=" + String(escaped)
        }
        .joined(separator: " ")
    }
}

extension Duration {
    /// Milliseconds, rounded up and bounded to what poll(2) takes.
    var wholeMilliseconds: Int32 {
        let (seconds, attoseconds) = components
        let milliseconds = Double(seconds) * 1000 + (Double(attoseconds) / 1e15).rounded(.up)
        return Int32(min(max(milliseconds, 0), Double(Int32.max)))
    }
}
