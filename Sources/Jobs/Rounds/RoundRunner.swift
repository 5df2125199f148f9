import Infrastructure
import JobQueue
import Logging

/// The one Handler behind all jobs: rounds of observe, decide and act.
///
/// Step 5 of 7 in a job's life: the round's decision is stored before anything is done.
public struct RoundRunner: Handler {
    private let catalog: JobCatalog
    private let sources: JobSources
    private let modeMax: @Sendable (JobKind) -> Mode
    private let logger: Logger

    /// The longest wait within a run; longer ones end the run and schedule another.
    static let waitMax = Duration.seconds(600)
    /// A run that has less than this left ends at a checkpoint and starts again with its time anew.
    static let runReserve = Duration.seconds(20)

    /// Makes the runner.
    /// - Parameters:
    ///   - catalog: the kinds it can run.
    ///   - sources: where jobs read from, and the way to the far sides for the action runner.
    ///   - modeMax: the jobspec's `mode_max` of a kind.
    public init(
        catalog: JobCatalog = .all, sources: JobSources, modeMax: @escaping @Sendable (JobKind) -> Mode,
        logger: Logger = Logger(label: "cloudoptim.jobs")
    ) {
        self.catalog = catalog
        self.sources = sources
        self.modeMax = modeMax
        self.logger = logger
    }

    /// Runs a job's rounds to an outcome.
    public func run(_ context: HandlerContext) async throws -> Outcome {
        try await FarCall.$isUrgent.withValue(context.job.lane == .interruption) { try await rounds(context) }
    }

    private func rounds(_ context: HandlerContext) async throws -> Outcome {
        let job = try catalog.job(context.job.kind, parameters: context.job.parameters)
        let restored = RoundState.restore(context.job.checkpoint)
        var state = restored.state
        if let why = restored.leftAside {
            context.log("starting anew: \(why)")
            logger.warning("checkpoint left aside", metadata: ["job_id": "\(context.job.id)", "reason": "\(why)"])
        }
        if try await isOff(context) { return Outcome(isEmpty: true) }
        let approval = try await Approval(sources: sources, context: context, modeMax: modeMax(context.job.kind))
        var told: JobProgress?
        var story = Story(context: context)
        while true {
            try Task.checkCancellation()
            var decision: Decision
            do {
                decision = try await self.decision(
                    of: job, state: &state, digests: approval.mayPropose, context: context)
            } catch let open as CircuitGate.Open {
                context.log(open.why)
                return Outcome(againAfter: open.wait)
            }
            var records = try FactRecords.records(of: decision, context: context)
            let proposed = try await approval.awaiting(decision)
            let wanted = proposed + (decision.foreseen ?? [])
            let isApproved = !proposed.isEmpty && approval.proposal?.covers(wanted) == true
            if !proposed.isEmpty, !isApproved {
                records.append(try await approval.propose(proposed, of: decision))
                let fault = approval.fault ?? "what is to be done now is not what was approved"
                if let end = approval.ended(as: .superseded, fault) { records.append(end) }
                decision.actions.removeAll(where: proposed.contains)
                if decision.actions.isEmpty { return outcome(decision, records: records, context: context) }
            }
            let actions = ActionRunner(
                sources: sources, job: context.job, modeMax: modeMax(context.job.kind),
                approved: isApproved ? Set(proposed.map(\.key)) : [], logger: logger)
            for action in decision.actions { story.tell("\(action.verb.name) \(action.key): \(action.reason)") }
            let reports = try await context.withoutSlot { [decision] in
                try await actions.run(decision.actions, context: context)
            }
            for report in reports where !report.isDone {
                story.tell("\(report.key): \(report.outcome.rawValue): \(report.message)")
            }
            let withheld = decision.actions.filter { action in
                reports.contains { $0.key == action.key && $0.outcome == .withheld }
            }
            if let first = withheld.first, let report = reports.first(where: { $0.key == first.key }) {
                let finding = Withheld.finding(withheld, because: report, context: context)
                records.append(try FactRecords.record(finding, context: context))
                let isHeldUp = report.code != Withheld.Cause.mode.rawValue
                // What was done is watched to its end, whatever was not.
                guard isHeldUp, decision.watches == true, withheld.count < decision.actions.count else {
                    // An approval waits for its window or budget, as long as it lasts; everything is decided anew then.
                    if isApproved, isHeldUp, let wait = report.retryAfterMilliseconds {
                        try await context.save(checkpoint: JSONText(encoding: RoundState()), records: records)
                        return Outcome(againAfter: .milliseconds(max(1000, wait)))
                    }
                    if let end = approval.ended(as: .void, report.message) { records.append(end) }
                    return outcome(decision, records: records, context: context)
                }
            }
            if decision.next.isEnd, let end = approval.ended(after: decision, round: state.round) {
                records.append(end)
            }
            switch decision.next {
            case .done:
                return outcome(decision, records: records, context: context)
            case .stop(let reason):
                context.log("stopped: \(reason)")
                if decision.result == nil { decision.result = try JSONText(encoding: ["stopped": reason]) }
                return outcome(decision, records: records, context: context)
            case .again(let milliseconds):
                let isChanged =
                    !decision.actions.isEmpty || !records.isEmpty || !decision.acknowledgements.isEmpty
                    || state.memory != decision.memory || decision.progress != told
                if let progress = decision.progress, progress != told { context.log("\(progress)") }
                told = decision.progress
                state.advance(decision, reports)
                let pause = Duration.milliseconds(max(0, milliseconds))
                if !decision.followUps.isEmpty {
                    // No actions here (Decision.validated): the round's end commits follow-ups and records together.
                    try await context.save(checkpoint: JSONText(encoding: state), progress: decision.progress)
                    return outcome(decision, records: records, context: context, againAfter: pause)
                }
                let endsRun =
                    pause > RoundRunner.waitMax
                    || context.deadline - .now < pause + RoundRunner.runReserve
                if isChanged || endsRun || context.isDraining {
                    try await context.save(
                        checkpoint: JSONText(encoding: state), records: records, progress: decision.progress)
                }
                // The records are committed: what brought them may go.
                await acknowledge(decision, context: context)
                if context.isDraining { throw context.handBack() }
                if endsRun { return Outcome(againAfter: pause) }
                if pause > .zero { try await context.wait(for: pause) }
            }
        }
    }

    /// What a run says of its actions. What is asked for again and again until it succeeds is told once.
    private struct Story {
        let context: HandlerContext
        private var said: Set<String> = []

        init(context: HandlerContext) { self.context = context }

        mutating func tell(_ line: String) {
            guard said.count <= JobLog.linesPerRunMax, said.insert(line).inserted else { return }
            context.log(line)
        }
    }

    /// Whether the job is about clusters whose mode is `off`: then they are not even looked at.
    private func isOff(_ context: HandlerContext) async throws -> Bool {
        let clusters = try await ActionGround.of(context.job, registry: sources.registry).clusters
        guard !clusters.isEmpty else { return false }
        for cluster in clusters {
            let mode = try await sources.policies.mode(of: cluster.id, kind: context.job.kind.rawValue)
            if mode != .off { return false }
        }
        context.log("the mode is off: nothing is looked at")
        return true
    }

    /// The stored decision of this round, or a new one, stored before it is returned if it has actions.
    private func decision(
        of job: any Job, state: inout RoundState, digests: Bool, context: HandlerContext
    ) async throws -> Decision {
        if let stored = state.decision { return stored }
        let gate = CircuitGate(sources.circuits, context.job)
        let jobContext = JobContext(
            handler: context, now: try await context.now(), state: state, sources: sources, gate: gate)
        // Far calls mostly wait: a hundred interruptions at once need a hundred of them, not a hundred slots.
        var decision: Decision
        do {
            decision = try await context.withoutSlot { try await job.round(jobContext, digests: digests) }.validated()
        } catch let error as FarSideError {
            if let finding = try await gate.note(error) {
                let record = try FactRecords.record(finding, context: context)
                try await context.save(checkpoint: JSONText(encoding: state), records: [record])
            }
            throw error
        }
        try await gate.noteSuccess()
        if !decision.actions.isEmpty {
            decision.policyVersion = try await policyVersion(context)
            state.decision = decision
            try await context.save(checkpoint: JSONText(encoding: state))
        }
        return decision
    }

    private func policyVersion(_ context: HandlerContext) async throws -> Int? {
        let cluster = ClusterID(rawValue: context.job.target)
        guard try await sources.registry.cluster(cluster) != nil else { return nil }
        return try await sources.policies.policy(of: cluster).version
    }

    private func outcome(
        _ decision: Decision, records: [Record], context: HandlerContext, againAfter: Duration? = nil
    ) -> Outcome {
        var afterCommit: (@Sendable () async -> Void)?
        if !decision.acknowledgements.isEmpty { afterCommit = { await acknowledge(decision, context: context) } }
        let isEmpty = decision.isEmpty && records.isEmpty && decision.followUps.isEmpty
        return Outcome(
            result: decision.result, records: records, followUps: decision.followUps, againAfter: againAfter,
            isEmpty: isEmpty, afterCommit: afterCommit)
    }

    private func acknowledge(_ decision: Decision, context: HandlerContext) async {
        guard !decision.acknowledgements.isEmpty else { return }
        await Acknowledger(sources: sources, job: context.job, logger: logger)
            .delete(decision.acknowledgements.map(\.receipt))
    }
}
