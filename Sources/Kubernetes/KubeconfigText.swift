import Yams

/// Checks on the text of a kubeconfig before and while it is parsed.
enum KubeconfigText {
    static func check(_ text: String) throws {
        guard text.utf8.count <= Kubeconfig.bytesMax else {
            throw KubernetesError(
                .badConfiguration, "kubeconfig: \(text.utf8.count) bytes; wanted at most \(Kubeconfig.bytesMax)")
        }
        var scan = ShapeScan()
        for byte in text.utf8 {
            scan.take(byte)
            if let excess = scan.excess {
                throw KubernetesError(.badConfiguration, "kubeconfig line \(scan.line): \(excess)")
            }
        }
    }

    /// The parser's words with the line, without the text around it (which may be a token).
    static func message(_ error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "kubeconfig line \(mark.line): \(problem)"
        case .reader(let problem, _, _, _):
            "kubeconfig: not readable as UTF-8 YAML: \(problem)"
        case .duplicatedKeysInMapping(_, _):
            "kubeconfig: a mapping holds the same key twice"
        default:
            "kubeconfig: not YAML (\(type(of: error)))"
        }
    }
}

/// Bounds from above how deep a YAML text can nest and how much it can repeat itself, without parsing it: the parser calls
/// itself for each level, and follows aliases without counting.
private struct ShapeScan {
    /// Levels of block nesting.
    private static let nestingMax = 200
    /// Opening brackets in the whole text: an upper bound of the nesting of flow collections that quoting cannot fool.
    private static let bracketsMax = 2_000
    /// References to earlier nodes: a few are handy, many can stand for a document of any size.
    private static let aliasesMax = 20

    private(set) var line = 1
    private var before = UInt8(ascii: "\n")
    /// Length of the line's head, where every level of block nesting shows as one of ` `, `-`, `?`, `:`.
    private var head = 0
    private var isInHead = true
    private var brackets = 0
    private var aliases = 0

    /// What is too much, nil for nothing.
    var excess: String? {
        if head > Self.nestingMax || brackets > Self.bracketsMax { return "nested too deep" }
        return aliases > Self.aliasesMax ? "more than \(Self.aliasesMax) YAML aliases" : nil
    }

    mutating func take(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
            if byte == UInt8(ascii: "\n") { line += 1 }
            (head, isInHead) = (0, true)
        case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":"):
            if isInHead { head += 1 }
        default:
            isInHead = false
            if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") { brackets += 1 }
            if byte == UInt8(ascii: "*"), " \t\r\n,[{-:?".utf8.contains(before) { aliases += 1 }
        }
        before = byte
    }
}

/// A node of the document with the path and line that its errors name.
struct YAMLField: @unchecked Sendable {  // Yams' Node is a value tree that nothing changes after parsing
    var node: Node
    var path: String

    /// The field of a mapping; nil when absent or null.
    subscript(key: String) -> YAMLField? {
        get throws {
            guard let mapping = node.mapping else { throw error("wanted a mapping") }
            guard let value = mapping[key], !YAMLField.isNull(value) else { return nil }
            return YAMLField(node: value, path: "\(path).\(key)")
        }
    }

    func required(_ key: String) throws -> YAMLField {
        guard let field = try self[key] else { throw error("lacks \"\(key)\"") }
        return field
    }

    func string() throws -> String {
        guard let scalar = node.scalar else { throw error("wanted a string") }
        return scalar.string
    }

    func sequence() throws -> [YAMLField] {
        guard let sequence = node.sequence else { throw error("wanted a list") }
        return sequence.enumerated().map { YAMLField(node: $1, path: "\(path)[\($0)]") }
    }

    /// An empty string, list or mapping says nothing, as in `as: ""`.
    var isEmpty: Bool {
        switch node {
        case .scalar(let scalar): scalar.string.isEmpty
        case .mapping(let mapping): mapping.isEmpty
        case .sequence(let sequence): sequence.isEmpty
        case .alias: false
        }
    }

    func error(_ message: String) -> KubernetesError {
        let line = node.mark.map { " line \($0.line)" } ?? ""
        return KubernetesError(
            .badConfiguration, "kubeconfig\(line): \(path.dropFirst("kubeconfig.".count)) \(message)")
    }

    /// Adds this field's line to a configuration error.
    func located<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as KubernetesError
            where error.code == .badConfiguration && !error.message.hasPrefix("kubeconfig")
        {
            throw self.error("is refused: \(error.message)")
        }
    }

    private static func isNull(_ node: Node) -> Bool {
        guard let scalar = node.scalar, scalar.style == .plain || scalar.style == .any else { return false }
        return scalar.string.isEmpty || scalar.string == "null" || scalar.string == "~"
    }
}
