import Foundation
import JobQueue
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Scheduler

@Suite("The timetable's loop")
struct TimetableLoopTests {
    /// The second reading of the timetable, and every later one, waits to be let through.
    private final class SlowTimetable: LeaderLedger, EnqueueLedger {
        private let inner: MemoryLedger
        private let state = Mutex((readings: 0, isOpen: false, fired: [JobKind: Int]()))

        init(_ inner: MemoryLedger) { self.inner = inner }

        var readings: Int { state.withLock { $0.readings } }
        func fired(_ kind: JobKind) -> Int { state.withLock { $0.fired[kind] ?? 0 } }
        func open() { state.withLock { $0.isOpen = true } }

        func timetable() async throws -> Timetable {
            let found = await inner.timetable()
            let number = state.withLock { state in
                state.readings += 1
                return state.readings
            }
            if number > 1 {
                try await eventually("it is let through") { state.withLock { $0.isOpen } }
            }
            return found
        }

        func fire(_ ticks: [Tick]) async throws -> [TickResult] {
            let results = try await inner.fire(ticks)
            for (tick, result) in zip(ticks, results) where result.isWon {
                state.withLock { $0.fired[tick.row.kind, default: 0] += tick.slots.count }
            }
            return results
        }

        func enqueue(_ jobs: [NewJob]) async throws -> [EnqueueResult] { try await inner.enqueue(jobs) }
        func cancel(_ id: JobID, by who: String) async throws -> CancelResult { await inner.cancel(id, by: who) }
        func worldTime() async throws -> Date { await inner.worldTime() }
        func lead(_ name: String, holder: WorkerID, lease: Duration) async throws -> Int64? {
            await inner.lead(name, holder: holder, lease: lease)
        }
        func resign(_ name: String, holder: WorkerID, term: Int64) async throws {
            await inner.resign(name, holder: holder, term: term)
        }
        func reap(atMost: Int) async throws -> ReapReport { await inner.reap(atMost: atMost) }
        func extendLeases(by lease: Duration) async throws { await inner.extendLeases(by: lease) }
        func ready(in list: ReadyList, atMost: Int, cursor: FeedCursor) async throws -> Feed {
            await inner.ready(in: list, atMost: atMost, cursor: cursor)
        }
        func aged(in list: ReadyList, rising lanes: Int, atMost: Int, cursor: FeedCursor) async throws -> Feed {
            await inner.aged(in: list, rising: lanes, atMost: atMost, cursor: cursor)
        }
        func readyLists() async throws -> [ReadyList] { await inner.readyLists() }
        func publish(_ specs: [JobSpec]) async throws -> [JobKind] { try await inner.publish(specs) }
        func kinds() async throws -> [JobSpec] { await inner.kinds() }
        func timetableVersion() async throws -> Int64 { await inner.timetableVersion() }
        func sweep(_ retention: Retention) async throws -> SweepReport { await inner.sweep(retention) }
    }

    private static func spec(_ kind: JobKind) -> JobSpec {
        JobSpec(kind: kind, schedule: Schedule(.every(seconds: 1), overlap: .queue))
    }

    @Test("slots go on being fired, each once, while a changed timetable is read; then the new schedule's are, too")
    func changedTimetable() async throws {
        let ledger = SlowTimetable(MemoryLedger(clock: { Date() }))
        _ = try await ledger.publish([Self.spec("old")])
        var configuration = SchedulerConfiguration()
        configuration.tickMax = .milliseconds(20)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let loop = TimetableLoop(
            ledger: ledger, shortCut: PushShortCut(nil), configuration: configuration, status: SchedulerStatus(),
            logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await loop.run() }
            try await eventually("the first slot is fired") { ledger.fired("old") > 0 }
            _ = try await ledger.publish([Self.spec("old"), Self.spec("new")])
            try await eventually("the change is being read") { ledger.readings == 2 }
            let before = ledger.fired("old")
            try await eventually("slots go on meanwhile") { ledger.fired("old") >= before + 2 }
            #expect(ledger.fired("new") == 0)
            ledger.open()
            try await eventually("the new schedule is fired") { ledger.fired("new") > 0 }
            let between = ledger.fired("old")
            try await eventually("and the old one") { ledger.fired("old") > between }
            tasks.cancelAll()
        }
    }
}
