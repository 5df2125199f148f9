import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// Schedulers that were given different jobspecs.
    @Suite("Jobspecs of two schedulers", .fleet())
    struct SchedulerSpecsTests {
        @Test("Of two jobspecs of one version that of the leading scheduler is in force, and the other says so")
        func leaderCounts() async throws {
            let fleet = try Fleet.current
            func timeout() async throws -> Int {
                try await fleet.number("SELECT (spec->>'timeout_seconds')::int FROM job_kind WHERE kind = 'noop'")
            }
            let first = try fleet.start(["scheduler"])
            try await eventually("the first leads") { first.errors.contains("scheduler leads") }
            let before = try await timeout()

            let folder = "\(fleet.directory)/others"
            try FileManager.default.copyItem(atPath: "\(Fleet.root)/jobspecs", toPath: folder)
            let text = try String(contentsOfFile: "\(folder)/noop.yaml", encoding: .utf8)
            let edited = text.split(separator: "\n").map { $0.hasPrefix("timeout:") ? "timeout: 77s" : $0 }
            try edited.joined(separator: "\n").write(toFile: "\(folder)/noop.yaml", atomically: true, encoding: .utf8)
            let second = try fleet.start(["scheduler"], environment: ["JOBSPECS_DIR": folder])
            _ = try await Fleet.port(of: second)
            #expect(
                second.errors.split(separator: "\n").contains {
                    $0.contains("another jobspec of the same version is in force") && $0.contains("kind=noop")
                }, "\(second.errors)")
            #expect(try await timeout() == before && before != 77)

            // The first goes; the second leads, and its jobspecs count from then on.
            first.terminate()
            #expect(try await first.answer(within: .seconds(30)).status == 0)
            try await eventually("the second's jobspec is in force") { try await timeout() == 77 }
            #expect(second.errors.contains("scheduler leads"))
        }
    }
}
