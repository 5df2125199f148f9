import Foundation

extension MemoryLedger {
    /// See `LeaderLedger`.
    public func publish(_ new: [JobSpec]) throws -> [JobKind] {
        for spec in new {
            if let stored = specs[spec.kind], stored.version > spec.version { continue }
            specs[spec.kind] = spec
        }
        try syncSchedules()
        return new.filter { (specs[$0.kind]?.version ?? 0) > $0.version }.map(\.kind).sorted()
    }

    /// See `LeaderLedger`.
    public func kinds() -> [JobSpec] { specs.values.sorted { $0.kind < $1.kind } }

    /// See `LeaderLedger`.
    public func timetable() -> Timetable {
        Timetable(
            rows: schedules.values.filter { $0.isEnabled && !isPaused(.schedule($0.row.id)) }.map(\.row)
                .sorted { $0.id < $1.id }, version: timetableVersion())
    }

    /// See `LeaderLedger`.
    public func timetableVersion() -> Int64 { scheduleVersion + Int64(schedulePausesOver) }

    /// Schedule rows follow from kinds and targets.
    func syncSchedules() throws {
        var wanted: [String: ScheduleRow] = [:]
        for spec in specs.values {
            guard let schedule = spec.schedule else { continue }
            let text = try JSONText(encoding: schedule)
            let about: [(target: String, parameters: JSONText)] =
                spec.fanOut == .none
                ? [("", .emptyObject)]
                : targets.filter { $0.key.fanOut == spec.fanOut }.map { ($0.key.name, $0.value.parameters) }
            for (target, parameters) in about {
                let id = target.isEmpty ? spec.kind.rawValue : "\(spec.kind)/\(target)"
                wanted[id] = ScheduleRow(
                    id: id, kind: spec.kind, target: target, parameters: parameters, schedule: schedule,
                    storedSpec: text,
                    lastSlot: Date(timeIntervalSince1970: 0),
                    nextSlot: world.addingTimeInterval(schedule.firstDelay(of: id, lane: spec.lane)))
            }
        }
        var hasChanged = false
        for id in schedules.keys where wanted[id] == nil {
            schedules[id] = nil
            hasChanged = true
        }
        for (id, row) in wanted {
            guard let old = schedules[id] else {
                schedules[id] = (row, true)
                hasChanged = true
                continue
            }
            guard old.row.storedSpec != row.storedSpec || old.row.parameters != row.parameters else { continue }
            var changed = row
            changed.lastSlot = old.row.lastSlot
            schedules[id] = (changed, old.isEnabled)
            hasChanged = true
        }
        if hasChanged { scheduleVersion += 1 }
    }

    /// See `LeaderLedger`.
    public func fire(_ ticks: [Tick]) throws -> [TickResult] {
        let resolved = try ticks.map { try $0.jobs.map { try resolve($0) } }
        return zip(ticks, resolved).map { tick, jobs in
            guard let stored = schedules[tick.row.id], stored.isEnabled, !isPaused(.schedule(tick.row.id)),
                stored.row.lastSlot == tick.row.lastSlot, stored.row.nextSlot == tick.row.nextSlot,
                stored.row.storedSpec == tick.row.storedSpec
            else { return TickResult(isWon: false, enqueued: []) }
            schedules[tick.row.id]?.row.lastSlot = tick.slots.last ?? tick.row.lastSlot
            schedules[tick.row.id]?.row.nextSlot = tick.next
            if tick.row.schedule.overlap == .cancelOld {
                let earlier = keys.filter { $0.key.hasPrefix("s:\(tick.row.id):") && $0.value.expiresAt == nil }
                for key in earlier.values { _ = cancel(key.job, by: "schedule: overlap cancel-old") }
            }
            let enqueued = jobs.filter { if case .enqueued = store($0) { true } else { false } }
            return TickResult(isWon: true, enqueued: enqueued.map(\.id))
        }
    }
}
