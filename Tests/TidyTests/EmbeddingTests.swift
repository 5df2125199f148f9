import Foundation
import Testing

@Suite("The queue for other programs")
struct EmbeddingTests {
    private func products() throws -> [String] {
        let list = try #require(try Checkout.text("Package.swift").firstMatch(of: /let products = \[([^\]]*)\]/))
        return list.1.matches(of: /"(\w+)"/).map { String($0.1) }
    }

    @Test("the five modules of the queue are library products, and import nothing of the product above")
    func whole() throws {
        #expect(try products() == ["JobQueue", "Worker", "Scheduler", "Postgres", "Redis"])
        let table = try LayerTable(document: Checkout.text("docs/architecture.md"))
        let below: Set = ["JobQueue", "Threads", "CPostgres", "CHiredis", "COpenSSL"]
        for row in table.rows where try products().contains(row.module) {
            #expect(row.ours.subtracting(below) == [], "\(row.module)")
        }
    }

    @Test("each has a catalogue, whose links name public symbols of its module")
    func catalogues() throws {
        for module in try products() {
            let text = try Checkout.text("Sources/\(module)/\(module).docc/\(module).md")
            #expect(text.hasPrefix("# ``\(module)``\n"))
            #expect(text.contains("\n## Topics\n"))
            let sources = try Checkout.files(below: "Sources/\(module)", endingWith: ".swift").map(Checkout.text)
                .joined()
            let symbols = Set(text.matches(of: /``(\w+)``/).map { String($0.1) }).subtracting([module])
            #expect(symbols.count >= 3, "\(module)")
            for symbol in symbols {
                let declaration = try Regex("public (?:final )?(?:struct|class|enum|actor|protocol) \(symbol)\\b")
                #expect(sources.contains(declaration), "\(module): \(symbol)")
            }
        }
    }

    @Test("the example depends on the products and on nothing else of the checkout")
    func example() throws {
        let manifest = try Checkout.text("Examples/Package.swift")
        let used = manifest.matches(of: /product\(name: "(\w+)", package: "cloudoptim"\)/).map { String($0.1) }
        #expect(try Set(used) == Set(products()))
        let allowed = try Set(products() + ["Foundation", "Logging", "ServiceLifecycle"])
        for file in try Checkout.files(below: "Examples/Sources", endingWith: ".swift") {
            #expect(LayerTable.imports(in: try Checkout.text(file)).subtracting(allowed) == [], "\(file)")
        }
        #expect(try Checkout.text(".ci/run").contains("make examples"))
    }
}
