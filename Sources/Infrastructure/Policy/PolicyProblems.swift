/// One thing that is wrong with a policy.
public struct PolicyProblem: Hashable, Sendable {
    /// The field with its groups, as documents name it: `disruption.nodes_per_hour_max`.
    public var field: String
    /// What stands there.
    public var found: String
    /// What should.
    public var wanted: String
}

extension ClusterPolicy {
    /// Everything that is out of range; empty: it may be stored.
    public var problems: [PolicyProblem] {
        var list: [PolicyProblem] = []
        func check<Value: Comparable & CustomStringConvertible>(
            _ field: String, _ value: Value, _ range: ClosedRange<Value>
        ) {
            if range.contains(value) { return }
            list.append(
                PolicyProblem(
                    field: field, found: "\(value)", wanted: "\(range.lowerBound) to \(range.upperBound)"))
        }
        let known = Feature.allCases.map(\.rawValue) + Feature.allCases.flatMap(\.kinds)
        for name in modes.keys.sorted() where !known.contains(name) {
            list.append(
                PolicyProblem(
                    field: "modes.\(name)", found: "an unknown feature or kind", wanted: known.joined(separator: ", ")))
        }
        let share = 0.0...1.0
        let count = 0...100_000
        let span = TimeSpan.seconds(0)...TimeSpan.days(90)
        check("disruption.nodes_at_once_max", disruption.nodesAtOnceMax, 1...1000)
        check("disruption.nodes_per_hour_max", disruption.nodesPerHourMax, count)
        check("disruption.evictions_at_once_max", disruption.evictionsAtOnceMax, 1...10_000)
        check("disruption.evictions_per_hour_max", disruption.evictionsPerHourMax, count)
        check("disruption.node_age_min", disruption.nodeAgeMin, span)
        check("disruption.node_cooldown", disruption.nodeCooldown, span)
        check("disruption.plan_cooldown", disruption.planCooldown, span)
        check("disruption.abort_cooldown", disruption.abortCooldown, span)
        check("disruption.pending_max", disruption.pendingMax, .seconds(10) ... .hours(1))
        check("saving.minimum_dollars_per_month", saving.minimumDollarsPerMonth, 0...1_000_000)
        check("saving.score_factor", saving.scoreFactor, 0.1...100)
        check("saving.hours_per_month", saving.hoursPerMonth, 672...744)
        check("spot.risk_max", spot.riskMax, share)
        check("spot.risk_max_relaxed", spot.riskMaxRelaxed, share)
        check("spot.pools_min", spot.poolsMin, 1...60)
        check("spot.return_after", spot.returnAfter, span)
        check("spot.unavailable_for", spot.unavailableFor, span)
        check("spot.price_share_max", spot.priceShareMax, share)
        check("packing.nodes_per_plan_max", packing.nodesPerPlanMax, 1...1000)
        check("packing.headroom", packing.headroom, share)
        check("rightsizing.cpu_quantile", rightsizing.cpuQuantile, 0.5...1)
        check("rightsizing.cpu_margin", rightsizing.cpuMargin, 1...10)
        check("rightsizing.memory_margin", rightsizing.memoryMargin, 1...10)
        check("rightsizing.cpu_min", rightsizing.cpuMin, 1...1_000_000)
        check("rightsizing.memory_min", rightsizing.memoryMin, Bytes.mebibytes(1)...Bytes.mebibytes(1_048_576))
        check("rightsizing.change_min", rightsizing.changeMin, share)
        check("rightsizing.history", rightsizing.history, .days(1) ... .days(30))
        check("rightsizing.history_min", rightsizing.historyMin, .hours(1) ... .days(30))
        check("rightsizing.samples_min", rightsizing.samplesMin, 1...100_000)
        check("rightsizing.coverage_min", rightsizing.coverageMin, share)
        check("rightsizing.workloads_at_once_max", rightsizing.workloadsAtOnceMax, 1...1000)
        check("rightsizing.cooldown", rightsizing.cooldown, span)
        check("rightsizing.watch", rightsizing.watch, span)
        check("rightsizing.restarts_max", rightsizing.restartsMax, count)
        check("rightsizing.throttling_rise_max", rightsizing.throttlingRiseMax, share)
        check("office_hours.lead", officeHours.lead, .seconds(0) ... .hours(4))
        check("office_hours.workload_age_min", officeHours.workloadAgeMin, span)
        check("office_hours.nodes_asleep_min", officeHours.nodesAsleepMin, count)
        check("office_hours.node_lead", officeHours.nodeLead, .seconds(0) ... .hours(4))
        check("volumes.grace", volumes.grace, .days(1) ... .days(365))
        check("volumes.deletions_per_run_max", volumes.deletionsPerRunMax, count)
        check("volumes.gibibytes_per_run_max", volumes.gibibytesPerRunMax, 0...100_000_000)
        check("ghosts.grace", ghosts.grace, .hours(1) ... .days(90))
        check("ghosts.joining", ghosts.joining, .minutes(5) ... .days(7))
        check("ghosts.scans_min", ghosts.scansMin, 2...100)
        check("ghosts.scan_gap", ghosts.scanGap, .minutes(5) ... .days(7))
        check("ghosts.breaker_count", ghosts.breakerCount, count)
        check("ghosts.breaker_share", ghosts.breakerShare, share)
        check("oom.step", oom.step, 0.01...4)
        check("oom.step_min", oom.stepMin, 0...Bytes.mebibytes(1_048_576))
        check("oom.growth_max", oom.growthMax, 1...100)
        check("oom.peak_margin", oom.peakMargin, 1...10)
        check("oom.raises_per_day_max", oom.raisesPerDayMax, count)
        check("oom.cooldown", oom.cooldown, span)
        check("oom.leak_raises", oom.leakRaises, 1...100)
        check("network.endpoints_per_zone_min", network.endpointsPerZoneMin, 1...1000)
        check("network.gigabytes_per_month_min", network.gigabytesPerMonthMin, 0...1_000_000_000)
        check("costs.dollars_per_eviction", costs.dollarsPerEviction, 0...1000)
        check("costs.dollars_per_gibibyte_month", costs.dollarsPerGibibyteMonth, 0...1000)
        check("costs.dollars_per_snapshot_gibibyte_month", costs.dollarsPerSnapshotGibibyteMonth, 0...1000)
        check("costs.dollars_per_cross_zone_gigabyte", costs.dollarsPerCrossZoneGigabyte, 0...1000)
        check("proposals.expiry", proposals.expiry, .minutes(5) ... .days(30))
        return list
    }
}
