import Foundation

/// Draws a snapshot into lines. Pure: the same snapshot, size and selection give the same lines.
struct TopScreen {
    let snapshot: FleetSnapshot
    /// What the cursor is on; nil: nothing is chosen, as in plain text.
    var selected: TopItem?
    /// The last line: what was asked or done.
    var message = ""

    /// Lines of at most `width` characters; exactly `height` of them. nil: as many as there are, for plain text.
    func lines(width: Int, height: Int?) -> [String] {
        var sections = [queues, workers, running, failures, schedules].map { $0 }
        let time = height == nil ? snapshot.at.prefix(19) : snapshot.at.dropFirst(11).prefix(8)
        var head = [title(time)] + notices
        let footer = height == nil ? [] : [message.isEmpty ? Self.keys : message]
        if let height {
            head = Array(head.prefix(3))
            sections = fit(sections, into: height - head.count - footer.count)
        }
        var lines = head + sections.flatMap { $0.lines }
        if let height {
            lines = Array(lines.prefix(height - footer.count))
            lines += Array(repeating: "", count: max(0, height - footer.count - lines.count))
        }
        return (lines + footer).map { clip($0, width) }
    }

    static let keys = "q quit  j k choose  p pause or resume its kind or queue  c cancel  r run again"

    /// Everything that can be chosen, from top to bottom.
    var items: [TopItem] {
        snapshot.queues.map { .queue($0.queue, lane: $0.lane) }
            + snapshot.running.map { .running($0.id, kind: $0.kind) }
            + snapshot.failures.map { .failure($0.job_id, kind: $0.kind ?? "", isDead: $0.state == "dead") }
    }

    // MARK: Sections

    private struct Section {
        let title: String
        var rows: [(item: TopItem?, text: String)]
        /// Rows that do not fit.
        var hidden = 0

        /// The title and a row for each; the last line says how many more there are.
        var lines: [String] {
            [title] + rows.map(\.text) + (hidden > 0 ? ["  … \(hidden) more"] : [])
        }
    }

    /// - Parameter time: the day, too, where there is room for it.
    private func title(_ time: Substring) -> String {
        let totals = snapshot.totals
        let leader = snapshot.leader.map { $0.is_live ? "leader term \($0.term)" : "leader away" } ?? "no leader"
        let saving = snapshot.dollars_per_hour.map { "  \(Self.dollars($0))/h" } ?? ""
        return "\(time)  \(leader)  \(totals.live_workers) workers  running "
            + "\(totals.running)/\(totals.slots)  due \(totals.due)  later \(totals.later)  dead \(totals.dead)\(saving)"
    }

    private var notices: [String] {
        snapshot.pauses.map { pause in
            let until = pause.until.map { " until \($0.prefix(19))" } ?? ""
            let name = pause.name.isEmpty ? "" : " \(pause.name)"
            return
                "PAUSED \(pause.scope)\(name) by \(pause.by)\(until)\(pause.reason.isEmpty ? "" : ": \(pause.reason)")"
        }
            + snapshot.circuits.map {
                "DOWN \($0.side) of \($0.target): \($0.failures) failures in a row, its jobs wait"
            }
    }

    private var queues: Section {
        Section(
            title: row(["QUEUE", "LANE", "DUE", "LATER", "RUNNING", "OLDEST"], Self.queueColumns),
            rows: snapshot.queues.map { queue in
                let item = TopItem.queue(queue.queue, lane: queue.lane)
                let cells = [
                    queue.queue, "\(queue.lane)", "\(queue.due)", "\(queue.later)", "\(queue.running)",
                    Self.span(queue.oldest_due_seconds) + (queue.paused == nil ? "" : "  paused"),
                ]
                return (item, row(cells, Self.queueColumns, item))
            })
    }

    private var workers: Section {
        Section(
            title: row(["WORKER", "STATE", "RUNNING", "LEASE", "VERSION"], Self.workerColumns),
            rows: snapshot.workers.map { worker in
                (
                    nil,
                    row(
                        [
                            "\(worker.host) \(worker.id.suffix(12))", worker.state, "\(worker.running)/\(worker.slots)",
                            Self.span(worker.lease_seconds), worker.version,
                        ], Self.workerColumns)
                )
            })
    }

    private var running: Section {
        Section(
            title: row(["RUNNING", "KIND", "FOR", "PROGRESS", "TARGET"], Self.jobColumns),
            rows: snapshot.running.map { job in
                let item = TopItem.running(job.id, kind: job.kind)
                let cells = [
                    String(job.id.suffix(12)), job.kind, Self.span(job.running_seconds), Self.progress(job), job.target,
                ]
                return (item, row(cells, Self.jobColumns, item))
            })
    }

    private var failures: Section {
        Section(
            title: row(["FAILED", "KIND", "AGO", "HOW", "WHY"], Self.jobColumns),
            rows: snapshot.failures.map { failure in
                let item = TopItem.failure(failure.job_id, kind: failure.kind ?? "", isDead: failure.state == "dead")
                let why = (failure.message ?? "").split(whereSeparator: \.isNewline).joined(separator: " ")
                let cells = [
                    String(failure.job_id.suffix(12)), failure.kind ?? "-", Self.span(failure.ago_seconds),
                    "\(failure.how), \(failure.state ?? "gone")", why,
                ]
                return (item, row(cells, Self.jobColumns, item))
            })
    }

    private var schedules: Section {
        Section(
            title: row(["SCHEDULE", "NEXT"], Self.scheduleColumns),
            rows: snapshot.schedules.map { schedule in
                let state =
                    schedule.paused_by.map { "paused by \($0)" }
                    ?? (schedule.late_seconds > 1
                        ? "\(Self.span(schedule.late_seconds)) late" : "in \(Self.span(max(0, schedule.in_seconds)))")
                return (nil, row([schedule.id, state], Self.scheduleColumns))
            })
    }

    // MARK: Layout

    private static let queueColumns = [24, 5, 10, 10, 9, 10]
    private static let workerColumns = [34, 10, 10, 8, 10]
    private static let jobColumns = [14, 18, 7, 24, 15]
    private static let scheduleColumns = [50, 20]

    /// Every section keeps its title; rows are shared out in turns, so that none crowds the others out. The chosen row is
    /// always seen.
    private func fit(_ sections: [Section], into height: Int) -> [Section] {
        var shown = sections.map { _ in 0 }
        var left = height - sections.count
        var isFull = false
        while left > 0, !isFull {
            isFull = true
            for index in sections.indices where left > 0 && shown[index] < sections[index].rows.count {
                shown[index] += 1
                left -= 1
                isFull = false
            }
        }
        return zip(sections, shown).map { section, count in
            guard count < section.rows.count else { return section }
            var section = section
            let all = section.rows
            let room = max(0, count - 1)  // the last line says how many there are
            let chosen = all.firstIndex { $0.item != nil && $0.item == selected } ?? 0
            let first = max(0, min(chosen - room + 1, all.count - room))
            section.rows = Array(all[first..<min(first + room, all.count)])
            section.hidden = count == 0 ? 0 : all.count - section.rows.count
            return section
        }
    }

    private func row(_ cells: [String], _ widths: [Int], _ item: TopItem? = nil) -> String {
        let mark = item != nil && item == selected ? ">" : " "
        let line = zip(cells, widths).map { cell, width in
            clip(cell, width).padding(toLength: width, withPad: " ", startingAt: 0)
        }.joined(separator: " ")
        let last = cells.count == widths.count ? cells.last ?? "" : ""
        // The last column may run on to the edge of the screen.
        let whole =
            line.count > 0 && last.count > (widths.last ?? 0)
            ? String(line.dropLast(widths.last ?? 0)) + last : line
        return mark + whole.replacing(#/\s+$/#, with: "")
    }

    private func clip(_ text: String, _ width: Int) -> String {
        let plain = String(text.map { $0.isNewline || ($0.asciiValue.map { $0 < 32 } ?? false) ? " " : $0 })
        return plain.count <= width ? plain : String(plain.prefix(max(0, width - 1))) + "…"
    }

    // MARK: Words

    static func progress(_ job: FleetSnapshot.Running) -> String {
        if job.cancel_at != nil { return "asked to stop" }
        guard let done = job.done else { return "-" }
        guard let total = job.total, total > 0 else { return "\(done)" }
        let filled = min(6, max(0, done * 6 / total))
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 6 - filled)
        return "[\(bar)] \(done)/\(total)" + (job.eta_seconds.map { " \(span($0))" } ?? "")
    }

    static func span(_ seconds: Double) -> String {
        switch Int(seconds.rounded()) {
        case ..<0: "over"
        case let n where n < 120: "\(n)s"
        case let n where n < 7200: "\(n / 60)m"
        case let n where n < 172_800: "\(n / 3600)h"
        case let n: "\(n / 86_400)d"
        }
    }

    static func dollars(_ value: Double) -> String {
        let cents = Int((value * 100).rounded())
        return "$\(cents / 100)." + (abs(cents % 100) < 10 ? "0" : "") + "\(abs(cents % 100))"
    }
}

/// What can be chosen on the screen.
enum TopItem: Hashable {
    case queue(String, lane: Int)
    case running(String, kind: String)
    case failure(String, kind: String, isDead: Bool)
}
