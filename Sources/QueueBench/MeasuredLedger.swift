import Foundation
import JobQueue
import Synchronization

/// A ledger that notes how late slots are: from the slot to the answer of the transaction that fired it.
final class MeasuredLedger: LeaderLedger, EnqueueLedger {
    private let inner: any LeaderLedger & EnqueueLedger
    private let late = Mutex<[Double]>([])

    init(_ inner: any LeaderLedger & EnqueueLedger) { self.inner = inner }

    /// Takes what was noted since the last call, in seconds.
    func takeLateness() -> [Double] {
        late.withLock { late in
            defer { late.removeAll(keepingCapacity: true) }
            return late
        }
    }

    func fire(_ ticks: [Tick]) async throws -> [TickResult] {
        let results = try await inner.fire(ticks)
        let now = Date()
        late.withLock { late in
            for (tick, result) in zip(ticks, results) where result.isWon {
                late.append(now.timeIntervalSince(tick.row.nextSlot))
            }
        }
        return results
    }

    func enqueue(_ jobs: [NewJob]) async throws -> [EnqueueResult] { try await inner.enqueue(jobs) }
    func cancel(_ id: JobID, by who: String) async throws -> CancelResult { try await inner.cancel(id, by: who) }
    func worldTime() async throws -> Date { try await inner.worldTime() }
    func lead(_ name: String, holder: WorkerID, lease: Duration) async throws -> Int64? {
        try await inner.lead(name, holder: holder, lease: lease)
    }
    func resign(_ name: String, holder: WorkerID, term: Int64) async throws {
        try await inner.resign(name, holder: holder, term: term)
    }
    func reap(atMost: Int) async throws -> ReapReport { try await inner.reap(atMost: atMost) }
    func extendLeases(by lease: Duration) async throws { try await inner.extendLeases(by: lease) }
    func ready(in list: ReadyList, atMost: Int, cursor: FeedCursor) async throws -> Feed {
        try await inner.ready(in: list, atMost: atMost, cursor: cursor)
    }
    func aged(in list: ReadyList, rising lanes: Int, atMost: Int, cursor: FeedCursor) async throws -> Feed {
        try await inner.aged(in: list, rising: lanes, atMost: atMost, cursor: cursor)
    }
    func readyLists() async throws -> [ReadyList] { try await inner.readyLists() }
    func publish(_ specs: [JobSpec]) async throws -> [JobKind] { try await inner.publish(specs) }
    func kinds() async throws -> [JobSpec] { try await inner.kinds() }
    func timetable() async throws -> Timetable { try await inner.timetable() }
    func timetableVersion() async throws -> Int64 { try await inner.timetableVersion() }
    func sweep(_ retention: Retention) async throws -> SweepReport { try await inner.sweep(retention) }
}
