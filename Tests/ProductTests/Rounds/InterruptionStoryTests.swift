import Foundation
import Infrastructure
import JobQueue
import Synchronization
import Testing

@testable import Jobs

@Suite("An interruption from warning to end")
struct InterruptionStoryTests {
    /// Polls, and runs what follows, one job after another: drain before replacement.
    func tell(_ scene: Scene) async throws {
        let poll = try await scene.poll()
        for request in poll.followUps {
            for next in try await scene.run(request).followUps { try await scene.run(next) }
        }
    }

    @Test(
        "the node is cordoned and emptied gently, one replacement is launched, the node object goes with its instance")
    func story() async throws {
        let scene = await Scene(pods: [Scene.pod("a"), Scene.pod("b"), Scene.pod("log", owner: "DaemonSet")])
        await scene.send(Scene.warning())
        let poll = try await scene.poll()
        let interrupt = try await scene.run(try #require(poll.followUps.first))
        #expect(interrupt.followUps.map(\.kind) == ["drain-node", "replace-node"])
        #expect(
            interrupt.followUps.map(\.key?.text) == ["drain/prod/\(Scene.instance)", "replace/prod/\(Scene.instance)"])
        let requirement = try #require(await scene.stores.interruptions.first?.requirement)
        #expect(requirement.moving == Resources(cpu: 1000, memory: .mebibytes(1024), pods: 2))
        #expect(requirement.daemons == Resources(cpu: 500, memory: .mebibytes(512), pods: 1))

        let replace = try await scene.run(interrupt.followUps[1])
        #expect(replace.result?.text.contains("\"joined\":true") == true)
        // EC2 takes the instance two minutes after its warning.
        await scene.world.change { $0.instances[Scene.instance]?.state = .terminated }
        try await scene.run(interrupt.followUps[0])

        let calls = await scene.world.calls
        #expect(calls.filter { $0.hasPrefix("launch") } == ["launch spot"])
        #expect(
            calls.filter { !$0.hasPrefix("launch") } == ["cordon node-1", "evict a", "evict b", "delete-node node-1"])
        #expect(await scene.world.nodes["node-1"] == nil)
        let end = try #require(await scene.stores.interruptions.first)
        #expect(end.drainedAt != nil && end.closedAt != nil && end.replacement != nil)
        #expect(await scene.world.events.count == 1)
        let tags = try #require(await scene.world.launchRequests.first?.tags)
        #expect(tags["cloudoptim.io/replaces"] == Scene.instance.rawValue && tags[ActionSender.tokenTag] != nil)
    }

    @Test("every eviction is asked for within five seconds of the warning")
    func fast() async throws {
        let pods = (0..<120).map { Scene.pod("p\($0)", priority: $0 < 5 ? "system-cluster-critical" : nil) }
        let scene = await Scene(pods: pods)
        await scene.send(Scene.warning())
        await scene.world.change { $0.instances[Scene.instance]?.state = .terminated }
        try await tell(scene)
        let times = await scene.world.callTimes.filter { $0.key.hasPrefix("evict") }
        #expect(times.count == 120)
        #expect(times.values.allSatisfy { $0 <= 5 })
    }

    @Test(
        "a budget that never yields is respected until 30 s before the end, then the pod is deleted with what is left")
    func budget() async throws {
        let scene = await Scene(pods: [Scene.pod("a"), Scene.pod("b")])
        await scene.world.change { world in
            world.blocked = ["a"]
            world.instances[Scene.instance]?.state = .terminated
        }
        await scene.send(Scene.warning())
        let interrupt = try await scene.run(try #require(try await scene.poll().followUps.first))
        let run = MemoryRun(world: scene.world, stores: scene.stores, effects: scene.effects)
        try await scene.run(interrupt.followUps[0], as: run)
        let lines = run.lines.withLock { $0 }.filter { $0.contains("evict/prod/u-a") }
        #expect(lines.count == 2, "what it asks for and why it waits are told once each: \(lines)")
        #expect(lines.last?.hasPrefix("evict/prod/u-a: blocked: ") == true, "\(lines)")
        let calls = await scene.world.calls
        let deletion = try #require(calls.first { $0.hasPrefix("delete a") })
        let grace = try #require(Int(deletion.split(separator: " ").last ?? ""))
        #expect((20...30).contains(grace))
        #expect(try #require(await scene.world.callTimes[deletion]) >= 90)
        #expect(!calls.contains { $0.hasPrefix("delete b") })
    }

    @Test("pods whose eviction is forbidden are findings, and the rest leaves")
    func forbidden() async throws {
        let scene = await Scene(pods: [Scene.pod("a"), Scene.pod("b")])
        await scene.world.change { world in
            world.forbidden = ["a"]
            world.instances[Scene.instance]?.state = .terminated
        }
        await scene.send(Scene.warning())
        try await tell(scene)
        #expect(await scene.world.calls.contains("evict b"))
        #expect(await scene.stores.records(of: "finding").contains { $0.value.text.contains("pod-refused") })
        // The permission may be given later: the effect stays open.
        #expect(await scene.effects.state(of: "evict/prod/u-a") == .intended)
    }

    @Test(
        "below 'apply' nothing is done, and what would have been done is told",
        arguments: [Mode.observe, .propose])
    func modes(mode: Mode) async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        await scene.stores.set(mode)
        await scene.send(Scene.warning())
        try await tell(scene)
        #expect(await scene.world.calls.isEmpty)
        let findings = await scene.stores.records(of: "finding").map(\.value.text)
        #expect(findings.count { $0.contains("would-act") } == (mode == .observe ? 2 : 0))
        #expect(await scene.stores.records(of: "proposal").count == (mode == .propose ? 2 : 0))
        #expect(await scene.effects.keys.isEmpty)
    }

    @Test("a cluster that is off is not even looked at")
    func off() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        await scene.stores.set(.off)
        await scene.send(Scene.warning())
        let request = try #require(try await scene.poll().followUps.first)
        let outcome = try await scene.run(request)
        #expect(outcome.isEmpty && outcome.followUps.isEmpty && outcome.records.isEmpty)
    }

    @Test("the jobspec's mode_max binds even where the cluster says apply")
    func modeMax() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        await scene.send(Scene.warning())
        let request = try #require(try await scene.run(try await scene.poll().followUps[0]).followUps.first)
        let job = ClaimedJob(
            id: JobID(), kind: request.kind, tenant: "acme", target: "prod", queue: "q", lane: .interruption, fence: 1,
            attempt: 1, attemptsMax: 1, parameters: request.parameters, checkpoint: nil, timeLeft: .seconds(60),
            traceparent: nil, isLate: false)
        let run = MemoryRun(world: scene.world, stores: scene.stores, effects: scene.effects)
        _ = try await RoundRunner(sources: scene.sources, modeMax: { _ in .observe })
            .run(HandlerContext(job: job, deadline: .now + .seconds(3600), run: run))
        #expect(await scene.world.calls.isEmpty)
    }

    @Test(
        "owners that replace by themselves get no replacement of ours; Karpenter's nodes are not even drained",
        arguments: [
            (["eks.amazonaws.com/nodegroup": "workers"], [:], ["cordon node-1", "evict a", "delete-node node-1"]),
            ([:], ["aws:autoscaling:groupName": "web"], ["cordon node-1", "evict a", "delete-node node-1"]),
            (["karpenter.sh/nodepool": "default"], [:], []),
        ] as [([String: String], [String: String], [String])])
    func owners(labels: [String: String], tags: [String: String], expected: [String]) async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        await scene.world.change { world in
            world.nodes["node-1"]?.labels.merge(labels) { _, new in new }
            world.instances[Scene.instance]?.tags = tags
            world.instances[Scene.instance]?.state = .terminated
        }
        await scene.send(Scene.warning())
        try await tell(scene)
        #expect(await scene.world.calls == expected)
    }

    @Test("a job of one tenant never acts on another's cluster")
    func tenants() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        await scene.send(Scene.warning())
        let requests = try await scene.run(try await scene.poll().followUps[0]).followUps
        for request in requests {
            await #expect(throws: QueueError.self) { try await scene.run(request, tenant: "mallory") }
        }
        #expect(await scene.world.calls.isEmpty)
    }

    @Test("a second copy of the same jobs finds everything done", arguments: [0, 1])
    func twice(which: Int) async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        await scene.send(Scene.warning())
        let requests = try await scene.run(try await scene.poll().followUps[0]).followUps
        await scene.world.change { $0.instances[Scene.instance]?.state = .terminated }
        try await scene.run(requests[which])
        let calls = await scene.world.calls
        try await scene.run(requests[which])
        #expect(await scene.world.calls == calls)
    }

    @Test("an event in the middle of a drain that brings the deadline nearer is obeyed in the next round")
    func nearer() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        await scene.world.change { $0.blocked = ["a"] }
        await scene.send(Scene.warning())
        let requests = try await scene.run(try await scene.poll().followUps[0]).followUps
        var early = try #require(await scene.stores.interruptions.first)
        early.deadline = Scene.start.addingTimeInterval(40)
        try await scene.stores.take([FactRecords.record(of: .interruption(early))])
        await scene.world.change { $0.instances[Scene.instance]?.state = .terminated }
        try await scene.run(requests[0])
        let deletion = try #require(await scene.world.callTimes.first { $0.key.hasPrefix("delete a") })
        #expect((10...12).contains(deletion.value))
    }
}
