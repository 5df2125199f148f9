import Foundation
import JobQueue
import TestSupport
import Testing

extension SystemTests {
    /// A cluster is added with a role that may only read; minutes later its owner knows what it could save.
    @Suite("Day zero", .fleet(clusters: ["blue"], nodes: 6, pods: 60, environment: FleetPlan.impatient))
    struct DayZeroTests {
        private struct Report: Decodable {
            struct Section: Decodable {
                var id: String
                var savingPerHour: Int?
                var confidence: Double?
                var rowCount: Int
            }
            var costPerHour: Int
            var sections: [Section]
            var remarks: [String]
        }

        @Test(
            "Within two minutes of `clusters add` and with the read-only role, the report names savings with confidence"
        )
        func report() async throws {
            let fleet = try Fleet.current
            let cluster = fleet.cluster("blue")
            let began = ContinuousClock.now
            let added = try await fleet.add(
                "blue", tenant: "acme", mode: "observe",
                kubeconfig: try fleet.world.kubeconfig(cluster, role: "read-only"))
            try #require(added.status == 0, "\(added)")
            let text = try await fleet.succeed(["report", cluster])
            #expect(began.duration(to: .now) < .seconds(120))
            for title in ["## Nodes", "## Spot candidates", "## Packing", "## Zombie volumes", "## Ghost instances"] {
                #expect(text.output.contains(title), "\(text)")
            }
            let report = try JSONText(text: try await fleet.succeed(["report", cluster, "--output", "json"]).output)
                .decode(Report.self)
            #expect(report.costPerHour > 0)
            #expect(report.sections.first { $0.id == "nodes" }.map(\.rowCount) ?? 0 > 0, "\(report)")
            for section in report.sections where section.savingPerHour != nil {
                #expect((0...1).contains(section.confidence ?? -1), "\(section)")
            }
            #expect(
                !report.remarks.contains { $0.contains("not whole") || $0.contains("could not be read") }, "\(report)")
        }

        @Test(
            "A snapshot in a file leads other processes to the same report, to the byte, and anonymised to the same savings"
        )
        func replay() async throws {
            let fleet = try Fleet.current
            let cluster = fleet.cluster("blue")
            _ = try await fleet.add(
                "blue", tenant: "acme", mode: "observe",
                kubeconfig: try fleet.world.kubeconfig(cluster, role: "read-only"))
            let folder = NSTemporaryDirectory() + "day-zero-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try await fleet.succeed(["snapshot", cluster, "--out", "\(folder)/named.json"])
            let mode =
                try FileManager.default.attributesOfItem(atPath: "\(folder)/named.json")[.posixPermissions] as? Int
            #expect(mode == 0o600)
            let replay = ["report", "--snapshot", "\(folder)/named.json", "--output", "json"]
            let first = try await fleet.succeed(replay).output
            #expect(try await fleet.succeed(replay).output == first)

            for kind in ["defrag", "rightsize-nodes", "spot-arbitrage"] {
                let plan = ["plan", kind, "--snapshot", "\(folder)/named.json"]
                let decision = try await fleet.succeed(plan).output
                #expect(decision.contains("\"actions\""), "\(kind): \(decision)")
                #expect(try await fleet.succeed(plan).output == decision, "\(kind)")
            }

            let hidden = try await fleet.succeed(["snapshot", cluster, "--anonymise"]).output
            #expect(!hidden.contains(cluster) && !hidden.contains("payments") && hidden.contains("kube-system"))
            try Data(hidden.utf8).write(to: URL(fileURLWithPath: "\(folder)/hidden.json"))
            let one = try JSONText(text: first).decode(Report.self)
            let other = try JSONText(
                text: try await fleet.succeed(
                    ["report", "--snapshot", "\(folder)/hidden.json", "--output", "json"]
                ).output
            ).decode(Report.self)
            #expect(one.costPerHour == other.costPerHour)
            // Pods are attributed to workloads by names, which are hashed: the two sections about workloads are empty then.
            func savings(_ report: Report) -> [Int?] {
                report.sections.filter { !["workload-sizes", "office-hours"].contains($0.id) }.map(\.savingPerHour)
            }
            #expect(savings(one) == savings(other))

            let refused = try await fleet.run(["plan", "noop", "--snapshot", "\(folder)/named.json"])
            #expect(refused.status == 66 && refused.errors.contains("does not decide from snapshots"), "\(refused)")
            try Data("{\"version\":9}".utf8).write(to: URL(fileURLWithPath: "\(folder)/newer.json"))
            #expect(try await fleet.run(["plan", "noop", "--snapshot", "\(folder)/newer.json"]).status == 65)
        }
    }
}
