import Foundation
import Testing

/// What documents claim about files.
enum DocumentRule {
    static let folders = ["Sources/", "Tests/", "docs/", "docker/", "jobspecs/", "tools/", ".ci/"]

    /// Paths from the root that a document names: its relative links, and paths in backticks.
    static func paths(in text: String, at document: String) -> Set<String> {
        let folder = document.contains("/") ? String(document.prefix { $0 != "/" }) + "/" : ""
        var found: Set<String> = []
        for match in text.matches(of: /\]\(([^)#\s]+)[^)]*\)/) where !match.1.contains("://") {
            let link = String(match.1)
            found.insert(link.hasPrefix("../") ? String(link.dropFirst(3)) : folder + link)
        }
        for code in text.codes where folders.contains(where: code.hasPrefix) {
            if code.contains(where: { "<>*… {}$".contains($0) }) { continue }
            found.insert(code.hasSuffix("/") ? String(code.dropLast()) : code)
        }
        return found
    }

    /// Tests that a document names as proof: a file, and the name of a test in it.
    static func proofs(in text: String) -> [(file: String, test: String)] {
        text.matches(of: /`(Tests\/[\w\/+]+\.swift)`: "([^"]+)"/).map { (String($0.1), String($0.2)) }
    }
}

@Suite("Documents")
struct DocumentTests {
    @Test("every path that a document names exists")
    func pathsExist() throws {
        for document in try Checkout.documents() {
            let paths = DocumentRule.paths(in: try Checkout.text(document), at: document)
            #expect(paths.filter { !Checkout.exists($0) } == [], "\(document)")
        }
    }

    @Test("every test that is named as proof exists")
    func proofsExist() throws {
        var count = 0
        for document in try Checkout.documents() {
            for proof in DocumentRule.proofs(in: try Checkout.text(document)) {
                count += 1
                let text = Checkout.exists(proof.file) ? try Checkout.text(proof.file) : ""
                let isThere = text.contains("\"\(proof.test)\"") || text.contains("func \(proof.test)(")
                #expect(isThere, "\(document) names \"\(proof.test)\" of \(proof.file)")
            }
        }
        #expect(count > 20)
    }

    @Test("every attempt of the threat model has its guard and a test by name")
    func threats() throws {
        let tables = MarkdownTable.all(in: try Checkout.text("docs/security.md")).filter {
            $0.header.first == "Attempt"
        }
        #expect(tables.count >= 4 && tables.allSatisfy { $0.header == ["Attempt", "Guard", "Test"] })
        for row in tables.flatMap(\.rows) {
            #expect(row.count == 3 && !row[1].isEmpty, "\(row[0]): no guard")
            #expect(!DocumentRule.proofs(in: row.last ?? "").isEmpty, "\(row[0]): no test by name")
        }
    }

    @Test("every make target that is named exists, and each has a line of help")
    func makeTargets() throws {
        let makefile = try Checkout.text("Makefile")
        let targets = Set(makefile.matches(of: /(?m)^([a-z][a-z-]*):.*## \S/).map { String($0.1) })
        let phony = try #require(makefile.firstMatch(of: /\.PHONY: (.*)/))
        #expect(Set(phony.1.split(separator: " ").map(String.init)) == targets)
        for document in try Checkout.documents() {
            let named = try Checkout.text(document).codes.compactMap { $0.firstMatch(of: /^make ([a-z][a-z-]*)/) }
            for target in named.map({ String($0.1) }) {
                #expect(targets.contains(target), "\(document): make \(target)")
            }
        }
    }

    @Test("every view is described, with columns that it has")
    func views() throws {
        let sql = try
            (Checkout.files(below: "Sources/Postgres/Migrations", endingWith: ".sql")
            + Checkout.files(below: "Sources/Stores/Migrations", endingWith: ".sql")).map(Checkout.text).joined()
        var views: [String: String] = [:]
        for match in sql.matches(of: /CREATE (?:OR REPLACE )?VIEW (\w+) AS([^;]*);/) {
            views[String(match.1)] = String(match.2)
        }
        let sections = try Checkout.text("docs/sql.md").split(separator: "\n### ").dropFirst()
        var described: Set<String> = []
        for section in sections {
            guard let name = String(section.prefix { $0 != "\n" }).codes.first, let body = views[name] else { continue }
            described.insert(name)
            let columns = MarkdownTable.all(in: String(section)).flatMap(\.rows).flatMap { $0[0].codes }
            #expect(columns.count > 1, "\(name)")
            let words = Set(body.matches(of: /\w+/).map { String($0.0) })
            #expect(Set(columns).subtracting(words) == [], "\(name) has no such columns")
        }
        #expect(described == Set(views.keys))
    }

    @Test("docs/chaos.md names every fault, every variable and every promise of the checker")
    func chaos() throws {
        let sources = try Checkout.files(below: "Sources/Chaos", endingWith: ".swift")
        let settings = try Checkout.text("Sources/Chaos/ChaosSettings.swift")
        let list = try #require(settings.firstMatch(of: /enum Fault:[^{]*\{([^}]*)\}/))
        let faults = list.1.matches(of: /case (\w+)(?: = "([a-z-]+)")?/).map { String($0.2 ?? $0.1) }
        let variables = try sources.flatMap { file in
            try Checkout.text(file).matches(of: /environment\["((?:[A-Z]+))"\]/).map { String($0.1) }
        }
        let report = try Checkout.text("Sources/Chaos/Report.swift")
        let promises = report.matches(of: /\("([a-z_]+)", [^)]*?(?:\([^)]*\))?[^)]*\)/).map { String($0.1) }
        let named = Set(try Checkout.text("docs/chaos.md").codes)
        #expect(faults.count > 10 && variables.contains("SEED") && promises.contains("jobs_lost"))
        #expect(Set(faults + variables + promises).subtracting(named) == [])
    }

    @Test("what is claimed and not there is noticed")
    func offendersAreNoticed() {
        let text = "See [a](missing.md#part), [b](https://example.com/x), `Sources/Nobody/` and `Sources/<kind>.swift`."
        #expect(DocumentRule.paths(in: text, at: "docs/x.md") == ["docs/missing.md", "Sources/Nobody"])
        #expect(DocumentRule.paths(in: "[a](../README.md)", at: "docs/x.md") == ["README.md"])
        #expect(DocumentRule.proofs(in: "`Tests/A/B.swift`: \"does it\"").map(\.test) == ["does it"])
    }
}
