import Foundation
import FoundationXML

/// An XML document as a tree: EC2 answers in it.
final class XMLElementTree {
    let name: String
    private(set) var content = ""
    private var elements: [XMLElementTree] = []

    /// - Throws: `DemoError` when it is not XML.
    convenience init(_ document: [UInt8]) throws {
        self.init(name: "")
        let parser = XMLParser(data: Data(document))
        let builder = Builder(root: self)
        parser.delegate = builder
        guard parser.parse(), builder.isAtTheEnd else {
            throw DemoError("not XML: \(String(decoding: document.prefix(200), as: UTF8.self))")
        }
    }

    private init(name: String) { self.name = name }

    func children(_ name: String) -> [XMLElementTree] { elements.filter { $0.name == name } }

    func text(_ name: String) -> String? { children(name).first?.content }

    /// Every element of that name below this one, in the document's order; not those within one that was found.
    func all(_ name: String) -> [XMLElementTree] {
        elements.flatMap { $0.name == name ? [$0] : $0.all(name) }
    }

    private final class Builder: NSObject, XMLParserDelegate {
        private var path: [XMLElementTree]

        init(root: XMLElementTree) { path = [root] }

        /// Foundation's parser takes a document that breaks off for a whole one.
        var isAtTheEnd: Bool { path.count == 1 && path[0].elements.count == 1 }

        func parser(
            _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?,
            qualifiedName qName: String?, attributes attributeDict: [String: String] = [:]
        ) {
            let element = XMLElementTree(name: elementName)
            path.last?.elements.append(element)
            path.append(element)
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) { path.last?.content += string }

        func parser(
            _ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?, qualifiedName qName: String?
        ) {
            path.removeLast()
        }
    }
}
