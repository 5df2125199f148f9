import ArgumentParser
import Foundation
import JobQueue
import Logging
import OpenTelemetry
import Postgres
import Redis
import Tracing

/// `cloudoptim enqueue`
struct EnqueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enqueue",
        abstract: "Enqueues a job.",
        discussion: """
            Parameters are checked against the kind's spec. With --key the same call may be repeated: it answers the first \
            job's id, and exits with 73 if the arguments differ.

              cloudoptim enqueue noop
              cloudoptim enqueue notify --key ticket-17 \\
                --parameters '{"url":"https://…","body":{"text":"hi"}}'
              cloudoptim enqueue snapshot-cluster --target prod-eu
            """)

    @Argument(help: "The kind of job; see `cloudoptim jobspecs list`.")
    var kind: String
    @Option(name: .shortAndLong, help: "A JSON object.")
    var parameters = "{}"
    @Option(name: .shortAndLong, help: "The cluster, queue, account or region it is about.")
    var target = ""
    @Option(name: .shortAndLong, help: "Idempotency key, kept for 24 hours.")
    var key: String?
    @Option(help: "Start after so many seconds.")
    var delay = 0.0
    @Option(help: "How many (for tests of load); each is a job of its own.")
    var count = 1
    @OptionGroup var form: OutputOptions

    /// Ten years, in seconds.
    private static let delayMax = 315_360_000.0

    func validate() throws {
        if key != nil, count != 1 { throw ValidationError("--key goes with one job, not with --count \(count)") }
        if count < 1 { throw ValidationError("--count is \(count), wanted one or more") }
        guard (0...Self.delayMax).contains(delay) else {
            throw ValidationError("--delay is \(delay), wanted 0 to \(Int(Self.delayMax)) seconds")
        }
    }

    func run() async throws {
        let settings = Settings()
        let exporter = try Telemetry.trace(settings, role: "enqueue", Logger(label: "enqueue"))
        let origin = TraceHeaders.context(settings.trace)
        let result = await Result {
            try await withSpan("enqueue \(kind)", context: origin, ofKind: .producer) { _ in try await enqueue(settings)
            }
        }
        await exporter?.flush()
        try result.get()
    }

    private func enqueue(_ settings: Settings) async throws {
        let ledger = try await PostgresLedger(try settings.database)
        let specs = try await ledger.kinds()
        guard let spec = specs.first(where: { $0.kind.rawValue == kind }) else {
            throw QueueError(
                .notFound, "no kind '\(kind)'; known: \(specs.map(\.kind.rawValue).joined(separator: ", "))")
        }
        guard try await ledger.isTarget(target, of: spec) else {
            let found = target.isEmpty ? "no --target was given" : "there is none '\(target)'"
            throw QueueError(
                target.isEmpty ? .invalid : .notFound, "kind '\(kind)' is about one \(spec.fanOut.rawValue): \(found)")
        }
        // Without a tracer of its own the command hands on what it was given.
        let trace = TraceHeaders.current ?? settings.trace
        let request = JobRequest(
            spec.kind, parameters: JSONText(text: parameters), target: target,
            key: key.map { IdempotencyKey($0, release: .after(.seconds(86_400))) },
            delay: delay > 0 ? .seconds(delay) : nil, traceparent: trace?.traceparent, tracestate: trace?.tracestate)
        let shortCut = PushShortCut(try settings.redis.map { RedisBroker($0, prefix: settings.redisPrefix) })
        var left = count
        while left > 0 {
            let jobs = (0..<min(left, 1000)).map { _ in NewJob(request: request, spec: spec) }
            let results = try await ledger.enqueue(jobs)
            await shortCut.push(zip(jobs, results).filter { $1 == .enqueued($0.id) }.map(\.0))
            left -= jobs.count
            if count == 1 { try report(results[0]) }
        }
        if count > 1 {
            Console.say(
                "enqueued \(count) jobs of kind \(kind)",
                ["kind": .string(kind), "jobs": .number("\(count)"), "result": .string("enqueued")], as: form.output)
        }
        await ledger.close()
    }

    private func report(_ result: EnqueueResult) throws {
        switch result {
        case .enqueued(let id): try say(id, "enqueued")
        case .duplicate(let id): try say(id, "duplicate")
        case .conflict(let id):
            throw QueueError(.conflict, "key '\(key ?? "")' belongs to job \(id) with other arguments")
        }
    }

    private func say(_ id: JobID, _ what: String) throws {
        switch form.output {
        case .table: Console.print(what == "enqueued" ? id.description : "\(id) (the same request was enqueued before)")
        case .json: Console.print(try JSONText(encoding: ["id": id.description, "result": what]).text)
        }
    }
}

extension Result where Failure == any Error {
    /// What the body returned or threw.
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
