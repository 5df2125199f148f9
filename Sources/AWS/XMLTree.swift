import Foundation

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// An XML answer as a tree: names, text, children; no attributes, no entities but the five of XML itself.
struct XMLTree: Sendable, Equatable {
    var name: String
    var text = ""
    var children: [XMLTree] = []

    /// What is wrong with a document.
    struct Malformed: Error, Sendable, CustomStringConvertible {
        let description: String
    }

    /// Deepest nesting that is read; answers of EC2 have about ten.
    static let depthMax = 32
    /// Most elements that are read; 1,000 instances have about 150,000.
    static let elementsMax = 2_000_000

    /// Reads a document.
    /// - Throws: `Malformed`; also for what AWS never sends: a document type, which could expand without end, and a
    ///   processing instruction.
    static func parse(_ bytes: [UInt8]) throws -> XMLTree {
        let data = Data(bytes)
        guard isUTF8(bytes) else { throw Malformed(description: "the answer is not in UTF-8") }
        guard data.range(of: Data("<!DOCTYPE".utf8)) == nil else {
            throw Malformed(description: "the answer has a document type")
        }
        guard !hasProcessingInstruction(bytes) else {
            throw Malformed(description: "the answer has a processing instruction")
        }
        let builder = XMLTreeBuilder()
        let parser = XMLParser(data: data)
        parser.shouldResolveExternalEntities = false
        parser.delegate = builder
        guard parser.parse(), builder.refusal == nil, let root = builder.root else {
            throw Malformed(description: builder.refusal ?? "the answer is no XML, line \(parser.lineNumber)")
        }
        return root
    }

    /// Whether the parser will read the bytes as they are: in another encoding a document type would look otherwise here,
    /// and Foundation's parser traps on a name that is not sound UTF-8.
    private static func isUTF8(_ bytes: [UInt8]) -> Bool {
        guard !bytes.contains(0), String(validating: bytes, as: UTF8.self) != nil else { return false }
        let text = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
        guard text.first(where: { !" \t\r\n".utf8.contains($0) }) == UInt8(ascii: "<") else { return false }
        let head = String(decoding: text.prefix(200), as: UTF8.self).lowercased()
        guard head.hasPrefix("<?xml"), let end = head.range(of: "?>") else { return true }
        let declaration = head[..<end.lowerBound]
        return !declaration.contains("encoding") || declaration.contains("utf-8")
    }

    /// Whether `<?` stands anywhere but in the declaration at the very beginning. Foundation's parser reads the text of an
    /// instruction without one, `<?a?>`, through a null pointer; a comment or CDATA that shows `<?` is refused with it.
    private static func hasProcessingInstruction(_ bytes: [UInt8]) -> Bool {
        let isDeclared =
            [" ", "\t", "\r", "\n"].contains { space in
                let declaration = Array("<?xml\(space)".utf8)
                return bytes.starts(with: declaration) || bytes.starts(with: [0xEF, 0xBB, 0xBF] + declaration)
            }
        return zip(bytes, bytes.dropFirst()).lazy.filter { $0 == (UInt8(ascii: "<"), UInt8(ascii: "?")) }
            .dropFirst(isDeclared ? 1 : 0).first != nil
    }

    /// The first child of that name.
    subscript(_ name: String) -> XMLTree? { children.first { $0.name == name } }

    /// The text at the end of a path of names; nil where it is absent or empty.
    func string(_ path: String...) -> String? {
        var place: XMLTree? = self
        for name in path { place = place?[name] }
        return place.flatMap { $0.text.isEmpty ? nil : $0.text }
    }

    /// The entries of a list: `item` in EC2's answers, `member` in those of the other services.
    func list(_ name: String) -> [XMLTree] {
        self[name]?.children.filter { $0.name == "item" || $0.name == "member" } ?? []
    }

    /// A text that must be there.
    func required(_ path: String...) throws -> String {
        var place: XMLTree? = self
        for name in path { place = place?[name] }
        guard let text = place?.text, !text.isEmpty else {
            throw Malformed(description: "<\(name)> has no \(path.joined(separator: "/"))")
        }
        return text
    }
}

/// Collects the tree; it is used within one call of `parse` only.
private final class XMLTreeBuilder: NSObject, XMLParserDelegate {
    var root: XMLTree?
    var refusal: String?
    private var open: [XMLTree] = []
    private var elements = 0

    func parser(
        _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        elements += 1
        guard open.count < XMLTree.depthMax, elements <= XMLTree.elementsMax else {
            refusal = "the answer is nested deeper than \(XMLTree.depthMax) or has over \(XMLTree.elementsMax) elements"
            parser.abortParsing()
            return
        }
        open.append(XMLTree(name: elementName))
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) {
        guard !open.isEmpty else { return }
        open[open.count - 1].text += string
    }

    func parser(_ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?, qualifiedName: String?) {
        guard var closed = open.popLast() else { return }
        // Between children there is only layout.
        if !closed.children.isEmpty { closed.text = "" }
        if open.isEmpty { root = closed } else { open[open.count - 1].children.append(closed) }
    }
}
