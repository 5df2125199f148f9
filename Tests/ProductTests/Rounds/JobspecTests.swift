import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

@Suite("The product's jobspecs")
struct JobspecTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "jobspecs")

    static func specs() throws -> [JobSpec] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }.sorted().map {
            name in
            let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
            let spec = try JobSpecFile.parse(text, file: name).spec
            #expect(name == "\(spec.kind).yaml")
            return spec
        }
    }

    @Test("every kind has one, and every jobspec a kind")
    func kinds() throws {
        #expect(try JobspecTests.specs().map(\.kind).sorted() == JobCatalog.all.kinds)
    }

    @Test("every mode_max is a mode, and kinds that act may apply")
    func modes() throws {
        for spec in try JobspecTests.specs() { #expect(Mode(rawValue: spec.modeMax) != nil, "\(spec.kind)") }
    }

    @Test("the parameters that jobs enqueue are those that their kinds' specs accept")
    func followUps() async throws {
        let specs = Dictionary(uniqueKeysWithValues: try JobspecTests.specs().map { ($0.kind, $0) })
        let scene = await Scene(pods: [Scene.pod("a")])
        await scene.send(Scene.warning())
        let poll = try await scene.poll()
        let interrupt = try await scene.run(poll.followUps[0])
        for request in poll.followUps + interrupt.followUps {
            let spec = try #require(specs[request.kind])
            let resolved = try NewJob(request: request, spec: spec).resolved()
            _ = try JobCatalog.all.job(request.kind, parameters: resolved.parameters)
        }
        for kind in ["poll-sqs", "snapshot-cluster", "restore-marks", "noop"] as [JobKind] {
            let spec = try #require(specs[kind])
            let resolved = try NewJob(request: JobRequest(kind), spec: spec).resolved()
            _ = try JobCatalog.all.job(kind, parameters: resolved.parameters)
        }
    }
}
