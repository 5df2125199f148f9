import Foundation
import JobQueue
import Logging
import Metrics
import Synchronization

/// Step 2 of 7: fires due slots, each once.
struct TimetableLoop: Sendable {
    let ledger: any LeaderLedger & EnqueueLedger
    let shortCut: PushShortCut
    let configuration: SchedulerConfiguration
    let status: SchedulerStatus
    let logger: Logger

    private struct Memory {
        var rows: [String: ScheduleRow] = [:]
        var slots = DueSlots()
        /// The change counter of what was read; nil: nothing has been.
        var version: Int64?
        /// A slot was not won: somebody else fired or changed it.
        var isStale = false
        /// A newer timetable is being read, and what was fired meanwhile.
        var isReading = false
        var fired: [String: ScheduleRow] = [:]
        var specs: [JobKind: JobSpec] = [:]
        var specsAt = ContinuousClock.now
        /// World time minus machine time, as of the last look.
        var shift: TimeInterval = 0

        mutating func take(_ timetable: Timetable) {
            rows = Dictionary(timetable.rows.map { ($0.id, $0) }) { $1 }
            for (id, row) in fired where rows[id]?.storedSpec == row.storedSpec {
                if let read = rows[id], read.nextSlot < row.nextSlot { rows[id] = row }
            }
            fired = [:]
            slots = DueSlots(rows.values.map { ($0.nextSlot, $0.id, isUrgent($0.kind)) })
            version = timetable.version
        }

        func isUrgent(_ kind: JobKind) -> Bool { specs[kind]?.lane == .interruption }
    }

    func run() async {
        let pending = PendingTimetable()
        await withDiscardingTaskGroup { group in
            var memory = Memory()
            while !Task.isCancelled {
                do {
                    if try await look(&memory, pending) {
                        group.addTask { await pending.read(from: ledger) }
                    }
                    let wait = memory.slots.first.map { $0.timeIntervalSince(worldNow(memory)) } ?? 3600
                    let bounded = min(max(wait, 0.005), configuration.tickMax.seconds)
                    try await Task.sleep(for: .seconds(bounded))
                } catch is CancellationError {
                    return
                } catch {
                    logger.warning("timetable failed", metadata: ["error": .string("\(error)")])
                    memory.version = nil
                    do { try await Task.sleep(for: .seconds(1)) } catch { return }
                }
            }
        }
    }

    private func worldNow(_ memory: Memory) -> Date { Date(timeIntervalSinceNow: memory.shift) }

    /// Fires what is due. True: the timetable is to be read again, while slots go on being fired: a hundred thousand rows
    /// take a second, and every slot is guarded by itself.
    private func look(_ memory: inout Memory, _ pending: PendingTimetable) async throws -> Bool {
        let version = try await ledger.timetableVersion()
        memory.shift = try await ledger.worldTime().timeIntervalSinceNow
        status.noteAnswer()
        // Every change of a schedule raises the version; a spec may change without one.
        if version != memory.version || ContinuousClock.now > memory.specsAt + .seconds(60) {
            memory.specs = Dictionary(try await ledger.kinds().map { ($0.kind, $0) }) { $1 }
            memory.specsAt = .now
        }
        if let read = pending.take() {
            memory.isReading = false
            memory.take(try read.get())
        }
        if memory.version == nil { memory.take(try await ledger.timetable()) }
        let isBehind = (version != memory.version || memory.isStale) && !memory.isReading
        if isBehind {
            memory.isStale = false
            memory.isReading = true
        }
        try await fire(&memory)
        return isBehind
    }

    private func fire(_ memory: inout Memory) async throws {
        let now = worldNow(memory)
        var ticks: [Tick] = []
        for id in memory.slots.take(dueAt: now, atMost: configuration.ticksMax) {
            guard let row = memory.rows[id], let spec = memory.specs[row.kind] else { continue }
            ticks.append(try tick(row, spec, now))
        }
        if ticks.isEmpty { return }
        let results = try await ledger.fire(ticks)
        var fired: [NewJob] = []
        for (tick, result) in zip(ticks, results) {
            guard result.isWon else {
                memory.isStale = true
                continue
            }
            var row = tick.row
            row.lastSlot = tick.slots.last ?? row.lastSlot
            row.nextSlot = tick.next
            memory.rows[row.id] = row
            if memory.isReading { memory.fired[row.id] = row }
            memory.slots.insert(row.nextSlot, row.id, isUrgent: memory.isUrgent(row.kind))
            let stored = Set(result.enqueued)
            fired += tick.jobs.filter { stored.contains($0.id) }
            Metrics.Timer(label: "schedule_late_seconds")
                .recordNanoseconds(Int64(max(0, now.timeIntervalSince(tick.row.nextSlot)) * 1e9))
            Counter(label: "schedule_slots_total", dimensions: [("kind", row.kind.rawValue)]).increment(
                by: tick.slots.count)
        }
        if logger.logLevel <= .debug {
            for job in fired {
                logger.debug(
                    "slot fired, step 2 of 7",
                    metadata: ["job_id": .stringConvertible(job.id), "kind": .stringConvertible(job.spec.kind)])
            }
        }
        await shortCut.push(fired)
    }

    private func tick(_ row: ScheduleRow, _ spec: JobSpec, _ now: Date) throws -> Tick {
        let (slots, next) = row.schedule.due(nextSlot: row.nextSlot, now: now, target: row.target)
        let jobs = try slots.map { NewJob(request: try row.request(for: $0, spec: spec), spec: spec) }
        return Tick(row: row, slots: slots, next: next ?? Date(timeIntervalSince1970: 253_402_300_799), jobs: jobs)
    }
}

/// A timetable on its way to the loop.
private final class PendingTimetable: Sendable {
    private let found = Mutex<Result<Timetable, any Error>?>(nil)

    func read(from ledger: any LeaderLedger) async {
        let result: Result<Timetable, any Error>
        do { result = .success(try await ledger.timetable()) } catch { result = .failure(error) }
        found.withLock { $0 = result }
    }

    /// What was read since the last call; nil: nothing, or not yet.
    func take() -> Result<Timetable, any Error>? {
        found.withLock { found in
            defer { found = nil }
            return found
        }
    }
}
