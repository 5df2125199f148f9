import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

@Suite("Runs that die")
struct CrashTests {
    /// The follow-ups of one warning: drain-node, replace-node.
    func requests(_ scene: Scene) async throws -> [JobRequest] {
        await scene.send(Scene.warning())
        return try await scene.run(try await scene.poll().followUps[0]).followUps
    }

    @Test("a drain killed at any of its first checkpoints resumes, and no effect is called twice", arguments: 0..<5)
    func drain(at save: Int) async throws {
        let scene = await Scene(pods: [Scene.pod("a"), Scene.pod("b"), Scene.pod("c")])
        let request = try await requests(scene)[0]
        await scene.world.change { $0.instances[Scene.instance]?.state = .terminated }
        let dying = MemoryRun(world: scene.world, stores: scene.stores, effects: scene.effects, failsAtSave: save)
        await #expect(throws: MemoryRun.Died.self) { try await scene.run(request, as: dying) }
        let checkpoint = dying.lastCheckpoint
        try await scene.run(request, checkpoint: checkpoint)
        #expect(
            await scene.world.calls.sorted()
                == ["cordon node-1", "delete-node node-1", "evict a", "evict b", "evict c"])
        #expect(await scene.effects.calls.values.allSatisfy { $0 == 1 })
    }

    @Test("a launch whose answer was lost is asked again with the same token and the same request: one instance")
    func lostAnswer() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        let request = try await requests(scene)[1]
        let key = "replace/prod/\(Scene.instance)/0"
        let dying = MemoryRun(
            world: scene.world, stores: scene.stores, effects: scene.effects, losesAnswerOf: key)
        await #expect(throws: MemoryRun.Died.self) { try await scene.run(request, as: dying) }
        // Meanwhile prices and nodes changed; the stored plan is what counts.
        await scene.stores.add(Scene.registration("other"))
        try await scene.run(request, checkpoint: dying.lastCheckpoint)
        #expect(await scene.world.calls.filter { $0.hasPrefix("launch") }.count == 1)
        let tokens = await scene.world.launchTokens
        #expect(tokens.count == 2 && Set(tokens).count == 1)
        let sent = await scene.world.launchRequests
        #expect(sent[0] == sent[1])
    }

    @Test("the plan is stored before its first step is sent")
    func planFirst() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        let request = try await requests(scene)[1]
        let dying = MemoryRun(world: scene.world, stores: scene.stores, effects: scene.effects, failsAtSave: 0)
        await #expect(throws: MemoryRun.Died.self) { try await scene.run(request, as: dying) }
        #expect(await scene.world.launchTokens.isEmpty)
    }

    @Test(
        "a checkpoint of another version or of garbage starts anew, and still repeats no effect",
        arguments: ["{\"version\":99}", "[]", "{\"version\":1,\"round\":\"x\"}"])
    func checkpoint(text: String) async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        let request = try await requests(scene)[1]
        try await scene.run(request)
        try await scene.run(request, checkpoint: JSONText(text: text))
        #expect(await scene.world.calls.filter { $0.hasPrefix("launch") }.count == 1)
    }
}

@Suite("Limits of a decision")
struct DecisionLimitTests {
    static func action(_ number: Int, after: String? = nil) -> Action {
        Action(key: "k\(number)", .terminate(instances: [Scene.instance]), reason: "test", after: after)
    }

    @Test(
        "a decision over a limit is refused with the field's name",
        arguments: [
            (Decision(actions: (0...500).map { action($0) }), "decision.actions"),
            (Decision(followUps: (0...50).map { _ in JobRequest("noop") }), "decision.followUps"),
            (Decision(actions: [action(1), action(1)]), "twice"),
            (Decision(actions: [action(1, after: "k9")]), "decision.actions.after"),
            (
                Decision(actions: [action(1)], followUps: [JobRequest("noop")], next: .again(afterMilliseconds: 0)),
                "followUps"
            ),
        ])
    func limits(decision: Decision, field: String) {
        do {
            _ = try decision.validated()
            Issue.record("accepted")
        } catch {
            #expect((error as? QueueError)?.code == .invalid)
            #expect("\(error)".contains(field))
        }
    }

    @Test("a decision survives its way through a checkpoint")
    func roundTrip() throws {
        let decision = Decision(
            actions: [
                Action(key: "a", .cordon(node: NodeReference(name: "n", uid: "u"), taintValue: "x"), reason: "r"),
                Action(
                    key: "b", .evict(pod: PodReference(namespace: "s", name: "p", uid: "u"), graceSeconds: nil),
                    reason: "r",
                    after: "a"),
            ], facts: [.indexSwept(cluster: "c", before: Scene.start)], next: .again(afterMilliseconds: 5),
            memory: JSONText(text: "{\"a\":1}"))
        #expect(try JSONText(encoding: decision).decode(Decision.self) == decision)
    }
}

@Suite("Far sides that cannot be read")
struct UnreadableFarSideTests {
    @Test(
        "a throttled or unauthorized read is left to the retries; a refused address is for a person",
        arguments: [
            (FarSideError.Code.throttled, false), (.unauthorized, false), (.network, false), (.egressRefused, true),
            (.badConfiguration, true),
        ])
    func codes(code: FarSideError.Code, isPermanent: Bool) async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        await scene.send(Scene.warning())
        let requests = try await scene.run(try await scene.poll().followUps[0]).followUps
        await scene.world.change { $0.describeError = FarSideError(code, "no") }
        await #expect {
            try await scene.run(requests[1])
        } throws: { error in
            (error as? QueueError)?.isPermanent ?? false == isPermanent
        }
        #expect(await scene.world.launchTokens.isEmpty)
    }
}
