import ArgumentParser
import Foundation
import JobQueue
import Postgres

extension SchedulesCommand {
    struct Trigger: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fires schedules now, whether they are due, paused or off.",
            discussion: """
                The next slot stays. With overlap `skip`, a schedule whose last job has not ended enqueues nothing, and its job is \
                named.

                  cloudoptim schedules trigger snapshot-cluster/prod-eu
                  cloudoptim schedules trigger snapshot-cluster           every cluster's
                """)
        @Argument(help: "A schedule's id, or a kind: all of its schedules.") var name: String
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let desk = try await OperatorDesk.connect()
            let rows = try await SchedulesCommand.rows(name, desk)
            let specs = try await desk.ledger.kinds()
            let now = try await desk.reader.times().world
            let jobs = try rows.map { row in
                let spec = try desk.spec(of: row.kind, in: specs)
                return NewJob(request: try row.request(for: now, spec: spec), spec: spec)
            }
            let results = try await desk.ledger.enqueue(jobs)
            await desk.push(jobs, results)
            let answers = zip(rows, results).map { row, result in
                ["schedule": row.id, "job": result.id?.description ?? "-", "result": Self.word(result)]
            }
            try Console.show(
                try answers.map { try JSONText(encoding: $0) }, columns: ["schedule", "result", "job"], as: form.output,
                whenEmpty: "no schedules")
        }

        private static func word(_ result: EnqueueResult) -> String {
            switch result {
            case .enqueued: "enqueued"
            case .duplicate: "skipped, this job has not ended"
            case .conflict: "skipped, a job with other parameters has not ended"
            }
        }
    }

    struct Backfill: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Enqueues one job for every slot of a range of time.",
            discussion: """
                Says how many first, and enqueues with --yes. The jobs are bulk: lane `data`, behind everything that is due now. A \
                kind that declares a parameter `slot` (a string) is told which slot each job is for. A slot is filled once: asked \
                again within 30 days, it is skipped.

                  cloudoptim schedules backfill defrag --from 2026-11-01 --to 2026-11-02
                """)
        @Argument(help: "A schedule's id, or a kind: all of its schedules.") var name: String
        @Option(help: "The first slot, ISO 8601 or a time span before now (24h).") var from: TimePoint
        @Option(help: "No slot at this time or later; default: now.") var to: TimePoint?
        @Flag(help: "Do it; without it, only say how many.") var yes = false
        @OptionGroup var form: OutputOptions

        /// Slots of one backfill.
        static let slotsMax = 10_000

        func run() async throws {
            let desk = try await OperatorDesk.connect()
            let now = try await desk.reader.times().world
            let (from, to) = (from.date(now: now), to?.date(now: now) ?? now)
            guard from < to else { throw QueueError(.invalid, "--from is not before --to: the range is empty") }
            let specs = try await desk.ledger.kinds()
            var jobs: [NewJob] = []
            for row in try await SchedulesCommand.rows(name, desk) {
                let spec = try desk.spec(of: row.kind, in: specs)
                var slot = row.schedule.next(after: from.addingTimeInterval(-0.001), target: row.target)
                while let found = slot, found < to {
                    guard jobs.count < Self.slotsMax else {
                        throw QueueError(.invalid, "more than \(Self.slotsMax) slots: take a shorter range")
                    }
                    let key = IdempotencyKey(
                        "b:\(row.id):\(found.formatted(ScheduleRow.slotFormat))", release: .after(.seconds(30 * 86_400))
                    )
                    var request = try row.request(for: found, spec: spec, key: key)
                    request.lane = .data
                    jobs.append(NewJob(request: request, spec: spec))
                    slot = row.schedule.next(after: found, target: row.target)
                }
            }
            var enqueued = 0
            if yes {
                for start in stride(from: 0, to: jobs.count, by: 500) {
                    let batch = Array(jobs[start..<min(start + 500, jobs.count)])
                    let results = try await desk.ledger.enqueue(batch)
                    await desk.push(batch, results)
                    enqueued += zip(batch, results).count { $1 == .enqueued($0.id) }
                }
            }
            switch form.output {
            case .json:
                Console.print(
                    JSONValue.object([
                        "slots": .number("\(jobs.count)"), "enqueued": .number("\(enqueued)"),
                        "dry_run": .boolean(!yes),
                    ]).canonical)
            case .table:
                Console.print(
                    yes
                        ? "\(jobs.count) slots: enqueued \(enqueued), \(jobs.count - enqueued) had been before"
                        : "\(jobs.count) slots: nothing was enqueued; repeat with --yes")
            }
        }
    }

    private static func rows(_ name: String, _ desk: OperatorDesk) async throws -> [ScheduleRow] {
        let rows = try await desk.reader.schedules(name)
        if rows.isEmpty { throw QueueError(.notFound, "no schedule and no scheduled kind '\(name)'") }
        return rows
    }
}
