import Foundation

/// The files of this checkout.
enum Checkout {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// The text of a file, by its path from the root.
    static func text(_ path: String) throws -> String {
        try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8)
    }

    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: "\(root)/\(path)") }

    /// Paths from the root of every file below a folder whose name ends so, sorted.
    static func files(below folder: String, endingWith suffix: String) throws -> [String] {
        let all = try FileManager.default.subpathsOfDirectory(atPath: "\(root)/\(folder)")
        return all.filter { $0.hasSuffix(suffix) }.map { "\(folder)/\($0)" }.sorted()
    }

    /// The folders directly inside a folder, sorted.
    static func folders(in folder: String) throws -> [String] {
        let below = URL(fileURLWithPath: "\(root)/\(folder)", isDirectory: true)
        return try FileManager.default.contentsOfDirectory(at: below, includingPropertiesForKeys: [.isDirectoryKey])
            .filter {
                try $0.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true
                    && !$0.lastPathComponent.hasPrefix(".")
            }.map(\.lastPathComponent).sorted()
    }

    /// README, change log and everything in docs/.
    static func documents() throws -> [String] {
        try ["README.md", "CHANGELOG.md"] + files(below: "docs", endingWith: ".md")
    }
}

/// A table of a Markdown document.
struct MarkdownTable {
    let header: [String]
    let rows: [[String]]

    /// The tables of a text, in order. Cells are trimmed; a `\|` in a cell is a bar.
    static func all(in text: String) -> [MarkdownTable] {
        var tables: [MarkdownTable] = []
        var block: [[String]] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) + [""] {
            if line.hasPrefix("|") {
                block.append(cells(line))
            } else if !block.isEmpty {
                if block.count > 2 { tables.append(MarkdownTable(header: block[0], rows: Array(block.dropFirst(2)))) }
                block = []
            }
        }
        return tables
    }

    private static func cells(_ line: String) -> [String] {
        line.replacing("\\|", with: "\u{1}").split(separator: "|", omittingEmptySubsequences: false).dropFirst()
            .dropLast()
            .map { $0.replacing("\u{1}", with: "|").trimmingCharacters(in: .whitespaces) }
    }
}

extension String {
    /// What stands between backticks, in order.
    var codes: [String] { matches(of: /`([^`\n]+)`/).map { String($0.1) } }
}
