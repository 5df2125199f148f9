import Foundation
import Infrastructure
import JobQueue
import Optimizer
import Testing

@testable import Jobs

@Suite("Plans that empty nodes") struct NodePlanTests {
    static var policy: ClusterPolicy {
        var policy = ClusterPolicy()
        policy.packing.headroom = 0
        policy.spot.poolsMin = 1
        return policy
    }

    /// What saves less than half of what it disturbs is done as well.
    static var eager: ClusterPolicy {
        var policy = policy
        policy.saving.scoreFactor = 10
        return policy
    }

    /// Three nodes, of which one's pods find room on the others.
    static func world() -> PlanWorld {
        PlanWorld(
            [("a", "m5.xlarge"), ("b", "m5.xlarge"), ("c", "m5.xlarge")],
            pods: [
                ("web", "a", 900), ("web", "b", 900), ("api", "b", 900), ("api", "a", 900), ("web", "c", 300),
                ("api", "c", 300),
            ])
    }

    /// Runs a job's rounds to its end.
    /// - Parameters:
    ///   - killed: the rounds in which the worker dies after acting: the stored decision is carried out again.
    ///   - meddle: what happens in the world before a round.
    @discardableResult
    static func run(
        _ job: any PlanJob = Defrag(.init()), _ world: inout PlanWorld, policy: ClusterPolicy = policy,
        mode: Mode = .apply, killed: Set<Int> = [], meddle: (Int, inout PlanWorld) -> Void = { _, _ in }
    ) throws -> Decision {
        var memory: JSONText?
        var reports: [ActionReport] = []
        for round in 0..<400 {
            meddle(round, &world)
            let observation = NodePlanObservation(
                snapshot: world.snapshot, account: "123456789012", policy: policy, mode: mode, plans: world.plans,
                interruptions: [], launch: LaunchSettings(template: LaunchTemplate(id: "lt-0123456789abcdef0")),
                reports: reports, memory: try memory?.decode(NodePlanMemory.self))
            let decision = try job.decide(observation).validated()
            if mode < .apply { return decision }
            reports = world.carryOut(decision)
            if killed.contains(round) { reports = world.carryOut(decision) }
            world.commit(decision)
            guard case .again(let pause) = decision.next else { return decision }
            memory = decision.memory
            world.advance(pause)
        }
        Issue.record("the job does not end")
        return Decision()
    }

    @Test("a node is emptied and removed: budgets kept, nothing pending, one pod of an owner at a time")
    func emptiesANode() throws {
        var world = NodePlanTests.world()
        world.protect("web", atLeast: 2)
        let last = try NodePlanTests.run(Defrag(.init()), &world)
        #expect(last.next == .done)
        #expect(world.snapshot.objects.nodes.map(\.name).sorted() == ["b", "c"])
        #expect(world.fewest == ["web": 2, "api": 2])
        #expect(world.snapshot.objects.pods.allSatisfy { $0.isReady })
        #expect(world.snapshot.objects.nodes.allSatisfy { !$0.isUnschedulable && $0.annotations.isEmpty })
        #expect(world.plans.map(\.outcome) == ["done"])
        #expect(world.calls.first?.hasPrefix("cordon ") == true)
        #expect(world.calls.last?.hasPrefix("terminate ") == true)
        let savings = world.facts.compactMap { fact in
            if case .saving(let saving) = fact { saving.perHour } else { nil }
        }
        #expect(savings == [192_000])
    }

    @Test("its progress is pods moved and nodes removed, never falls, and ends at all of them")
    func progress() throws {
        var world = NodePlanTests.world()
        var memory: NodePlanMemory?
        var reports: [ActionReport] = []
        var told: [JobProgress] = []
        for _ in 0..<100 {
            let observation = NodePlanObservation(
                snapshot: world.snapshot, account: "123456789012", policy: NodePlanTests.policy, mode: .apply,
                plans: world.plans, interruptions: [], launch: nil, reports: reports, memory: memory)
            let decision = try Defrag(.init()).decide(observation)
            if let progress = decision.progress { told.append(progress) }
            reports = world.carryOut(decision)
            world.commit(decision)
            guard case .again(let pause) = decision.next else { break }
            memory = try decision.memory?.decode()
            world.advance(pause)
        }
        #expect(Set(told.map(\.total)) == [3], "two pods and their node")
        #expect(told.map(\.done) == told.map(\.done).sorted())
        #expect(Set(told.map(\.done)).isSuperset(of: [0, 2]))
        #expect(told.first?.note == "empties a")
    }

    @Test("a worker killed after acting in any round does nothing twice and ends where it would have")
    func survivesKills() throws {
        var calm = NodePlanTests.world()
        try NodePlanTests.run(Defrag(.init()), &calm)
        for round in 0..<20 {
            var world = NodePlanTests.world()
            try NodePlanTests.run(Defrag(.init()), &world, killed: [round])
            #expect(world.calls == calm.calls, "killed in round \(round)")
            #expect(world.plans.last?.outcome == "done")
        }
    }

    @Test("a pod that stays pending gives everything back")
    func givesBackWhenPending() throws {
        var world = NodePlanTests.world()
        // Somebody scales up while the plan is under way, by a pod that finds no room.
        let last = try NodePlanTests.run(Defrag(.init()), &world) { round, world in
            guard round == 3 else { return }
            var pod = world.snapshot.objects.pods[0]
            pod.uid = "u-large"
            pod.name = "large"
            pod.nodeName = nil
            pod.phase = .pending
            pod.isReady = false
            pod.requests.cpu = 100_000
            world.snapshot.objects.pods.append(pod)
        }
        #expect(last.next == .stop(reason: "plan-aborted"))
        #expect(last.findings.contains { $0.code == "plan-aborted" && $0.message.contains("web/large") })
        #expect(world.snapshot.objects.nodes.count == 3)
        #expect(world.snapshot.objects.nodes.allSatisfy { !$0.isUnschedulable && $0.annotations.isEmpty })
        #expect(world.plans.last?.closedAt != nil)
    }

    @Test("a person who takes the mark off wins")
    func personWins() throws {
        var world = NodePlanTests.world()
        let last = try NodePlanTests.run(Defrag(.init()), &world) { round, world in
            guard round == 4, let index = world.snapshot.objects.nodes.firstIndex(where: \.isUnschedulable) else {
                return
            }
            world.snapshot.objects.nodes[index].isUnschedulable = false
        }
        #expect(last.next == .stop(reason: "plan-aborted"))
        #expect(world.snapshot.objects.nodes.count == 3)
        #expect(world.snapshot.objects.nodes.allSatisfy { $0.annotations.isEmpty })
    }

    @Test("below apply a plan is shown and not begun; every node that stays says why")
    func observes() throws {
        var world = NodePlanTests.world()
        let decision = try NodePlanTests.run(Defrag(.init()), &world, mode: .observe)
        #expect(decision.actions.map(\.verb.name) == ["cordon"])
        #expect(decision.facts.isEmpty)
        #expect(decision.findings.count { $0.code == "node-stays" } == 2)
        #expect(decision.findings.contains { $0.code == "nodes-to-spare" && $0.saving == 192_000 })
        // What is proposed and what is decided anew must be the same.
        let again = try NodePlanTests.run(Defrag(.init()), &world, mode: .observe)
        let texts = try [again, decision].map { try JSONText(encoding: $0).text }
        #expect(texts[0] == texts[1])
    }

    @Test(
        "nothing is begun beside another plan, after one too soon, on part of a list, while pods wait, outside windows")
    func waits() throws {
        func first(_ change: (inout PlanWorld, inout ClusterPolicy) -> Void) throws -> Decision {
            var world = NodePlanTests.world()
            var policy = NodePlanTests.policy
            change(&world, &policy)
            let decision = try NodePlanTests.run(Defrag(.init()), &world, policy: policy)
            #expect(world.calls.isEmpty)
            return decision
        }
        var other = NodePlan(
            cluster: "prod", number: 7, kind: "spot-arbitrage", nodes: ["x"], openedAt: PlanWorld.start)
        let beside = try first { world, _ in world.plans = [other] }
        #expect(beside.findings.map(\.code) == ["plan-in-flight"])
        other.closedAt = PlanWorld.start - 60
        other.outcome = "done"
        let rested = try first { world, _ in world.plans = [other] }
        #expect(rested.findings.contains { $0.message.contains("plan 7 ended less than 10m ago") })
        let part = try first { world, _ in world.snapshot.objects.readings.removeAll { $0.list == .budgets } }
        #expect(part.findings.map(\.code) == ["cannot-pack"])
        let closed = try first { _, policy in
            policy.disruption.windows = WeeklySchedule([WeeklyWindow("Mon-Sun 00:00-00:01 UTC")].compactMap { $0 })
        }
        #expect(closed.findings.contains { $0.message.contains("the disruption windows are closed") })
        var touched = other
        touched.closedAt = PlanWorld.start - 1000
        touched.touched = ["uid-a", "uid-b", "uid-c"]
        let resting = try first { world, _ in world.plans = [touched] }
        #expect(resting.findings.count { $0.message.contains("node_cooldown") } == 3)
    }

    @Test("to spot: the new node is Ready before the first pod leaves, then the old one goes")
    func movesToSpot() throws {
        var world = PlanWorld(
            [("a", "m5.4xlarge"), ("b", "m5.4xlarge")],
            pods: (0..<8).map { ("web", $0 < 4 ? "a" : "b", 3500) })
        let last = try NodePlanTests.run(SpotArbitrage(.init()), &world)
        #expect(last.next == .done)
        #expect(world.calls.first?.hasPrefix("create-fleet launch/prod/plan-1/0") == true)
        #expect(world.snapshot.objects.nodes.contains { $0.name == "new-node" })
        #expect(world.snapshot.objects.nodes.count == 2)
        #expect((world.fewest["web"] ?? 0) >= 7)
        #expect(world.facts.contains { if case .saving(let saving) = $0 { saving.perHour > .zero } else { false } })
        let kept = world.snapshot.instances?.filter { $0.state == .running }.map(\.capacity)
        #expect(kept?.contains(.spot) == true)
    }

    @Test("to spot: where no pool gives an instance nothing is touched")
    func staysOnDemand() throws {
        var world = PlanWorld(
            [("a", "m5.4xlarge"), ("b", "m5.4xlarge")],
            pods: (0..<8).map { ("web", $0 < 4 ? "a" : "b", 3500) })
        world.hasCapacity = false
        let last = try NodePlanTests.run(SpotArbitrage(.init()), &world)
        #expect(last.next == .stop(reason: "plan-aborted"))
        #expect(world.calls.allSatisfy { $0.hasPrefix("create-fleet ") })
        #expect(world.facts.contains { if case .unavailablePool = $0 { true } else { false } })
    }

    @Test("a cheaper type replaces a node that is too large, and not one that is right")
    func rightsizes() throws {
        var world = PlanWorld([("a", "m5.4xlarge")], pods: (0..<2).map { _ in ("web", "a", 1500) })
        let decision = try NodePlanTests.run(RightsizeNodes(.init()), &world, mode: .observe)
        #expect(decision.actions.map(\.verb.name) == ["create-fleet"])
        #expect(decision.findings.contains { $0.code == "nodes-to-spare" && ($0.saving ?? .zero) > 500_000 })
        var full = PlanWorld([("a", "c5a.2xlarge")], pods: (0..<5).map { _ in ("web", "a", 1500) })
        let none = try NodePlanTests.run(RightsizeNodes(.init()), &full, mode: .observe)
        #expect(none.actions.isEmpty)
    }

    @Test("several nodes that fit into no other are merged into one that costs less than all of them")
    func merges() throws {
        var world = PlanWorld(
            [("a", "m5.xlarge"), ("b", "m5.xlarge"), ("c", "m5.xlarge")],
            pods: [("web", "a", 2300), ("web", "b", 2300), ("web", "c", 2300)])
        world.protect("web", atLeast: 2)
        let last = try NodePlanTests.run(Defrag(.init()), &world, policy: NodePlanTests.eager)
        #expect(last.next == .done)
        #expect(world.calls.first?.hasPrefix("create-fleet launch/prod/plan-1/0") == true)
        #expect(world.snapshot.objects.nodes.map(\.name) == ["new-node"])
        #expect(world.fewest == ["web": 2])
        let savings = world.facts.compactMap { fact in
            if case .saving(let saving) = fact { saving } else { nil }
        }
        let price = try #require(savings.first?.after)
        #expect(savings.map(\.before) == [576_000] && price > .zero && price < 576_000, "told once, for all three")
        #expect(world.plans.map(\.outcome) == ["done"])
    }

    @Test("nodes are not merged where what comes costs as much, where the policy forbids it, or for too little")
    func mergesForGain() throws {
        func actions(_ type: String, _ change: (inout ClusterPolicy) -> Void = { _ in }) throws -> Int {
            var world = PlanWorld([("a", type), ("b", type)], pods: [("web", "a", 2300), ("web", "b", 2300)])
            var policy = NodePlanTests.eager
            change(&policy)
            return try NodePlanTests.run(Defrag(.init()), &world, policy: policy, mode: .observe).actions.count
        }
        #expect(try actions("m5.xlarge") == 1)
        #expect(try actions("c6a.xlarge") == 0)
        #expect(try actions("m5.xlarge") { $0.packing.replaces = false } == 0)
        #expect(try actions("m5.xlarge") { $0.saving.minimumDollarsPerMonth = 200 } == 0)
        #expect(try actions("m5.xlarge") { $0.disruption.nodesPerHourMax = 1 } == 0)
        #expect(try actions("m5.xlarge") { $0.disruption.nodeAgeMin = .hours(48) } == 0)
        #expect(try actions("m5.xlarge") { $0.packing.headroom = 0.5 } == 0)
        #expect(try actions("m5.xlarge") { $0.saving.scoreFactor = 2 } == 0)
    }

    @Test("a merge that is given up half-way ends the node that carries nothing, and gives the others back")
    func mergesGiveBack() throws {
        var world = PlanWorld(
            [("a", "m5.xlarge"), ("b", "m5.xlarge"), ("c", "m5.xlarge")],
            pods: [("web", "a", 2300), ("web", "b", 2300), ("web", "c", 2300)])
        let last = try NodePlanTests.run(Defrag(.init()), &world, policy: NodePlanTests.eager) { _, world in
            guard let index = world.snapshot.objects.nodes.firstIndex(where: \.isUnschedulable) else { return }
            world.snapshot.objects.nodes[index].isUnschedulable = false
        }
        #expect(last.next == .stop(reason: "plan-aborted"))
        #expect(world.snapshot.objects.nodes.map(\.name) == ["a", "b", "c"])
        #expect(world.snapshot.objects.nodes.allSatisfy { $0.annotations.isEmpty })
    }

    @Test("a plan that nobody works on any more rests its nodes for the cooldown, not for ever")
    func staleRests() {
        var plan = NodePlan(
            cluster: "prod", number: 1, kind: "defrag", nodes: ["uid-a"], openedAt: PlanWorld.start - 7200)
        func resting() -> Set<String> {
            NodePlanObservation(
                snapshot: NodePlanTests.world().snapshot, account: "123456789012", policy: NodePlanTests.policy,
                mode: .apply, plans: [plan], interruptions: [], launch: nil, reports: [], memory: nil
            ).resting
        }
        #expect(resting().isEmpty)
        plan.seenAt = PlanWorld.start - 60
        #expect(resting() == ["uid-a"])
    }

    @Test("restore-marks leaves a live plan's marks alone, and takes them back once nobody works on it")
    func marksHeal() throws {
        var node = PlanWorld.node("a", "m5.xlarge", index: 0)
        node.annotations[NodeMark.byAnnotation] = "cordon/prod/uid-a/plan-1"
        var plan = NodePlan(cluster: "prod", number: 1, kind: "defrag", nodes: ["uid-a"], openedAt: PlanWorld.start)
        func decide(after seconds: Double) throws -> Decision {
            try RestoreMarks(.init()).decide(
                .init(
                    now: PlanWorld.start + seconds, cluster: "prod", marked: [node], live: [], plans: [plan],
                    reports: [],
                    round: 0))
        }
        let live = try decide(after: 60)
        #expect(live.actions.isEmpty)
        #expect(live.facts.isEmpty)
        // World time may jump: as long as its job is in the ledger it is nobody's to end.
        plan.isWorkedOn = true
        #expect(try decide(after: 86_400).isEmpty)
        plan.isWorkedOn = false
        let stale = try decide(after: NodePlan.staleSeconds + 1)
        #expect(stale.actions.count == 1)
        let ended = stale.facts.compactMap { if case .nodePlan(let plan) = $0 { plan } else { nil } }
        #expect(ended.map(\.number) == [1] && ended.allSatisfy { $0.outcome?.hasPrefix("abandoned") ?? false })
        #expect(!stale.isEmpty)
    }
}

/// The kinds that empty nodes, as these tests run them.
protocol PlanJob {
    func decide(_ observation: NodePlanObservation) throws -> Decision
}

extension Defrag: PlanJob {}
extension RightsizeNodes: PlanJob {}
extension SpotArbitrage: PlanJob {}
