import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

@Suite("poll-sqs")
struct PollSQSTests {
    func scene() async -> Scene { await Scene(pods: [Scene.pod("a")]) }

    func outcomes(_ scene: Scene) async -> [String] {
        await scene.stores.records(of: "event").map { record in
            record.value.text.firstMatch(of: /"outcome":"([a-z-]+)"/).map { String($0.1) } ?? ""
        }
    }

    @Test(
        "a warning opens an interruption whose deadline is two minutes after the event, and is deleted after the commit"
    )
    func warning() async throws {
        let scene = await scene()
        await scene.send(Scene.warning(at: Scene.start.addingTimeInterval(-7)))
        let outcome = try await scene.poll()
        let interruption = try #require(await scene.stores.interruptions.first)
        #expect(interruption.deadline == Scene.start.addingTimeInterval(113))
        #expect(outcome.followUps.map(\.kind) == ["interrupt-node"])
        #expect(outcome.followUps.first?.key?.text == "interruption/acme/prod/\(Scene.instance)")
        #expect(await scene.world.deleted == ["r-m-1"])
    }

    @Test("nothing is deleted before its facts are committed")
    func order() async throws {
        let scene = await scene()
        await scene.send(Scene.warning())
        let job = ClaimedJob(
            id: JobID(), kind: PollSQS.kind, tenant: "acme", target: Scene.queue, queue: "q", lane: .interruption,
            fence: 1,
            attempt: 1, attemptsMax: 1, parameters: .emptyObject, checkpoint: nil, timeLeft: .seconds(60),
            traceparent: nil, isLate: false)
        let run = MemoryRun(world: scene.world, stores: scene.stores, effects: scene.effects)
        let outcome = try await scene.runner.run(HandlerContext(job: job, deadline: .now + .seconds(3600), run: run))
        #expect(await scene.world.deleted.isEmpty)
        await outcome.afterCommit?()
        #expect(await scene.world.deleted == ["r-m-1"])
    }

    @Test("warning, shutting-down and terminated are one interruption, in any order, and the earliest deadline wins")
    func merge() async throws {
        let scene = await scene()
        func state(_ state: String, after seconds: Double) -> String {
            EventParserTests.event(
                "aws.ec2", "EC2 Instance State-change Notification",
                "{\"instance-id\":\"\(Scene.instance)\",\"state\":\"\(state)\"}"
            )
            .replacing("e-1", with: "e-\(state)")
            .replacing("2020-10-26T14:14:14Z", with: Scene.start.addingTimeInterval(seconds).formatted(.iso8601))
        }
        await scene.send(state("terminated", after: 60), id: "m-2")
        try await scene.poll()
        await scene.send(Scene.warning(), id: "m-1")
        await scene.send(state("shutting-down", after: 30), id: "m-3")
        let outcome = try await scene.poll()
        #expect(await scene.stores.interruptions.count == 1)
        #expect(await scene.stores.interruptions.first?.deadline == Scene.start.addingTimeInterval(30))
        #expect(outcome.followUps.count == 1)
    }

    @Test("an event of another account or region is foreign, acknowledged and listed, and touches nothing")
    func foreign() async throws {
        let scene = await scene()
        await scene.send(Scene.warning(id: "e-1", account: "999999999999"), id: "m-1")
        await scene.send(Scene.warning(id: "e-2", region: "eu-west-1"), id: "m-2")
        let outcome = try await scene.poll()
        #expect(await outcomes(scene) == ["foreign", "foreign"])
        #expect(outcome.followUps.isEmpty)
        #expect(await scene.stores.interruptions.isEmpty)
        #expect(await scene.world.deleted == ["r-m-1", "r-m-2"])
    }

    @Test("a forged warning for another tenant's instance is an unknown instance")
    func forged() async throws {
        let scene = await scene()
        // The attacker has a queue and a cluster of his own in the same account and region.
        await scene.stores.add(Scene.registration("evil", tenant: "mallory"))
        await scene.world.change { $0.instances = [:] }
        await scene.send(Scene.warning())
        let outcome = try await scene.poll(tenant: "mallory")
        #expect(await outcomes(scene) == ["unknown-instance"])
        #expect(outcome.followUps.isEmpty)
        #expect(await scene.stores.interruptions.isEmpty)
    }

    @Test("an instance that joined just now is found by its EC2 tags")
    func justJoined() async throws {
        let scene = await scene()
        let fresh: InstanceID = "i-0ffffffffffffffff"
        await scene.world.change { world in
            world.instances[fresh] = Instance(
                id: fresh, state: .running, type: "m5.large", zone: "us-east-1a", capacity: .spot,
                tags: ["kubernetes.io/cluster/prod-eks": "owned"])
        }
        await scene.send(Scene.warning(fresh))
        try await scene.poll()
        #expect(await outcomes(scene) == ["accepted"])
    }

    @Test("an instance that is in no cluster is acknowledged")
    func unknown() async throws {
        let scene = await scene()
        await scene.send(Scene.warning("i-0eeeeeeeeeeeeeeee"))
        try await scene.poll()
        #expect(await outcomes(scene) == ["unknown-instance"])
        #expect(await scene.world.deleted.count == 1)
    }

    @Test("when EC2 cannot be asked, the message stays in the queue")
    func postponed() async throws {
        let scene = await scene()
        await scene.world.change { $0.describeError = FarSideError(.throttled, "slow down") }
        await scene.send(Scene.warning("i-0eeeeeeeeeeeeeeee"), id: "m-1")
        await scene.send(Scene.warning(id: "e-2"), id: "m-2")
        try await scene.poll()
        #expect(await scene.world.deleted == ["r-m-2"])
    }

    @Test("a body that cannot be read is kept whole, byte for byte, and acknowledged")
    func deadLetter() async throws {
        let scene = await scene()
        let body = "\u{0}garbage \u{1F4A5}"
        await scene.send(body)
        try await scene.poll()
        let record = try #require(await scene.stores.records(of: "event_dead_letter").first)
        #expect(record.value.text.contains(Data(body.utf8).base64EncodedString()))
        #expect(await scene.world.deleted == ["r-m-1"])
    }

    @Test("a warning that comes ten minutes late is noted and leads to nothing")
    func late() async throws {
        let scene = await scene()
        await scene.send(Scene.warning(at: Scene.start.addingTimeInterval(-721)))
        let outcome = try await scene.poll()
        #expect(outcome.followUps.isEmpty)
        #expect(await outcomes(scene) == ["noted"])
        #expect(await scene.stores.records(of: "finding").count == 1)
    }

    @Test("a maintenance is prepared for its window, under a key that no warning waits behind")
    func maintenance() async throws {
        let scene = await scene()
        let start = Scene.start.addingTimeInterval(86_400)
        await scene.send(
            EventParserTests.event(
                "aws.health", "AWS Health Event",
                """
                {"service":"EC2","eventTypeCategory":"scheduledChange","startTime":"\(start.formatted(.iso8601))",
                 "affectedEntities":[{"entityValue":"\(Scene.instance)"}]}
                """
            ).replacing("2020-10-26T14:14:14Z", with: Scene.start.formatted(.iso8601)))
        let first = try await scene.poll()
        #expect(first.followUps.first?.delay == .seconds(82_800))
        #expect(first.followUps.first?.key?.text == "maintenance/acme/prod/\(Scene.instance)")
        await scene.send(Scene.warning(id: "e-9"), id: "m-9")
        let second = try await scene.poll()
        #expect(second.followUps.first?.delay == nil)
        #expect(await scene.stores.interruptions.first?.deadline == Scene.start.addingTimeInterval(120))
    }

    @Test("an echo of a closed interruption is noted; a new warning opens the next one")
    func generations() async throws {
        let scene = await scene()
        await scene.send(Scene.warning(), id: "m-1")
        try await scene.poll()
        let first = try #require(await scene.stores.interruptions.first)
        let closedAt = Scene.start.addingTimeInterval(130)
        try await scene.stores.take([
            FactRecords.record(of: .interruptionProgress(.init(of: first, closedAt: closedAt)))
        ])
        await scene.send(
            EventParserTests.event(
                "aws.ec2", "EC2 Instance State-change Notification",
                "{\"instance-id\":\"\(Scene.instance)\",\"state\":\"terminated\"}"
            ).replacing("2020-10-26T14:14:14Z", with: closedAt.addingTimeInterval(5).formatted(.iso8601)), id: "m-2")
        #expect(try await scene.poll().followUps.isEmpty)
        await scene.send(Scene.warning(at: closedAt.addingTimeInterval(3600), id: "e-3"), id: "m-3")
        let again = try await scene.poll()
        #expect(again.followUps.first?.key?.text == "interruption/acme/prod/\(Scene.instance)~2")
        #expect(await scene.stores.interruptions.map(\.generation) == [1, 2])
    }

    @Test("a full queue is polled again at once, at most twenty times, and every message is handled once")
    func full() async throws {
        let scene = await scene()
        for number in 0..<120 {
            await scene.send(Scene.warning("i-0eeeeeeeeeeeeeeee", id: "e-\(number)"), id: "m-\(number)")
        }
        // Nothing of it leads to jobs, so one run takes all.
        #expect(try await scene.poll().againAfter == nil)
        #expect(await scene.world.deleted.count == 120)
        #expect(await scene.stores.records(of: "event").count == 120)
    }

    @Test("follow-ups end the run, which goes on at once where more is waiting")
    func goesOn() async throws {
        let scene = await scene()
        for number in 0..<50 { await scene.send(Scene.warning(id: "e-\(number)"), id: "m-\(number)") }
        let outcome = try await scene.poll()
        #expect(outcome.againAfter == .zero)
        #expect(outcome.followUps.count == 1)
        #expect(await scene.world.deleted.count == 50)
    }

    @Test("an empty queue leaves no trace")
    func empty() async throws {
        let outcome = try await scene().poll()
        #expect(outcome.isEmpty)
        #expect(outcome.records.isEmpty)
    }
}
