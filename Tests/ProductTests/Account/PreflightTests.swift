import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

@Suite("Preflight")
struct PreflightTests {
    private func answer(
        _ name: String, _ outcome: PermissionAnswer.Outcome, isRead: Bool, _ features: [Feature] = []
    ) -> PermissionAnswer {
        PermissionAnswer(name, isRead: isRead, features: features, outcome)
    }

    @Test("a feature without a look is off, without an act it only looks; what is unknown counts as there")
    func reach() {
        let report = PreflightReport([
            answer("list nodes", .granted, isRead: true),
            answer("ec2:DescribeVolumes", .denied, isRead: true, [.volumes]),
            answer("ec2:TerminateInstances", .denied, isRead: false, [.ghosts]),
            answer("ec2:CreateFleet", .unknown, isRead: false, [.spot]),
        ])
        #expect(report.line(.volumes)?.reach == .off)
        #expect(report.line(.volumes)?.missing == ["ec2:DescribeVolumes"])
        #expect(report.line(.ghosts)?.reach == .looks)
        #expect(report.line(.spot)?.reach == .acts)
        #expect(report.line(.spot)?.unknown == ["ec2:CreateFleet"])
        #expect(report.features.map(\.feature).count == Feature.allCases.count)
        // A part that a policy turns on by itself turns nothing off where it lacks a permission, and is told.
        let part = PreflightReport([
            PermissionAnswer("eks:ListNodegroups", isRead: true, features: [.officeHours], .denied, isOptional: true)
        ])
        #expect(part.line(.officeHours)?.reach == .acts)
        #expect(part.line(.officeHours)?.missing == ["eks:ListNodegroups"])
        let blind = PreflightReport([answer("list nodes", .denied, isRead: true)])
        #expect(blind.features.allSatisfy { $0.reach == .off })
    }

    @Test("the job tells what is missing, feature by feature, and changes nothing")
    func job() async throws {
        let scene = await Scene(pods: [])
        await scene.world.change {
            $0.permissions = [
                PermissionAnswer("ec2:DeleteVolume", isRead: false, features: [.volumes], .denied),
                PermissionAnswer("list nodes", isRead: true, features: [], .granted),
            ]
        }
        let outcome = try await scene.run(JobRequest(Preflight.kind, target: "prod"))
        let findings = outcome.records.filter { $0.kind == "finding" }
        #expect(findings.map(\.key) == ["permission-missing/prod/volumes"])
        #expect(findings.first?.value.text.contains("ec2:DeleteVolume") == true)
        #expect(await scene.world.calls.isEmpty)
        let error = await #expect(throws: QueueError.self) {
            try await scene.run(JobRequest(Preflight.kind, target: "prod"), tenant: "mallory")
        }
        #expect(error?.code == .notFound)
    }
}
