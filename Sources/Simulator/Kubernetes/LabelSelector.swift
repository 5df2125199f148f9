/// A label selector, from a query ("app=web,tier in (a,b),!x") or from an object (`matchLabels`, `matchExpressions`).
struct LabelSelector: Sendable {
    enum Operation: Sendable { case isIn, notIn, exists, doesNotExist, greater, less }

    struct Requirement: Sendable {
        var key: String
        var operation: Operation
        var values: [String]

        func matches(_ labels: [String: String]) -> Bool {
            let value = labels[key]
            switch operation {
            case .isIn: return value.map(values.contains) ?? false
            case .notIn: return !(value.map(values.contains) ?? false)
            case .exists: return value != nil
            case .doesNotExist: return value == nil
            case .greater, .less:
                guard let number = value.flatMap({ Int($0) }), let bound = values.first.flatMap({ Int($0) }) else {
                    return false
                }
                return operation == .greater ? number > bound : number < bound
            }
        }
    }

    var requirements: [Requirement]

    func matches(_ labels: [String: String]) -> Bool { requirements.allSatisfy { $0.matches(labels) } }

    /// The selector of an object: nil selects nothing, `{}` selects everything.
    init?(_ selector: JSONValue) {
        guard case .object = selector else { return nil }
        requirements = selector["matchLabels"].strings.map {
            Requirement(key: $0.key, operation: .isIn, values: [$0.value])
        }
        requirements += selector["matchExpressions"].array.compactMap(Requirement.init)
    }

    /// - Throws: `APIStatus` 400 for a text that is no selector.
    init(query: String) throws {
        requirements = []
        var rest = Substring(query)
        while !rest.isEmpty {
            let term = Self.nextTerm(&rest)
            if !term.isEmpty { requirements.append(try Self.requirement(String(term))) }
        }
    }

    /// Up to the next comma outside parentheses.
    private static func nextTerm(_ text: inout Substring) -> Substring {
        var depth = 0
        var end = text.startIndex
        while end < text.endIndex, depth > 0 || text[end] != "," {
            if text[end] == "(" { depth += 1 }
            if text[end] == ")" { depth -= 1 }
            end = text.index(after: end)
        }
        let term = text[..<end]
        text = end < text.endIndex ? text[text.index(after: end)...] : ""
        return term
    }

    private static func requirement(_ text: String) throws -> Requirement {
        let term = trimmed(Substring(text))
        if let open = term.firstIndex(of: "("), term.hasSuffix(")") {
            let words = term[..<open].split(separator: " ")
            guard words.count == 2, words[1] == "in" || words[1] == "notin" else {
                throw APIStatus.badRequest("unable to parse requirement: \(term)")
            }
            let values = term[term.index(after: open)...].dropLast().split(separator: ",").map { trimmed($0) }
            return Requirement(key: String(words[0]), operation: words[1] == "in" ? .isIn : .notIn, values: values)
        }
        for (mark, operation) in [("!=", Operation.notIn), ("==", .isIn), ("=", .isIn), (">", .greater), ("<", .less)] {
            if let parts = split(term, at: mark) {
                return Requirement(key: parts.0, operation: operation, values: [parts.1])
            }
        }
        if term.hasPrefix("!") {
            return Requirement(key: trimmed(term.dropFirst()), operation: .doesNotExist, values: [])
        }
        guard !term.contains(" ") else { throw APIStatus.badRequest("unable to parse requirement: \(term)") }
        return Requirement(key: term, operation: .exists, values: [])
    }

    private static func split(_ text: String, at mark: String) -> (String, String)? {
        guard let position = text.firstIndex(of: mark.first ?? "="), text[position...].hasPrefix(mark) else {
            return nil
        }
        return (trimmed(text[..<position]), trimmed(text[position...].dropFirst(mark.count)))
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}

extension LabelSelector.Requirement {
    /// An element of `matchExpressions` of a selector or of a node selector term.
    init?(_ expression: JSONValue) {
        let operations: [String: LabelSelector.Operation] = [
            "In": .isIn, "NotIn": .notIn, "Exists": .exists, "DoesNotExist": .doesNotExist, "Gt": .greater, "Lt": .less,
        ]
        guard let key = expression["key"].string, let operation = operations[expression["operator"].string ?? ""] else {
            return nil
        }
        self.init(key: key, operation: operation, values: expression["values"].array.compactMap(\.string))
    }
}
