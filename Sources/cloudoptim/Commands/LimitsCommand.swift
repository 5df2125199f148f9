import ArgumentParser
import Infrastructure
import JobQueue
import Postgres

/// `cloudoptim limits`
struct LimitsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limits",
        abstract: "What operators allow queues, kinds, tenants, clusters and far APIs, beside jobspecs.",
        subcommands: [List.self, Set.self, Clear.self], defaultSubcommand: List.self)

    struct List: ListingCommand {
        static let configuration = CommandConfiguration(abstract: "Lists limits, and how much of them is used.")
        static let listing = Listing(
            view: "limit_status", order: "scope, name",
            columns: [
                "scope", "name", "running_max", "running", "per_second", "burst", "weight", "depth_max", "age_seconds",
                "by",
                "reason",
            ], whenEmpty: "no limits beside those of jobspecs")
        @OptionGroup var form: OutputOptions
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Sets a limit; a second one of the same scope replaces the first.",
            discussion: """
                Lane 0 is never held back, and jobs of lanes 0 and 1 are never refused.

                  cloudoptim limits set tenant acme --running 20 --rate 5 --weight 3
                  cloudoptim limits set cluster prod-eu --rate 0.5 --why "their API is slow"
                  cloudoptim limits set queue default --depth 100000 --age 10m
                  cloudoptim limits set api kubernetes --rate 50
                  cloudoptim limits set api aws/prod-eu --rate 2

                The last two: rounds of jobs per second that ask any cluster's API, or one cluster's AWS account.
                """)
        @OptionGroup var target: ScopeArguments
        @Option(help: "Jobs that run at once.") var running: Int?
        @Option(help: "Jobs that start per second.") var rate: Double?
        @Option(help: "Starts saved up; default: those of a second, at least one.") var burst: Double?
        @Option(help: "A tenant's share of a queue, beside others of 1.") var weight: Int?
        @Option(help: "Queued jobs of lanes 2 and 3 that a queue takes.") var depth: Int?
        @Option(help: "The wait after which a queue's jobs of lanes 2 and 3 rise one lane.") var age: TimeSpan?
        @Option(help: "Why; shown to whoever asks.") var why = ""
        @OptionGroup var author: Author
        @OptionGroup var form: OutputOptions

        func validate() throws {
            if burst != nil, rate == nil { throw ValidationError("--burst goes with --rate") }
            if running == nil, rate == nil, weight == nil, depth == nil, age == nil {
                throw ValidationError("wanted one of --running, --rate, --weight, --depth, --age")
            }
        }

        func run() async throws {
            let scope = try target.value
            let limit = try JobLimit(
                scope, runningMax: running, rate: rate.map { JobRate(perSecond: $0, burst: burst) }, weight: weight,
                depthMax: depth, ageSeconds: age.map { Int($0.duration.seconds) }
            ).validated()
            if case .api(let name) = scope { try FarAPI.check(name) }
            let desk = try await OperatorDesk.connect()
            guard try await desk.reader.exists(scope) else {
                throw QueueError(.notFound, "no \(ScopeArguments.text(scope))")
            }
            try await desk.ledger.setLimit(limit, by: author.by, reason: why)
            Console.say(
                "\(ScopeArguments.text(scope)): \(limit.sentence), set by \(author.by)",
                ScopeArguments.fields(scope, ["limit": .string(limit.sentence), "by": .string(author.by)]),
                as: form.output)
        }
    }

    struct Clear: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Takes a limit away.")
        @OptionGroup var target: ScopeArguments
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let scope = try target.value
            let desk = try await OperatorDesk.connect()
            guard try await desk.ledger.clearLimit(scope) else {
                throw QueueError(.notFound, "\(ScopeArguments.text(scope)) has no limit beside its jobspec's")
            }
            Console.say(
                "\(ScopeArguments.text(scope)): no limit beside its jobspec's",
                ScopeArguments.fields(scope, ["result": .string("cleared")]), as: form.output)
        }
    }
}

/// Names of far APIs as operators write them: `kubernetes`, or `kubernetes/prod-eu` for one target.
enum FarAPI {
    /// - Throws: `notFound` for a name that no job asks by.
    static func check(_ name: String) throws {
        let side = name.prefix { $0 != "/" }
        guard FarSide(rawValue: String(side)) != nil, side.count == name.count || side.count + 1 < name.count else {
            throw QueueError(
                .notFound,
                "no api '\(name)': wanted \(FarSide.allCases.map(\.rawValue).joined(separator: " or ")), or one with /TARGET"
            )
        }
    }
}

/// `cloudoptim circuits`
struct CircuitsCommand: ListingCommand {
    static let configuration = CommandConfiguration(
        commandName: "circuits", abstract: "Far sides that fail: whose jobs wait, and when they are asked again.")
    static let listing = Listing(
        view: "circuit_status", order: "target, side",
        columns: ["target", "side", "is_open", "failures", "probe_at", "last_error"],
        whenEmpty: "every far side answers")
    @OptionGroup var form: OutputOptions
}

extension JobLimit {
    /// `20 at once, 5 per second`.
    var sentence: String {
        func number(_ value: Double) -> String { value == value.rounded() ? "\(Int(value))" : "\(value)" }
        return [
            runningMax.map { "\($0) at once" },
            rate.map { "\(number($0.perSecond)) per second, burst \(number($0.burst))" },
            weight.map { "weight \($0)" }, depthMax.map { "\($0) queued at most" },
            ageSeconds.map { "lanes 2 and 3 rise after \($0) s" },
        ].compactMap { $0 }.joined(separator: ", ")
    }
}
