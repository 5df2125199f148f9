import Foundation
import Infrastructure
import Testing

@testable import Optimizer

@Suite("Ghosts: the rules")
struct GhostRulesTests {
    static let account = AccountTarget(tenant: "acme", account: "123456789012", region: "us-east-1")
    static let start = Date(timeIntervalSince1970: 1_800_000_000)
    static let prod = GhostRules.Cluster(id: "prod", name: "prod-eks", policy: ClusterPolicy())

    static func instance(
        _ number: Int, _ tags: [String: String] = ["kubernetes.io/cluster/prod-eks": "owned"], age: TimeInterval = 7200
    ) -> Instance {
        Instance(
            id: InstanceID(rawValue: "i-0000000000000\(1000 + number)"), state: .running, type: "m5.xlarge",
            zone: "us-east-1a", capacity: .onDemand, tags: tags, launchedAt: start.addingTimeInterval(-age))
    }

    /// Forty nodes, and what else runs.
    static func scan(_ others: [Instance], after seconds: TimeInterval = 0, last: [GhostSighting] = [])
        -> GhostRules.Scan
    {
        let nodes = (100..<140).map { instance($0) }
        var scan = GhostRules.Scan(
            now: start.addingTimeInterval(seconds), account: account, clusters: [prod], instances: nodes + others,
            nodes: Set(nodes.map(\.id)))
        scan.eksClusters = ["living"]
        scan.sightings = last
        return scan
    }

    private func rows(_ outcome: GhostRules.Outcome) -> [GhostSighting] { outcome.verdicts.map(\.sighting) }

    static let table: [([String: String], GhostClass)] = [
        (["kubernetes.io/cluster/prod-eks": "owned"], .own), (["eks:cluster-name": "prod-eks"], .own),
        ([NodeOwner.ownTag: "prod"], .own),
        (["kubernetes.io/cluster/prod-eks": "owned", "aws:autoscaling:groupName": "g"], .grouped),
        (["eks:eks-cluster-name": "vanished"], .orphan), (["eks:cluster-name": "living"], .excluded),
        // kops and its like are not in EKS's list: that it does not list them says nothing.
        (["kubernetes.io/cluster/vanished": "owned"], .unowned), ([:], .unowned),
        (["kubernetes.io/cluster/prod-eks": "shared"], .unowned),
        (["kubernetes.io/cluster/prod-eks": "owned", "karpenter.sh/nodepool": "default"], .unowned),
        (["kubernetes.io/cluster/prod-eks": "owned", "kubernetes.io/cluster/x": "owned"], .unowned),
        (["kubernetes.io/cluster/prod-eks": "owned", "k8s.io/role/master": "1"], .excluded),
        (["kubernetes.io/cluster/prod-eks": "owned", "k8s.io/role/control-plane": "1"], .excluded),
        (["kubernetes.io/cluster/prod-eks": "owned", "kops.k8s.io/instancegroup": "master-us-east-1a"], .excluded),
        (["kubernetes.io/cluster/prod-eks": "owned", "cloudoptim.io/protected": ""], .excluded),
        (["eks:eks-cluster-name": "prod-eks", "eks:kubernetes-node-class-name": "default"], .excluded),
    ]

    @Test("every class by its tags", arguments: table)
    func classes(tags: [String: String], ghostClass: GhostClass) {
        let instance = GhostRulesTests.instance(1, tags)
        #expect(GhostRules.classify(instance, GhostRulesTests.scan([instance])).ghostClass == ghostClass)
    }

    @Test("what may not be ended is excluded; where EKS cannot be asked, its orphans are only told")
    func asked() {
        let own = GhostRulesTests.instance(1)
        var scan = GhostRulesTests.scan([own])
        scan.protected = [own.id: "its termination protection is on"]
        #expect(GhostRules.outcome(scan).verdicts.isEmpty)
        var managed = own
        managed.isServiceManaged = true
        #expect(GhostRules.classify(managed, GhostRulesTests.scan([managed])).ghostClass == .excluded)
        let orphan = GhostRulesTests.instance(2, ["eks:cluster-name": "vanished"])
        var blind = GhostRulesTests.scan([orphan])
        blind.eksClusters = nil
        #expect(GhostRules.classify(orphan, blind).ghostClass == .unowned)
    }

    @Test("two scans that agree and 24 hours from the first: not one of them alone")
    func grace() {
        let ghost = GhostRulesTests.instance(1)
        var last: [GhostSighting] = []
        for hours in [0, 0.4, 0.6, 12, 23.9] {
            let outcome = GhostRules.outcome(GhostRulesTests.scan([ghost], after: hours * 3600, last: last))
            #expect(outcome.verdicts.map(\.ends) == [false], "after \(hours) h")
            last = rows(outcome)
        }
        #expect(last.first?.scans == 4)
        #expect(last.first?.firstSeenAt == GhostRulesTests.start)
        #expect(
            GhostRules.outcome(GhostRulesTests.scan([ghost], after: 86_400, last: last)).verdicts.map(\.ends) == [true])
        // A day later, but the first scan that sees it.
        #expect(GhostRules.outcome(GhostRulesTests.scan([ghost], after: 86_400)).verdicts.map(\.ends) == [false])
    }

    @Test("one that joins, or is taken for something else, begins anew")
    func disagreement() {
        let ghost = GhostRulesTests.instance(1)
        let first = rows(GhostRules.outcome(GhostRulesTests.scan([ghost])))
        var joined = GhostRulesTests.scan([ghost], after: 3600, last: first)
        joined.nodes.insert(ghost.id)
        #expect(GhostRules.outcome(joined).gone == [ghost.id])
        var grouped = ghost
        grouped.tags["aws:autoscaling:groupName"] = "g"
        let again = GhostRules.outcome(GhostRulesTests.scan([grouped], after: 90_000, last: first))
        #expect(again.verdicts.map(\.ends) == [false])
        #expect(again.verdicts.first?.sighting.firstSeenAt == GhostRulesTests.start.addingTimeInterval(90_000))
        #expect(GhostRules.outcome(GhostRulesTests.scan([], after: 3600, last: first)).gone == [ghost.id])
    }

    @Test("one that was launched an hour ago or less, or at a time nobody told, may still be joining")
    func joining() {
        var unknown = GhostRulesTests.instance(2)
        unknown.launchedAt = nil
        let young = GhostRulesTests.instance(1, age: 3600)
        #expect(GhostRules.outcome(GhostRulesTests.scan([young, unknown])).verdicts.isEmpty)
        #expect(GhostRules.outcome(GhostRulesTests.scan([GhostRulesTests.instance(1, age: 3601)])).verdicts.count == 1)
    }

    @Test("the breaker: more than three and more than a tenth of the tagged instances stop the scan")
    func breaker() {
        let four = (0..<4).map { GhostRulesTests.instance($0) }
        #expect(GhostRules.outcome(GhostRulesTests.scan(four)).isBroken == false)
        let five = (0..<5).map { GhostRulesTests.instance($0) }
        let outcome = GhostRules.outcome(GhostRulesTests.scan(five))
        #expect(outcome.isBroken)
        #expect(outcome.verdicts.isEmpty)
        // What is only told does not count.
        let many = (0..<30).map { GhostRulesTests.instance($0, [:]) }
        #expect(GhostRules.outcome(GhostRulesTests.scan(many)).isBroken == false)
    }

    @Test("a cluster of three nodes behind wrong credentials: none of its instances is a node, nothing is ended")
    func wrongCluster() {
        let own = (0..<3).map { GhostRulesTests.instance($0) }
        var scan = GhostRules.Scan(
            now: GhostRulesTests.start, account: GhostRulesTests.account, clusters: [GhostRulesTests.prod],
            instances: own, nodes: ["i-0aaaaaaaaaaaaaaaa"])
        scan.eksClusters = []
        let outcome = GhostRules.outcome(scan)
        #expect(outcome.isBroken)
        #expect(outcome.verdicts.isEmpty)
    }

    @Test("no whole list of nodes, no verdict; what is a node after all is forgotten")
    func gap() {
        let ghost = GhostRulesTests.instance(1)
        let first = rows(GhostRules.outcome(GhostRulesTests.scan([ghost])))
        var scan = GhostRulesTests.scan([ghost], after: 90_000, last: first)
        scan.gap = "a page is missing"
        let outcome = GhostRules.outcome(scan)
        #expect(outcome.verdicts.isEmpty)
        #expect(outcome.gone.isEmpty)
        #expect(outcome.stopped == "a page is missing")
    }

    @Test("the most careful policy counts for what no cluster owns")
    func strictest() {
        var careful = ClusterPolicy()
        careful.ghosts.grace = .days(3)
        careful.ghosts.breakerCount = 1
        let policy = GhostRules.strictest([
            GhostRulesTests.prod, GhostRules.Cluster(id: "b", name: "b", policy: careful),
        ])
        #expect(policy.grace == .days(3))
        #expect(policy.breakerCount == 1)
    }
}

@Suite("Ghosts: whatever the order of events")
struct GhostRulesPropertyTests {
    @Test("nothing is ended early, without whole lists, under the breaker, or of a class that is only told")
    func neverEarly() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var ended = 0
        for number in 0..<600 {
            var random = SeededSource(state: seed &+ UInt64(number))
            var now: TimeInterval = 0
            var sightings: [InstanceID: GhostSighting] = [:]
            var extras = (0..<3).map { place in
                GhostRulesTests.instance(place, GhostRulesTests.table[random.next(below: 16)].0, age: 1800)
            }
            var joined: Set<InstanceID> = []
            // The oracle: scans in a row, whole and without a veto, that found the instance of one class in no cluster.
            var agreeing: [InstanceID: (since: TimeInterval, last: TimeInterval, count: Int, what: GhostClass?)] = [:]
            for _ in 0..<80 {
                switch random.next(below: 12) {
                case 0: joined.formSymmetricDifference([extras[random.next(below: 3)].id])
                case 1:
                    let place = random.next(below: 3)
                    extras[place].tags = GhostRulesTests.table[random.next(below: 16)].0
                case 2: sightings = [:]
                default: break
                }
                now += Double(random.next(below: 5)) * 1500
                var scan = GhostRulesTests.scan(extras, after: now, last: Array(sightings.values))
                scan.nodes.formUnion(joined)
                if random.next(below: 8) == 0 { scan.gap = "a page is missing" }
                let outcome = GhostRules.outcome(scan)
                for id in outcome.gone { sightings[id] = nil }
                for verdict in outcome.verdicts { sightings[verdict.sighting.instance] = verdict.sighting }
                for extra in extras {
                    if joined.contains(extra.id) {
                        agreeing[extra.id] = nil
                    } else if scan.gap == nil, now > 1800 {
                        let what = GhostRulesTests.table.first { $0.0 == extra.tags }?.1
                        var state = agreeing[extra.id] ?? (now, now, 1, what)
                        if state.what != what { state = (now, now, 1, what) }
                        if now - state.last >= 1800 { (state.last, state.count) = (now, state.count + 1) }
                        agreeing[extra.id] = state
                    }
                }
                for verdict in outcome.verdicts where verdict.ends {
                    ended += 1
                    let id = verdict.sighting.instance
                    let state = agreeing[id]
                    let isRight =
                        scan.gap == nil && !joined.contains(id) && verdict.sighting.ghostClass.mayEnd
                        && state.map { now - $0.since >= 86_400 && $0.count >= 2 } == true
                    guard isRight else {
                        Issue.record("seed \(seed &+ UInt64(number)): \(id) ended too early at \(now)")
                        return
                    }
                }
            }
        }
        #expect(ended > 100, "the stories hardly ever reach an end: they prove little")
    }
}
