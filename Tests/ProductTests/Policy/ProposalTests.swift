import Foundation
import Infrastructure
import JobQueue
import Logging
import Testing

@testable import Jobs

/// Cordons a node and evicts a pod in its first round, deletes the node in its second.
private struct Tidy: Job {
    struct Parameters: Codable, Sendable { var pods: [String]? }
    struct Observation: Codable, Sendable {
        var pods: [String]
        var round: Int
    }
    static let kind: JobKind = "defrag"
    let parameters: Parameters
    init(_ parameters: Parameters) { self.parameters = parameters }

    func observe(_ context: JobContext) async throws -> Observation {
        let cluster = try await context.cluster(try await context.registration())
        return Observation(pods: try await cluster.pods().map(\.name).sorted(), round: context.round)
    }

    func decide(_ observation: Observation) throws -> Decision {
        let node = NodeReference(name: "node-1", uid: "uid-1")
        let end = Action(key: "delete-node/uid-1", .deleteNode(node: node), reason: "it is empty", saving: 70_000)
        if observation.round > 0 { return Decision(actions: [end]) }
        let evictions = observation.pods.map { name in
            Action(
                key: "evict/prod/u-\(name)",
                .evict(pod: PodReference(namespace: "web", name: name, uid: "u-\(name)"), graceSeconds: nil),
                reason: "the node is not needed")
        }
        return Decision(
            actions: [Action(key: "cordon/prod/uid-1", .cordon(node: node, taintValue: "x"), reason: "not needed")]
                + evictions, next: .again(afterMilliseconds: 0), foreseen: [end])
    }
}

@Suite("Proposals")
struct ProposalTests {
    private let catalog = JobCatalog([Tidy.self])

    private func scene(pods: [String] = ["a", "b"], mode: Mode = .propose) async -> Scene {
        let scene = await Scene(pods: pods.map { Scene.pod($0) })
        await scene.stores.set(mode)
        return scene
    }

    private func run(
        _ scene: Scene, approved: String? = nil, lane: Lane = .work, modeMax: Mode = .apply
    ) async throws -> Outcome {
        let runner = RoundRunner(
            catalog: catalog, sources: scene.sources, modeMax: { _ in modeMax })
        let parameters = approved.map { "{\"proposal_id\":\"\($0)\"}" } ?? "{}"
        let job = ClaimedJob(
            id: JobID(), kind: Tidy.kind, tenant: "acme", target: "prod", queue: "default", lane: lane, fence: 1,
            attempt: 1, attemptsMax: 5, parameters: JSONText(text: parameters), checkpoint: nil,
            timeLeft: .seconds(3600), traceparent: nil, isLate: false)
        let outcome = try await runner.run(
            HandlerContext(
                job: job, deadline: .now + .seconds(3600),
                run: MemoryRun(world: scene.world, stores: scene.stores, effects: scene.effects)))
        try await scene.stores.take(outcome.records)
        return outcome
    }

    /// What the job proposed, as an approved proposal.
    private func approve(
        _ outcome: Outcome, in scene: Scene, state: Proposal.State = .approved, for span: TimeSpan = .hours(1)
    )
        async throws -> Proposal
    {
        let record = try #require(outcome.records.first { $0.kind == "proposal" })
        let fields = try record.value.decode([String: JSONValue].self)
        func text(_ name: String) throws -> String {
            guard case .string(let text)? = fields[name] else { throw QueueError(.invalid, name) }
            return text
        }
        let now = await scene.world.now
        let proposal = Proposal(
            id: try text("id"), tenant: "acme", target: try text("target"), kind: try text("kind"), state: state,
            actions: try JSONText(text: (fields["actions"] ?? .null).canonical).decode([Action].self), saving: nil,
            policyVersion: 0, digest: try text("digest"), decidedAt: now, expiresAt: now + span.interval)
        await scene.stores.add(proposal)
        return proposal
    }

    private func ends(_ outcome: Outcome) throws -> [String] {
        try outcome.records.filter { $0.kind == "proposal_end" }.map { record in
            guard case .string(let state)? = try record.value.decode([String: JSONValue].self)["state"] else {
                return ""
            }
            return state
        }
    }

    @Test(
        "the mode propose ends the job with a proposal and does nothing; it names all actions, saving, digest, expiry and policy version"
    )
    func proposes() async throws {
        let scene = await scene()
        var policy = ClusterPolicy()
        policy.version = 7
        policy.proposals.expiry = .hours(2)
        await scene.stores.set(policy)
        let outcome = try await run(scene)
        #expect(await scene.world.calls == [])
        let record = try #require(outcome.records.first { $0.kind == "proposal" })
        let fields = try record.value.decode([String: JSONValue].self)
        guard case .array(let actions)? = fields["actions"], case .string(let digest)? = fields["digest"] else {
            Issue.record("no actions")
            return
        }
        #expect(actions.count == 4)
        #expect(fields["saving"] == .number("70000"))
        #expect(fields["policy_version"] == .number("7"))
        #expect(digest.count == 64)
        let expiry = (Scene.start + 7200).formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        #expect(fields["expires_at"] == .string(expiry))
    }

    @Test("the same decision is the same proposal, another is another")
    func keys() async throws {
        let scene = await scene()
        let first = try await run(scene).records.filter { $0.kind == "proposal" }.map(\.key)
        let second = try await run(scene).records.filter { $0.kind == "proposal" }.map(\.key)
        #expect(first == second)
        await scene.world.change { $0.pods["b"] = nil }
        let third = try await run(scene).records.filter { $0.kind == "proposal" }.map(\.key)
        #expect(third != first && third.count == 1)
    }

    @Test("an approved proposal is carried out, its later rounds too")
    func approved() async throws {
        let scene = await scene()
        let proposal = try await approve(try await run(scene), in: scene)
        let outcome = try await run(scene, approved: proposal.id)
        #expect(await scene.world.calls.sorted() == ["cordon node-1", "delete-node node-1", "evict a", "evict b"])
        #expect(try ends(outcome) == ["done"])
        #expect(!outcome.records.contains { $0.kind == "proposal" })
    }

    @Test("a subset of what was approved is done")
    func subset() async throws {
        let scene = await scene()
        let proposal = try await approve(try await run(scene), in: scene)
        await scene.world.change { $0.pods["b"] = nil }
        _ = try await run(scene, approved: proposal.id)
        #expect(await scene.world.calls.sorted() == ["cordon node-1", "delete-node node-1", "evict a"])
    }

    @Test("what goes beyond the approval is not done, not even in part: it is a new proposal")
    func stale() async throws {
        let scene = await scene()
        let proposal = try await approve(try await run(scene), in: scene)
        await scene.world.change { $0.pods["c"] = Scene.pod("c") }
        let outcome = try await run(scene, approved: proposal.id)
        #expect(await scene.world.calls == [])
        #expect(try ends(outcome) == ["superseded"])
        #expect(outcome.records.contains { $0.kind == "proposal" })
    }

    @Test(
        "an approval that expired, was rejected, is of another kind or of nobody lets nothing pass",
        arguments: ["expired", "rejected", "open", "unknown", "tenant"])
    func void(how: String) async throws {
        let scene = await scene()
        let made = try await run(scene)
        var proposal = try await approve(
            made, in: await self.scene(), state: how == "rejected" ? .rejected : how == "open" ? .open : .approved)
        if how == "expired" { proposal.expiresAt = Scene.start - 1 }
        if how == "tenant" { proposal.tenant = "other" }
        if how != "unknown" { await scene.stores.add(proposal) }
        let outcome = try await run(scene, approved: proposal.id)
        #expect(await scene.world.calls == [])
        #expect(outcome.records.contains { $0.kind == "proposal" })
    }

    @Test("the kill switch after the approval stops it, and says so")
    func killSwitch() async throws {
        let scene = await scene()
        let proposal = try await approve(try await run(scene), in: scene)
        await scene.stores.set(Mode.observe)
        let outcome = try await run(scene, approved: proposal.id)
        #expect(await scene.world.calls == [])
        #expect(try ends(outcome) == ["void"])
        #expect(outcome.records.contains { $0.kind == "finding" && $0.value.text.contains("would-act") })
    }

    @Test("a jobspec's mode_max of propose proposes where the cluster would let it act")
    func modeMax() async throws {
        let scene = await scene(mode: .apply)
        let outcome = try await run(scene, modeMax: .propose)
        #expect(await scene.world.calls == [])
        #expect(outcome.records.contains { $0.kind == "proposal" })
    }

    @Test("an approval given outside the windows waits for the next one, then decides anew")
    func window() async throws {
        let scene = await scene()
        let proposal = try await approve(try await run(scene), in: scene, for: .days(9))
        // 2027-01-15 08:00 UTC is a Friday.
        var policy = ClusterPolicy()
        policy.disruption.windows = WeeklySchedule([try #require(WeeklyWindow("Fri 09:00-10:00 UTC"))])
        await scene.stores.set(policy)
        let outcome = try await run(scene, approved: proposal.id)
        #expect(await scene.world.calls == [])
        #expect(outcome.againAfter == .seconds(3600))
        #expect(try ends(outcome) == [])
        await scene.world.advance(.seconds(3600))
        #expect(try ends(try await run(scene, approved: proposal.id)) == ["done"])
    }
}

@Suite("Windows and budgets")
struct DisruptionLimitTests {
    private func scene(_ change: (inout ClusterPolicy) throws -> Void) async throws -> Scene {
        let scene = await Scene(pods: (0..<5).map { Scene.pod("p\($0)") })
        var policy = ClusterPolicy()
        try change(&policy)
        await scene.stores.set(policy)
        return scene
    }

    private func evict(_ scene: Scene, _ names: [String], lane: Lane) async throws -> [ActionReport] {
        let job = ClaimedJob(
            id: JobID(), kind: "defrag", tenant: "acme", target: "prod", queue: "default", lane: lane, fence: 1,
            attempt: 1, attemptsMax: 1, parameters: .emptyObject, checkpoint: nil, timeLeft: .seconds(60),
            traceparent: nil, isLate: false)
        let runner = ActionRunner(sources: scene.sources, job: job, modeMax: .apply, logger: Logger(label: "test"))
        let actions = names.map { name in
            Action(
                key: "evict/prod/u-\(name)",
                .evict(pod: PodReference(namespace: "web", name: name, uid: "u-\(name)"), graceSeconds: nil),
                reason: "t")
        }
        return try await runner.run(
            actions,
            context: HandlerContext(
                job: job, deadline: .now + .seconds(3600),
                run: MemoryRun(world: scene.world, stores: scene.stores, effects: scene.effects)))
    }

    @Test("voluntary work stops at the hourly budget, goes on an hour later, and a retry takes nothing more")
    func budget() async throws {
        let scene = try await scene { $0.disruption.evictionsPerHourMax = 2 }
        let first = try await evict(scene, ["p0", "p1", "p2"], lane: .work)
        #expect(first.count { $0.isDone } == 2)
        #expect(first.count { $0.outcome == .withheld && $0.code == "Budget" } == 1)
        let done = first.filter(\.isDone).map { String($0.key.suffix(2)) }
        #expect(try await evict(scene, done, lane: .work).allSatisfy(\.isDone))
        await scene.world.advance(.seconds(3601))
        #expect(try await evict(scene, ["p3"], lane: .work)[0].isDone)
    }

    private func act(_ scene: Scene, _ verbs: [(String, Verb)]) async throws -> [ActionReport] {
        let job = ClaimedJob(
            id: JobID(), kind: "rightsize-workloads", tenant: "acme", target: "prod", queue: "default", lane: .safety,
            fence: 1, attempt: 1, attemptsMax: 1, parameters: .emptyObject, checkpoint: nil, timeLeft: .seconds(60),
            traceparent: nil, isLate: false)
        let runner = ActionRunner(sources: scene.sources, job: job, modeMax: .apply, logger: Logger(label: "test"))
        return try await runner.run(
            verbs.map { Action(key: $0.0, $0.1, reason: "t") },
            context: HandlerContext(
                job: job, deadline: .now + .seconds(60),
                run: MemoryRun(world: scene.world, stores: scene.stores, effects: scene.effects)))
    }

    private func rollouts(_ name: String, pods: Int) -> (resize: Verb, back: Verb, near: Verb) {
        let object = ObjectReference(.deployment, namespace: "web", name: name, uid: "u-\(name)")
        let change = SizeChange(
            object: object, before: ["main": ContainerSize()], after: ["main": ContainerSize(cpuRequest: 100)],
            cause: "out-of-memory", at: Scene.start, pods: pods)
        return (
            .resize(change: change),
            .resize(
                change: SizeChange(
                    object: object, before: change.after, after: change.before, cause: SizeChange.rollbackCause,
                    at: Scene.start)),
            .preferZone(
                change: AffinityChange(
                    object: object, near: ZonePreference(namespace: "web", labels: ["app": "db"]),
                    peer: "web/Deployment/db", pods: pods))
        )
    }

    @Test(
        "a changed template waits for the windows, for each of its pods counts against the budget, and is taken back at once"
    )
    func templates() async throws {
        let verbs = rollouts("api", pods: 3)
        let closed = try await scene {
            $0.disruption.windows = WeeklySchedule([try #require(WeeklyWindow("Sun 01:00-02:00 UTC"))])
        }
        await closed.world.change { $0.workloads = [OfficeHoursTests.workload("api")] }
        let waits = try await act(closed, [("resize", verbs.resize), ("near", verbs.near), ("back", verbs.back)])
        #expect(waits.prefix(2).allSatisfy { $0.outcome == .withheld && $0.code == "Window" })
        #expect(waits[2].isDone)
        #expect(await closed.world.calls.isEmpty)

        let tight = try await scene { $0.disruption.evictionsPerHourMax = 4 }
        await tight.world.change {
            $0.workloads = [OfficeHoursTests.workload("api"), OfficeHoursTests.workload("web")]
        }
        #expect(try await act(tight, [("one", verbs.resize)])[0].isDone)
        #expect(await tight.stores.taken.count == 3)
        // The same again takes nothing more; another of three pods finds room for one only, and takes nothing.
        #expect(try await act(tight, [("one", verbs.resize)])[0].isDone)
        let second = try await act(tight, [("two", rollouts("web", pods: 3).resize)])[0]
        #expect(second.outcome == .withheld && second.code == "Budget")
        #expect(await tight.stores.taken.count == 3)
        #expect(try await evict(tight, ["p0"], lane: .work)[0].isDone)
        await tight.world.advance(.seconds(3601))
        // One larger than the whole budget goes when nothing else was disturbed for an hour.
        #expect(try await act(tight, [("three", rollouts("web", pods: 50).resize)])[0].isDone)
        #expect(try await evict(tight, ["p1"], lane: .work)[0].code == "Budget")
    }

    @Test("outside the windows nothing voluntary is disturbed; an interruption is bound by neither window nor budget")
    func windows() async throws {
        let scene = try await scene {
            $0.disruption.windows = WeeklySchedule([try #require(WeeklyWindow("Sun 01:00-02:00 UTC"))])
            $0.disruption.evictionsPerHourMax = 0
        }
        let report = try await evict(scene, ["p0"], lane: .safety)[0]
        #expect(report.outcome == .withheld && report.code == "Window")
        #expect(report.message.contains("2027-01-17T01:00:00Z"))
        #expect(try await evict(scene, ["p0", "p1"], lane: .interruption).allSatisfy(\.isDone))
    }
}
