import Foundation
import Infrastructure
import JobQueue
import Testing

@testable import Jobs

@Suite("replace-node")
struct ReplaceNodeTests {
    func replace(_ scene: Scene) async throws -> Outcome {
        await scene.send(Scene.warning())
        let requests = try await scene.run(try await scene.poll().followUps[0]).followUps
        return try await scene.run(requests[1])
    }

    func nothing(_ code: String, type: String? = nil, zone: String? = nil) -> Result<FleetAnswer, FarSideError> {
        .success(FleetAnswer(launched: [], failures: [.init(code: code, message: "none left", type: type, zone: zone)]))
    }

    func findings(_ scene: Scene) async -> [String] {
        await scene.stores.records(of: "finding").map { $0.key.split(separator: "/").first.map(String.init) ?? "" }
    }

    let launched: Result<FleetAnswer, FarSideError> = .success(
        FleetAnswer(launched: [.init(id: "i-0bbbbbbbbbbbbbbbb", type: "m5.large", zone: "us-east-1a")]))

    @Test("goes on to on demand when spot has no capacity, each step under a token of its own")
    func fallback() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        let none = nothing("InsufficientInstanceCapacity", type: "m5.large", zone: "us-east-1b")
        await scene.world.change { $0.launchAnswers = [none, none, launched] }
        _ = try await replace(scene)
        let sent = await scene.world.launchRequests
        #expect(sent.map(\.capacity) == [.spot, .spot, .onDemand])
        #expect(Set(await scene.world.launchTokens).count == 3)
        #expect(await scene.stores.interruptions.first?.replacement == "i-0bbbbbbbbbbbbbbbb")
        let pools = await scene.stores.unavailablePools
        #expect(pools.contains { $0.pool.type == "m5.large" && $0.until == Scene.start.addingTimeInterval(180) })
        #expect(pools.contains { $0.pool.type == "m5.xlarge" && $0.reason == "interrupted" })
    }

    @Test("is throttled with patience, under one token")
    func throttled() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        let slow: Result<FleetAnswer, FarSideError> = .failure(
            FarSideError(.throttled, farCode: "RequestLimitExceeded", "slow down"))
        await scene.world.change { $0.launchAnswers = [slow, slow, slow, launched] }
        _ = try await replace(scene)
        #expect(await scene.world.launchTokens.count == 4)
        #expect(Set(await scene.world.launchTokens).count == 1)
    }

    @Test("without a launch template it says so, and its outcome says that it gave up")
    func noTemplate() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        var registration = Scene.registration()
        registration.launch = nil
        await scene.stores.add(registration)
        let outcome = try await replace(scene)
        #expect(await findings(scene) == ["no-launch-template"])
        #expect(outcome.result == JSONText(text: #"{"stopped":"no-launch-template"}"#))
        #expect(await scene.world.launchTokens.isEmpty)
        let nodes = await Array(scene.world.nodes.values)
        let instances = await Array(scene.world.instances.values)
        let outlook = ReplacementOutlook(nodes: nodes, instances: instances, registration: registration)
        #expect(outlook.withoutTemplate == 1 && outlook.replaceable == 0, "and it could be foreseen")
        let named = ReplacementOutlook(nodes: nodes, instances: instances, registration: Scene.registration())
        #expect(named.withoutTemplate == 0 && named.replaceable == 1)
        let foreign = ReplacementOutlook(nodes: nodes, instances: [], registration: Scene.registration())
        #expect(foreign.left == ["unknown": 1])
    }

    @Test("stops at a missing permission and says so")
    func unauthorized() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        let no: Result<FleetAnswer, FarSideError> = .failure(
            FarSideError(.forbidden, farCode: "UnauthorizedOperation", "not authorized"))
        await scene.world.change { $0.launchAnswers = [no] }
        _ = try await replace(scene)
        #expect(await scene.world.launchTokens.count == 1)
        #expect(await findings(scene) == ["launch-refused"])
    }

    @Test("skips spot at once where the account has no service-linked role, and tells the user")
    func noRole() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        let no: Result<FleetAnswer, FarSideError> = .failure(
            FarSideError(.forbidden, farCode: "AuthFailure.ServiceLinkedRoleCreationNotPermitted", "no role"))
        await scene.world.change { $0.launchAnswers = [no, launched] }
        _ = try await replace(scene)
        #expect(await scene.world.launchRequests.map(\.capacity) == [.spot, .onDemand])
        #expect(await findings(scene).contains("no-spot-role"))
    }

    @Test("gives up with a critical finding after the whole plan failed three times")
    func exhausted() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        let none = nothing("InsufficientInstanceCapacity")
        await scene.world.change { $0.launchAnswers = [none] }
        _ = try await replace(scene)
        #expect(await scene.world.launchTokens.count == 9)
        #expect(await findings(scene) == ["no-capacity"])
    }

    @Test("launches nothing for a node that carried nothing")
    func nothingToCarry() async throws {
        let scene = await Scene(pods: [Scene.pod("log", owner: "DaemonSet")])
        _ = try await replace(scene)
        #expect(await scene.world.launchTokens.isEmpty)
        #expect(await findings(scene) == ["nothing-to-carry"])
    }

    @Test("says when the new instance never becomes a node")
    func neverJoins() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        await scene.world.change { $0.launchAnswers = [launched] }
        _ = try await replace(scene)
        #expect(await findings(scene) == ["replacement-did-not-join"])
    }

    @Test("keeps a pod with a volume in its zone")
    func volume() async throws {
        let scene = await Scene(pods: [Scene.pod("db", claim: true)])
        _ = try await replace(scene)
        let pools = await scene.world.launchRequests.flatMap(\.overrides)
        #expect(!pools.isEmpty && pools.allSatisfy { $0.zone == "us-east-1a" && $0.subnet == "subnet-a" })
    }
}

@Suite("Small kinds")
struct SmallKindTests {
    @Test("restore-marks gives back a node that no live interruption holds, exactly our part of it")
    func restore() async throws {
        let scene = await Scene(pods: [])
        let own = Taint(key: "dedicated", value: "gpu", effect: "NoSchedule")
        await scene.world.change { world in
            world.nodes["node-1"]?.isUnschedulable = true
            world.nodes["node-1"]?.taints = [own, NodeMark.taint("interruption")]
            world.nodes["node-1"]?.annotations = [
                NodeMark.byAnnotation: "cordon/prod/uid-1", NodeMark.setAnnotation: "taint,unschedulable",
            ]
        }
        let request = JobRequest(RestoreMarks.kind, target: "prod")
        try await scene.run(request)
        let node = try #require(await scene.world.nodes["node-1"])
        #expect(!node.isUnschedulable && node.taints == [own] && node.annotations.isEmpty)
    }

    @Test("restore-marks leaves a live interruption's marks, and lets go fifteen minutes after its deadline")
    func held() async throws {
        let scene = await Scene(pods: [Scene.pod("a")])
        await scene.send(Scene.warning())
        try await scene.poll()
        await scene.world.change { world in
            world.nodes["node-1"]?.isUnschedulable = true
            world.nodes["node-1"]?.annotations = [
                NodeMark.byAnnotation: "cordon/prod/uid-1", NodeMark.setAnnotation: "unschedulable",
            ]
        }
        let first = try await scene.run(JobRequest(RestoreMarks.kind, target: "prod"))
        #expect(first.isEmpty)
        #expect(await scene.world.nodes["node-1"]?.isUnschedulable == true)
        await scene.world.advance(.seconds(120 + 900))
        try await scene.run(JobRequest(RestoreMarks.kind, target: "prod"))
        #expect(await scene.world.nodes["node-1"]?.isUnschedulable == false)
    }

    @Test("snapshot-cluster indexes the nodes that have instances, and sweeps the rest")
    func snapshot() async throws {
        let scene = await Scene(pods: [])
        await scene.world.change { $0.nodes["fargate"] = Node(name: "fargate", uid: "f") }
        let outcome = try await scene.run(JobRequest(SnapshotCluster.kind, target: "prod"))
        #expect(outcome.records.map(\.kind) == ["indexed_instance", "instance_sweep"])
        #expect(outcome.result?.text == #"{"instances":1,"nodes":2,"version":"v1.31.2"}"#)
    }

    func notify(honours: Bool) throws -> JobRequest {
        JobRequest(
            Notify.kind,
            parameters: try JSONText(
                encoding: Notify.Parameters(
                    url: "https://hooks.example/x", body: JSONText(text: #"{"n":1}"#), receiverHonoursKey: honours,
                    name: "n-1")))
    }

    @Test("notify posts the body once, with its effect key")
    func notifies() async throws {
        let scene = await Scene(pods: [])
        let outcome = try await scene.run(try notify(honours: true))
        let posts = await scene.farSides.posted.posts
        #expect(posts.count == 1)
        #expect(posts.first?.key == "notify/acme/n-1")
        #expect(posts.first?.delivery.body == #"{"n":1}"#)
        #expect(outcome.result?.text == #"{"status":200}"#)
        try await scene.run(try notify(honours: true))
        #expect(await scene.farSides.posted.posts.count == 1)
    }

    @Test("a lost answer is asked for again only where the receiver drops repeats", arguments: [true, false])
    func lost(honours: Bool) async throws {
        let scene = await Scene(pods: [])
        await scene.farSides.posted.answer([.failure(FarSideError(.network, "reset")), .success(200)])
        do {
            try await scene.run(try notify(honours: honours))
            #expect(honours)
        } catch let error as QueueError {
            #expect(!honours && error.code == .outcomeUnknown)
        }
        #expect(await scene.farSides.posted.posts.count == (honours ? 2 : 1))
    }

    @Test("a notification that surely was not sent is left to the job's retries, and not parked")
    func notSent() async throws {
        let scene = await Scene(pods: [])
        await scene.farSides.posted.answer([.failure(FarSideError(.throttled, "429")), .success(200)])
        await #expect {
            try await scene.run(try notify(honours: false))
        } throws: {
            ($0 as? QueueError)?.code == .transient
        }
        try await scene.run(try notify(honours: false))
        #expect(await scene.farSides.posted.posts.count == 2)
    }

    @Test("a receiver's refusal is final")
    func refused() async throws {
        let scene = await Scene(pods: [])
        await scene.farSides.posted.answer([.failure(FarSideError(.refused, farCode: "410", "gone"))])
        await #expect { try await scene.run(try notify(honours: true)) } throws: {
            ($0 as? QueueError)?.code == .refused
        }
    }

    @Test("noop waits when asked, and fails when asked")
    func noop() async throws {
        let scene = await Scene(pods: [])
        try await scene.run(JobRequest(Noop.kind, parameters: JSONText(text: #"{"wait_milliseconds":1500}"#)))
        #expect(await scene.world.now == Scene.start.addingTimeInterval(1.5))
        await #expect {
            try await scene.run(JobRequest(Noop.kind, parameters: JSONText(text: #"{"fail":"x"}"#)))
        } throws: {
            ($0 as? QueueError)?.code == .transient
        }
    }
}
