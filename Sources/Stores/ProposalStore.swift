import Foundation
import Infrastructure
import JobQueue
import Postgres

/// Decisions that wait for a person, and their answers.
public struct ProposalStore: Proposals {
    private let connection: PostgresConnection

    /// Reads and writes over a connection.
    public init(_ connection: PostgresConnection) { self.connection = connection }

    static let columns = """
        id, tenant, target, kind, state, actions, saving, policy_version, digest, decided_at, expires_at, answered_by,
        note, job_id, parameters
        """
    static let one = "SELECT \(columns) FROM proposal WHERE id = $1 AND ($2::text IS NULL OR tenant = $2)"
    static let list = """
        SELECT id, target, kind, state, actions, dollars_per_hour, decided_at, expires_at, answered_by, note
          FROM proposal_status WHERE ($1::text IS NULL OR target = $1) AND ($2::text IS NULL OR state = $2)
         ORDER BY decided_at DESC LIMIT $3
        """
    /// Only what is open and not expired is answered; a second answer finds it answered.
    static let answer = """
        UPDATE proposal SET state = $2, answered_by = $3, answered_at = now(), note = $4
         WHERE id = $1 AND state = 'open' AND expires_at > world_now()
        """
    static let setJob = "UPDATE proposal SET job_id = $2 WHERE id = $1 AND state = 'approved'"

    /// A proposal and the request that made it.
    public struct Stored: Sendable {
        /// The proposal.
        public var proposal: Proposal
        /// The parameters of the job that made it.
        public var parameters: JSONText
    }

    /// A proposal of this tenant.
    public func proposal(_ id: String, of tenant: Tenant) async throws -> Proposal? {
        guard let id = JobID(id) else { return nil }
        return try await connection.query(ProposalStore.one, [.uuid(id), .text(tenant.rawValue)]).first
            .map(ProposalStore.stored)?.proposal
    }

    /// Any tenant's proposal: for operators.
    public func stored(_ id: JobID) async throws -> Stored? {
        try await connection.query(ProposalStore.one, [.uuid(id), .null]).first.map(ProposalStore.stored)
    }

    /// The newest proposals as JSON rows.
    /// - Parameters:
    ///   - target: a cluster; nil: all.
    ///   - state: one of `Proposal.State`, or `expired`; nil: all.
    public func list(target: String?, state: String?, limit: Int = 200) async throws -> [JSONText] {
        try await connection.query(
            ProposalStore.list, [.optional(target), .optional(state), .int(Int64(limit))]
        ).map { row in
            let saving = try row.doubleIfPresent(5)
            return JSONText(
                text: JSONValue.object([
                    "id": .string(try row.string(0)), "target": .string(try row.string(1)),
                    "kind": .string(try row.string(2)), "state": .string(try row.string(3)),
                    "actions": .number("\(try row.int(4))"),
                    "dollars_per_hour": saving.map { .number("\($0)") } ?? .null,
                    "decided_at": .string(try row.date(6).formatted(.iso8601)),
                    "expires_at": .string(try row.date(7).formatted(.iso8601)),
                    "answered_by": row.text(8).map { .string($0) } ?? .null, "note": .string(try row.string(9)),
                ]).canonical)
        }
    }

    /// Answers an open proposal.
    /// - Throws: `QueueError`: `notFound`; `conflict` when it is not open any more, or expired.
    public func answer(_ id: JobID, _ state: Proposal.State, by who: String, note: String) async throws -> Stored {
        let changed = try await connection.execute(
            ProposalStore.answer, [.uuid(id), .text(state.rawValue), .text(who), .text(note)])
        guard let found = try await stored(id) else { throw QueueError(.notFound, "no proposal \(id)") }
        guard changed == 1 || (found.proposal.state == state && state == .approved && found.proposal.job == nil) else {
            let why =
                found.proposal.state == .open
                ? "expired at \(found.proposal.expiresAt.formatted(.iso8601))" : found.proposal.state.rawValue
            throw QueueError(.conflict, "the proposal \(id) is \(why)")
        }
        return found
    }

    /// Notes the job that carries an approved proposal out.
    public func setJob(_ job: JobID, of id: JobID) async throws {
        try await connection.execute(ProposalStore.setJob, [.uuid(id), .uuid(job)])
    }

    private static func stored(_ row: PostgresRow) throws -> Stored {
        guard let state = Proposal.State(rawValue: try row.string(4)) else {
            throw QueueError(.invalid, "proposal in unknown state '\(try row.string(4))': use a newer program")
        }
        return try Stored(
            proposal: Proposal(
                id: row.string(0), tenant: Tenant(rawValue: row.string(1)), target: row.string(2), kind: row.string(3),
                state: state, actions: row.json(5).decode([Action].self),
                saving: row.intIfPresent(6).map(MicroDollars.init(rawValue:)),
                policyVersion: row.intIfPresent(7).map { Int($0) }, digest: row.string(8), decidedAt: row.date(9),
                expiresAt: row.date(10), answeredBy: row.text(11), note: row.string(12), job: row.text(13)),
            parameters: row.json(14))
    }
}
