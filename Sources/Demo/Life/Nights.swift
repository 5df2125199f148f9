import Foundation

/// A night in which clocks change, by the simulator's log.
struct Night: Sendable {
    /// "spring" or "autumn".
    var season: String
    /// When office hours ended, and when they begin again.
    var evening: Date
    var morning: Date
    /// So much earlier workloads are woken.
    static let lead: TimeInterval = 900

    /// Workloads that may sleep.
    var workloads = 0
    /// Changes of workloads in the half hour before the evening.
    var changesTooEarly = 0
    /// When the simulator saw workloads lowered, and raised.
    var lowered: [Date] = []
    var raised: [Date] = []
    /// Workloads without a pod when all had gone to sleep, and a minute before the lead.
    var asleep = 0
    var asleepBeforeLead = 0
    /// When every workload was as large as before and ready; nil: never.
    var awakeAt: Date?

    /// How late the first change may be: schedules look every minute, and a busy machine takes its time.
    static let toleranceSeconds = 300.0

    var check: Judge.Check {
        let hours = morning.timeIntervalSince(evening) / 3600
        let isOK =
            workloads > 0 && asleep == workloads && asleepBeforeLead == workloads && changesTooEarly == 0
            && lowered.allSatisfy { $0 >= evening && $0 <= evening + Self.toleranceSeconds } && !lowered.isEmpty
            && raised.allSatisfy { $0 >= morning - Self.lead && $0 < morning } && !raised.isEmpty
            && awakeAt.map { $0 < morning } ?? false
        func after(_ start: Date, _ times: [Date]) -> String {
            times.min().map { "\(Int($0.timeIntervalSince(start).rounded())) s" } ?? "never"
        }
        return Judge.Check(
            name: "asleep at six and awake before nine when clocks change in \(season)", ok: isOK,
            detail: "\(asleep) of \(workloads) workloads slept, the first \(after(evening, lowered)) after six; woken "
                + "\(after(morning - Self.lead, raised)) after the lead of 15 minutes began, ready "
                + (awakeAt.map { "\(Int(morning.timeIntervalSince($0) / 60)) minutes before nine" } ?? "never")
                + "; \(Narrator.number(hours)) hours lay between")
    }
}

extension Life {
    /// Office hours in the nights in which clocks change: the right instants, not the right number of hours.
    func nightsInWhichClocksChange() async throws -> [Night] {
        narrator.heading("Office hours, nine to six, in the two nights in which clocks change")
        var nights: [Night] = []
        for _ in 0..<2 { nights.append(try await night(around: try await nextChange())) }
        return nights
    }

    /// When clocks change next.
    private func nextChange() async throws -> Date {
        guard let change = zone.nextDaylightSavingTimeTransition(after: try await now()) else {
            throw DemoError("clocks do not change any more in \(zone.identifier): this part needs a zone where they do")
        }
        return change
    }

    private func night(around change: Date) async throws -> Night {
        let offset = Double(zone.secondsFromGMT(for: change))
        let before = Double(zone.secondsFromGMT(for: change.addingTimeInterval(-1)))
        let midnight = ((change.timeIntervalSince1970 + offset) / 86_400).rounded(.down) * 86_400
        var night = Night(
            season: offset > before ? "spring" : "autumn",
            evening: Date(timeIntervalSince1970: midnight - 6 * 3600 - before),
            morning: Date(timeIntervalSince1970: midnight + 9 * 3600 - offset))
        try await jump(
            to: night.evening - 1800,
            because: "half an hour before six; this night clocks go "
                + (offset > before ? "forward, it is an hour short" : "back, it is an hour long"))
        try await cloudoptim(
            "policy", "set", DemoSettings.lifeCluster, "modes.office-hours=apply",
            "office_hours.hours=[\"daily 09:00-18:00\"]", "--note", "nobody works at night")
        try await trigger("office-hours")
        _ = try await until("everything is ready") { try await world.workloads().allSatisfy(\.isReady) }
        let awake = try await world.workloads().filter { !$0.isSystem && $0.spec.replicas > 0 }
        let sizes = Dictionary(uniqueKeysWithValues: awake.map { ($0.name, $0.spec.replicas) })
        let pods = sizes.values.reduce(0, +)
        night.workloads = awake.count
        let start = try await world.clusterCalls(after: 0).lastSequence

        try await jump(to: night.evening + 20, because: "six o'clock")
        _ = try await until("everything sleeps") { try await asleep(sizes) == sizes.count }
        night.asleep = try await asleep(sizes)
        let calls = try await workloadCalls(after: start)
        night.changesTooEarly = calls.count { $0.time < night.evening }
        night.lowered = calls.filter { $0.time >= night.evening }.map(\.time)
        let size = "\(Narrator.count(night.asleep, "workload")), \(Narrator.count(pods, "pod"))"
        try await say(
            .sleep, "\(size) sleep; what each returns to is written on it and in the ledger. kube-system stays")

        let quiet = try await world.clusterCalls(after: start).lastSequence
        let early = night.morning - Night.lead - 60
        try await jump(to: early, because: "a minute before the lead of 15 minutes begins, by the new time")
        _ = try await looked("office-hours", after: early)
        night.asleepBeforeLead = try await asleep(sizes)
        try await jump(to: night.morning - Night.lead + 5, because: "a quarter to nine")
        let isAwake = try await until("everything is awake and ready") {
            let found = try await world.workloads().filter { sizes[$0.name] != nil }
            return found.allSatisfy { $0.spec.replicas == sizes[$0.name] && $0.isReady } && found.count == sizes.count
        }
        night.awakeAt = isAwake ? try await now() : nil
        night.raised = try await workloadCalls(after: quiet).map(\.time)
        let hours = Narrator.number(night.morning.timeIntervalSince(night.evening) / 3600 - Night.lead / 3600)
        try await say(.wake, "all as large as before, and ready before nine: they slept \(hours) h in this night")
        // The marks come off at the next look after all is ready.
        try await move(to: try await now().addingTimeInterval(61))
        _ = try await until("no mark is left") { try await !world.workloads().contains(where: \.isMarkedAsleep) }
        return night
    }

    private func asleep(_ sizes: [String: Int]) async throws -> Int {
        try await world.workloads().count { sizes[$0.name] != nil && $0.spec.replicas == 0 }
    }

    private func workloadCalls(after sequence: Int) async throws -> [ClusterCall] {
        try await world.clusterCalls(after: sequence).entries.filter { $0.executed && $0.isOfWorkload }
    }
}
