import Foundation
import JobQueue
import Logging
import Metrics

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
        var version: Int64 = -1
        var specs: [JobKind: JobSpec] = [:]
        var specsAt = ContinuousClock.now
        /// World time minus machine time, as of the last look.
        var shift: TimeInterval = 0
    }

    func run() async {
        var memory = Memory()
        while !Task.isCancelled {
            do {
                try await look(&memory)
                let wait = memory.slots.first.map { $0.timeIntervalSince(worldNow(memory)) } ?? 3600
                let bounded = min(max(wait, 0.005), configuration.tickMax.seconds)
                try await Task.sleep(for: .seconds(bounded))
            } catch is CancellationError {
                return
            } catch {
                logger.warning("timetable failed", metadata: ["error": .string("\(error)")])
                memory.version = -1
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
        }
    }

    private func worldNow(_ memory: Memory) -> Date { Date(timeIntervalSinceNow: memory.shift) }

    private func look(_ memory: inout Memory) async throws {
        let version = try await ledger.timetableVersion()
        memory.shift = try await ledger.worldTime().timeIntervalSinceNow
        status.noteAnswer()
        // Every change of a schedule raises the version; a spec may change without one.
        if version != memory.version || ContinuousClock.now > memory.specsAt + .seconds(60) {
            memory.specs = Dictionary(try await ledger.kinds().map { ($0.kind, $0) }) { $1 }
            memory.specsAt = .now
        }
        if version != memory.version {
            let timetable = try await ledger.timetable()
            memory.rows = Dictionary(timetable.rows.map { ($0.id, $0) }) { $1 }
            let specs = memory.specs
            memory.slots = DueSlots(timetable.rows.map { ($0.nextSlot, $0.id, specs[$0.kind]?.lane == .interruption) })
            memory.version = timetable.version
        }
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
                memory.version = -1  // somebody else fired or changed it: read again
                continue
            }
            var row = tick.row
            row.lastSlot = tick.slots.last ?? row.lastSlot
            row.nextSlot = tick.next
            memory.rows[row.id] = row
            memory.slots.insert(row.nextSlot, row.id, isUrgent: memory.specs[row.kind]?.lane == .interruption)
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
