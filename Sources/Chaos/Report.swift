import Foundation

/// What a round found. The names are those of `.run/chaos/report.json`.
struct Report: Codable, Sendable {
    struct Parked: Codable, Sendable {
        /// Jobs that ended as "outcome unknown".
        var found = 0
        /// Effects without token whose answer the ledger never got.
        var expected = 0
    }

    struct Recovery: Codable, Sendable {
        var p50 = 0.0
        var p99 = 0.0
        var max = 0.0
        var samples = 0

        init(milliseconds: [Double] = []) {
            guard !milliseconds.isEmpty else { return }
            let sorted = milliseconds.sorted()
            samples = sorted.count
            p50 = sorted[samples / 2].rounded()
            p99 = sorted[min(samples - 1, Int((Double(samples) * 0.99).rounded(.up)) - 1)].rounded()
            max = (sorted.last ?? 0).rounded()
        }
    }

    var seed: UInt64
    var seconds: Int
    var jobs = 0
    var faults: [String: Int] = [:]
    var jobsLost = 0
    var jobsStuck = 0
    var effectsDoubled = 0
    var effectsMissing = 0
    var effectsParked = Parked()
    var fenceRegressions = 0
    var illegalMoves = 0
    var slotsLeaked = 0
    var keysLeaked = 0
    var innocentsQuarantined = 0
    var scheduleSlotsMissed = 0
    var scheduleSlotsDoubled = 0
    var attemptsBurntByDeploy = 0
    /// Kill of a worker to the next run of its jobs, nothing else being broken at the time.
    var recoveryMilliseconds = Recovery()
    /// The same with the leading scheduler killed at the same moment.
    var recoveryWithLeaderMilliseconds = Recovery()
    /// Jobs whose worker died for the second time or oftener: they wait for a worker that has nothing else.
    var recoveryOfSuspectsMilliseconds = Recovery()
    /// Every kill of a worker, whatever else was broken.
    var recoveryAnyMilliseconds = Recovery()
    /// Jobs that died although nothing was wrong with them.
    var jobsDeadWrongly = 0
    var recordsDoubled = 0
    var recordsMissing = 0
    var followUpsMissing = 0
    var poisonAtLarge = 0
    var rateExceeded = 0
    /// Limits that were hardly ever full while work waited for them.
    var limitsUnderused = 0
    /// Of all limits with work waiting, the least share of looks in which one was full.
    var limitReachedShare = 1.0
    /// Processes that ended by themselves.
    var processesCrashed = 0
    var effectsExecuted = 0
    var effectsRepeated = 0
    var runs = 0
    var convergedSeconds = 0.0
    /// The first few violations, for people.
    var examples: [String] = []

    enum CodingKeys: String, CodingKey {
        case seed, seconds, jobs, faults, runs, examples
        case jobsLost = "jobs_lost"
        case jobsStuck = "jobs_stuck"
        case effectsDoubled = "effects_doubled"
        case effectsMissing = "effects_missing"
        case effectsParked = "effects_parked"
        case fenceRegressions = "fence_regressions"
        case illegalMoves = "illegal_moves"
        case slotsLeaked = "slots_leaked"
        case keysLeaked = "keys_leaked"
        case innocentsQuarantined = "innocents_quarantined"
        case scheduleSlotsMissed = "schedule_slots_missed"
        case scheduleSlotsDoubled = "schedule_slots_doubled"
        case attemptsBurntByDeploy = "attempts_burnt_by_deploy"
        case recoveryMilliseconds = "recovery_ms"
        case recoveryWithLeaderMilliseconds = "recovery_with_leader_ms"
        case recoveryOfSuspectsMilliseconds = "recovery_suspects_ms"
        case recoveryAnyMilliseconds = "recovery_any_ms"
        case jobsDeadWrongly = "jobs_dead_wrongly"
        case recordsDoubled = "records_doubled"
        case recordsMissing = "records_missing"
        case followUpsMissing = "follow_ups_missing"
        case poisonAtLarge = "poison_at_large"
        case rateExceeded = "rate_exceeded"
        case limitsUnderused = "limits_underused"
        case limitReachedShare = "limit_reached_share"
        case processesCrashed = "processes_crashed"
        case effectsExecuted = "effects_executed"
        case effectsRepeated = "effects_repeated"
        case convergedSeconds = "converged_seconds"
    }

    /// The limits of the promise, in milliseconds, at default leases.
    static let recoveryMax = 20_000.0
    static let recoveryWithLeaderMax = 35_000.0

    /// Every promise by name, and how often it was broken.
    var violations: [(name: String, count: Int)] {
        [
            ("jobs_lost", jobsLost), ("jobs_stuck", jobsStuck), ("jobs_dead_wrongly", jobsDeadWrongly),
            ("effects_doubled", effectsDoubled), ("effects_missing", effectsMissing),
            ("effects_parked", abs(effectsParked.found - effectsParked.expected)),
            ("fence_regressions", fenceRegressions), ("illegal_moves", illegalMoves), ("slots_leaked", slotsLeaked),
            ("keys_leaked", keysLeaked), ("innocents_quarantined", innocentsQuarantined),
            ("poison_at_large", poisonAtLarge), ("schedule_slots_missed", scheduleSlotsMissed),
            ("schedule_slots_doubled", scheduleSlotsDoubled), ("attempts_burnt_by_deploy", attemptsBurntByDeploy),
            ("records_doubled", recordsDoubled), ("records_missing", recordsMissing),
            ("follow_ups_missing", followUpsMissing), ("rate_exceeded", rateExceeded),
            ("limits_underused", limitsUnderused), ("processes_crashed", processesCrashed),
            ("recovery_ms", recoveryMilliseconds.p99 > Self.recoveryMax ? 1 : 0),
            ("recovery_with_leader_ms", recoveryWithLeaderMilliseconds.max > Self.recoveryWithLeaderMax ? 1 : 0),
        ].filter { $0.1 > 0 }
    }

    var table: String {
        func line(_ name: String, _ value: String) -> String {
            "  \(name.padding(toLength: 28, withPad: " ", startingAt: 0)) \(value)"
        }
        func line(_ name: String, _ recovery: Recovery) -> String {
            line(
                name,
                "p50 \(Int(recovery.p50))  p99 \(Int(recovery.p99))  max \(Int(recovery.max))  (\(recovery.samples) jobs)"
            )
        }
        let counts: [(String, Int)] = [
            ("jobs", jobs), ("runs", runs), ("effects_executed", effectsExecuted),
            ("effects_repeated", effectsRepeated),
            ("jobs_lost", jobsLost), ("jobs_stuck", jobsStuck), ("jobs_dead_wrongly", jobsDeadWrongly),
            ("effects_doubled", effectsDoubled), ("effects_missing", effectsMissing),
            ("fence_regressions", fenceRegressions), ("illegal_moves", illegalMoves), ("slots_leaked", slotsLeaked),
            ("keys_leaked", keysLeaked), ("innocents_quarantined", innocentsQuarantined),
            ("poison_at_large", poisonAtLarge), ("schedule_slots_missed", scheduleSlotsMissed),
            ("schedule_slots_doubled", scheduleSlotsDoubled), ("attempts_burnt_by_deploy", attemptsBurntByDeploy),
            ("records_doubled", recordsDoubled), ("records_missing", recordsMissing),
            ("follow_ups_missing", followUpsMissing), ("rate_exceeded", rateExceeded),
            ("processes_crashed", processesCrashed),
        ]
        var lines = counts.map { line($0.0, String($0.1)) }
        lines.append(line("effects_parked", "\(effectsParked.found) (to be expected \(effectsParked.expected))"))
        lines.append(line("recovery_ms", recoveryMilliseconds))
        lines.append(line("recovery_with_leader_ms", recoveryWithLeaderMilliseconds))
        lines.append(line("recovery_suspects_ms", recoveryOfSuspectsMilliseconds))
        lines.append(line("recovery_any_ms", recoveryAnyMilliseconds))
        lines.append(line("converged_seconds", "\((convergedSeconds * 10).rounded() / 10)"))
        lines.append(
            line("faults", faults.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")))
        lines += examples.map { "  ! \($0)" }
        return lines.joined(separator: "\n")
    }
}
