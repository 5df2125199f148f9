import Foundation

/// A VPC flow log, as far as reading it needs.
public struct FlowLogSource: Hashable, Sendable, Codable {
    /// Where the records are delivered.
    public enum Place: Hashable, Sendable, Codable {
        /// A group of CloudWatch Logs, by name: records in the log's format.
        case logGroup(String)
        /// Objects of S3: each begins with a line that names its fields.
        case bucket(FlowLogBucket)
    }

    /// The flow log: `fl-…`.
    public var id: String
    /// Where its records are.
    public var place: Place
    /// The format of a record: field names as `${name}`.
    public var format: String

    /// Names a log.
    public init(id: String, place: Place, format: String) {
        self.id = id
        self.place = place
        self.format = format
    }
}

/// Where a flow log's objects are in S3, and what their keys begin with.
public struct FlowLogBucket: Hashable, Sendable, Codable {
    /// The bucket.
    public var name: String
    /// What is before the date in every key: `[prefix/]AWSLogs/<account>/vpcflowlogs/<region>/`.
    public var root: String
    /// What is before the time in every file's name: `<account>_vpcflowlogs_<region>_<flow log>_`.
    public var file: String
    /// Whether folders are named as Hive wants it: `year=2026/month=11/`.
    public var isHive: Bool
    /// Whether a day has folders of hours.
    public var isHourly: Bool

    /// Names a place.
    public init(name: String, root: String, file: String, isHive: Bool, isHourly: Bool) {
        self.name = name
        self.root = root
        self.file = file
        self.isHive = isHive
        self.isHourly = isHourly
    }
}

/// One page of a flow log.
public struct FlowLogPage: Hashable, Sendable {
    /// Records in the log's format; of an object in S3 its first line, which names the fields, as well.
    public var lines: [String]
    /// What should have been in it and was not read, and why: nothing of it is in `lines`.
    public var unread: [String]
    /// Asks for the next page; nil: this is the last one.
    public var next: String?

    /// Makes one.
    public init(lines: [String], unread: [String] = [], next: String? = nil) {
        self.lines = lines
        self.unread = unread
        self.next = next
    }
}
