import Foundation
import Infrastructure
import JobQueue
import Optimizer
import Testing

@testable import Jobs

@Suite("Office hours of node groups")
struct OfficeHoursNodesTests {
    static let asg = NodeGroupReference(.autoScaling, name: "batch")
    static let managed = NodeGroupReference(.managed, cluster: "prod-eks", name: "general")

    /// The scene's cluster as a staging one in Berlin with two groups of nodes, at that time.
    static func prepare(
        _ scene: Scene, at time: String, environment: String = "staging", shrinks: Bool = true
    ) async throws {
        var registration = Scene.registration("prod")
        registration.environment = environment
        registration.timeZone = "Europe/Berlin"
        await scene.stores.set(registration)
        var policy = ClusterPolicy()
        policy.version = 4
        policy.officeHours.shrinksNodeGroups = shrinks
        await scene.stores.set(policy)
        let now = try Date(time, strategy: .iso8601)
        await scene.world.change { world in
            world.now = now
            guard world.nodeGroups.isEmpty else { return }
            world.nodeGroups[asg] = NodeGroup(asg, minSize: 2, maxSize: 9, desired: 4)
            world.nodeGroups[managed] = NodeGroup(managed, arn: "arn:x", minSize: 1, maxSize: 9, desired: 3)
            world.fill(asg)
            world.fill(managed)
        }
    }

    static func scene(at time: String = "2026-11-24T12:00:00Z", environment: String = "staging") async throws -> Scene {
        let scene = await Scene(pods: [])
        try await prepare(scene, at: time, environment: environment)
        return scene
    }

    @discardableResult
    static func run(_ scene: Scene, at time: String) async throws -> Outcome {
        let now = try Date(time, strategy: .iso8601)
        await scene.world.change { $0.now = now }
        return try await scene.run(JobRequest(OfficeHoursNodes.kind, target: "prod"))
    }

    /// `min/desired` by group.
    static func sizes(_ scene: Scene) async -> [String: String] {
        await scene.world.read { world in
            Dictionary(
                uniqueKeysWithValues: world.nodeGroups.values.map { ($0.reference.name, "\($0.minSize)/\($0.desired)") }
            )
        }
    }

    static func findings(_ scene: Scene) async -> [String] {
        await scene.stores.records(of: "finding").map(\.key)
    }

    @Test("an evening and a morning: groups go down to the nodes that stay, and come back before the workloads wake")
    func night() async throws {
        let scene = try await Self.scene()
        #expect(try await Self.run(scene, at: "2026-11-24T16:59:59Z").isEmpty)
        try await Self.run(scene, at: "2026-11-24T17:00:30Z")
        #expect(await Self.sizes(scene) == ["batch": "1/1", "general": "1/1"])
        let marks = await scene.world.read { $0.nodeGroups.mapValues { $0.tags[SleepMark.annotation] } }
        #expect(marks == [Self.asg: "4/2@2026-11-24T17:00:00Z", Self.managed: "3/1@2026-11-24T17:00:00Z"])
        let rows = try await scene.stores.nodeGroups(in: "prod").filter { $0.record.state == .asleep }
        #expect(rows.map(\.record.original) == [4, 3] && rows.map(\.minSize) == [2, 1])
        // The tag was there before the group was smaller.
        let calls = await scene.world.calls
        for name in ["autoscaling-group/batch", "managed-node-group/general"] {
            let mark = try #require(calls.firstIndex { $0.hasPrefix("mark \(name)") })
            #expect(mark < (try #require(calls.firstIndex { $0.hasPrefix("resize \(name)") })))
        }
        // The scene's own node is in no group: told once, when the groups have had time to end theirs.
        let told = await Self.findings(scene)
        try await Self.run(scene, at: "2026-11-24T17:20:00Z")
        #expect(await Self.findings(scene).count == told.count + 1)
        #expect(try await Self.run(scene, at: "2026-11-25T03:00:00Z").isEmpty)
        #expect(await scene.world.calls == calls)
        // Work begins at nine, workloads wake at a quarter to, nodes ten minutes before that.
        #expect(try await Self.run(scene, at: "2026-11-25T07:34:59Z").isEmpty)
        try await Self.run(scene, at: "2026-11-25T07:35:00Z")
        #expect(await Self.sizes(scene) == ["batch": "2/4", "general": "1/3"])
        try await Self.run(scene, at: "2026-11-25T07:36:00Z")
        #expect(await scene.world.read { $0.nodeGroups.values.allSatisfy { $0.tags.isEmpty } })
        #expect(
            try await scene.stores.nodeGroups(in: "prod").filter { $0.minSize > 0 }.allSatisfy {
                $0.record.state == .awake
            })
        #expect(try await Self.run(scene, at: "2026-11-25T07:37:00Z").isEmpty)
    }

    @Test(
        "nodes go after the workloads, never under them; who keeps them is told once, when the workloads have had time")
    func busy() async throws {
        let scene = try await Self.scene()
        var pod = Scene.pod("api")
        pod.nodeName = "general-2"
        var daemon = Scene.pod("log", owner: "DaemonSet")
        daemon.nodeName = "batch-1"
        var dns = Scene.pod("dns")
        dns.namespace = "kube-system"
        dns.nodeName = "batch-2"
        let pods = [pod, daemon, dns]
        await scene.world.change { world in for pod in pods { world.pods[pod.name] = pod } }
        try await Self.run(scene, at: "2026-11-24T17:01:00Z")
        #expect(await Self.sizes(scene) == ["batch": "1/1", "general": "1/3"])
        #expect(await Self.findings(scene).contains { $0.hasPrefix("office-hours-nodes-refused") } == false)
        try await Self.run(scene, at: "2026-11-24T17:20:00Z")
        #expect(
            await Self.findings(scene).filter { $0.hasPrefix("office-hours-nodes-refused") }
                == ["office-hours-nodes-refused/prod/managed-node-group/general"])
        #expect(try await Self.run(scene, at: "2026-11-24T17:21:00Z").isEmpty)
        await scene.world.change { $0.pods["api"] = nil }
        try await Self.run(scene, at: "2026-11-24T17:30:00Z")
        #expect(await Self.sizes(scene) == ["batch": "1/1", "general": "1/1"])
    }

    @Test("who starts something at night gets its nodes back, and the groups sleep again when it is over")
    func waiting() async throws {
        let scene = try await Self.scene()
        try await Self.run(scene, at: "2026-11-24T18:00:00Z")
        var pod = Scene.pod("job", phase: .pending)
        pod.nodeName = nil
        pod.createdAt = try Date("2026-11-24T20:00:00Z", strategy: .iso8601)
        let waiting = pod
        await scene.world.change { $0.pods["job"] = waiting }
        #expect(try await Self.run(scene, at: "2026-11-24T20:01:00Z").isEmpty)
        try await Self.run(scene, at: "2026-11-24T20:03:00Z")
        #expect(await Self.sizes(scene) == ["batch": "2/4", "general": "1/3"])
        await scene.world.change { $0.pods["job"]?.nodeName = "batch-3" }
        await scene.world.change { $0.pods["job"]?.phase = .running }
        try await Self.run(scene, at: "2026-11-24T20:04:00Z")
        try await Self.run(scene, at: "2026-11-24T20:05:00Z")
        #expect(await Self.sizes(scene) == ["batch": "2/4", "general": "1/1"])
        await scene.world.change { $0.pods["job"] = nil }
        try await Self.run(scene, at: "2026-11-24T21:00:00Z")
        #expect(await Self.sizes(scene) == ["batch": "1/1", "general": "1/1"])
        try await Self.run(scene, at: "2026-11-25T08:00:00Z")
        #expect(await Self.sizes(scene) == ["batch": "2/4", "general": "1/3"])
    }

    @Test("a person's size wins until the next window, with the least size of before")
    func human() async throws {
        let scene = try await Self.scene()
        try await Self.run(scene, at: "2026-11-24T18:00:00Z")
        await scene.world.change { world in
            world.nodeGroups[Self.asg]?.desired = 3
            world.fill(Self.asg)
        }
        try await Self.run(scene, at: "2026-11-24T19:00:00Z")
        #expect(await Self.sizes(scene)["batch"] == "2/3")
        #expect(await Self.findings(scene).contains { $0.hasPrefix("office-hours-overridden") })
        try await Self.run(scene, at: "2026-11-25T08:00:00Z")
        #expect(await Self.sizes(scene) == ["batch": "2/3", "general": "1/3"])
        try await Self.run(scene, at: "2026-11-25T18:00:00Z")
        #expect(await Self.sizes(scene) == ["batch": "1/1", "general": "1/1"])
    }

    @Test("either of the two places brings them back; where they differ the larger counts and is told")
    func places() async throws {
        let lost = try await Self.scene()
        try await Self.run(lost, at: "2026-11-24T18:00:00Z")
        await lost.stores.forgetSleepers()
        try await Self.run(lost, at: "2026-11-25T08:00:00Z")
        #expect(await Self.sizes(lost) == ["batch": "2/4", "general": "1/3"])
        let bare = try await Self.scene()
        try await Self.run(bare, at: "2026-11-24T18:00:00Z")
        await bare.world.change { $0.nodeGroups[Self.asg]?.tags = [:] }
        try await Self.run(bare, at: "2026-11-25T08:00:00Z")
        #expect(await Self.sizes(bare) == ["batch": "2/4", "general": "1/3"])
        let edited = try await Self.scene()
        try await Self.run(edited, at: "2026-11-24T18:00:00Z")
        await edited.world.change {
            $0.nodeGroups[Self.asg]?.tags[SleepMark.annotation] = "7/3@2026-11-24T17:00:00Z"
        }
        try await Self.run(edited, at: "2026-11-25T08:00:00Z")
        #expect(await Self.sizes(edited)["batch"] == "3/7")
        #expect(await Self.findings(edited).contains { $0.hasPrefix("office-hours-levels-differ") })
    }

    @Test(
        "production, protected groups and those whose owner says never keep their nodes; so do all without the policy's word"
    )
    func refusals() async throws {
        let production = try await Self.scene(environment: "production")
        try await Self.run(production, at: "2026-11-24T20:00:00Z")
        #expect(await Self.sizes(production) == ["batch": "2/4", "general": "1/3"])
        let tagged = try await Self.scene()
        await tagged.world.change { world in
            world.nodeGroups[Self.asg]?.tags = ["cloudoptim.io/protected": "yes"]
            world.nodeGroups[Self.managed]?.tags = [SleepMark.optOutAnnotation: "never"]
        }
        try await Self.run(tagged, at: "2026-11-24T20:00:00Z")
        #expect(await Self.sizes(tagged) == ["batch": "2/4", "general": "1/3"])
        let unasked = await Scene(pods: [])
        try await Self.prepare(unasked, at: "2026-11-24T20:00:00Z", shrinks: false)
        #expect(try await Self.run(unasked, at: "2026-11-24T20:00:00Z").isEmpty)
        #expect(await unasked.world.calls.isEmpty)
        // Turned off at night: what sleeps is woken.
        let off = try await Self.scene()
        try await Self.run(off, at: "2026-11-24T20:00:00Z")
        try await Self.prepare(off, at: "2026-11-24T21:00:00Z", shrinks: false)
        try await Self.run(off, at: "2026-11-24T21:00:00Z")
        #expect(await Self.sizes(off) == ["batch": "2/4", "general": "1/3"])
    }

    @Test("nodes of other owners are left alone, and why is told once a night")
    func others() async throws {
        let scene = try await Self.scene()
        await scene.world.change {
            $0.nodes["k"] = Node(name: "k", uid: "k", labels: ["karpenter.sh/nodepool": "default"])
        }
        try await Self.run(scene, at: "2026-11-24T20:00:00Z")
        let told = await scene.stores.records(of: "finding").filter { $0.key.hasPrefix("office-hours-nodes-left") }
        #expect(
            told.map(\.key) == [
                "office-hours-nodes-left/prod/nodes/karpenter", "office-hours-nodes-left/prod/nodes/other",
            ])
        #expect(told.first?.value.text.contains("Karpenter removes nodes by itself") == true)
        #expect(try await Self.run(scene, at: "2026-11-24T20:01:00Z").isEmpty)
    }

    @Test("below 'apply' nothing is done, and what would be done is told with its saving")
    func observes() async throws {
        let scene = try await Self.scene()
        await scene.stores.set(.observe)
        try await Self.run(scene, at: "2026-11-24T18:00:00Z")
        #expect(await scene.world.calls.isEmpty)
        #expect(await Self.findings(scene).contains { $0.hasPrefix("would-act") })
    }

    @Test("a group that its owner is changing is left until it is done")
    func changing() async throws {
        let scene = try await Self.scene()
        await scene.world.change { $0.nodeGroups[Self.managed]?.isChanging = true }
        try await Self.run(scene, at: "2026-11-24T18:00:00Z")
        #expect(await Self.sizes(scene) == ["batch": "1/1", "general": "1/3"])
        await scene.world.change { $0.nodeGroups[Self.managed]?.isChanging = false }
        try await Self.run(scene, at: "2026-11-24T18:01:00Z")
        #expect(await Self.sizes(scene) == ["batch": "1/1", "general": "1/1"])
    }

    /// The savings that were filed, by instance.
    private static func savings(_ scene: Scene) async throws -> [String: SavingFact] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        decoder.dateDecodingStrategy = .custom { decoder in
            let text = try decoder.singleValueContainer().decode(String.self)
            return try Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        }
        let facts = try await scene.stores.records(of: "saving").map {
            try decoder.decode(SavingFact.self, from: Data($0.value.text.utf8))
        }
        return Dictionary(facts.map { ($0.subject, $0) }) { first, _ in first }
    }

    @Test(
        "each node that was gone in the morning is a saving from the evening on, at its price; those that stayed are none"
    )
    func saves() async throws {
        let scene = try await Self.scene()
        await scene.world.change { world in
            world.nodes["general-1"]?.labels["eks.amazonaws.com/capacityType"] = "SPOT"
            world.nodes["general-2"]?.labels["node.kubernetes.io/instance-type"] = "x9.unknown"
        }
        try await Self.run(scene, at: "2026-11-24T17:00:30Z")
        try await Self.run(scene, at: "2026-11-25T03:00:00Z")
        #expect(try await Self.savings(scene).isEmpty)
        try await Self.run(scene, at: "2026-11-25T07:35:00Z")
        let savings = try await Self.savings(scene)
        // Three of four of one group, and of the other the one whose price is known.
        #expect(Set(savings.keys) == ["i-batch1", "i-batch2", "i-batch3", "i-general1"])
        #expect(savings.values.allSatisfy { $0.form == .asleep && $0.feature == .officeHours && $0.after == .zero })
        let from = try Date("2026-11-24T17:00:30Z", strategy: .iso8601)
        let until = try Date("2026-11-25T07:35:00Z", strategy: .iso8601)
        #expect(savings.values.allSatisfy { $0.since == from && $0.until == until })
        #expect(savings["i-batch1"]?.before == 96_000)
        let spot = try #require(savings["i-general1"]?.before)
        #expect(spot > .zero && spot < 96_000)
        // Whatever runs again files nothing more; the next night is another.
        let count = await scene.stores.records(of: "saving").count
        try await Self.run(scene, at: "2026-11-25T07:36:00Z")
        try await Self.run(scene, at: "2026-11-25T12:00:00Z")
        #expect(await scene.stores.records(of: "saving").count == count)
        try await Self.run(scene, at: "2026-11-25T18:00:00Z")
        try await Self.run(scene, at: "2026-11-26T08:00:00Z")
        #expect(try await Self.savings(scene).count == 4 + 5)
    }

    @Test("a night that a person ends saves until then, and no longer")
    func personEnds() async throws {
        let scene = try await Self.scene()
        try await Self.run(scene, at: "2026-11-24T18:00:00Z")
        await scene.world.change { world in
            world.nodeGroups[Self.asg]?.desired = 2
            world.fill(Self.asg)
        }
        try await Self.run(scene, at: "2026-11-24T20:00:00Z")
        let savings = try await Self.savings(scene)
        #expect(Set(savings.keys) == ["i-batch1", "i-batch2", "i-batch3"])
        let until = try Date("2026-11-24T20:00:00Z", strategy: .iso8601)
        #expect(savings.values.allSatisfy { $0.until == until })
        try await Self.run(scene, at: "2026-11-25T08:00:00Z")
        #expect(try await Self.savings(scene).keys.filter { $0.hasPrefix("i-batch") }.count == 3)
    }

    private static func alone(_ changes: [Int: @Sendable (inout NodeGroup) -> Void]) async throws -> Scene {
        let scene = try await Self.scene()
        await scene.world.change { world in
            world.nodeGroups[Self.managed] = nil
            world.groupChanges = changes
        }
        return scene
    }

    @Test("who sizes a group while it is marked is not overwritten: it sleeps from that size, and returns to it")
    func whileMarked() async throws {
        let scene = try await Self.alone([2: { $0.desired = 6 }])
        try await Self.run(scene, at: "2026-11-24T18:00:00Z")
        try await Self.run(scene, at: "2026-11-24T18:01:00Z")
        #expect(await Self.sizes(scene) == ["batch": "1/1"])
        #expect(
            await scene.world.calls.filter { $0.hasPrefix("resize") } == ["resize autoscaling-group/batch 2/6 -> 1/1"])
        #expect(await scene.world.read { $0.nodeGroups[Self.asg]?.mark?.original } == 6)
        try await Self.run(scene, at: "2026-11-25T08:00:00Z")
        #expect(await Self.sizes(scene) == ["batch": "2/6"])
    }

    @Test("who sizes a group right after it was put to sleep is told of, and theirs counts")
    func rightAfter() async throws {
        let scene = try await Self.alone([3: { $0.desired = 3 }])
        try await Self.run(scene, at: "2026-11-24T18:00:00Z")
        #expect(await Self.findings(scene).contains { $0.hasPrefix("office-hours-nodes-raced") })
        try await Self.run(scene, at: "2026-11-24T18:01:00Z")
        try await Self.run(scene, at: "2026-11-24T18:02:00Z")
        #expect(await Self.sizes(scene) == ["batch": "2/3"])
    }

    @Test("the mark of a group is read as it is written, and nothing else is")
    func marks() throws {
        let since = try Date("2026-11-24T17:00:00Z", strategy: .iso8601)
        for mark in [SleepMark(original: 4, since: since, minSize: 0), SleepMark(original: 4, since: since)] {
            #expect(SleepMark(parsing: mark.description) == mark)
        }
        for text in ["4/@2026-11-24T17:00:00Z", "4/-1@2026-11-24T17:00:00Z", "4/1/2@2026-11-24T17:00:00Z", "/1@x"] {
            #expect(SleepMark(parsing: text) == nil)
        }
    }
}
