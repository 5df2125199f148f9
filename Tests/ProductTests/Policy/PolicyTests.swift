import Foundation
import Infrastructure
import Testing

@Suite("Cluster policy")
struct PolicyTests {
    @Test("a document names only what differs; the rest has its default")
    func partial() throws {
        let policy = try ClusterPolicy(
            document: """
                {"modes": {"packing": "apply", "rightsize-workloads": "propose"}, "disruption": {"nodes_per_hour_max": 3},
                 "volumes": {"grace": "14d"}, "protected": {"labels": {"team_Name/Owner": "", "a": "b"}}}
                """)
        var expected = ClusterPolicy()
        expected.modes = ["packing": .apply, "rightsize-workloads": .propose]
        expected.disruption.nodesPerHourMax = 3
        expected.volumes.grace = .days(14)
        expected.protected.labels = ["team_Name/Owner": "", "a": "b"]
        #expect(policy == expected)
        #expect(try ClusterPolicy(document: policy.document()) == policy)
    }

    @Test("the defaults are in range, and are what a document without fields means")
    func defaults() throws {
        #expect(ClusterPolicy().problems == [])
        #expect(try ClusterPolicy(document: "{}") == ClusterPolicy())
        #expect(try ClusterPolicy(document: ClusterPolicy().document()) == ClusterPolicy())
    }

    @Test("a value out of range is told with its field")
    func ranges() throws {
        var policy = ClusterPolicy()
        policy.spot.riskMax = 1.5
        policy.volumes.grace = .hours(1)
        policy.modes["paking"] = .apply
        policy.saving.scoreFactor = .nan
        #expect(
            policy.problems.map(\.field) == ["modes.paking", "saving.score_factor", "spot.risk_max", "volumes.grace"])
    }

    @Test("features act only where they are asked to, interruptions where the cluster's mode allows")
    func modes() {
        var policy = ClusterPolicy()
        #expect(policy.mode(of: "drain-node") == .apply)
        #expect(policy.mode(of: "defrag") == .observe)
        #expect(policy.mode(of: "notify") == .apply)
        policy.modes = ["rightsizing": .apply, "rightsize-nodes": .propose]
        #expect(policy.mode(of: "rightsize-workloads") == .apply)
        #expect(policy.mode(of: "rightsize-nodes") == .propose)
    }

    @Test("what is protected is told by name")
    func protection() {
        var protection = ProtectionPolicy()
        protection.labels = ["tier": "gold", "keep": ""]
        #expect(protection.reason(namespace: "kube-system", labels: [:]) != nil)
        #expect(protection.reason(namespace: "shop", labels: [:]) == nil)
        #expect(protection.reason(namespace: "shop", labels: ["tier": "gold"])?.contains("tier") == true)
        #expect(protection.reason(namespace: "shop", labels: ["tier": "silver"]) == nil)
        #expect(protection.reason(namespace: nil, labels: ["keep": "anything"])?.contains("keep") == true)
        #expect(protection.reason(tags: ["cloudoptim.io/protected": "true"]) != nil)
        #expect(protection.reason(tags: ["Name": "x"]) == nil)
    }

    @Test(
        "spans are numbers with a unit",
        arguments: [("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800), ("0s", 0)])
    func spans(text: String, seconds: Int64) {
        #expect(TimeSpan(text)?.seconds == seconds)
        #expect(TimeSpan.seconds(seconds).description == (text == "24h" ? "1d" : text == "90s" ? "90s" : text))
    }

    @Test("anything else is no span", arguments: ["", "5", "m", "-5m", "5 m", "1.5h", "99999999999d", "4000d", "5ms"])
    func badSpans(text: String) { #expect(TimeSpan(text) == nil) }

    @Test("dollars become micro-dollars without a surprise")
    func dollars() {
        #expect(MicroDollars.dollars(0.308) == 308_000)
        #expect(MicroDollars.dollars(-1.5) == -1_500_000)
        #expect(MicroDollars.dollars(.nan) == 0)
        #expect(MicroDollars.dollars(1e300) == MicroDollars(rawValue: .max))
        #expect(SavingPolicy().minimumPerHour == .dollars(5.0 / 730))
    }
}
