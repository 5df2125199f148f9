import Foundation
import JobQueue
import Testing

/// A ledger with a few kinds, and short words for what every contract test does.
struct LedgerScene {
    let subject: any LedgerUnderTest
    var ledger: any Ledger { subject.ledger }
    var control: any ControlLedger { subject.control }

    static let plain = JobSpec(
        kind: "plain",
        parameters: ["n": .init(type: .integer, defaultValue: JSONText(text: "1")), "who": .init(type: .string)],
        timeoutSeconds: 60, retries: RetryPolicy(attemptsMax: 3))
    static let limited = JobSpec(kind: "limited", limit: .init(key: "limit/${target}", max: 2))
    static let rated = JobSpec(kind: "rated", rate: .init(key: "rate/${target}", perSecond: 1, burst: 2))
    static let urgent = JobSpec(kind: "urgent", lane: .interruption)
    static let bulk = JobSpec(kind: "bulk", lane: .data)
    static let once = JobSpec(kind: "once", key: .init(template: "once/${target}"))
    static let hourly = JobSpec(
        kind: "hourly", key: .init(template: "hourly/${target}", releaseSeconds: 3600))
    static let kinds: [JobKind] = ["plain", "limited", "rated", "urgent", "once", "hourly", "tick", "bulk"]

    func worker(lease: Duration = .seconds(12)) async throws -> WorkerID {
        let id = WorkerID()
        try await ledger.register(
            WorkerRegistration(
                id: id, host: "test", queues: ["default"], kinds: LedgerScene.kinds, slots: 4, inFlightMax: 8,
                version: "1"),
            lease: lease)
        return id
    }

    func add(
        _ spec: JobSpec = plain, _ parameters: String = "{}", target: String = "", key: IdempotencyKey? = nil,
        delay: Duration? = nil, startBefore: Duration? = nil
    ) async throws -> JobID {
        let job = NewJob(
            request: JobRequest(
                spec.kind, parameters: JSONText(text: parameters), target: target, key: key, delay: delay,
                startBefore: startBefore),
            spec: spec)
        let results = try await ledger.enqueue([job])
        #expect(results == [.enqueued(job.id)])
        return job.id
    }

    func claim(_ ids: [JobID], by worker: WorkerID, alone: Bool = false) async throws -> [ClaimedJob] {
        try await ledger.claim(ids, by: worker, kinds: LedgerScene.kinds, alone: alone)
    }

    /// Claims one job that must be claimable.
    func run(_ id: JobID, by worker: WorkerID, alone: Bool = false, sourceLocation: SourceLocation = #_sourceLocation)
        async throws -> RunID
    {
        let claimed = try await claim([id], by: worker, alone: alone)
        let job = try #require(claimed.first, "job \(id) could not be claimed", sourceLocation: sourceLocation)
        return RunID(job: job.id, fence: job.fence, worker: worker)
    }

    func settle(_ run: RunID, _ verdict: Settlement.Verdict) async throws -> Bool {
        try await ledger.settle([Settlement(run: run, verdict: verdict)])[0]
    }

    func facts(_ id: JobID, sourceLocation: SourceLocation = #_sourceLocation) async throws -> JobFacts {
        try #require(try await subject.facts(id), "job \(id) is lost", sourceLocation: sourceLocation)
    }

    /// Lets a worker die: its lease ends, and the reaper takes back what it had.
    @discardableResult
    func die(_ worker: WorkerID) async throws -> ReapReport {
        try await subject.age(by: 16)
        return try await ledger.reap(atMost: 100)
    }
}

extension Settlement.Verdict {
    static var finished: Self { .done(result: nil, records: [], followUps: [], keepsHistory: true) }
    static func failed(after: Duration = .zero) -> Self {
        .retry(after: after, error: JSONText(text: #"{"code":"transient"}"#))
    }
    static var died: Self { .dead(reason: "refused", error: JSONText(text: #"{"code":"refused"}"#)) }
    static func later(_ after: Duration = .zero) -> Self { .snooze(after: after, records: [], followUps: []) }
    /// Every verdict, with its name.
    static var all: [(String, Self)] {
        [
            ("done", .finished), ("snooze", .later()), ("retry", .failed()), ("dead", .died), ("interrupt", .interrupt),
            ("cancelled", .cancelled(reason: "test")),
        ]
    }
}

/// Runs a test's body against a fresh ledger.
func scene(_ kind: LedgerKind, _ body: (LedgerScene) async throws -> Void) async throws {
    let subject = try await kind.make()
    do {
        try await body(LedgerScene(subject: subject))
    } catch {
        try await subject.close()
        throw error
    }
    try await subject.close()
}
