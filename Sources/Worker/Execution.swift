import Foundation
import JobQueue
import Logging
import Metrics
import Tracing

/// Runs one claimed job to its settlement.
struct Execution: Sendable {
    let ledger: any WorkerLedger
    let handlers: [JobKind: any Handler]
    let specs: [JobKind: JobSpec]
    let inFlight: InFlight
    let shortCut: PushShortCut
    let logger: Logger

    /// Step 5 of 7: the handler runs; then the run is settled and let go.
    ///
    /// The first run of a job is a child of the span that enqueued it; every later one is a trace of its own that links
    /// to it, so that no trace is open for days.
    func run(_ run: ActiveRun) async {
        let job = run.job
        let origin = TraceHeaders.context(job.trace)
        let isFirst = job.fence == 1
        await withSpan("run \(job.kind)", context: isFirst ? origin : .topLevel, ofKind: .consumer) { span in
            if !isFirst, job.traceparent != nil { span.addLink(SpanLink(context: origin, attributes: [:])) }
            let end = await self.end(run, trace: TraceHeaders(span.context) ?? job.trace)
            guard span.isRecording else { return }
            span.updateAttributes { $0.describe(run, end: end) }
            if end == "retried" || end == "dead" { span.setStatus(SpanStatus(code: .error, message: end)) }
        }
    }

    /// Runs the handler and settles; says how it ended.
    private func end(_ run: ActiveRun, trace: TraceHeaders?) async -> String {
        let job = run.job
        let start = ContinuousClock.now
        Metrics.Timer(label: "job_start_delay_seconds", dimensions: [("lane", String(job.lane.rawValue))])
            .recordNanoseconds(Int64(job.startDelay.seconds * 1e9))
        let (verdict, afterCommit) = await verdict(of: run, trace)
        run.beginSettling()
        var isSettled = false
        if let verdict {
            isSettled = await settle(run, verdict)
            if isSettled { await afterCommit?() }
        }
        inFlight.release(run, holdsSlot: run.holdsSlot, isSettled: isSettled)
        let end = isSettled ? verdict.map(Self.name) ?? "fenced" : "fenced"
        Counter(label: "job_runs_total", dimensions: [("kind", job.kind.rawValue), ("end", end)]).increment()
        Metrics.Timer(label: "job_run_seconds", dimensions: [("kind", job.kind.rawValue)])
            .recordNanoseconds(Int64((ContinuousClock.now - start).seconds * 1e9))
        log(run, end, verdict, after: ContinuousClock.now - start)
        if isSettled, case .done(_, _, let followUps, _)? = verdict { await shortCut.push(followUps) }
        if isSettled, case .snooze(let after, _, let followUps)? = verdict {
            await shortCut.push(followUps)
            if after <= .zero, let spec = specs[job.kind] { await shortCut.push(job, of: spec) }
        }
        return end
    }

    /// What the run came to; nil when nothing may be written any more.
    private func verdict(
        of run: ActiveRun, _ trace: TraceHeaders?
    ) async -> (Settlement.Verdict?, (@Sendable () async -> Void)?) {
        let job = run.job
        if job.isLate { return (.cancelled(reason: "late: it was not started in time"), nil) }
        guard let handler = handlers[job.kind], let spec = specs[job.kind] else {
            return (.interrupt, nil)
        }
        let context = HandlerContext(job: job, deadline: run.deadline, run: run)
        let task = Task { try await handler.run(context) }
        run.onStop { task.cancel() }
        do {
            let outcome = try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
            return (try verdict(of: outcome, trace), outcome.afterCommit)
        } catch {
            return (verdict(of: error, run, spec), nil)
        }
    }

    private func verdict(of outcome: Outcome, _ trace: TraceHeaders?) throws -> Settlement.Verdict {
        guard outcome.followUps.count <= Self.followUpsMax else {
            throw QueueError(
                .invalid, "outcome: found \(outcome.followUps.count) follow-ups, wanted at most \(Self.followUpsMax)")
        }
        if let result = outcome.result, result.text.utf8.count > Self.resultBytesMax {
            throw QueueError(
                .invalid, "result: found \(result.text.utf8.count) bytes, wanted at most \(Self.resultBytesMax)")
        }
        let jobs = try outcome.followUps.map { request in
            guard let spec = specs[request.kind] else {
                throw QueueError(.invalid, "follow-up of kind '\(request.kind)': this worker knows no such kind")
            }
            var request = request
            if request.traceparent == nil {
                (request.traceparent, request.tracestate) = (trace?.traceparent, trace?.tracestate)
            }
            return NewJob(request: request, spec: spec)
        }
        if let after = outcome.againAfter { return .snooze(after: after, records: outcome.records, followUps: jobs) }
        return .done(
            result: outcome.result, records: outcome.records, followUps: jobs, keepsHistory: !outcome.isEmpty)
    }

    private func verdict(of error: any Error, _ run: ActiveRun, _ spec: JobSpec) -> Settlement.Verdict? {
        switch run.stopReason {
        case .fenced: return nil
        case .cancelAsked: return .cancelled(reason: "cancelled while it ran")
        case .draining: return .interrupt
        case .deadline, nil: break
        }
        if error is HandBack { return .interrupt }
        if let queueError = error as? QueueError, queueError.code == .fenced { return nil }
        let cause: any Error =
            run.stopReason == .deadline
            ? QueueError(.timeout, "the run passed its deadline of \(spec.timeoutSeconds) s", underlying: error) : error
        if cause is CancellationError { return .interrupt }
        let report = Self.report(cause)
        switch spec.retries.verdict(
            on: cause, attempt: run.job.attempt, attemptsMax: run.job.attemptsMax, random: .random(in: 0..<1))
        {
        case .retry(let after): return .retry(after: after, error: report)
        case .dead(let reason): return .dead(reason: reason, error: report)
        }
    }

    /// Step 7 of 7: settles, asking again while the answer is lost and the lease holds. False: it was not ours.
    private func settle(_ run: ActiveRun, _ verdict: Settlement.Verdict) async -> Bool {
        var pause = Duration.milliseconds(50)
        var wasTried = false
        while true {
            do {
                try await run.flushLog()
                if try await ledger.settle([Settlement(run: run.id, verdict: verdict)])[0] { return true }
                // The first try's answer may have been lost after its commit: then the history knows this very run.
                if wasTried, try await ledger.hasFinished(run.id) { return true }
                if !wasTried {
                    Counter(label: "lease_lost_total").increment()
                    logger.warning("job run was fenced: its result is dropped", metadata: run.metadata)
                }
                return false
            } catch let error as QueueError where error.isPermanent {
                guard case .dead = verdict else {
                    logger.error("job cannot be settled as it ended", metadata: run.metadata(error))
                    return await settle(run, .dead(reason: "its outcome was refused", error: Self.report(error)))
                }
                logger.error("job cannot be settled", metadata: run.metadata(error))
                return false
            } catch {
                wasTried = true
                guard run.isTrusted else {
                    logger.error(
                        "job run dropped: the ledger was away for longer than the lease", metadata: run.metadata(error))
                    return false
                }
                do { try await Task.sleep(for: pause) } catch { return false }  // the lease gives the job back
                pause = min(pause * 2, .seconds(1))
            }
        }
    }

    /// Follow-ups a run may enqueue.
    static let followUpsMax = 50
    /// The largest result.
    static let resultBytesMax = 262_144

    /// An error as it stands in the job's row: code and message.
    static func report(_ error: any Error) -> JSONText {
        let code = (error as? QueueError)?.code.rawValue ?? "failed"
        let message = String(String(describing: error).prefix(4000))
        do {
            return try JSONText(encoding: ["code": code, "message": message])
        } catch {
            return JSONText(text: #"{"code":"failed","message":"unprintable error"}"#)
        }
    }

    private static func name(_ verdict: Settlement.Verdict) -> String {
        switch verdict {
        case .done: "done"
        case .snooze: "snoozed"
        case .retry: "retried"
        case .dead: "dead"
        case .interrupt: "interrupted"
        case .cancelled: "cancelled"
        }
    }

    private func log(_ run: ActiveRun, _ end: String, _ verdict: Settlement.Verdict?, after time: Duration) {
        let level: Logger.Level =
            switch verdict {
            case .retry: .warning
            case .dead: .error
            case .done(_, _, _, keepsHistory: false): .debug
            case .done, .snooze, .interrupt, .cancelled, nil: .info
            }
        if level < logger.logLevel { return }  // a line that nobody reads costs a short run more than all the rest
        var metadata = run.metadata
        metadata["end"] = .string(end)
        metadata["run_ms"] = .stringConvertible(Int(time.seconds * 1000))
        switch verdict {
        case .retry(let after, let error):
            metadata["error"] = .string(error.text)
            metadata["retry_after_ms"] = .stringConvertible(Int(after.seconds * 1000))
            logger.log(level: level, "job run failed, step 7 of 7", metadata: metadata)
        case .dead(let reason, let error):
            metadata["error"] = .string(error.text)
            metadata["reason"] = .string(reason)
            logger.log(level: level, "job is dead, step 7 of 7", metadata: metadata)
        case .done, .snooze, .interrupt, .cancelled, nil:
            logger.log(level: level, "job run ended, step 7 of 7", metadata: metadata)
        }
    }
}

extension ActiveRun {
    /// What every log line about a run says.
    var metadata: Logger.Metadata {
        [
            "job_id": .stringConvertible(id.job), "kind": .stringConvertible(job.kind),
            "fence": .stringConvertible(id.fence), "attempt": .stringConvertible(job.attempt),
        ]
    }

    func metadata(_ error: any Error) -> Logger.Metadata {
        var metadata = metadata
        metadata["error"] = .string(String(describing: error))
        return metadata
    }
}
