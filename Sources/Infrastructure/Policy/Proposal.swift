import Foundation

/// A decision that waits for a person.
public struct Proposal: Hashable, Sendable, Codable {
    /// Where it is in its life.
    public enum State: String, Hashable, Sendable, Codable, CaseIterable {
        /// Nobody answered yet.
        case open
        /// Somebody approved it: a job decides anew and does what is covered.
        case approved
        /// That job did it.
        case done
        /// Somebody rejected it; the same is not proposed again before its time is over.
        case rejected
        /// A newer decision took its place.
        case superseded
        /// It was approved, and could not be carried out any more.
        case void
    }

    /// The id, a UUID.
    public var id: String
    /// Whose.
    public var tenant: Tenant
    /// The cluster or account it is about.
    public var target: String
    /// The kind of job that made it, and carries it out.
    public var kind: String
    /// Where it is.
    public var state: State
    /// What it covers: the actions of the decision, and those it foresees.
    public var actions: [Action]
    /// What it saves per hour, as far as its actions say; nil: they do not.
    public var saving: MicroDollars?
    /// The policy's version that it was decided under.
    public var policyVersion: Int?
    /// SHA-256 of the observation that it was decided from.
    public var digest: String
    /// When it was decided last, world time.
    public var decidedAt: Date
    /// It is void from then on.
    public var expiresAt: Date
    /// Who answered.
    public var answeredBy: String?
    /// What they, or the job that carried it out, said.
    public var note: String
    /// The job that carries it out.
    public var job: String?

    /// Makes one.
    public init(
        id: String, tenant: Tenant, target: String, kind: String, state: State, actions: [Action],
        saving: MicroDollars?, policyVersion: Int?, digest: String, decidedAt: Date, expiresAt: Date,
        answeredBy: String? = nil, note: String = "", job: String? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.target = target
        self.kind = kind
        self.state = state
        self.actions = actions
        self.saving = saving
        self.policyVersion = policyVersion
        self.digest = digest
        self.decidedAt = decidedAt
        self.expiresAt = expiresAt
        self.answeredBy = answeredBy
        self.note = note
        self.job = job
    }

    /// Whether every one of these actions is covered: the same key, and exactly the same thing done.
    public func covers(_ wanted: [Action]) -> Bool {
        let covered = Dictionary(actions.map { ($0.key, $0.verb) }) { first, _ in first }
        return wanted.allSatisfy { covered[$0.key] == $0.verb }
    }
}
