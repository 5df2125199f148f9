import ArgumentParser
import Foundation
import JobQueue
import Postgres
import Redis

/// What a command needs that changes the queue: the ledger, its views, and the broker to tell whoever listens.
struct OperatorDesk {
    let ledger: PostgresLedger
    let reader: StatusReader
    let broker: RedisBroker?

    static func connect() async throws -> OperatorDesk {
        let settings = Settings()
        let database = try settings.database
        return OperatorDesk(
            ledger: try await PostgresLedger(database), reader: try await StatusReader(database),
            broker: try settings.redis.map { RedisBroker($0, prefix: settings.redisPrefix) })
    }

    /// Pushes the ids of what was enqueued, so that an idle fleet starts it at once.
    func push(_ jobs: [NewJob], _ results: [EnqueueResult]) async {
        await PushShortCut(broker).push(zip(jobs, results).filter { $1 == .enqueued($0.id) }.map(\.0))
    }

    /// Tells whoever listens; a hint that is lost costs seconds.
    func hint(_ hints: [ControlHint]) async {
        guard let broker else { return }
        do {
            for hint in hints { try await broker.publish(hint) }
        } catch {
            Console.error("workers could not be told at once; they learn of it within seconds (\(error))")
        }
    }

    /// Why a job is not run again.
    /// - Throws: `notFound` for a job that there is not.
    func isNotDead(_ id: JobID) async throws -> QueueError {
        let state = try await reader.stop(of: id).state
        return QueueError(.conflict, "job \(id) is \(state): only dead jobs are run again")
    }

    /// The spec in force of a kind.
    /// - Throws: `notFound`.
    func spec(of kind: JobKind, in specs: [JobSpec]) throws -> JobSpec {
        guard let spec = specs.first(where: { $0.kind == kind }) else {
            throw QueueError(.notFound, "kind '\(kind)' is known no more")
        }
        return spec
    }
}

/// Who does it; kept with what is done.
struct Author: ParsableArguments {
    @Option(help: "Who does it; kept and shown with it.") var by = NSUserName()

    func validate() throws {
        guard (1...100).contains(by.count) else { throw ValidationError("--by: wanted 1 to 100 characters") }
    }
}

/// A span of time on the command line: `90`, `90s`, `15m`, `2h`, `7d`.
struct TimeSpan: ExpressibleByArgument {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        guard let match = argument.wholeMatch(of: /([0-9]{1,9})(s|m|h|d)?/), let number = Int(match.1) else {
            return nil
        }
        let seconds = number * (["m": 60, "h": 3600, "d": 86_400][match.2 ?? "s"] ?? 1)
        guard seconds <= Self.secondsMax else { return nil }
        duration = .seconds(seconds)
    }

    /// Ten years.
    private static let secondsMax = 315_360_000
}

/// An instant on the command line: ISO 8601 (`2026-11-23T14:00:00Z`, `2026-11-23`), or a time span before now.
enum TimePoint: ExpressibleByArgument {
    case at(Date)
    case before(Duration)

    init?(argument: String) {
        if let span = TimeSpan(argument: argument) {
            self = .before(span.duration)
        } else if let date = Self.date(argument) {
            self = .at(date)
        } else {
            return nil
        }
    }

    func date(now: Date) -> Date {
        switch self {
        case .at(let date): date
        case .before(let duration): now.addingTimeInterval(-duration.seconds)
        }
    }

    /// Foundation says only whether it can be read.
    private static func date(_ text: String) -> Date? {
        for style in [Date.ISO8601FormatStyle(), Date.ISO8601FormatStyle(includingFractionalSeconds: true)] {
            if let date = try? style.parse(text) { return date }
        }
        return try? Date.ISO8601FormatStyle().year().month().day().parse(text)
    }
}
