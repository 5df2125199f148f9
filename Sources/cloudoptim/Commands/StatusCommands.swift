import ArgumentParser
import JobQueue
import Postgres

/// A view as a command prints it.
struct Listing: Sendable {
    let view: StaticString
    let order: StaticString
    let columns: [String]
    let whenEmpty: String
}

/// A command that prints the rows of one view.
protocol ListingCommand: AsyncParsableCommand {
    static var listing: Listing { get }
    var form: OutputOptions { get }
}

extension ListingCommand {
    func run() async throws {
        let listing = Self.listing
        let rows = try await StatusReader(try Settings().database).view(listing.view, order: listing.order)
        try Console.show(rows, columns: listing.columns, as: form.output, whenEmpty: listing.whenEmpty)
    }
}

/// `cloudoptim queues`
struct QueuesCommand: ListingCommand {
    static let configuration = CommandConfiguration(
        commandName: "queues", abstract: "Depth and age of every queue and lane, and who paused it.")
    static let listing = Listing(
        view: "queue_depth", order: "queue, lane",
        columns: ["queue", "lane", "due", "later", "running", "oldest_due_seconds", "paused"],
        whenEmpty: "nothing is queued or running")
    @OptionGroup var form: OutputOptions
}

/// `cloudoptim pauses`
struct PausesCommand: ListingCommand {
    static let configuration = CommandConfiguration(
        commandName: "pauses", abstract: "What is paused, by whom, why, since and until when.")
    static let listing = Listing(
        view: "pause_status", order: "scope, name", columns: ["scope", "name", "by", "reason", "since", "until"],
        whenEmpty: "nothing is paused")
    @OptionGroup var form: OutputOptions
}

/// `cloudoptim schedules`
struct SchedulesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedules", abstract: "Every schedule with its last and next slot; slots by hand.",
        subcommands: [List.self, Trigger.self, Backfill.self], defaultSubcommand: List.self)

    struct List: ListingCommand {
        static let configuration = CommandConfiguration(abstract: "Lists schedules with their last and next slot.")
        static let listing = Listing(
            view: "schedule_health", order: "id",
            columns: ["id", "enabled", "last_slot", "next_slot", "late_seconds", "paused_by"],
            whenEmpty: "no schedules: register a cluster, or run `cloudoptim migrate` to publish jobspecs")
        @OptionGroup var form: OutputOptions
    }
}

/// `cloudoptim workers`
struct WorkersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workers", abstract: "The workers that are known, and what they run; drains one.",
        subcommands: [List.self, Drain.self], defaultSubcommand: List.self)

    struct List: ListingCommand {
        static let configuration = CommandConfiguration(abstract: "Lists workers and what they run.")
        static let listing = Listing(
            view: "worker_health", order: "state, host, id",
            columns: ["id", "host", "state", "slots", "running", "version", "started_at", "expires_at"],
            whenEmpty: "no workers")
        @OptionGroup var form: OutputOptions
    }

    struct Drain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Has a worker claim nothing more, hand back what it has at the next checkpoint, and end.",
            discussion: "Costs no job an attempt. With --wait it comes back when the worker holds nothing any more.")
        @Argument(help: "The worker's id.") var id: WorkerID
        @Option(help: "Wait so long for its end: 90s, 15m.") var wait: TimeSpan?
        @OptionGroup var form: OutputOptions

        private struct Health: Decodable {
            var state: String
            var running: Int
        }

        func run() async throws {
            let desk = try await OperatorDesk.connect()
            _ = try await desk.reader.worker(id)
            try await desk.ledger.setState(.draining, of: id)
            await desk.hint([.drain(id)])
            let end = ContinuousClock.now + (wait?.duration ?? .zero)
            var health: Health = try await desk.reader.worker(id).decode()
            while health.state != "gone", ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(100))
                health = try await desk.reader.worker(id).decode()
            }
            if wait != nil, health.state != "gone" {
                throw QueueError(.timeout, "worker \(id) still holds \(health.running) jobs")
            }
            switch form.output {
            case .json:
                Console.print(
                    JSONValue.object([
                        "id": .string(id.description), "running": .number("\(health.running)"),
                        "state": .string(health.state),
                    ]).canonical)
            case .table: Console.print("\(id): \(health.state), holds \(health.running) jobs")
            }
        }
    }
}
