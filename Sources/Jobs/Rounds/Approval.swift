import Foundation
import Infrastructure
import JobQueue

/// The mode `propose`: a decision becomes a stored proposal; a job that carries an approved one out may do what that
/// covers, and nothing else.
struct Approval: Sendable {
    let sources: JobSources
    let context: HandlerContext

    private struct Request: Decodable { var proposal_id: String? }

    /// Why an approval is of no use any more; nil: there is none, or it holds.
    private(set) var fault: String?
    /// The approval that this job carries out; nil: it was not asked to, or may not any more.
    private(set) var proposal: Proposal?
    /// The proposal that this job was asked to carry out.
    let requested: String?

    private let ground: ActionGround
    private let modeMax: Mode
    /// Whether a mode of the job's clusters lets it make proposals now.
    let mayPropose: Bool

    init(sources: JobSources, context: HandlerContext, modeMax: Mode) async throws {
        self.sources = sources
        self.context = context
        self.modeMax = modeMax
        ground = try await ActionGround.of(context.job, registry: sources.registry)
        var modes: [Mode] = []
        for cluster in ground.clusters {
            modes.append(
                min(modeMax, try await sources.policies.mode(of: cluster.id, kind: context.job.kind.rawValue)))
        }
        mayPropose = modes.contains(.propose)
        requested = try context.job.parameters.decode(Request.self).proposal_id
        guard let requested else { return }
        let found = try await sources.proposals.proposal(requested, of: Tenant(rawValue: context.job.tenant))
        guard let found, found.kind == context.job.kind.rawValue, found.target == context.job.target else {
            fault = "there is no proposal \(requested) for this kind and target"
            return
        }
        guard found.state == .approved else {
            fault = "the proposal \(requested) is \(found.state.rawValue), not approved"
            return
        }
        guard try await context.now() < found.expiresAt else {
            fault = "the proposal \(requested) expired at \(found.expiresAt.formatted(.iso8601))"
            return
        }
        proposal = found
    }

    /// The actions that may not be done without a person's word: those whose mode in force is `propose`.
    func awaiting(_ decision: Decision) async throws -> [Action] {
        var found: [Action] = []
        for action in decision.actions {
            let mode = try await ground.mode(
                for: action, kind: context.job.kind.rawValue, policies: sources.policies)
            if min(modeMax, mode) == .propose { found.append(action) }
        }
        return found
    }

    /// The record of a new proposal, in place of these actions of a decision.
    func propose(_ proposed: [Action], of decision: Decision) async throws -> Record {
        let now = try await context.now()
        var expiries: [TimeSpan] = []
        for cluster in ground.clusters {
            expiries.append(try await sources.policies.policy(of: cluster.id).proposals.expiry)
        }
        let expiry = expiries.min() ?? ProposalPolicy().expiry
        let actions = proposed + (decision.foreseen ?? [])
        var parameters: [String: JSONValue] = [:]
        if case .object(let fields) = try JSONValue(parsing: context.job.parameters.text) { parameters = fields }
        parameters["proposal_id"] = nil
        let request = JSONValue.object(parameters).canonical
        let matter = "\(context.job.kind)/\(context.job.target)/\(SHA256Digest.hex(of: request).prefix(16))"
        let content = SHA256Digest.hex(
            of: try actions.map { "\($0.key) \(try JSONText(encoding: $0.verb).text)" }.sorted().joined(separator: "\n")
        )
        let savings = actions.compactMap(\.saving)
        let iso = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        return Record(
            kind: FactRecords.Kind.proposal.rawValue, key: "\(matter)/\(content.prefix(32))",
            value: JSONText(
                text: JSONValue.object([
                    "id": .string(JobID().description), "matter": .string(matter),
                    "target": .string(context.job.target), "kind": .string(context.job.kind.rawValue),
                    "parameters": .object(parameters),
                    "actions": try JSONValue(parsing: JSONText(encoding: actions).text),
                    "saving": savings.isEmpty ? .null : .number("\(savings.reduce(.zero, +))"),
                    "policy_version": decision.policyVersion.map { .number("\($0)") } ?? .null,
                    "digest": .string(decision.observationDigest ?? ""), "decided_at": .string(now.formatted(iso)),
                    "expires_at": .string(now.addingTimeInterval(expiry.interval).formatted(iso)),
                ]).canonical))
    }

    /// The record of what became of the proposal when the job's last round is over: what was given up, or was not there
    /// to be done any more, was not done.
    func ended(after decision: Decision, round: Int) -> Record? {
        if let fault { return ended(as: .void, fault) }
        if case .stop(let reason) = decision.next { return ended(as: .void, reason) }
        if round == 0, decision.actions.isEmpty {
            return ended(as: .void, "decided anew, nothing of it was left to be done")
        }
        return ended(as: .done, "")
    }

    /// The record of what became of the proposal that this job was asked to carry out; nil: it was not asked to.
    func ended(as state: Proposal.State, _ note: String) -> Record? {
        guard let requested else { return nil }
        return Record(
            kind: FactRecords.Kind.proposalEnd.rawValue, key: requested,
            value: JSONText(
                text: JSONValue.object(["state": .string(state.rawValue), "note": .string(note)]).canonical))
    }
}
