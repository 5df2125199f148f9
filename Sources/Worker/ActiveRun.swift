import Foundation
import JobQueue
import Metrics
import Synchronization
import Tracing

/// Why a run was told to stop.
enum StopReason: Sendable, Equatable {
    /// Somebody cancelled the job.
    case cancelAsked
    /// Its deadline passed.
    case deadline
    /// The worker stops, and the handler did not reach a checkpoint in time.
    case draining
    /// Another run owns the job, or the lease can no longer be trusted: nothing may be written.
    case fenced
}

/// One run in a worker's hands: what its handler may do, and how it is stopped.
final class ActiveRun: JobRun, Sendable {
    private struct State {
        var stop: StopReason?
        var cancel: (@Sendable () -> Void)?
        var holdsSlot = true
        var isSettling = false
        var logLines: [String] = []
        /// Lines logged since the run began, dropped ones included.
        var logged = 0
        var sentEffects: Set<String> = []
    }

    let job: ClaimedJob
    let id: RunID
    /// When the claim was requested: the run's deadline counts from here.
    let claimedAt: ContinuousClock.Instant
    private let ledger: any WorkerLedger
    private let inFlight: InFlight
    private let trust: Trust
    private let drain: DrainSignal
    private let state = Mutex(State())

    init(
        _ job: ClaimedJob, worker: WorkerID, claimedAt: ContinuousClock.Instant, ledger: any WorkerLedger,
        inFlight: InFlight, trust: Trust, drain: DrainSignal
    ) {
        self.job = job
        id = RunID(job: job.id, fence: job.fence, worker: worker)
        self.claimedAt = claimedAt
        self.ledger = ledger
        self.inFlight = inFlight
        self.trust = trust
        self.drain = drain
    }

    /// When this run must end by its own deadline.
    var deadline: ContinuousClock.Instant { claimedAt + job.timeLeft }
    var timeLeft: Duration { min(deadline, trust.until) - ContinuousClock.now }
    var isTrusted: Bool { trust.timeLeft > .zero }
    var stopReason: StopReason? { state.withLock { $0.stop } }
    var holdsSlot: Bool { state.withLock { $0.holdsSlot } }
    var isSettling: Bool { state.withLock { $0.isSettling } }
    var isDraining: Bool { drain.isDraining }

    func beginSettling() { state.withLock { $0.isSettling = true } }

    /// Hands over how to cancel the handler; at once if it was stopped before it started.
    func onStop(_ cancel: @escaping @Sendable () -> Void) {
        let isStopped = state.withLock { state in
            state.cancel = cancel
            return state.stop != nil
        }
        if isStopped { cancel() }
    }

    /// Stops the handler, for the first reason given.
    func stop(_ reason: StopReason) {
        let cancel = state.withLock { state -> (@Sendable () -> Void)? in
            guard state.stop == nil else { return nil }
            state.stop = reason
            return state.cancel
        }
        cancel?()
    }

    /// Takes the lines logged since the last call.
    func takeLog() -> [String] {
        state.withLock { state in
            let lines = state.logLines
            state.logLines.removeAll()
            return lines
        }
    }

    // MARK: JobRun

    func worldTime() async throws -> Date { try await persistently { try await ledger.worldTime() } }

    func save(checkpoint: JSONText, records: [Record], progress: JobProgress?) async throws {
        try mayWrite()
        let isOurs = try await persistently {
            try await ledger.save(checkpoint, progress: progress, records: records, of: id)
        }
        guard isOurs else {
            stop(.fenced)
            throw fenced("its checkpoint was refused")
        }
        try await persistently { try await flushLog() }
        if drain.isDraining { throw HandBack() }
    }

    func wait(for duration: Duration) async throws {
        if drain.isDraining { throw HandBack() }
        await leaveSlot()
        do {
            try await drain.sleep(for: duration)
        } catch {
            try await takeSlot()
            throw error
        }
        try await takeSlot()
    }

    func leaveSlot() async {
        let held = state.withLock { state in
            defer { state.holdsSlot = false }
            return state.holdsSlot
        }
        if held { inFlight.leaveSlot(job.lane) }
    }

    func takeSlot() async throws {
        if holdsSlot { return }
        await inFlight.takeSlot(job.lane)
        state.withLock { $0.holdsSlot = true }
        try Task.checkCancellation()
    }

    func log(_ line: String) {
        state.withLock { state in
            state.logged += 1
            if state.logged <= JobLog.linesPerRunMax {
                state.logLines.append(String(line.prefix(1000)))
            } else if state.logged == JobLog.linesPerRunMax + 1 {
                state.logLines.append("(more lines than \(JobLog.linesPerRunMax) were dropped)")
            }
        }
    }

    /// Writes the lines logged so far; those that the ledger did not take are kept for the next time.
    func flushLog() async throws {
        let lines = takeLog()
        if lines.isEmpty { return }
        do {
            try await ledger.append(log: lines, to: id)
        } catch {
            state.withLock { $0.logLines.insert(contentsOf: lines, at: 0) }
            throw error
        }
    }

    /// Step 6 of 7: an effect, by the ledger of effects.
    func effect(
        _ intent: EffectIntent, call: @Sendable (EffectCall) async throws -> JSONText
    ) async throws -> JSONText {
        try mayWrite()
        if drain.isDraining { throw HandBack() }
        let entry = try await intend(intent)
        switch entry.state {
        case .done:
            count(entry, "replayed")
            return entry.response ?? .emptyObject
        case .refused:
            count(entry, "replayed")
            throw try (entry.response ?? .emptyObject).decode(EffectRefused.self)
        case .intended:
            return try await withSpan("effect \(intent.step)") { _ in try await send(entry, call) }
        }
    }

    private func count(_ entry: EffectEntry, _ end: String) {
        Counter(
            label: "effects_total", dimensions: [("class", String(describing: entry.effectClass)), ("end", end)]
        ).increment()
    }

    // MARK: Effects

    /// Commits the intent. A lost answer is asked for again: the second time finds what the first wrote.
    private func intend(_ intent: EffectIntent) async throws -> EffectEntry {
        if let entry = try await persistently({ try await ledger.intend(intent, of: id) }) { return entry }
        stop(.fenced)
        throw fenced("its effect '\(intent.key)' was refused")
    }

    /// Asks the ledger again while it is away and this run is trusted: an answer that was lost costs no attempt. Every
    /// call it is used for may be repeated.
    /// - Parameter isAfterTheFact: it notes what has happened already: also when the run was told to stop.
    private func persistently<Value>(
        isAfterTheFact: Bool = false, _ body: () async throws -> Value
    ) async throws -> Value {
        var pause = Duration.milliseconds(50)
        while true {
            if !isAfterTheFact { try mayWrite() }
            do {
                return try await body()
            } catch let error as QueueError where error.code == .unavailable {
                // An outage longer than the lease is no failure of the job: it is given back at no cost.
                guard isTrusted else { throw distrusted() }
                guard timeLeft > .zero else { throw error }
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(1))
            }
        }
    }

    private func send(
        _ entry: EffectEntry, _ call: @Sendable (EffectCall) async throws -> JSONText
    ) async throws -> JSONText {
        let isFirst = state.withLock { $0.sentEffects.insert(entry.key).inserted } && entry.isOfThisRun
        if entry.effectClass == .once && !isFirst {
            throw QueueError(
                .outcomeUnknown,
                "effect '\(entry.key)' was sent before and its answer lost; it can be neither repeated nor looked up")
        }
        try mayWrite()
        let left = timeLeft
        guard left > .milliseconds(500) else {
            throw QueueError(.transient, "effect '\(entry.key)' not sent: only \(left) of the run remain")
        }
        let trace = TraceHeaders.current ?? job.trace
        let response: JSONText
        do {
            response = try await call(
                EffectCall(
                    key: entry.key, token: entry.token, request: entry.request, timeLeft: left,
                    traceparent: trace?.traceparent, tracestate: trace?.tracestate))
        } catch let refusal as EffectRefused {
            count(entry, "refused")
            try await complete(entry.key, .refused, try JSONText(encoding: refusal))
            throw refusal
        } catch let error as EffectNotSent {
            count(entry, "not_sent")
            if isFirst {
                try await persistently { try await ledger.withdraw(effect: entry.key, of: id) }
                _ = state.withLock { $0.sentEffects.remove(entry.key) }
            }
            throw QueueError(.transient, "effect '\(entry.key)': \(error.message)")
        } catch {
            let isUnknown = (error as? any EffectFailure)?.mayHaveBeenExecuted ?? true
            count(entry, isUnknown ? "unknown" : "not_done")
            guard entry.effectClass == .once else { throw error }
            throw QueueError(.outcomeUnknown, "effect '\(entry.key)' was sent and its answer lost", underlying: error)
        }
        count(entry, "done")
        try await complete(entry.key, .done, response)
        return response
    }

    /// Stores the answer, as long as this run is trusted; what cannot be stored is asked for again by the next run.
    private func complete(_ key: String, _ state: EffectEntry.State, _ response: JSONText) async throws {
        try await persistently(isAfterTheFact: true) {
            try await ledger.complete(effect: key, state: state, response: response)
        }
    }

    private func mayWrite() throws {
        if let reason = stopReason, reason != .draining { throw fenced("it was told to stop (\(reason))") }
        guard isTrusted else { throw distrusted() }
        try Task.checkCancellation()
    }

    private func distrusted() -> QueueError {
        stop(.fenced)
        return fenced("its worker's lease can no longer be trusted")
    }

    private func fenced(_ why: String) -> QueueError {
        QueueError(.fenced, "run \(id.fence) of job \(id.job) no longer owns it: \(why)")
    }
}
