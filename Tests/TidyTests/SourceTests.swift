import Foundation
import Testing

/// Rules that every source keeps.
enum SourceRule {
    static let linesMax = 400
    static let vagueNames = ["Utils", "Utilities", "Helper", "Manager", "Common", "Misc"]

    static func isTooLong(_ text: String) -> Bool {
        text.split(separator: "\n", omittingEmptySubsequences: false).count - 1 > linesMax
    }

    static func isVague(_ fileName: String) -> Bool { vagueNames.contains { fileName.contains($0) } }

    /// Types declared in a text. An extension declares none.
    static func types(in text: String) -> Set<String> {
        Set(text.matches(of: /\b(?:struct|class|enum|actor|protocol|typealias)[ \t]+([A-Z]\w*)/).map { String($0.1) })
    }

    /// Ways to end the process that bad input must never reach. Comments do not count.
    static func traps(in text: String) -> [String] {
        text.split(separator: "\n").filter { line in
            let code = line.firstRange(of: "//").map { line[..<$0.lowerBound] } ?? line
            return code.contains("try!") || code.contains("fatalError(") || code.contains("as!")
                || code.contains("assertionFailure(")
        }.map { $0.trimmingCharacters(in: .whitespaces) }
    }
}

@Suite("Sources")
struct SourceTests {
    private func sources() throws -> [String] { try Checkout.files(below: "Sources", endingWith: ".swift") }
    private func tests() throws -> [String] { try Checkout.files(below: "Tests", endingWith: ".swift") }

    @Test("no Swift file is over 400 lines")
    func lengths() throws {
        let long = try (sources() + tests()).filter { SourceRule.isTooLong(try Checkout.text($0)) }
        #expect(long == [], "past 400 lines a file has two subjects: find the seam")
    }

    @Test("no file has a name that says nothing")
    func names() throws {
        #expect(
            try (sources() + tests()).filter { SourceRule.isVague(String($0.split(separator: "/").last ?? "")) } == [])
    }

    @Test("no type of a library bears its module's name: the module could not be named any more")
    func typesAndModules() throws {
        let manifest = try Checkout.text("Package.swift")
        let libraries = Set(manifest.matches(of: /\blibrary\(\s*"(\w+)"/).map { String($0.1) })
        #expect(libraries.contains("JobQueue") && libraries.contains("Stores"))
        for module in libraries {
            for file in try Checkout.files(below: "Sources/\(module)", endingWith: ".swift") {
                #expect(!SourceRule.types(in: try Checkout.text(file)).contains(module), "\(file)")
            }
        }
    }

    @Test("nothing in the sources ends the process on purpose")
    func traps() throws {
        for file in try sources() {
            #expect(SourceRule.traps(in: try Checkout.text(file)) == [], "\(file)")
        }
    }

    @Test("the environment is read in one file, and by the programs that prove something")
    func environment() throws {
        let proofs = ["Sources/QueueBench/", "Sources/Demo/", "Sources/Chaos/", "Sources/Proof/"]
        let handing = "Sources/Processes/"  // a child gets it whole; nothing is read
        let readers = try sources().filter { file in
            if file.hasPrefix(handing) { return false }
            if proofs.contains(where: file.hasPrefix) { return false }
            return try Checkout.text(file).contains(/ProcessInfo\.processInfo\.environment|getenv\(/)
        }
        #expect(readers == ["Sources/cloudoptim/Settings.swift"])
    }

    @Test("no program is started with Foundation's Process, which now and then crashes in run() (see ChildProcess)")
    func processes() throws {
        let users = try (sources() + tests()).filter { file in
            try !file.hasSuffix("/SourceTests.swift") && Checkout.text(file).contains(/\bProcess\(\)/)
        }
        #expect(users == [])
    }

    @Test("offenders are noticed")
    func offendersAreNoticed() {
        #expect(SourceRule.isTooLong(String(repeating: "\n", count: 401)))
        #expect(!SourceRule.isTooLong(String(repeating: "\n", count: 400)))
        #expect(SourceRule.isVague("StringUtils.swift"))
        #expect(SourceRule.isVague("PoolManager.swift"))
        #expect(!SourceRule.isVague("PoolPlan.swift"))
        #expect(SourceRule.types(in: "public final class Redis: Broker {\nextension Postgres {}") == ["Redis"])
        #expect(SourceRule.traps(in: "let a = try! b()\n// try! in a comment\nfatalError(\"x\")").count == 2)
    }
}
