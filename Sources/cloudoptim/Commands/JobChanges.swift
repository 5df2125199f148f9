import ArgumentParser
import Foundation
import JobQueue
import Postgres

extension JobsCommand {
    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Cancels jobs: queued ones at once, running ones as soon as their worker confirms.",
            discussion: """
                With --wait it comes back when the ledger has the proof that nothing of the job runs: its worker's word that the \
                handler has ended, or the fence that took the run from a worker that was lost. Exit code 69: it still runs.

                  cloudoptim jobs cancel ID --wait 30s
                  cloudoptim jobs cancel --state queued --kind defrag          counts
                  cloudoptim jobs cancel --state queued --kind defrag --yes    cancels
                """)
        @OptionGroup var selection: JobSelection
        @Option(help: "With ids: wait so long for the proof that running ones have stopped.") var wait: TimeSpan?
        @OptionGroup var author: Author
        @OptionGroup var form: OutputOptions

        func validate() throws {
            if wait != nil, selection.ids.isEmpty { throw ValidationError("--wait goes with ids, not with a filter") }
        }

        func run() async throws {
            let desk = try await OperatorDesk.connect()
            guard !selection.ids.isEmpty else {
                return try await selection.each(desk, as: form.output, verb: "cancel") { ids in
                    let results = try await desk.ledger.cancel(ids, by: author.by)
                    await desk.hint(results.filter { $0.value == .asked }.map { .cancel($0.key) })
                    return Dictionary(grouping: results.values, by: \.word).mapValues(\.count)
                }
            }
            let results = try await desk.ledger.cancel(selection.ids, by: author.by)
            if let stranger = selection.ids.first(where: { results[$0] == .unknown }) {
                throw QueueError(.notFound, "no job \(stranger)")
            }
            await desk.hint(results.filter { $0.value == .asked }.map { .cancel($0.key) })
            let end = ContinuousClock.now + (wait?.duration ?? .zero)
            for id in selection.ids {
                guard let result = results[id] else { continue }
                if result == .asked, wait != nil {
                    try say(id, try await proof(of: id, desk, until: end))
                } else {
                    try say(id, Proof(result: result.rawValue, sentence: result.sentence))
                }
            }
        }

        struct Proof {
            var result: String
            var sentence: String
            var fence: Int64?
            var worker: WorkerID?
        }

        private func proof(of id: JobID, _ desk: OperatorDesk, until end: ContinuousClock.Instant) async throws -> Proof
        {
            while true {
                let stop = try await desk.reader.stop(of: id)
                if stop.hasEnded { return Self.proof(stop) }
                guard ContinuousClock.now < end else {
                    throw QueueError(
                        .timeout, "job \(id) still runs: run \(stop.fence) on worker \(stop.worker?.description ?? "-")"
                    )
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }

        private static func proof(_ stop: StatusReader.Stop) -> Proof {
            let worker = stop.worker?.description ?? "-"
            let at = stop.at?.formatted(.iso8601) ?? "-"
            guard stop.state == "cancelled" else {
                return Proof(
                    result: stop.state,
                    sentence: "ended by itself (\(stop.state)) at \(at), before it could be stopped",
                    fence: stop.fence, worker: stop.worker)
            }
            return Proof(
                result: stop.isConfirmed ? "stopped" : "taken-back",
                sentence: stop.isConfirmed
                    ? "stopped: worker \(worker) confirmed at \(at) that run \(stop.fence) has ended"
                    : "stopped: run \(stop.fence) was taken from worker \(worker), which was lost, at \(at); its fence refuses "
                        + "whatever it may still write",
                fence: stop.fence, worker: stop.worker)
        }

        private func say(_ id: JobID, _ proof: Proof) throws {
            switch form.output {
            case .json:
                var fields = ["id": JSONValue.string(id.description), "result": .string(proof.result)]
                if let fence = proof.fence { fields["run"] = .number("\(fence)") }
                if let worker = proof.worker { fields["worker_id"] = .string(worker.description) }
                Console.print(JSONValue.object(fields).canonical)
            case .table: Console.print("\(id): \(proof.sentence)")
            }
        }
    }

    struct Snooze: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Postpones queued jobs, or makes those that wait run now.",
            discussion: """
                  cloudoptim jobs snooze ID --for 2h
                  cloudoptim jobs snooze --state retrying --for 0 --yes    try again now
                """)
        @OptionGroup var selection: JobSelection
        @Option(name: .customLong("for"), help: "Start no earlier than after so long; 0: now.") var span: TimeSpan
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let desk = try await OperatorDesk.connect()
            guard !selection.ids.isEmpty else {
                return try await selection.each(desk, as: form.output, verb: "snooze") { ids in
                    let moved = try await desk.ledger.snooze(ids, for: span.duration).count
                    return ["snoozed": moved, "not queued any more": ids.count - moved].filter { $0.value > 0 }
                }
            }
            let moved = Set(try await desk.ledger.snooze(selection.ids, for: span.duration))
            for id in selection.ids where !moved.contains(id) {
                let state = try await desk.reader.stop(of: id).state
                throw QueueError(.conflict, "job \(id) is \(state), not queued")
            }
            for id in selection.ids {
                switch form.output {
                case .json: Console.print(try JSONText(encoding: ["id": id.description, "result": "snoozed"]).text)
                case .table: Console.print("\(id): starts in \(Int(span.duration.seconds)) s at the earliest")
                }
            }
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs dead jobs again as they were, each as a new job that names the old one.",
            discussion: """
                  cloudoptim jobs retry ID
                  cloudoptim jobs retry --kind notify --since 2h          counts
                  cloudoptim jobs retry --kind notify --since 2h --yes    runs them again
                """)
        @OptionGroup var selection: JobSelection
        @OptionGroup var form: OutputOptions

        func validate() throws {
            if let state = selection.filter.state, state != "dead" {
                throw ValidationError(
                    "--state is '\(state)': only dead jobs are run again; `jobs snooze --for 0` hurries others")
            }
        }

        func run() async throws {
            let desk = try await OperatorDesk.connect()
            let specs = try await desk.ledger.kinds()
            guard !selection.ids.isEmpty else {
                return try await selection.each(
                    desk, as: form.output, verb: "retry", state: "dead", onlyUnreplayed: true
                ) { ids in
                    let results = try await Replaying(desk: desk, specs: specs).again(ids).map(\.result)
                    return Dictionary(grouping: results, by: \.word).mapValues(\.count)
                }
            }
            let replays = try await Replaying(desk: desk, specs: specs).again(selection.ids)
            for id in selection.ids {
                guard let replay = replays.first(where: { $0.old == id }) else { throw try await desk.isNotDead(id) }
                try replay.say(form.output)
            }
        }
    }

    struct Replay: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Runs a dead job again with other parameters or in another queue: a new job that names the old one.",
            discussion: """
                A queue of its own is served by a worker that takes nothing else: WORKER_QUEUES=debug cloudoptim worker.

                  cloudoptim jobs replay ID --parameters '{"url":"https://…","body":{}}'
                  cloudoptim jobs replay ID --queue debug
                """)
        @Argument(help: "The dead job's id.") var id: JobID
        @Option(help: "Other parameters than it had: a JSON object.") var parameters: String?
        @Option(help: "Another queue than its kind's.") var queue: String?
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let desk = try await OperatorDesk.connect()
            let replaying = Replaying(
                desk: desk, specs: try await desk.ledger.kinds(), parameters: parameters.map { JSONText(text: $0) },
                queue: queue)
            guard let replay = try await replaying.again([id]).first else { throw try await desk.isNotDead(id) }
            try replay.say(form.output)
        }
    }
}

/// Dead jobs become new ones.
struct Replaying {
    let desk: OperatorDesk
    let specs: [JobSpec]
    var parameters: JSONText?
    var queue: String?

    struct Result {
        let old: JobID
        let result: EnqueueResult

        func say(_ form: OutputForm) throws {
            guard let new = result.id else {
                throw QueueError(.conflict, "job \(old) is being replayed with other parameters already")
            }
            switch form {
            case .json:
                Console.print(try JSONText(encoding: ["id": new.description, "replay_of": old.description]).text)
            case .table: Console.print("\(new) runs \(old) again")
            }
        }
    }

    /// Enqueues a job for every one of these that is dead, in one transaction. Asked twice, each runs once.
    func again(_ ids: [JobID]) async throws -> [Result] {
        let dead = try await desk.reader.deadJobs(ids)
        let jobs = try dead.map { old in
            NewJob(
                request: JobRequest(
                    old.kind, parameters: parameters ?? old.parameters, target: old.target,
                    key: IdempotencyKey("replay/\(old.id)", release: .atEnd), queue: queue, replayOf: old.id),
                spec: try desk.spec(of: old.kind, in: specs))
        }
        if jobs.isEmpty { return [] }
        let results = try await desk.ledger.enqueue(jobs)
        await desk.push(jobs, results)
        return zip(dead, results).map { Result(old: $0.id, result: $1) }
    }
}

extension EnqueueResult {
    /// One word, for counts.
    var word: String {
        switch self {
        case .enqueued: "enqueued again"
        case .duplicate: "running again already"
        case .conflict: "running again with other parameters"
        }
    }
}

extension CancelResult {
    /// A few words, for counts.
    var word: String {
        switch self {
        case .cancelled: "cancelled"
        case .asked: "asked to stop"
        case .ended: "had ended before"
        case .unknown: "unknown"
        }
    }

    var sentence: String {
        switch self {
        case .cancelled: "cancelled"
        case .asked: "its worker was asked to stop; `jobs show` tells when it has"
        case .ended: "had ended before"
        case .unknown: "unknown"
        }
    }
}
