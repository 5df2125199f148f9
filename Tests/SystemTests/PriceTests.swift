import Foundation
import JobQueue
import Postgres
import TestSupport
import Testing

extension SystemTests {
    /// Policies, prices and risk as an operator meets them, against the simulator's price list and spot market.
    @Suite("Policies and prices", .fleet(clusters: ["shop"], nodes: 2, pods: 2, environment: FleetPlan.impatient))
    struct PriceTests {
        private func enqueue(_ kind: String, _ parameters: String, _ fleet: Fleet) async throws {
            try await fleet.succeed([
                "enqueue", kind, "--target", "region/us-east-1", "--parameters", parameters, "--key", "test-\(kind)",
            ])
        }

        private func awaitDone(_ kind: String, _ fleet: Fleet) async throws {
            // The scheduled first fetch, of every type, goes before: one of a region at a time.
            try await eventually("\(kind) is done", within: .seconds(240)) {
                try await fleet.number(
                    "SELECT count(*) FROM job_status WHERE kind = $1 AND state = 'done' AND target = 'region/us-east-1'",
                    [.text(kind)]) >= 1
            }
        }

        @Test("Prices are fetched and gaps filled; risk explains each pool with its confidence")
        func prices() async throws {
            let fleet = try Fleet.current
            let answer = try await fleet.add("shop", tenant: "acme", mode: "apply")
            try #require(answer.status == 0, "\(answer)")
            try await fleet.startRoles()
            let day = 86_400.0
            let iso = Date.ISO8601FormatStyle().year().month().day()
            let (old, first, last) = (
                Date(timeIntervalSinceNow: -92 * day).formatted(iso),
                Date(timeIntervalSinceNow: -3 * day).formatted(iso),
                Date(timeIntervalSinceNow: -2 * day).formatted(iso)
            )
            try await enqueue("fetch-spot-prices", #"{"types":["m5.*"]}"#, fleet)
            try await enqueue("fetch-on-demand-prices", "{}", fleet)
            try await awaitDone("fetch-spot-prices", fleet)
            try await awaitDone("fetch-on-demand-prices", fleet)
            try await enqueue("fill-price-gap", #"{"from":"\#(first)","until":"\#(last)","types":["m5.large"]}"#, fleet)
            try await awaitDone("fill-price-gap", fleet)
            #expect(try await fleet.number("SELECT count(*) FROM account_zone") >= 2)
            #expect(try await fleet.number("SELECT count(*) FROM on_demand_price WHERE type = 'm5.large'") == 1)
            #expect(try await fleet.number("SELECT count(*) FROM spot_price WHERE zone_id LIKE 'use1-az%'") > 50)
            let risk = try await fleet.succeed([
                "risk", "--type", "m5.large", "--region", "us-east-1", "--output", "json",
            ])
            let pools = try JSONText(text: risk.output).decode([[String: JSONValue]].self)
            #expect(pools.count >= 2)
            for pool in pools {
                #expect(pool["confidence"] == .number("1"), "\(pool)")
                guard case .string(let why)? = pool["why"] else { Issue.record("no why"); continue }
                #expect(why.contains("of on demand") && why.contains("interrupted"))
            }
            let coverage = try await fleet.succeed(["prices", "coverage", "--region", "us-east-1"])
            #expect(coverage.output.contains(first) && coverage.output.contains(last))
            try await fleet.succeed([
                "enqueue", "fill-price-gap", "--target", "region/us-east-1", "--parameters",
                #"{"from":"\#(old)","until":"\#(old)","types":["m5.large"]}"#,
            ])
            try await eventually("what is older than 90 days is marked", within: .seconds(60)) {
                try await fleet.number("SELECT count(*) FROM price_day WHERE state = 'unfillable'") == 1
            }
        }

        @Test("A policy is shown, changed, refused with its line, and its history kept")
        func policies() async throws {
            let fleet = try Fleet.current
            _ = try await fleet.add("shop", tenant: "acme", mode: "apply")
            let cluster = fleet.cluster("shop")
            try await fleet.succeed([
                "policy", "set", cluster, "modes.packing=propose", "disruption.nodes_per_hour_max=3", "--by", "ann",
            ])
            let shown = try await fleet.succeed(["policy", "show", cluster]).output
            #expect(shown.contains("nodes_per_hour_max: 3") && shown.contains("packing: \"propose\""), "\(shown)")
            let file = "\(fleet.directory)/policy.yaml"
            try shown.write(toFile: file, atomically: true, encoding: .utf8)
            let same = try await fleet.succeed(["policy", "apply", "-f", file, cluster])
            #expect(same.output.contains("says this already"))
            try shown.replacing("nodes_per_hour_max: 3", with: "nodes_per_hour_max: many")
                .write(toFile: file, atomically: true, encoding: .utf8)
            let refused = try await fleet.run(["policy", "apply", "-f", file, cluster])
            #expect(refused.status == 65)
            #expect(refused.errors.contains("policy.yaml:") && refused.errors.contains("disruption.nodes_per_hour_max"))
            let history = try await fleet.succeed(["policy", "history", cluster]).output
            #expect(history.contains("ann") && history.contains("disruption.nodes_per_hour_max: 10 -> 3"))
            try await fleet.succeed(["kill-switch", "on", "--cluster", cluster, "--by", "ann"])
            #expect(try await fleet.number("SELECT count(*) FROM cluster_kill_switch WHERE is_on") == 1)
            #expect(try await fleet.succeed(["savings"]).output == "nothing was saved yet\n")
            let calibration: [String: JSONValue] = try await fleet.succeed(["risk", "calibration", "-o", "json"]).json()
            #expect(calibration["predictions"] != nil, "\(calibration)")
            #expect(try await fleet.succeed(["proposals"]).output == "no proposals\n")
        }
    }
}
