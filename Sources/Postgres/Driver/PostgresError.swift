import JobQueue

/// What the server said when it refused a statement. It is the `underlying` of the `QueueError` that is thrown.
public struct PostgresError: Error, Sendable, CustomStringConvertible {
    /// Five characters; source: PostgreSQL manual, appendix A.
    public let sqlState: String
    /// ERROR, FATAL or PANIC (in the server's language).
    public let severity: String
    /// The primary message.
    public let message: String
    /// More, if the server said more.
    public let detail: String?
    /// A suggestion, if it made one.
    public let hint: String?
    /// The constraint that was violated, if any.
    public let constraint: String?
    /// The table it concerns, if any.
    public let table: String?

    /// Makes an error as the server sends it.
    public init(
        sqlState: String, severity: String = "ERROR", message: String, detail: String? = nil, hint: String? = nil,
        constraint: String? = nil, table: String? = nil
    ) {
        self.sqlState = sqlState
        self.severity = severity
        self.message = message
        self.detail = detail
        self.hint = hint
        self.constraint = constraint
        self.table = table
    }

    /// State and message in one line.
    public var description: String {
        var text = "\(severity) \(sqlState): \(message)"
        if let detail { text += "; \(detail)" }
        if let hint { text += "; \(hint)" }
        return text
    }

    /// The word of the queue for it, which decides whether to try again.
    public var code: QueueError.Code {
        switch sqlState {
        // Serialization failure, deadlock, lock not to be had, a standby that was a primary, a statement past its limit.
        case "40001", "40P01", "55P03", "25006", "57014": return .unavailable
        // Shutting down, crashed, starting, idle too long, too many connections.
        case "57P01", "57P02", "57P03", "57P05", "25P03", "53300": return .unavailable
        case "28000", "28P01", "3D000", "42501": return .refused
        default: break
        }
        switch sqlState.prefix(2) {
        case "08", "53", "58": return .unavailable
        // Data that does not fit, a constraint, a statement that is wrong, a size past its limit.
        case "22", "23", "42", "54", "21", "0A": return .invalid
        default: return .transient
        }
    }

    /// Whether the connection is of no more use: the server ended the session, or it no longer takes writes.
    var endsSession: Bool {
        severity == "FATAL" || severity == "PANIC" || sqlState == "25006" || sqlState.hasPrefix("57P")
            || sqlState.hasPrefix("08")
    }

    /// Whether preparing the statement anew may help: its plan is out of date, or the session lost it.
    var concernsPreparedStatement: Bool {
        sqlState == "26000" || (sqlState == "0A000" && message.contains("cached plan"))
    }
}

extension QueueError {
    /// What the server said, when a statement was refused.
    public var postgres: PostgresError? { underlying as? PostgresError }

    init(_ error: PostgresError) {
        self.init(error.code, "the database refused: \(error.message)", underlying: error)
    }
}
