/// A JSON value. The simulator keeps every object as one of these, so that any field a client sends comes back.
enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int)
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])
}

extension JSONValue {
    /// A missing member reads as null; setting null removes the member.
    subscript(key: String) -> JSONValue {
        get {
            guard case .object(let members) = self else { return .null }
            return members[key] ?? .null
        }
        set {
            var members: [String: JSONValue] = [:]
            if case .object(let present) = self { members = present }
            self = .null  // gives up the other reference, so that the dictionary is changed in place
            if newValue == .null { members[key] = nil } else { members[key] = newValue }
            self = .object(members)
        }
    }

    subscript(path: [String]) -> JSONValue {
        get { path.reduce(self) { $0[$1] } }
        set {
            guard let first = path.first else {
                self = newValue
                return
            }
            var child = self[first]
            child[Array(path.dropFirst())] = newValue
            self[first] = child
        }
    }

    var isNull: Bool { self == .null }

    var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    var bool: Bool? {
        guard case .bool(let flag) = self else { return nil }
        return flag
    }

    var int: Int? {
        switch self {
        case .integer(let number): number
        case .double(let number) where number == number.rounded() && abs(number) < 9e15: Int(number)
        default: nil
        }
    }

    var double: Double? {
        switch self {
        case .integer(let number): Double(number)
        case .double(let number): number
        default: nil
        }
    }

    /// The elements; empty for anything but an array.
    var array: [JSONValue] {
        guard case .array(let elements) = self else { return [] }
        return elements
    }

    /// The members; empty for anything but an object.
    var object: [String: JSONValue] {
        guard case .object(let members) = self else { return [:] }
        return members
    }

    /// The members that are strings, as of labels and annotations.
    var strings: [String: String] { object.compactMapValues(\.string) }

    init(strings: [String: String]) { self = .object(strings.mapValues { .string($0) }) }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    init(stringLiteral value: String) { self = .string(value) }
    init(integerLiteral value: Int) { self = .integer(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
    init(arrayLiteral elements: JSONValue...) { self = .array(elements) }

    /// Members that are null are left out.
    init(dictionaryLiteral elements: (String, JSONValue)...) {
        var members: [String: JSONValue] = [:]
        for (key, value) in elements where value != .null { members[key] = value }
        self = .object(members)
    }
}
