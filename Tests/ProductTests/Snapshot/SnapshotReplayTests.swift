import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

@Suite("Every feature from a snapshot")
struct SnapshotReplayTests {
    /// A staging cluster at night in which every feature finds something.
    static var snapshot: ClusterSnapshot {
        let now = SnapshotScene.now
        var registration = SnapshotScene.registration
        registration.environment = "staging"
        var snapshot = SnapshotScene.snapshot
        snapshot.cluster = SnapshotSubject(registration)
        var cart = Workload(
            .deployment, namespace: "shop", name: "cart", uid: "uid-cart", replicas: 2,
            template: [
                PodContainer(
                    name: "main", requests: Resources(cpu: 500, memory: .mebibytes(1000)),
                    limits: Resources(memory: .mebibytes(1000)))
            ])
        cart.readyReplicas = 2
        cart.updatedReplicas = 2
        snapshot.objects.workloads = [cart]
        for index in snapshot.objects.pods.indices {
            snapshot.objects.pods[index].name = "cart-7d9-\(index)"
            snapshot.objects.pods[index].labels = ["pod-template-hash": "7d9", "app": "cart"]
            if snapshot.objects.pods[index].nodeName == nil { snapshot.objects.pods[index].phase = .pending }
        }
        snapshot.objects.pods[0].containers[0].limits = Resources(memory: .mebibytes(1000))
        snapshot.objects.pods[0].containers[0].lastTermination = ContainerTermination(
            reason: "OOMKilled", exitCode: 137, finishedAt: now.addingTimeInterval(-60))
        var usage = PodUsage(
            namespace: "shop", pod: "cart-7d9-0", at: now, windowSeconds: 15,
            containers: [ContainerUsage(name: "main", cpu: 50, memory: .mebibytes(200))])
        usage.labels = ["pod-template-hash": "7d9"]
        snapshot.objects.usage = [usage]
        snapshot.objects.endpoints = [
            EndpointCount(
                namespace: "shop", slice: "cart-1", service: "cart", readyByZone: ["us-east-1a": 6, "us-east-1b": 2])
        ]
        let owned = ["kubernetes.io/cluster/prod-eks": "owned"]
        snapshot.volumes = [
            Volume(
                id: "vol-00000000000000001", state: "available", size: .mebibytes(100 * 1024), zone: "us-east-1a",
                tags: owned)
        ]
        snapshot.instances?.append(
            Instance(
                id: "i-00000000000000009", state: .running, type: "m5.xlarge", zone: "us-east-1a", capacity: .onDemand,
                tags: owned, launchedAt: now.addingTimeInterval(-86_400)))
        snapshot.nodeGroups = [
            NodeGroup(
                NodeGroupReference(.autoScaling, name: "batch"), minSize: 1, maxSize: 5, desired: 3,
                instances: ["i-00000000000000003"])
        ]
        snapshot.objects.readings = ClusterList.allCases.sorted().map {
            ListReading($0, .complete, resourceVersion: "41", readAt: now)
        }
        return snapshot
    }

    static var policy: ClusterPolicy {
        var policy = ClusterPolicy()
        policy.version = 3
        policy.officeHours.shrinksNodeGroups = true
        // 2027-01-15 is a Friday; the snapshot is of eight in the morning.
        policy.officeHours.hours = WeeklySchedule([WeeklyWindow("Mon-Fri 09:00-18:00 UTC")].compactMap { $0 })
        return policy
    }

    @Test("what each kind would do first is in its plan")
    func plans() throws {
        func plan(_ kind: JobKind, _ change: (inout ClusterSnapshot) -> Void = { _ in }) throws -> Decision {
            var snapshot = Self.snapshot
            change(&snapshot)
            return try SnapshotKinds.named(kind).decide(snapshot, policy: Self.policy).validated()
        }
        func verbs(_ decision: Decision) -> [String] { decision.actions.map(\.verb.name) }
        #expect(verbs(try plan(OfficeHours.kind)) == ["scale"])
        // A pod that waits for a place keeps the groups; when it is gone they shrink.
        #expect(verbs(try plan(OfficeHoursNodes.kind)).isEmpty)
        #expect(
            verbs(try plan(OfficeHoursNodes.kind) { $0.objects.pods.removeAll { $0.nodeName == nil } }) == [
                "size-node-group"
            ])
        #expect(verbs(try plan(ZombieVolumes.kind)) == ["tag"])
        #expect(try plan(GhostScan.kind).findings.map(\.code) == ["ghost"])
        #expect(verbs(try plan(RemediateOOM.kind)) == ["resize"])
        #expect(verbs(try plan(AnalyseNetwork.kind)) == ["distribute-traffic"])
        let sizes = try plan(RightsizeWorkloads.kind)
        #expect(sizes.actions.isEmpty && sizes.findings.map(\.code) == ["rightsize"])
        #expect(sizes.findings.first?.message.contains("Provisional") == true)
    }

    @Test("what an account that could not be read would tell is refused, not left out in silence")
    func blind() throws {
        var blind = Self.snapshot
        blind.instances = nil
        blind.volumes = nil
        blind.nodeGroups = nil
        for kind in [ZombieVolumes.kind, GhostScan.kind, OfficeHoursNodes.kind] {
            let error = #expect(throws: QueueError.self) {
                try SnapshotKinds.named(kind).decide(blind, policy: Self.policy)
            }
            #expect(error?.code == .invalid)
        }
    }

    @Test(
        "every feature that begins by itself can be planned and has a section; both are the same for the same snapshot")
    func features() throws {
        let kinds = SnapshotKinds.all.map { $0.kind.rawValue }
        for feature in Feature.allCases where feature != .interruptions {
            #expect(!Set(feature.kinds).isDisjoint(with: kinds), "\(feature)")
        }
        let copy = try SnapshotDocument.read(SnapshotDocument.text(of: Self.snapshot))
        for kind in SnapshotKinds.all {
            let decision = try JSONText(encoding: kind.decide(Self.snapshot, policy: Self.policy))
            #expect(try JSONText(encoding: kind.decide(copy, policy: Self.policy)) == decision, "\(kind.kind)")
        }
        let report = try ClusterReport(Self.snapshot, policy: Self.policy)
        #expect(try JSONText(encoding: ClusterReport(copy, policy: Self.policy)) == JSONText(encoding: report))
        #expect(
            report.sections.map(\.id) == [
                "nodes", "spot-candidates", "packing", "node-sizes", "workload-sizes", "office-hours", "zombie-volumes",
                "ghosts", "network", "out-of-memory",
            ])
        #expect(report.sections.allSatisfy { section in section.rows.allSatisfy { $0.count == section.columns.count } })
        func section(_ id: String) throws -> ReportSection { try #require(report.sections.first { $0.id == id }) }
        // 45 of 168 hours awake, and five leads of a quarter of an hour.
        #expect(try section("office-hours").summary == "1 workloads with 4 pods could sleep 72 % of the week.")
        #expect((try section("office-hours").savingPerHour ?? .zero) > .zero)
        #expect(try section("workload-sizes").rows.first?[3].hasPrefix("500m -> ") == true)
        #expect(try section("workload-sizes").confidence == 0.1)
        #expect(try section("network").rows.first?[0] == "shop/cart")
        #expect(try section("out-of-memory").rows.count == 1)
        var production = Self.snapshot
        production.cluster.environment = "production"
        let spared = try ClusterReport(production, policy: Self.policy)
        #expect(spared.sections.first { $0.id == "office-hours" }?.savingPerHour == .zero)
    }

    @Test("an anonymised snapshot with groups of nodes can be read and planned")
    func anonymised() throws {
        var anonymiser = SnapshotAnonymiser {
            String($0.hashValue.magnitude, radix: 16).padding(toLength: 17, withPad: "0", startingAt: 0)
        }
        let hidden = try anonymiser.anonymise(Self.snapshot)
        #expect(hidden.nodeGroups?.first?.desired == 3 && hidden.nodeGroups?.first?.reference.name != "batch")
        _ = try OfficeHoursNodes.decide(hidden, policy: Self.policy)
    }
}
