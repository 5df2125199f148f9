import Infrastructure
import JobQueue
import Jobs
import Testing

@Suite("Policy files")
struct PolicyFileTests {
    @Test("a file names what differs; what it does not name has its default")
    func parse() throws {
        let policy = try PolicyFile.parse(
            """
            # nights only
            modes:
              packing: apply
              rightsize-workloads: propose
            disruption:
              windows:
                - Mon-Fri 22:00-06:00 Europe/Berlin
              holidays: ["2026-12-24"]
              nodes_per_hour_max: 4
            saving: {minimum_dollars_per_month: 20}
            protected:
              labels: {team: core}
            """, file: "prod.yaml")
        var expected = ClusterPolicy()
        expected.modes = ["packing": .apply, "rightsize-workloads": .propose]
        expected.disruption.windows = WeeklySchedule([
            try #require(WeeklyWindow("Mon-Fri 22:00-06:00 Europe/Berlin"))
        ])
        expected.disruption.holidays = [try #require(LocalDay("2026-12-24"))]
        expected.disruption.nodesPerHourMax = 4
        expected.saving.minimumDollarsPerMonth = 20
        expected.protected.labels = ["team": "core"]
        #expect(policy == expected)
        #expect(try PolicyFile.parse(PolicyFile.text(policy), file: "again") == policy)
    }

    @Test(
        "a mistake is told with its file, line and field",
        arguments: [
            (
                "disruption:\n  nodes_per_huor_max: 3\n",
                "p.yaml:2: disruption.nodes_per_huor_max: found an unknown field"
            ),
            ("spot:\n  risk_max: much\n", "p.yaml:2: spot.risk_max: found 'much', wanted a number"),
            ("spot:\n\n  risk_max: 7\n", "p.yaml:3: spot.risk_max: found 7.0, wanted 0.0 to 1.0"),
            ("volumes:\n  grace: soon\n", "p.yaml:2: volumes.grace: found 'soon', wanted a time"),
            ("modes:\n  packing: aply\n", "p.yaml:2: modes.packing:"),
            ("modes:\n  pakking: apply\n", "p.yaml:2: modes.pakking: found an unknown feature or kind"),
            ("packing: 3\n", "p.yaml:1: packing: found '3', wanted an object"),
            ("disruption:\n  windows: [\"Mon-Fri 9-5\"]\n", "p.yaml:2: disruption.windows:"),
            ("packing:\n  replaces: perhaps\n", "p.yaml:2: packing.replaces: found 'perhaps', wanted true or false"),
            ("a: &x 1\n", "p.yaml:1: found a YAML anchor"), ("a: [1\n", "p.yaml:2: "),
            ("oom:\n  raises_per_day_max: 2.5\n", "p.yaml:2: oom.raises_per_day_max:"),
        ])
    func mistakes(text: String, message: String) {
        do {
            _ = try PolicyFile.parse(text, file: "p.yaml")
            Issue.record("accepted: \(text)")
        } catch {
            let told = (error as? QueueError)?.message ?? ""
            #expect(told.hasPrefix(message), "\(told)")
        }
    }

    @Test("single fields are changed, and the change is told")
    func changed() throws {
        let old = ClusterPolicy()
        let new = try PolicyFile.changed(
            old,
            [
                "disruption.nodes_per_hour_max=3", "modes.office-hours=propose", "protected.labels.team.io/x=gold",
                "disruption.windows=[\"daily 22:00-06:00\"]", "disruption.evictions_per_hour_max=50",
            ])
        #expect(new.disruption.nodesPerHourMax == 3)
        #expect(new.disruption.evictionsPerHourMax == 50)
        #expect(new.modes == ["office-hours": .propose])
        #expect(new.protected.labels == ["team.io/x": "gold"])
        #expect(new.disruption.windows.windows.map(\.description) == ["daily 22:00-06:00"])
        #expect(
            try PolicyFile.differences(from: old, to: new).contains("disruption.nodes_per_hour_max: 10 -> 3"))
        for bad in ["nodes=3", "disruption.nodes_per_hour_max", "disruption.nodes_per_hour_max=many", "spot.x=1"] {
            #expect(throws: QueueError.self) { try PolicyFile.changed(old, [bad]) }
        }
    }
}
