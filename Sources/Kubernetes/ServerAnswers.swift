/// `/version`.
public struct ServerVersion: Decodable, Sendable, Equatable {
    /// Major version, `1`.
    public var major: String
    /// Minor version; hosted clusters add a plus: `31+`.
    public var minor: String
    /// The full version, such as `v1.31.2-eks-7f9249a`.
    public var gitVersion: String
    /// `linux/amd64`.
    public var platform: String?
}

/// What a credential may do, from SelfSubjectRulesReview.
public struct PermissionRules: Decodable, Sendable, Equatable {
    /// One rule: any of the verbs on any of the resources of any of the groups.
    public struct Rule: Decodable, Sendable, Equatable {
        /// `get`, `list`, `*`, …
        public var verbs: [String]
        /// The core group is the empty string.
        public var apiGroups: [String]?
        /// `pods`, `pods/eviction`, `*/scale`, `*`.
        public var resources: [String]?
        /// When not empty, only objects of these names.
        public var resourceNames: [String]?
    }

    /// The rules, in the server's order.
    public var resourceRules: [Rule]
    /// True when the authorizer could not list all its rules: a missing permission may then still be granted.
    public var incomplete: Bool

    private enum CodingKeys: String, CodingKey { case resourceRules, incomplete }

    /// Reads the review's status; no rules at all may be written as null.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        resourceRules = try container.decodeIfPresent([Rule].self, forKey: .resourceRules) ?? []
        incomplete = try container.decodeIfPresent(Bool.self, forKey: .incomplete) ?? true
    }

    struct Review: Decodable, Sendable {
        var status: PermissionRules
    }

    /// Whether some rule grants the verb on all objects of the resource (`pods`, `pods/eviction`).
    public func allows(_ verb: String, _ resource: String, group: String = "") -> Bool {
        let parts = resource.split(separator: "/", maxSplits: 1)
        let anyParent = parts.count == 2 ? "*/\(parts[1])" : nil
        return resourceRules.contains { rule in
            (rule.resourceNames ?? []).isEmpty
                && rule.verbs.contains { $0 == verb || $0 == "*" }
                && (rule.apiGroups ?? []).contains { $0 == group || $0 == "*" }
                && (rule.resources ?? []).contains { $0 == resource || $0 == "*" || $0 == anyParent }
        }
    }
}
