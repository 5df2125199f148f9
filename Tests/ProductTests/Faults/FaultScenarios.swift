import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

/// A world in which a job of one kind has something to do.
struct FaultScenario: Sendable, CustomTestStringConvertible, CustomStringConvertible {
    let kind: JobKind
    /// What is special about it; empty: nothing.
    var name = ""
    var pods: [Pod] = []
    /// How often the job runs, as its schedule would have it: what one run left undone, the next does.
    var runs = 1
    /// The time between two of them.
    var every = Duration.seconds(600)
    /// A call that may be made once only and whose answer was lost ends the job as "outcome unknown".
    var mayPark = false
    /// It reads our own stores only.
    var callsNobody = false
    /// Kinds of record whose keys hold a time: a fault takes time.
    var recordsLeftOut: Set<String> = []
    /// Sets the scene.
    var prepare: @Sendable (Scene) async throws -> Void = { _ in }
    /// What is enqueued.
    let request: @Sendable (Scene) -> JobRequest

    var description: String { name.isEmpty ? kind.rawValue : "\(kind) (\(name))" }
    var testDescription: String { description }
}

extension FaultScenario {
    /// One line for each kind, or several: **a new kind adds its own here.** `prepare` gives it something to do: the
    /// test fails for a kind that makes no far call.
    static let all: [FaultScenario] = [
        FaultScenario(
            kind: PollSQS.kind, pods: [Scene.pod("a")], runs: 3, every: .seconds(31),
            prepare: { scene in
                await scene.send(Scene.warning())
                await scene.send("not an event", id: "m-2")
            }, request: { _ in JobRequest(PollSQS.kind, target: Scene.queue) }),
        FaultScenario(
            kind: InterruptNode.kind, pods: [Scene.pod("a"), Scene.pod("b")],
            prepare: { scene in
                await scene.send(Scene.warning())
                try await scene.poll()
            },
            request: { _ in
                JobRequest(
                    InterruptNode.kind, parameters: InterruptNode.parameters([Scene.instance]), target: "prod")
            }),
        FaultScenario(
            kind: DrainNode.kind, pods: [Scene.pod("a"), Scene.pod("b"), Scene.pod("log", owner: "DaemonSet")],
            prepare: { scene in
                try await interrupted(scene)
                await scene.world.change { $0.instances[Scene.instance]?.state = .terminated }
            }, request: { _ in intent(DrainNode.kind) }),
        FaultScenario(
            kind: ReplaceNode.kind, pods: [Scene.pod("a")], prepare: { scene in try await interrupted(scene) },
            request: { _ in intent(ReplaceNode.kind) }),
        FaultScenario(
            kind: SnapshotCluster.kind, runs: 2, request: { _ in JobRequest(SnapshotCluster.kind, target: "prod") }),
        FaultScenario(
            kind: RestoreMarks.kind, runs: 2,
            prepare: { scene in
                await scene.world.change { world in
                    guard let node = world.nodes["node-1"],
                        let patch = NodeMark.mark(node, by: "cordon/prod/uid-1", taintValue: "interruption")
                    else { return }
                    _ = try? world.patch(patch)  // the node is the world's own, in this version
                }
            }, request: { _ in JobRequest(RestoreMarks.kind, target: "prod") }),
        FaultScenario(
            kind: Defrag.kind, name: "an empty node", runs: 2, request: { _ in JobRequest(Defrag.kind, target: "prod") }
        ),
        FaultScenario(
            kind: RightsizeNodes.kind, pods: [replica("a"), replica("b")], runs: 2, prepare: { await roomy($0) },
            request: { _ in JobRequest(RightsizeNodes.kind, target: "prod") }),
        FaultScenario(
            kind: SpotArbitrage.kind, name: "the new node is too small after all", pods: [replica("a"), replica("b")],
            runs: 2, prepare: { await roomy($0) }, request: { _ in JobRequest(SpotArbitrage.kind, target: "prod") }),
        FaultScenario(
            kind: ZombieVolumes.kind, runs: 4, every: .seconds(3600),
            recordsLeftOut: ["volume_sighting", "volume_gone"],
            prepare: { await AccountScene.zombie($0, markedDaysAgo: 8) },
            request: { _ in JobRequest(ZombieVolumes.kind, target: AccountScene.account.description) }),
        FaultScenario(kind: Preflight.kind, request: { _ in JobRequest(Preflight.kind, target: "prod") }),
        FaultScenario(
            kind: GhostScan.kind, runs: 3, every: .seconds(3600), recordsLeftOut: ["ghost_sighting", "ghost_gone"],
            prepare: { try await AccountScene.ghost($0, seenHoursAgo: 25) },
            request: { _ in JobRequest(GhostScan.kind, target: AccountScene.account.description) }),
        FaultScenario(
            kind: OfficeHours.kind, name: "in the evening", runs: 3, every: .seconds(60),
            prepare: { try await officeHours($0, at: "2026-11-24T20:00:00Z") },
            request: { _ in JobRequest(OfficeHours.kind, target: "prod") }),
        FaultScenario(
            kind: OfficeHours.kind, name: "in the morning", runs: 3, every: .seconds(60),
            prepare: { scene in
                try await officeHours(scene, at: "2026-11-24T20:00:00Z")
                try await scene.run(JobRequest(OfficeHours.kind, target: "prod"))
                try await officeHours(scene, at: "2026-11-25T08:10:00Z")
            }, request: { _ in JobRequest(OfficeHours.kind, target: "prod") }),
        FaultScenario(
            kind: OfficeHoursNodes.kind, name: "in the evening", runs: 3, every: .seconds(60),
            prepare: { try await OfficeHoursNodesTests.prepare($0, at: "2026-11-24T20:00:00Z") },
            request: { _ in JobRequest(OfficeHoursNodes.kind, target: "prod") }),
        FaultScenario(
            kind: OfficeHoursNodes.kind, name: "in the morning", runs: 3, every: .seconds(60),
            prepare: { scene in
                try await OfficeHoursNodesTests.prepare(scene, at: "2026-11-24T20:00:00Z")
                try await scene.run(JobRequest(OfficeHoursNodes.kind, target: "prod"))
                try await OfficeHoursNodesTests.prepare(scene, at: "2026-11-25T08:10:00Z")
            }, request: { _ in JobRequest(OfficeHoursNodes.kind, target: "prod") }),
        FaultScenario(
            kind: SampleMetrics.kind, runs: 2, every: .seconds(60),
            prepare: { scene in
                let now = await scene.world.now
                await scene.world.change { $0.others.usage = [SampleMetricsTests.usage("a", at: now)] }
            }, request: { _ in JobRequest(SampleMetrics.kind, target: "prod") }),
        FaultScenario(
            kind: RightsizeWorkloads.kind, runs: 2, prepare: { try await sized($0) },
            request: { _ in JobRequest(RightsizeWorkloads.kind, target: "prod") }),
        FaultScenario(
            kind: RemediateOOM.kind, runs: 2, every: .seconds(30),
            prepare: { scene in
                try await sized(scene)
                let pod = RemediateOOMTests.pod(limit: 1024)
                await scene.world.change { $0.pods = [pod.name: pod] }
            }, request: { _ in JobRequest(RemediateOOM.kind, target: "prod") }),
        FaultScenario(
            kind: AnalyseNetwork.kind, runs: 2, prepare: { await AnalyseNetworkTests.prepare($0) },
            request: { _ in JobRequest(AnalyseNetwork.kind, target: "prod") }),
        FaultScenario(
            kind: AnalyseNetwork.kind, name: "with flow logs", runs: 2, recordsLeftOut: ["finding"],
            prepare: { await MeasuredTrafficTests.prepare($0) },
            request: { _ in JobRequest(AnalyseNetwork.kind, target: "prod") }),
        FaultScenario(
            kind: Notify.kind, name: "to a receiver that honours keys", request: { _ in notification(honoursKey: true) }
        ),
        FaultScenario(
            kind: Notify.kind, name: "to a receiver that does not", mayPark: true,
            prepare: { await $0.farSides.posted.set(honoursKey: false) },
            request: { _ in notification(honoursKey: false) }),
        FaultScenario(
            kind: FetchAdvisor.kind, runs: 2, every: .seconds(3600), recordsLeftOut: priceRecords,
            request: { _ in
                JobRequest(FetchAdvisor.kind, parameters: JSONText(text: #"{"url":"https://advisor.example/a.json"}"#))
            }),
        FaultScenario(
            kind: FetchSpotPrices.kind, recordsLeftOut: priceRecords,
            request: { _ in
                JobRequest(
                    FetchSpotPrices.kind, parameters: JSONText(text: #"{"types":["m5.*"],"types_per_chunk":100}"#),
                    target: "region/us-east-1")
            }),
        FaultScenario(
            kind: FetchOnDemandPrices.kind, recordsLeftOut: priceRecords,
            request: { _ in JobRequest(FetchOnDemandPrices.kind, target: "region/us-east-1") }),
        FaultScenario(
            kind: FillPriceGap.kind, recordsLeftOut: priceRecords,
            request: { _ in
                JobRequest(
                    FillPriceGap.kind,
                    parameters: JSONText(text: #"{"from":"2027-01-10","until":"2027-01-11","types":["m5.*"]}"#),
                    target: "region/us-east-1")
            }),
        FaultScenario(
            kind: DailyRefresh.kind, callsNobody: true, request: { _ in JobRequest(DailyRefresh.kind) }),
        FaultScenario(
            kind: MeasureSavings.kind, callsNobody: true,
            prepare: { scene in
                let saving = SavingFact(
                    key: "s", cluster: "prod", feature: .packing, .gone, subject: "x", before: 100_000, after: 0,
                    since: Scene.start - 5 * 86_400)
                await scene.stores.set(savings: [saving], lives: [])
            }, request: { _ in JobRequest(MeasureSavings.kind, target: "prod") }),
        FaultScenario(
            kind: Noop.kind, callsNobody: true,
            request: { _ in JobRequest(Noop.kind, parameters: JSONText(text: #"{"wait_milliseconds":1500}"#)) }),
    ]

    /// Prices are read as of a time, and a fault takes time; an account whose zones cannot be read is a finding.
    private static let priceRecords: Set<String> = ["spot_prices", "account_zones", "finding"]
    private static func replica(_ name: String) -> Pod {
        var pod = Scene.pod(name)
        pod.ownerUID = "rs-1"
        return pod
    }

    /// The scene's node is on demand and far too large for its pods.
    private static func roomy(_ scene: Scene) async {
        await scene.world.change { world in
            world.instances[Scene.instance]?.capacity = .onDemand
            world.instances[Scene.instance]?.type = "m5.4xlarge"
            world.nodes["node-1"]?.allocatable = Resources(cpu: 15_890, memory: .mebibytes(57_000), pods: 234)
        }
    }

    /// The warning came, and its node's interruption is open.
    private static func interrupted(_ scene: Scene) async throws {
        await scene.send(Scene.warning())
        for request in try await scene.poll().followUps { try await scene.run(request) }
    }

    /// Two workloads whose namespace may sleep, and the time it is.
    private static func officeHours(_ scene: Scene, at time: String) async throws {
        var policy = ClusterPolicy()
        policy.officeHours.namespaces = ["web"]
        await scene.stores.set(policy)
        let now = try Date(time, strategy: .iso8601)
        await scene.world.change { world in
            world.now = now
            if world.workloads.isEmpty {
                world.workloads = [
                    OfficeHoursTests.workload("api"), OfficeHoursTests.workload("report", .cronJob, replicas: nil),
                ]
            }
        }
    }

    /// A workload that asks for more than it used.
    private static func sized(_ scene: Scene) async throws {
        let other = await RightsizeWorkloadsTests.scene(
            [RightsizeWorkloadsTests.workload("api")], used: ["api": (100, 300)])
        await scene.stores.set(await other.stores.usageRows)
        await scene.stores.set(await other.stores.policy)
        let node = await other.world.nodes["node-1"]
        await scene.world.change { world in
            world.now = RightsizeWorkloadsTests.now
            world.workloads = [RightsizeWorkloadsTests.workload("api")]
            world.nodes["node-1"] = node
        }
    }

    private static func intent(_ kind: JobKind) -> JobRequest {
        JobRequest(
            kind, parameters: JSONText(text: #"{"instance":"\#(Scene.instance)","generation":1}"#), target: "prod")
    }

    private static func notification(honoursKey: Bool) -> JobRequest {
        JobRequest(
            Notify.kind,
            parameters: JSONText(
                text:
                    #"{"url":"https://hooks.example/x","body":{"n":1},"receiver_honours_key":\#(honoursKey),"name":"n-1"}"#
            ))
    }
}
