import Foundation

/// A VPC flow log that is written to CloudWatch Logs, as far as reading it needs.
public struct FlowLogSource: Hashable, Sendable, Codable {
    /// The flow log: `fl-…`.
    public var id: String
    /// The log group that its records are in.
    public var logGroup: String
    /// The format of a record: field names as `${name}`.
    public var format: String

    /// Names a log.
    public init(id: String, logGroup: String, format: String) {
        self.id = id
        self.logGroup = logGroup
        self.format = format
    }
}

/// One page of a flow log.
public struct FlowLogPage: Hashable, Sendable {
    /// Records in the log's format.
    public var lines: [String]
    /// Asks for the next page; nil: this is the last one.
    public var next: String?

    /// Makes one.
    public init(lines: [String], next: String? = nil) {
        self.lines = lines
        self.next = next
    }
}
