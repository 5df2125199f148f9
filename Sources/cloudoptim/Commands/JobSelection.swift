import ArgumentParser
import Foundation
import JobQueue
import Postgres

/// Which jobs, by what they are.
struct JobFilterOptions: ParsableArguments {
    /// As the view `job_status` names them.
    static let states = [
        "queued", "scheduled", "retrying", "paused", "blocked", "suspect", "running", "cancelling", "done",
        "cancelled", "dead",
    ]
    @Option(help: "Only this state.") var state: String?
    @Option(help: "Only this kind.") var kind: String?
    @Option(help: "Only this queue.") var queue: String?
    @Option(help: "Only this tenant.") var tenant: String?
    @Option(help: "Only this target.") var target: String?
    @Option(help: "Ended, or enqueued if they have not, since then: 2h, 7d, 2026-11-23T14:00:00Z.")
    var since: TimePoint?

    func validate() throws {
        if let state, !Self.states.contains(state) {
            throw ValidationError("--state is '\(state)', wanted one of \(Self.states.joined(separator: ", "))")
        }
    }

    var isEmpty: Bool { [state, kind, queue, tenant, target].allSatisfy { $0 == nil } && since == nil }

    func filter(now: Date) -> StatusReader.Filter {
        var filter = StatusReader.Filter()
        (filter.state, filter.kind, filter.queue) = (state, kind, queue)
        (filter.tenant, filter.target, filter.since) = (tenant, target, since?.date(now: now))
        return filter
    }
}

/// Which jobs a command changes: some by their ids, at once; or all that a filter fits, counted first.
struct JobSelection: ParsableArguments {
    @Argument(help: "Jobs' ids.") var ids: [JobID] = []
    @OptionGroup var filter: JobFilterOptions
    @Flag(help: "Change what the filter fits; without it, only say what it is.") var yes = false

    func validate() throws {
        if ids.isEmpty == filter.isEmpty {
            throw ValidationError(
                "wanted the ids of jobs, or a filter such as --state and --kind\(ids.isEmpty ? "" : ", not both")")
        }
    }

    /// Jobs changed in one transaction.
    static let batchMax = 500

    /// Changes what the filter fits, in batches; or only counts it. What comes after the count is left alone.
    /// - Parameter change: changes a batch, and counts what became of it by words.
    func each(
        _ desk: OperatorDesk, as form: OutputForm, verb: String, state: String? = nil, onlyUnreplayed: Bool = false,
        change: ([JobID]) async throws -> [String: Int]
    ) async throws {
        let now = try await desk.reader.times().machine
        var filter = filter.filter(now: now)
        filter.state = filter.state ?? state
        filter.until = now
        filter.onlyUnreplayed = onlyUnreplayed
        let counts = try await desk.reader.count(filter)
        let matched = counts.reduce(0) { $0 + $1.jobs }
        var results: [String: Int] = [:]
        if yes {
            var last: JobID?
            while true {
                let ids = try await desk.reader.ids(filter, after: last, limit: Self.batchMax)
                guard let end = ids.last else { break }
                results.merge(try await change(ids)) { $0 + $1 }
                last = end
            }
        }
        try report(counts, matched, results, verb, form)
    }

    private func report(
        _ counts: [StatusReader.Count], _ matched: Int, _ results: [String: Int], _ verb: String, _ form: OutputForm
    ) throws {
        switch form {
        case .json:
            let rows = counts.map { row in
                JSONValue.object([
                    "kind": .string(row.kind), "state": .string(row.state), "jobs": .number("\(row.jobs)"),
                ])
            }
            Console.print(
                JSONValue.object([
                    "matched": .number("\(matched)"), "counts": .array(rows), "dry_run": .boolean(!yes),
                    "results": .object(results.mapValues { .number("\($0)") }),
                ]).canonical)
        case .table:
            let list = counts.map { "\($0.jobs) \($0.kind) \($0.state)" }.joined(separator: ", ")
            guard yes else {
                return Console.print(
                    matched == 0
                        ? "no such jobs"
                        : "would \(verb) \(matched) jobs: \(list)\nnothing was changed; repeat with --yes")
            }
            let words = results.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
            Console.print("\(matched) jobs (\(list)): \(words.isEmpty ? "nothing changed" : words)")
        }
    }
}
