/// A name that is only text, but not any text: clusters, instances and tenants cannot be mixed up.
public protocol Identifier: RawRepresentable, Hashable, Sendable, Codable, Comparable, CustomStringConvertible,
    ExpressibleByStringLiteral
where RawValue == String {
    /// Takes the text as it is.
    init(rawValue: String)
}

extension Identifier {
    /// Takes a literal.
    public init(stringLiteral value: String) { self.init(rawValue: value) }
    /// The text itself.
    public var description: String { rawValue }
    /// Orders by the text.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A registered cluster, as `clusters add` named it: unique in the installation.
public struct ClusterID: Identifier {
    /// The id's text.
    public let rawValue: String
    /// Takes the text as it is.
    public init(rawValue: String) { self.rawValue = rawValue }
}

/// A customer. A cluster, a queue and a role belong to exactly one.
public struct Tenant: Identifier {
    /// The tenant's name.
    public let rawValue: String
    /// Takes the text as it is.
    public init(rawValue: String) { self.rawValue = rawValue }
}

/// An EC2 instance: `i-0123456789abcdef0`.
public struct InstanceID: Identifier {
    /// The id's text.
    public let rawValue: String
    /// Takes the text as it is.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// Whether the text has the form of an instance id: `i-` and 8 to 17 hexadecimal digits.
    public var isWellFormed: Bool {
        rawValue.hasPrefix("i-") && (8...17).contains(rawValue.utf8.count - 2)
            && rawValue.utf8.dropFirst(2).allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }

    /// The instance behind a node's `spec.providerID`: the last part of `aws:///us-east-1a/i-…`. nil for Fargate nodes,
    /// other clouds and anything malformed. Names and labels are never used for this (domain-rules section 3).
    public init?(providerID: String) {
        guard providerID.hasPrefix("aws:///"), let last = providerID.split(separator: "/").last else { return nil }
        let id = InstanceID(rawValue: String(last))
        guard id.isWellFormed else { return nil }
        self = id
    }
}
