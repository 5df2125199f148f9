import Foundation
import Testing

/// The layer table of docs/architecture.md, read as law.
struct LayerTable {
    struct Row {
        let module: String
        let ours: Set<String>
        let outside: Set<String>
    }

    /// From the lowest to the highest.
    let rows: [Row]

    /// What comes with the toolchain: any module may use it.
    static let toolchain: Set = ["Foundation", "FoundationXML", "Glibc", "Synchronization", "Dispatch"]

    init(document: String) throws {
        let table = try #require(MarkdownTable.all(in: document).first { $0.header.first == "Module" })
        rows = table.rows.map {
            Row(module: $0[0].codes.first ?? $0[0], ours: Set($0[1].codes), outside: Set($0[2].codes))
        }
    }

    /// What a module imports against the table, one sentence each.
    func problems(module: String, imports: Set<String>) -> [String] {
        guard let row = rows.first(where: { $0.module == module }) else { return ["\(module) is not in the table"] }
        return imports.subtracting(LayerTable.toolchain).subtracting(row.ours).subtracting(row.outside).sorted()
            .map { "\(module) imports \($0), which the table does not allow it" }
    }

    /// A row may name only rows above it.
    var upwardImports: [String] {
        var above: Set<String> = []
        var found: [String] = []
        for row in rows {
            found += row.ours.subtracting(above).sorted().map {
                "\(row.module) may not import \($0): it is not below it"
            }
            above.insert(row.module)
        }
        return found
    }

    /// The modules that a Swift text imports.
    static func imports(in text: String) -> Set<String> {
        let line =
            /^[ \t]*(?:@\w+(?:\([^)\n]*\))?[ \t]+)*(?:(?:public|package|internal|fileprivate|private)[ \t]+)?import[ \t]+(?:(?:struct|class|enum|protocol|func|let|var|typealias|actor)[ \t]+)?([A-Za-z_]\w*)/
            .anchorsMatchLineEndings()
        return Set(text.matches(of: line).map { String($0.1) })
    }
}

@Suite("Layers")
struct LayerTests {
    private func table() throws -> LayerTable { try LayerTable(document: Checkout.text("docs/architecture.md")) }

    @Test("every module has a row, and every row a module")
    func modulesAreListed() throws {
        #expect(try Set(table().rows.map(\.module)) == Set(Checkout.folders(in: "Sources")))
    }

    @Test("no row allows an import of a module that is not below it")
    func importsPointDown() throws {
        #expect(try table().upwardImports == [])
    }

    @Test("every import of every source is allowed by its module's row")
    func importsAreAllowed() throws {
        let table = try table()
        for module in try Checkout.folders(in: "Sources") {
            var imports: Set<String> = []
            for file in try Checkout.files(below: "Sources/\(module)", endingWith: ".swift") {
                imports.formUnion(LayerTable.imports(in: try Checkout.text(file)))
            }
            #expect(table.problems(module: module, imports: imports) == [])
        }
    }

    @Test("the manifest lets each module import what its row says, no more and no less")
    func manifestAgrees() throws {
        let manifest = try Checkout.text("Package.swift")
        let target = /(?:library\(|executableTarget\(\s*name:)\s*"(\w+)",\s*(?:dependencies:\s*)?\[([^\]]*)\]/
        var declared: [String: Set<String>] = [:]
        for match in manifest.matches(of: target) {
            let ours = match.2.replacing(/\.product\([^)]*\)/, with: "")
            declared[String(match.1)] = Set(ours.matches(of: /"(\w+)"/).map { String($0.1) })
        }
        #expect(declared.count > 10)
        for row in try table().rows where !row.module.hasPrefix("C") {
            #expect(declared[row.module] == row.ours, "\(row.module)")
        }
    }

    @Test("an import that is not allowed is noticed, however it is written")
    func offendersAreNoticed() throws {
        let table = try LayerTable(
            document: """
                | Module | May import | Outside packages | What |
                |---|---|---|---|
                | `Low` | - | `Yams` | low |
                | `High` | `Low` | - | high |
                """)
        let text = """
            import Foundation
            @testable import High
            public import struct Yams.Node
            // import Comment
            """
        #expect(LayerTable.imports(in: text) == ["Foundation", "High", "Yams"])
        #expect(table.problems(module: "Low", imports: ["High", "Yams"]).count == 1)
        #expect(table.problems(module: "High", imports: ["Low", "Yams"]).count == 1)
        #expect(table.problems(module: "Other", imports: []).count == 1)
        #expect(table.upwardImports == [])
    }
}
