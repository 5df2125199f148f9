import Yams

/// A YAML document with the lines its parts stand in, for messages that name them.
public struct YAMLDocument: Sendable {
    /// A part of a document.
    public indirect enum Content: Sendable {
        /// Text as it stands; `isPlain`: not in quotes, so that it may mean a number, `true` or nothing.
        case scalar(String, isPlain: Bool)
        /// A list.
        case list([YAMLDocument])
        /// Fields, in their order.
        case fields([Field])
    }

    /// A field of a group.
    public struct Field: Sendable {
        /// Its name.
        public let name: String
        /// The line of the name.
        public let line: Int
        /// What it says.
        public let value: YAMLDocument
    }

    /// The line it begins in, from 1.
    public let line: Int
    /// What it is.
    public let content: Content

    /// Reads a text. Anchors, aliases and tags are refused: they let a small text grow without bound.
    /// - Parameter file: its name, for messages.
    /// - Throws: `QueueError` `invalid`, as `file:line: …`.
    public init(_ text: String, file: String) throws {
        func refuse(_ line: Int, _ found: String, _ wanted: String) -> QueueError {
            QueueError(.invalid, "\(file):\(line): found \(found), wanted \(wanted)")
        }
        guard text.utf8.count <= JobSpecFile.bytesMax else {
            throw refuse(1, "\(text.utf8.count) bytes", "at most \(JobSpecFile.bytesMax)")
        }
        if let line = JobSpecReader.lineOfAnchor(in: text) {
            throw refuse(line, "a YAML anchor or tag", "plain values: '&' and '!' stand in quotes here")
        }
        do {
            guard let node = try Yams.compose(yaml: text) else { throw refuse(1, "nothing", "a document") }
            self = try YAMLDocument(node, line: 1) { refuse($0, $1, $2) }
        } catch let error as YamlError {
            switch error {
            case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
                .composer(let context, let problem, let mark, _):
                throw refuse(mark.line, "\(problem)\(context.map { " \($0.text)" } ?? "")", "YAML")
            case .duplicatedKeysInMapping(let names, let context):
                throw refuse(context.mark.line, "the field '\(names.first ?? "")' twice", "it once")
            default: throw refuse(1, "\(error)".prefix(200).description, "YAML")
            }
        }
    }

    private init(_ node: Node, line: Int, refuse: (Int, String, String) -> QueueError) throws {
        self.line = node.mark?.line ?? line
        switch node {
        case .scalar(let scalar):
            content = .scalar(scalar.string, isPlain: scalar.style == .plain || scalar.style == .any)
        case .sequence(let items):
            content = .list(try items.map { try YAMLDocument($0, line: line, refuse: refuse) })
        case .mapping(let pairs):
            content = .fields(
                try pairs.map { key, value in
                    let at = key.mark?.line ?? line
                    guard let name = key.scalar?.string else { throw refuse(at, "a key that is no text", "a name") }
                    return Field(name: name, line: at, value: try YAMLDocument(value, line: at, refuse: refuse))
                })
        default: throw refuse(line, "an alias", "plain values")
        }
    }
}
