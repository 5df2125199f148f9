/// A JSON document taken apart: for checking parameters and writing them in one canonical way.
///
/// Numbers keep their text, so nothing is rounded. What Postgres cannot store as `jsonb` is refused here, where the
/// message can say so: U+0000, lone surrogates, numbers beyond a double's range.
public enum JSONValue: Equatable, Sendable {
    /// `null`.
    case null
    /// `true` or `false`.
    case boolean(Bool)
    /// A number, as its text.
    case number(String)
    /// Text.
    case string(String)
    /// A list.
    case array([JSONValue])
    /// An object.
    case object([String: JSONValue])

    /// Deeper documents are refused: nothing sensible is, and every reader recurses.
    public static let depthMax = 64

    /// Parses a document.
    /// - Throws: `QueueError` code `invalid` that names the byte at which it stops being JSON.
    public init(parsing text: String) throws {
        var parser = JSONParser(bytes: Array(text.utf8))
        self = try parser.document()
    }

    /// The document with sorted keys and no spaces: equal values give equal text.
    public var canonical: String {
        var out = ""
        write(to: &out)
        return out
    }

    /// What people call this sort of value.
    public var sort: String {
        switch self {
        case .null: "null"
        case .boolean: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    private func write(to out: inout String) {
        switch self {
        case .null: out += "null"
        case .boolean(let value): out += value ? "true" : "false"
        case .number(let text): out += text
        case .string(let text): JSONValue.quote(text, to: &out)
        case .array(let items):
            out += "["
            for (index, item) in items.enumerated() {
                if index > 0 { out += "," }
                item.write(to: &out)
            }
            out += "]"
        case .object(let fields):
            out += "{"
            for (index, name) in fields.keys.sorted().enumerated() {
                if index > 0 { out += "," }
                JSONValue.quote(name, to: &out)
                out += ":"
                fields[name]?.write(to: &out)
            }
            out += "}"
        }
    }

    /// Writes a string literal.
    static func quote(_ text: String, to out: inout String) {
        out += "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: out.unicodeScalars.append(scalar)
            }
        }
        out += "\""
    }
}

/// Stands inside other documents as the document it is, not as quoted text.
extension JSONText: Codable {
    /// Takes the value at this place, in canonical form.
    public init(from decoder: any Decoder) throws { self.init(text: try JSONValue(from: decoder).canonical) }

    /// Writes the document at this place.
    /// - Throws: `QueueError` code `invalid` when the text is no JSON document.
    public func encode(to encoder: any Encoder) throws { try JSONValue(parsing: text).encode(to: encoder) }
}

extension JSONValue: Codable {
    /// Reads any value; numbers as 64-bit integers where they are, else as doubles.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .number(String(value))
        } else if let value = try? container.decode(Double.self) {
            self = .number(String(value))
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    /// Writes the value.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .boolean(let value): try container.encode(value)
        case .number(let text):
            if let whole = Int64(text) {
                try container.encode(whole)
            } else {
                guard let value = Double(text) else {
                    throw QueueError(.invalid, "'\(text.prefix(40))' is not a number")
                }
                try container.encode(value)
            }
        case .string(let text): try container.encode(text)
        case .array(let items): try container.encode(items)
        case .object(let fields): try container.encode(fields)
        }
    }
}

/// Reads RFC 8259, nothing more.
private struct JSONParser {
    let bytes: [UInt8]
    var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    private func failure(_ what: String) -> QueueError {
        QueueError(.invalid, "not a JSON document: \(what) at byte \(position)")
    }

    mutating func document() throws -> JSONValue {
        let value = try value(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw failure("something follows the document") }
        return value
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) throws -> JSONValue {
        let wanted = Array(text.description.utf8)
        guard bytes[position...].starts(with: wanted) else { throw failure("an unknown word") }
        position += wanted.count
        return value
    }

    private mutating func value(depth: Int) throws -> JSONValue {
        guard depth <= JSONValue.depthMax else { throw failure("nested deeper than \(JSONValue.depthMax)") }
        skipSpace()
        guard position < bytes.count else { throw failure("it ends early") }
        switch bytes[position] {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .boolean(true))
        case UInt8(ascii: "f"): return try word("false", .boolean(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return .number(try number())
        }
    }

    private mutating func object(depth: Int) throws -> JSONValue {
        position += 1
        var fields: [String: JSONValue] = [:]
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object(fields) }
        while true {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
                throw failure("wanted a field name")
            }
            let name = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw failure("wanted ':'") }
            guard fields.updateValue(try value(depth: depth + 1), forKey: name) == nil else {
                throw failure("the field '\(name.prefix(64))' comes twice")
            }
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(fields) }
            guard take(UInt8(ascii: ",")) else { throw failure("wanted ',' or '}'") }
        }
    }

    private mutating func array(depth: Int) throws -> JSONValue {
        position += 1
        var items: [JSONValue] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array(items) }
        while true {
            items.append(try value(depth: depth + 1))
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(items) }
            guard take(UInt8(ascii: ",")) else { throw failure("wanted ',' or ']'") }
        }
    }

    private mutating func digits() -> Int {
        let start = position
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
            position += 1
        }
        return position - start
    }

    private mutating func number() throws -> String {
        let start = position
        _ = take(UInt8(ascii: "-"))
        let leadsWithZero = position < bytes.count && bytes[position] == UInt8(ascii: "0")
        let count = digits()
        guard count > 0, !(leadsWithZero && count > 1) else { throw failure("wanted a value") }
        if take(UInt8(ascii: ".")), digits() == 0 { throw failure("wanted digits after '.'") }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            if digits() == 0 { throw failure("wanted digits in the exponent") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let value = Double(text), value.isFinite else { throw failure("a number out of range") }
        return text
    }

    private mutating func string() throws -> String {
        position += 1
        var out: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") { return String(decoding: out, as: UTF8.self) }
            guard byte >= 0x20 else { throw failure("a control character in a string") }
            if byte != UInt8(ascii: "\\") {
                out.append(byte)
                continue
            }
            guard position < bytes.count else { break }
            let escape = bytes[position]
            position += 1
            switch escape {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(escape)
            case UInt8(ascii: "b"): out.append(0x08)
            case UInt8(ascii: "f"): out.append(0x0C)
            case UInt8(ascii: "n"): out.append(0x0A)
            case UInt8(ascii: "r"): out.append(0x0D)
            case UInt8(ascii: "t"): out.append(0x09)
            case UInt8(ascii: "u"): out += Array(String(try unicode()).utf8)
            default: throw failure("an unknown escape")
            }
        }
        throw failure("a string without an end")
    }

    private mutating func unit() throws -> UInt32 {
        guard position + 4 <= bytes.count,
            let value = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16),
            bytes[position] != UInt8(ascii: "+")
        else { throw failure("wanted four hexadecimal digits") }
        position += 4
        return value
    }

    private mutating func unicode() throws -> Character {
        var value = try unit()
        if (0xD800...0xDBFF).contains(value), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
            let low = try unit()
            guard (0xDC00...0xDFFF).contains(low) else { throw failure("half a surrogate pair") }
            value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
        }
        guard value != 0 else { throw failure("U+0000 cannot be stored") }
        guard let scalar = Unicode.Scalar(value) else { throw failure("half a surrogate pair") }
        return Character(scalar)
    }
}
