/// Text with places to fill in from a request: `poll/${target}`, `order/${parameters.order}`.
///
/// Used for idempotency, limit and rate keys. Names are `target`, `tenant` and `parameters.<name>`.
public struct Template: Sendable, Equatable {
    /// The template as it was written.
    public let text: String
    private let parts: [Part]

    private enum Part: Sendable, Equatable {
        case literal(String)
        case target
        case tenant
        case parameter(String)
    }

    /// Parses a template.
    /// - Throws: `QueueError` code `invalid`, naming the place that is not understood.
    public init(_ text: String) throws {
        self.text = text
        var parts: [Part] = []
        var rest = text[...]
        while let open = rest.firstRange(of: "${") {
            if open.lowerBound > rest.startIndex { parts.append(.literal(String(rest[..<open.lowerBound]))) }
            guard let close = rest[open.upperBound...].firstIndex(of: "}") else {
                throw QueueError(.invalid, "template '\(text)': '${' without '}'")
            }
            parts.append(try Template.part(named: rest[open.upperBound..<close], in: text))
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { parts.append(.literal(String(rest))) }
        self.parts = parts
    }

    private static func part(named name: Substring, in text: String) throws -> Part {
        switch name {
        case "target": return .target
        case "tenant": return .tenant
        case _ where name.hasPrefix("parameters.") && name.count > 11: return .parameter(String(name.dropFirst(11)))
        default:
            throw QueueError(
                .invalid,
                "template '\(text)': unknown name '${\(name)}', wanted ${target}, ${tenant} or ${parameters.<name>}")
        }
    }

    /// The parameters it names, in order.
    public var parameterNames: [String] {
        parts.compactMap { if case .parameter(let name) = $0 { name } else { nil } }
    }

    /// Whether it names the tenant.
    public var usesTenant: Bool { parts.contains(.tenant) }

    /// Fills in the places.
    /// - Throws: `QueueError` code `invalid` when a parameter is absent or is neither text, number nor boolean.
    func expand(target: String, tenant: String, parameters: [String: JSONValue]) throws -> String {
        var out = ""
        for part in parts {
            switch part {
            case .literal(let text): out += text
            case .target: out += target
            case .tenant: out += tenant
            case .parameter(let name):
                switch parameters[name] {
                case .string(let text)?: out += text
                case .number(let text)?: out += text
                case .boolean(let value)?: out += value ? "true" : "false"
                case nil:
                    throw QueueError(.invalid, "template '\(text)': the request has no parameter '\(name)'")
                case let other?:
                    throw QueueError(
                        .invalid,
                        "template '\(text)': parameter '\(name)' is \(other.sort), wanted a string, number or boolean")
                }
            }
        }
        return out
    }
}
