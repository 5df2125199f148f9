/// How a selector's requirement compares; `greaterThan` and `lessThan` occur on nodes only.
public enum SelectorOperator: String, Hashable, Sendable, Codable, CaseIterable {
    /// The value is one of those named.
    case isIn = "In"
    /// The value is none of those named; an absent key counts as none of them.
    case notIn = "NotIn"
    /// The key is there.
    case exists = "Exists"
    /// The key is not there.
    case doesNotExist = "DoesNotExist"
    /// The value is a whole number above the one named.
    case greaterThan = "Gt"
    /// The value is a whole number below the one named.
    case lessThan = "Lt"
}

/// One requirement of a selector on labels or fields.
public struct SelectorRequirement: Hashable, Sendable, Codable {
    /// The label's or field's key.
    public var key: String
    /// How it compares.
    public var `operator`: SelectorOperator
    /// What with.
    public var values: [String]

    /// Makes a requirement.
    public init(key: String, _ operator: SelectorOperator, values: [String] = []) {
        self.key = key
        self.operator = `operator`
        self.values = values
    }

    /// Whether labels satisfy it, as `k8s.io/apimachinery` labels.Requirement decides it.
    public func matches(_ labels: [String: String]) -> Bool {
        let found = labels[key]
        switch self.operator {
        case .isIn: return found.map(values.contains) ?? false
        case .notIn: return found.map { !values.contains($0) } ?? true
        case .exists: return found != nil
        case .doesNotExist: return found == nil
        case .greaterThan, .lessThan:
            guard let found = found.flatMap({ Int64($0) }), let bound = values.first.flatMap({ Int64($0) }),
                values.count == 1
            else { return false }
            return self.operator == .greaterThan ? found > bound : found < bound
        }
    }
}

/// Which objects of a kind are meant, by their labels: all requirements must hold; an empty selector means every object.
public struct LabelSelector: Hashable, Sendable, Codable {
    /// Keys with the value they must have.
    public var matchLabels: [String: String]
    /// Further requirements.
    public var matchExpressions: [SelectorRequirement]

    /// Makes a selector.
    public init(matchLabels: [String: String] = [:], matchExpressions: [SelectorRequirement] = []) {
        self.matchLabels = matchLabels
        self.matchExpressions = matchExpressions
    }

    /// Whether it means every object.
    public var isEmpty: Bool { matchLabels.isEmpty && matchExpressions.isEmpty }
    /// The label keys it looks at.
    public var keys: Set<String> { Set(matchLabels.keys).union(matchExpressions.map(\.key)) }

    /// Whether labels satisfy it.
    public func matches(_ labels: [String: String]) -> Bool {
        matchLabels.allSatisfy { labels[$0.key] == $0.value } && matchExpressions.allSatisfy { $0.matches(labels) }
    }
}
