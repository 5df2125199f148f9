import ArgumentParser
import Foundation
import Infrastructure
import JobQueue
import Postgres
import Redis
import Stores

/// `cloudoptim proposals`
struct ProposalsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proposals",
        abstract: "Decisions that wait for a person: lists, shows, approves and rejects them.",
        discussion: """
            A job whose mode in force is `propose` ends with a proposal instead of acting. An approved one is decided anew \
            before anything is done: its job does what the proposal covers or part of it, otherwise it makes a new proposal.
            """,
        subcommands: [List.self, Show.self, Approve.self, Reject.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists proposals, the newest first.")
        @Option(help: "Only those of this cluster.") var cluster: String?
        @Option(help: "open, approved, done, rejected, superseded, void, expired, or all.") var state = "open"
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let connection = try await PostgresConnection.connect(try Settings().database)
            let rows = try await ProposalStore(connection).list(target: cluster, state: state == "all" ? nil : state)
            try Console.show(
                rows, columns: ["id", "target", "kind", "state", "actions", "dollars_per_hour", "expires_at"],
                as: form.output, whenEmpty: "no proposals")
            await connection.close()
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Shows what a proposal covers, and why.")
        @Argument(help: "The proposal's id.") var id: JobID
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let connection = try await PostgresConnection.connect(try Settings().database)
            guard let found = try await ProposalStore(connection).stored(id)?.proposal else {
                throw QueueError(.notFound, "no proposal \(id)")
            }
            if form.output == .json { return Console.print(try JSONText(encoding: found).text) }
            Console.print("\(found.kind) on \(found.target): \(found.state.rawValue)")
            let version = found.policyVersion.map { ", policy version \($0)" } ?? ""
            Console.print(
                "decided \(found.decidedAt.formatted(.iso8601))\(version), observation \(found.digest.prefix(16))")
            Console.print("expires \(found.expiresAt.formatted(.iso8601))")
            if let saving = found.saving { Console.print("saves $\(saving.dollars) an hour") }
            if let who = found.answeredBy { Console.print("answered by \(who) \(found.note)") }
            if let job = found.job { Console.print("carried out by job \(job)") }
            for action in found.actions { Console.print("  \(action.verb.name) \(action.key): \(action.reason)") }
            await connection.close()
        }
    }

    struct Approve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Approves a proposal and enqueues the job that carries it out.")
        @Argument(help: "The proposal's id.") var id: JobID
        @Option(help: "Why; kept with it.") var note = ""
        @OptionGroup var author: Author
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let settings = Settings()
            let connection = try await PostgresConnection.connect(try settings.database)
            let ledger = try await PostgresLedger(try settings.database)
            let store = ProposalStore(connection)
            let stored = try await store.answer(id, .approved, by: author.by, note: note)
            let proposal = stored.proposal
            guard let spec = try await ledger.kinds().first(where: { $0.kind.rawValue == proposal.kind }) else {
                throw QueueError(.notFound, "kind '\(proposal.kind)' of proposal \(id) is known no more")
            }
            var parameters = try stored.parameters.decode([String: JSONValue].self)
            parameters["proposal_id"] = .string(id.description)
            // The key makes a repeated approval the same job.
            let request = JobRequest(
                spec.kind, parameters: JSONText(text: JSONValue.object(parameters).canonical), target: proposal.target,
                key: IdempotencyKey("proposal/\(id)", release: .after(.seconds(30 * 86_400))))
            let job = NewJob(request: request, spec: spec)
            guard let made = try await ledger.enqueue([job])[0].id else {
                throw QueueError(.conflict, "proposal \(id) has a job with other parameters already")
            }
            try await store.setJob(made, of: id)
            await PushShortCut(try settings.redis.map { RedisBroker($0, prefix: settings.redisPrefix) }).push([job])
            switch form.output {
            case .json: Console.print(try JSONText(encoding: ["id": id.description, "job_id": made.description]).text)
            case .table: Console.print("approved; job \(made) decides anew and does what the proposal covers")
            }
            await connection.close()
            await ledger.close()
        }
    }

    struct Reject: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Rejects a proposal. The same is not proposed again before it would have expired.")
        @Argument(help: "The proposal's id.") var id: JobID
        @Option(help: "Why; kept with it.") var note = ""
        @OptionGroup var author: Author
        @OptionGroup var form: OutputOptions

        func run() async throws {
            let connection = try await PostgresConnection.connect(try Settings().database)
            _ = try await ProposalStore(connection).answer(id, .rejected, by: author.by, note: note)
            Console.say(
                "rejected \(id)", ["id": .string(id.description), "result": .string("rejected")], as: form.output)
            await connection.close()
        }
    }
}
