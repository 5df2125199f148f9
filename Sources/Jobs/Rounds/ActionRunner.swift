import Infrastructure
import JobQueue
import Logging

/// Carries out a round's actions: the one place with hands. The mode is asked before each, each is an entry in the
/// effect ledger, and a retry skips what is done. Step 6 of 7 in a job's life.
struct ActionRunner: Sendable {
    let sources: JobSources
    let job: ClaimedJob
    let modeMax: Mode
    /// Keys of the actions that a person approved exactly as they are: the mode `propose` lets them pass.
    var approved: Set<String> = []
    var logger = Logger(label: "cloudoptim.jobs")

    /// Actions under way at once.
    static let inFlightMax = 64

    /// Runs actions, those that name another with `after` once that one is done.
    /// - Returns: one report for each action, in their order.
    /// - Throws: `QueueError` (`fenced`, `outcomeUnknown`, …) and `CancellationError`; never an error of a far side.
    func run(_ actions: [Action], context: HandlerContext) async throws -> [ActionReport] {
        guard !actions.isEmpty else { return [] }
        let ground = try await ActionGround.of(job, registry: sources.registry)
        let limits = try await DisruptionLimits(
            sources: sources, job: job, cluster: ground.clusters.first?.id, actions: actions)
        var reports: [String: ActionReport] = [:]
        var waiting = actions
        while !waiting.isEmpty {
            var wave: [Action] = []
            var later: [Action] = []
            for action in waiting {
                switch action.after.map({ reports[$0] }) {
                case .none: wave.append(action)
                case .some(.none): later.append(action)
                case .some(.some(let first)):
                    if first.isDone {
                        wave.append(action)
                    } else {
                        let outcome: ActionReport.Outcome = first.outcome == .withheld ? .withheld : .skipped
                        let why = first.outcome == .withheld ? first.message : "\(first.key) was not done"
                        reports[action.key] = ActionReport(key: action.key, outcome, code: first.code, message: why)
                    }
                }
            }
            if wave.isEmpty, later.count == waiting.count {
                throw QueueError(.invalid, "actions wait for each other in a circle: \(later[0].key)")
            }
            for report in try await side(by: wave, on: ground, limits: limits, context: context) {
                reports[report.key] = report
            }
            waiting = later
        }
        return actions.compactMap { reports[$0.key] }
    }

    private func side(
        by wave: [Action], on ground: ActionGround, limits: DisruptionLimits?, context: HandlerContext
    ) async throws -> [ActionReport] {
        try await withThrowingTaskGroup(of: ActionReport.self) { group in
            var reports: [ActionReport] = []
            var upcoming = wave.makeIterator()
            for _ in 0..<min(ActionRunner.inFlightMax, limits?.inFlightMax ?? .max) {
                guard let action = upcoming.next() else { break }
                group.addTask { try await self.run(action, on: ground, limits: limits, context: context) }
            }
            while let report = try await group.next() {
                reports.append(report)
                guard let action = upcoming.next() else { continue }
                group.addTask { try await self.run(action, on: ground, limits: limits, context: context) }
            }
            return reports
        }
    }

    private func run(
        _ action: Action, on ground: ActionGround, limits: DisruptionLimits?, context: HandlerContext
    ) async throws -> ActionReport {
        let registration = try ground.cluster(for: action)
        let policy = try await ground.mode(for: action, kind: job.kind.rawValue, policies: sources.policies)
        let mode = min(modeMax, policy)
        guard mode == .apply || (mode == .propose && approved.contains(action.key)) else {
            return ActionReport(
                key: action.key, .withheld, code: Withheld.Cause.mode.rawValue,
                message: "the mode in force is \(mode.rawValue)")
        }
        if let limits, let withheld = try await limits.withheld(action, at: try await context.now()) { return withheld }
        let intent = EffectIntent(
            key: action.key, step: action.verb.name, effectClass: action.verb.effectClass,
            request: try JSONText(encoding: action.verb), tokenScope: registration?.region ?? "")
        do {
            let sender = ActionSender(
                sources: sources, job: job, registration: registration, account: ground.account)
            let answer = try await context.effect(intent) { call in
                if let until = action.validUntil, try await context.now() > until {
                    throw ActionSender.NotDone(
                        report: ActionReport(
                            key: action.key, .skipped, code: "Stale",
                            message: "what it was decided from is too old: the job looks again"))
                }
                return try await self.send(call, sender: sender)
            }
            return try answer.decode(ActionReport.self)
        } catch let notDone as ActionSender.NotDone {
            return notDone.report
        } catch let refused as EffectRefused {
            return ActionReport(key: action.key, .refused, code: refused.code, message: refused.message)
        } catch let error as FarSideError {
            logger.info(
                "action not done",
                metadata: ["job_id": "\(job.id)", "effect_key": "\(action.key)", "error": "\(error)"])
            return ActionReport(
                key: action.key, error.isDefinite ? .refused : .failed, code: error.reportCode,
                message: ActionReport.oneLine(error.message), retryAfterMilliseconds: error.retryAfter?.milliseconds)
        }
    }

    /// Sends what the ledger has frozen. A definite refusal of something that is not idempotent ends its effect: trying
    /// again is a new step with a new key. One of something idempotent leaves it open: once the permission is given,
    /// the same key may be asked again, and asking twice does no harm.
    private func send(_ call: EffectCall, sender: ActionSender) async throws -> JSONText {
        let verb = try call.request.decode(Verb.self)
        do {
            return try JSONText(encoding: try await sender.send(verb, key: call.key, token: call.token))
        } catch let error as FarSideError where verb.repetition != .idempotent {
            if error.isDefinite {
                throw EffectRefused(code: error.reportCode, message: ActionReport.oneLine(error.message))
            }
            // At most once: what surely was not done is taken back and tried again; anything else is for a person.
            if verb.repetition == .once, !error.mayHaveBeenExecuted {
                throw EffectNotSent(ActionReport.oneLine(error.message))
            }
            throw error
        }
    }
}

extension FarSideError: EffectFailure {}

extension FarSideError {
    /// The far side's own word, or ours where it said none.
    var reportCode: String { farCode.isEmpty ? code.rawValue : farCode }
}

extension Verb {
    /// Its class in the effect ledger.
    var effectClass: EffectClass {
        switch repetition {
        case .token: .token
        case .idempotent: .idempotent
        case .once: .once
        }
    }
}
