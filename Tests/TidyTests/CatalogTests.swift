import Foundation
import JobQueue
import Jobs
import Testing

@Suite("Kinds of jobs")
struct CatalogTests {
    private func kindsWithJobspec() throws -> Set<String> {
        Set(
            try Checkout.files(below: "jobspecs", endingWith: ".yaml")
                .map { String($0.dropFirst("jobspecs/".count).dropLast(".yaml".count)) })
    }

    @Test("every kind has a jobspec, and every jobspec a kind")
    func oneEach() throws {
        #expect(try kindsWithJobspec() == Set(JobCatalog.all.kinds.map(\.rawValue)))
    }

    @Test("every kind has a file of its own")
    func oneFileEach() throws {
        let files = try Checkout.files(below: "Sources/Jobs/Kinds", endingWith: ".swift")
        let kinds = try files.flatMap { file in
            try Checkout.text(file).matches(of: /static let kind: JobKind = "([a-z-]+)"/).map { (file, String($0.1)) }
        }
        #expect(Set(kinds.map(\.1)) == Set(JobCatalog.all.kinds.map(\.rawValue)))
        #expect(Set(kinds.map(\.0)).count == kinds.count, "a file with two kinds")
    }

    @Test("every jobspec loads, with nothing in the environment")
    func everyOneLoads() throws {
        let specs = try JobSpecFile.load(directory: "\(Checkout.root)/jobspecs").map(\.spec)
        #expect(specs.count == JobCatalog.all.kinds.count)
        #expect(specs.allSatisfy { !$0.summary.isEmpty })
    }

    @Test("a job's seven steps are all marked in the sources")
    func sevenSteps() throws {
        let text = try Checkout.files(below: "Sources", endingWith: ".swift").map(Checkout.text).joined()
        for step in 1...7 {
            #expect(text.contains("tep \(step) of 7") || text.contains("teps 5 to 7 of 7") && step > 4)
        }
    }
}
