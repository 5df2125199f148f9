import Foundation
import Infrastructure
import Testing

@testable import Optimizer

/// The same clusters every time, their seeds in the failure's words.
@Suite("Packing on random clusters") struct PackingPropertyTests {
    static let seeds: [UInt64] = Array(1...120)

    /// Rules hold as they are written; nothing is too small to be done.
    static var policy: ClusterPolicy {
        var policy = ClusterPolicy()
        policy.packing.preferences = .ignore
        policy.packing.headroom = 0
        policy.packing.nodesPerPlanMax = 100
        policy.saving.minimumDollarsPerMonth = 0
        policy.saving.scoreFactor = 100
        policy.costs.dollarsPerEviction = 0
        policy.disruption.nodeAgeMin = .seconds(0)
        return policy
    }

    @Test("the simulation and an independent judge agree on every pod and every node")
    func agreesWithTheJudge() {
        var allowed = 0
        var refused: Set<PlacementRefusal> = []
        for seed in PackingPropertyTests.seeds {
            var maker = RandomCluster(seed: seed)
            let snapshot = maker.snapshot()
            let packing = ClusterPacking(snapshot, policy: PackingPropertyTests.policy, prices: [:])
            let judge = PlacementJudge(snapshot)
            var state = packing.state
            for (index, pod) in packing.pods.enumerated() where packing.unmovable[index] == nil {
                let home = state.remove(index)
                for (number, node) in packing.nodes.enumerated() {
                    let refusal = state.refusal(of: index, on: number)
                    let objections = judge.objections(to: pod, on: node.name)
                    if let refusal { refused.insert(refusal) } else { allowed += 1 }
                    #expect(
                        (refusal == nil) == objections.isEmpty,
                        "seed \(seed), \(pod.name) on \(node.name): the simulation says \(refusal?.words ?? "yes"), the judge \(objections)"
                    )
                }
                if let home { state.place(index, on: home) }
            }
        }
        #expect(allowed > 1_000)
        // The clusters must have had something to refuse of every kind.
        let expected: Set<PlacementRefusal> = [
            .cpu, .memory, .podCount, .ephemeralStorage, .extendedResource, .taint, .cordoned, .nodeSelector,
            .nodeAffinity, .podAffinity, .podAntiAffinity, .othersAntiAffinity, .topologySpread, .hostPort, .volumeZone,
            .volumeInUse, .attachLimit, .notReady,
        ]
        #expect(expected.subtracting(refused).isEmpty, "never refused: \(expected.subtracting(refused))")
    }

    @Test("a plan breaks no constraint: every moved pod may be where it is when all is done, and may be moved at all")
    func plansAreFeasible() {
        var moved = 0
        for seed in PackingPropertyTests.seeds {
            var maker = RandomCluster(seed: seed)
            let snapshot = maker.snapshot()
            let plan = PackingPlanner(snapshot, policy: PackingPropertyTests.policy).plan()
            var judge = PlacementJudge(snapshot)
            let moves = plan.removals.flatMap(\.moves)
            for move in moves { judge.places[move.pod.uid] = move.to }
            let gone = Set(plan.removals.map(\.node.name))
            for move in moves {
                guard let pod = snapshot.objects.pods.first(where: { $0.uid == move.pod.uid }) else { continue }
                let objections = judge.objections(to: pod, on: move.to)
                #expect(objections.isEmpty, "seed \(seed), \(pod.name) on \(move.to): \(objections)")
                #expect(!gone.contains(move.to), "seed \(seed): \(pod.name) would go to a node that goes")
                #expect(
                    pod.ownerKind == "ReplicaSet" && pod.annotations.isEmpty && pod.deletedBy == nil, "seed \(seed)")
                #expect(pod.placement.unknownConstraints.isEmpty && pod.placement.schedulerName == "default-scheduler")
                #expect(!pod.placement.volumes.contains { $0.kind == "emptyDir" }, "seed \(seed)")
                let covering = snapshot.objects.budgets.filter { $0.covers(pod) }
                #expect(covering.allSatisfy { $0.disruptionsAllowed > 0 }, "seed \(seed)")
            }
            for pod in snapshot.objects.pods where gone.contains(pod.nodeName ?? "") {
                #expect(moves.contains { $0.pod.uid == pod.uid }, "seed \(seed): \(pod.name) would be lost")
            }
            #expect(
                Set(plan.stays.keys).union(gone) == Set(snapshot.objects.nodes.map(\.name)),
                "seed \(seed): every node that stays says why")
            moved += moves.count
        }
        #expect(moved > 50)
    }

    @Test("a merge breaks no constraint, whichever of its pools the new node comes from")
    func mergesAreFeasible() throws {
        let zones = Dictionary(uniqueKeysWithValues: RandomCluster.zones.map { ($0, "subnet-\($0)") })
        var (merges, moved) = (0, 0)
        for seed in PackingPropertyTests.seeds {
            var maker = RandomCluster(seed: seed)
            var snapshot = maker.snapshot()
            // Of one template: else hardly any two are alike.
            for index in snapshot.objects.nodes.indices {
                snapshot.objects.nodes[index].labels.merge(["generation": "5", "disk": "ssd"]) { $1 }
                snapshot.objects.nodes[index].taints = []
            }
            let planner = PackingPlanner(snapshot, policy: PackingPropertyTests.policy)
            guard let swap = planner.merge(zones: zones) else { continue }
            merges += 1
            let old = swap.removals.compactMap { planner.cluster.index(ofNode: $0.node.name) }
            let cost = old.reduce(MicroDollars.zero) { $0 + planner.cluster.problem.nodes[$1].price }
            #expect(old.count == swap.removals.count && old.count > 1 && cost - swap.price == swap.saving)
            for pool in swap.launch.steps.flatMap(\.pools) {
                let type = try #require(InstanceCatalogue.shipped.type(named: pool.type))
                #expect(type.onDemandUSEast1 < cost, "seed \(seed): it costs less than what goes")
                var room = type.allocatable
                room.ephemeralStorage = .mebibytes(50_000)
                let trial = planner.relocation(
                    of: old, room: room, zone: pool.zone, capacity: .onDemand, planner.cluster.state)
                let relocation = try #require(trial, "seed \(seed), \(pool.type) in \(pool.zone)")
                let first = planner.cluster.nodes[old[0]]
                var world = snapshot
                var new = planner.imagined(like: first, room, pool.zone, .onDemand)
                new.name = PackingPlanner.newNode
                world.objects.nodes.append(new)
                var judge = PlacementJudge(world)
                let moves = relocation.moves.values.flatMap(\.self)
                for move in moves { judge.places[move.pod.uid] = move.to }
                for move in moves {
                    let pod = try #require(snapshot.objects.pods.first { $0.uid == move.pod.uid })
                    let objections = judge.objections(to: pod, on: move.to)
                    #expect(objections.isEmpty, "seed \(seed), \(pod.name) on \(move.to): \(objections)")
                    #expect(!swap.removals.contains { $0.node.name == move.to })
                    moved += 1
                }
            }
        }
        #expect(merges > 5 && moved > 50)
    }

    @Test("the same cluster gives the same plan to the byte, in whatever order its lists come")
    func isDeterministic() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        for seed in PackingPropertyTests.seeds.prefix(40) {
            var maker = RandomCluster(seed: seed)
            var snapshot = maker.snapshot()
            let first = try encoder.encode(PackingPlanner(snapshot, policy: PackingPropertyTests.policy).plan())
            var numbers = SeededNumbers(seed: seed)
            snapshot.objects.nodes.shuffle(using: &numbers)
            snapshot.objects.pods.shuffle(using: &numbers)
            snapshot.objects.volumes.shuffle(using: &numbers)
            snapshot.objects.budgets.shuffle(using: &numbers)
            let second = try encoder.encode(PackingPlanner(snapshot, policy: PackingPropertyTests.policy).plan())
            #expect(first == second, "seed \(seed)")
        }
    }

    @Test("a plan that still stands has no obstacle; one whose nodes are all there is has one")
    func findsObstacles() {
        var standing = 0
        for seed in PackingPropertyTests.seeds {
            var maker = RandomCluster(seed: seed)
            let snapshot = maker.snapshot()
            let planner = PackingPlanner(snapshot, policy: PackingPropertyTests.policy)
            let plan = planner.plan()
            guard let first = plan.removals.first(where: { !$0.moves.isEmpty }) else { continue }
            if planner.obstacle(leaving: [first.node.name]) == nil { standing += 1 }
            #expect(planner.obstacle(leaving: snapshot.objects.nodes.map(\.name)) != nil, "seed \(seed)")
        }
        #expect(standing > 10)
    }
}
