import Foundation
import JobQueue
import Postgres

/// Judges a round by the ledger, the database's own notes and the far side's log.
struct Checker: Sendable {
    let connection: PostgresConnection
    let farLog: String
    let settings: ChaosSettings

    /// What the conductor knows.
    struct Evidence: Sendable {
        var accepted: [JobID: Producer.Accepted]
        var poison: Set<JobID>
        var events: [FaultEvent]
        /// Violations seen in snapshots while the faults went on, each once.
        var snapshots: Set<[String]>
        /// How far each limit was used in the looks in which somebody waited for it.
        var limits: [String: LimitUse]
        var crashes: [String]
        var convergedSeconds: Double
        var hasConverged: Bool
    }

    func check(_ evidence: Evidence) async throws -> Report {
        var report = Report(seed: settings.seed, seconds: settings.seconds)
        report.jobs = evidence.accepted.count
        report.convergedSeconds = evidence.convergedSeconds
        for event in evidence.events { report.faults[event.fault.rawValue, default: 0] += 1 }
        report.runs = try await number(CheckStatements.runs)

        let ids = PostgresValue.uuidArray(evidence.accepted.keys.sorted())
        try await count(\.jobsLost, CheckStatements.lost, [ids], &report)
        if !evidence.hasConverged { try await count(\.jobsStuck, CheckStatements.stuck, [], &report) }
        try await count(\.jobsDeadWrongly, CheckStatements.deadWrongly, [], &report)
        try await count(\.fenceRegressions, CheckStatements.fenceRegressions, [], &report)
        try await count(\.illegalMoves, CheckStatements.illegalMoves, [], &report)
        try await count(\.slotsLeaked, CheckStatements.slotsLeaked, [], &report)
        try await count(\.keysLeaked, CheckStatements.keysLeaked, [], &report)
        try await count(\.innocentsQuarantined, CheckStatements.innocents, [], &report)
        try await count(\.poisonAtLarge, CheckStatements.poisonAtLarge, [.uuidArray(evidence.poison.sorted())], &report)
        try await count(\.attemptsBurntByDeploy, CheckStatements.burntAttempts, [], &report)
        try await count(\.recordsDoubled, CheckStatements.recordsDoubled, [], &report)
        try await count(\.recordsMissing, CheckStatements.recordsMissing, [], &report)
        try await count(\.followUpsMissing, CheckStatements.followUpsMissing, [], &report)

        for violation in evidence.snapshots.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            switch violation.first ?? "" {
            case "unique job without its key", "two unique jobs at once": report.keysLeaked += 1
            case "hot and ended at once": report.illegalMoves += 1
            default: report.slotsLeaked += 1
            }
            report.examples.append("snapshot: \(violation.joined(separator: " "))")
        }
        report.processesCrashed = evidence.crashes.count
        report.examples += evidence.crashes
        checkLimits(evidence.limits, &report)
        try await checkEffects(&report)
        try await checkSchedule(&report)
        try await checkRates(&report)
        try await measureRecovery(evidence.events, &report)
        report.examples = Array(report.examples.prefix(40))
        return report
    }

    // MARK: Limits

    /// Work that waits finds every slot of its limit in use, but for the moments in which one is passed on. A slot that is
    /// lost without a trace, or held by nobody's doing, only slows: this is where it shows.
    private func checkLimits(_ limits: [String: LimitUse], _ report: inout Report) {
        let busy = limits.filter { $0.value.waiting >= LimitUse.looksMin }
        report.limitReachedShare = busy.values.map(\.fullShare).min() ?? 1
        for (key, use) in busy.sorted(by: { $0.key < $1.key }) where use.fullShare < LimitUse.fullShareMin {
            report.limitsUnderused += 1
            example(
                "limits_underused", key, "full in \(use.full) of \(use.waiting) looks with work waiting", &report,
                report.limitsUnderused)
        }
    }

    // MARK: Effects

    private func checkEffects(_ report: inout Report) async throws {
        var executed: [String: Int] = [:]
        for line in try String(contentsOfFile: farLog, encoding: .utf8).split(separator: "\n") {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard fields.count == 5 else { throw QueueError(.invalid, "the far log has the line '\(line)'") }
            if fields[0] == "executed" {
                executed[String(fields[2]), default: 0] += 1
                report.effectsExecuted += 1
            } else if fields[0] == "repeat" {
                report.effectsRepeated += 1
            }
        }
        for (key, count) in executed.sorted(by: { $0.key < $1.key }) where count > 1 {
            report.effectsDoubled += 1
            example("effects_doubled", key, "executed \(count) times", &report, report.effectsDoubled)
        }
        for row in try await connection.query(CheckStatements.done) {
            let (kind, number) = (try row.string(0), try row.int(1))
            let keys =
                kind == "steps" ? LoadKinds.stepsWithEffect.map { "steps/\(number)/\($0)" } : ["\(kind)/\(number)"]
            for key in keys where executed[key] == nil {
                report.effectsMissing += 1
                example("effects_missing", key, "never executed", &report, report.effectsMissing)
            }
        }
        report.effectsParked = Report.Parked(
            found: try await number(CheckStatements.parkedFound),
            expected: try await number(CheckStatements.parkedExpected))
    }

    // MARK: Schedule and rates

    /// Every second between the first and the last slot, each once.
    private func checkSchedule(_ report: inout Report) async throws {
        var slots: [Double] = []
        for row in try await connection.query(CheckStatements.slots) {
            let text = try row.string(0).dropFirst("s:tick:".count)
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            slots.append(try style.parse(String(text)).timeIntervalSince1970)
        }
        for (slot, following) in zip(slots.sorted(), slots.sorted().dropFirst()) {
            if following - slot < 0.0005 {
                report.scheduleSlotsDoubled += 1
                example("schedule_slots_doubled", "tick", "\(slot)", &report, report.scheduleSlotsDoubled)
            } else if following - slot > 1.0005 {
                report.scheduleSlotsMissed += Int((following - slot).rounded(.up)) - 1
                example("schedule_slots_missed", "tick", "\(slot) to \(following)", &report, 1)
            }
        }
    }

    /// In no stretch of time more than the bucket holds at once and what it gains meanwhile; two over are the clocks'.
    private func checkRates(_ report: inout Report) async throws {
        var claims: [String: [Double]] = [:]
        for row in try await connection.query(CheckStatements.ratedClaims) {
            claims[try row.string(0), default: []].append(try row.double(1))
        }
        for (key, times) in claims.sorted(by: { $0.key < $1.key }) {
            var tokens = LoadKinds.rateBurst + 2
            var last = times.first ?? 0
            for time in times {
                tokens = min(LoadKinds.rateBurst + 2, tokens + (time - last) * LoadKinds.ratePerSecond) - 1
                last = time
                if tokens < 0 {
                    report.rateExceeded += 1
                    example("rate_exceeded", key, "at \(time)", &report, report.rateExceeded)
                    tokens = 0
                }
            }
        }
    }

    // MARK: Recovery

    private func measureRecovery(_ events: [FaultEvent], _ report: inout Report) async throws {
        var alone: [Double] = []
        var withLeader: [Double] = []
        var any: [Double] = []
        var suspects: [Double] = []
        for event in events {
            guard let host = event.host, event.fault == .killWorker || event.fault == .killLeaderAndWorker else {
                continue
            }
            let rows = try await connection.query(CheckStatements.recovery, [.text(host), .date(event.at)])
            any += try rows.map { try $0.double(0) }
            suspects += try rows.filter { try $0.bool(1) }.map { try $0.double(0) }
            let samples = try rows.filter { try !$0.bool(1) }.map { try $0.double(0) }
            let window =
                event.at.addingTimeInterval(-2)...event.at.addingTimeInterval(Nemesis.recoveryWindowSeconds - 1)
            let others = events.filter { other in
                other.at != event.at && other.until >= window.lowerBound && other.at <= window.upperBound
                    && Self.delaysRecovery.contains(other.fault)
            }
            if !others.isEmpty { continue }
            if event.fault == .killWorker { alone += samples } else { withLeader += samples }
        }
        report.recoveryMilliseconds = Report.Recovery(milliseconds: alone)
        report.recoveryWithLeaderMilliseconds = Report.Recovery(milliseconds: withLeader)
        report.recoveryOfSuspectsMilliseconds = Report.Recovery(milliseconds: suspects)
        report.recoveryAnyMilliseconds = Report.Recovery(milliseconds: any)
    }

    /// Faults under which a recovery is not that of a worker's death alone.
    private static let delaysRecovery: Set<Fault> = [
        .killScheduler, .stopScheduler, .killLeaderAndWorker, .restartPostgres, .killBackends, .cutPostgres,
        .delayPostgres,
        .dropPostgresReplies, .exhaustConnections, .roll,
    ]

    // MARK: Inside

    private func number(_ sql: String) async throws -> Int {
        Int(try await connection.query(sql).first?.int(0) ?? 0)
    }

    private func count(
        _ field: WritableKeyPath<Report, Int>, _ sql: String, _ parameters: [PostgresValue], _ report: inout Report
    ) async throws {
        let name = Self.names[field] ?? "?"
        for row in try await connection.query(sql, parameters, timeout: .seconds(120)) {
            report[keyPath: field] += 1
            example(name, row.text(0) ?? "", row.text(1) ?? "", &report, report[keyPath: field])
        }
    }

    private func example(_ name: String, _ what: String, _ detail: String, _ report: inout Report, _ number: Int) {
        if number <= 5 { report.examples.append("\(name): \(what) \(detail)") }
    }

    private static var names: [WritableKeyPath<Report, Int>: String] {
        [
            \.jobsLost: "jobs_lost", \.jobsStuck: "jobs_stuck", \.jobsDeadWrongly: "jobs_dead_wrongly",
            \.fenceRegressions: "fence_regressions", \.illegalMoves: "illegal_moves", \.slotsLeaked: "slots_leaked",
            \.keysLeaked: "keys_leaked", \.innocentsQuarantined: "innocents_quarantined",
            \.poisonAtLarge: "poison_at_large", \.attemptsBurntByDeploy: "attempts_burnt_by_deploy",
            \.recordsDoubled: "records_doubled", \.recordsMissing: "records_missing",
            \.followUpsMissing: "follow_ups_missing",
        ]
    }
}
